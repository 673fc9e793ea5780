/**
 * What a job would take, before it is started: rows, tokens, time and cost, each with a range.
 *
 *   survey the input, unpaid ──► sample: at most 20 rows run for real ──► the job in virtual time, many times over,
 *                                or none: prompts rendered here           on what is known of each endpoint
 *
 * Nothing is written to the output. What is wrong with options, spec, input or output is found before a row is paid for.
 */
import { prepareJob, type PreparedJob } from "../../jobs/prepare-job.ts";
import { probeJob } from "../../jobs/probe-job.ts";
import { keptInput, previewInput } from "../../jobs/standard-input.ts";
import { TidingError } from "../../shared/errors.ts";
import { checkSameJob, earlierRuns } from "./done-rows.ts";
import { drawSample } from "./draw-sample.ts";
import { textBytesOf } from "./dry-run.ts";
import { forecast, forecastBetween, type ForecastInput } from "./forecast.ts";
import type { Foreseen } from "./foreseen.ts";
import { readDrawn, surveyInput, type DrawnRow, type InputSurvey } from "./input-survey.ts";
import { targetsOf, type JobTargets } from "./job-targets.ts";
import { lengthsFrom } from "./lengths-from-benches.ts";
import { paySample } from "./paid-sample.ts";
import { basisOf, type EndpointBasis } from "./plan-basis.ts";
import type { Plan } from "./plan-document.ts";
import { settleOptions, type PlanOptions, type SettledOptions } from "./plan-options.ts";
import { dedicatedPrices, stepPrices } from "./prices.ts";
import { tokensOf, useOfRow, type RowUse } from "./sample-use.ts";
import { seededRandom } from "./seeded-random.ts";
import { mean } from "./statistics.ts";
import { unsampledUses } from "./unsampled-use.ts";
import { writePlan } from "./write-plan.ts";

/** Rows that are rendered where none is paid for. */
const RENDERED_ROWS = 64;

/**
 * Throws `USAGE` for options that cannot be, what `runJob` throws before it begins, and what ends a job: errors of class
 * `job` from the sample's calls, and the signal's reason.
 */
export async function planJob(options: PlanOptions): Promise<Plan> {
  const settled = settleOptions(options);
  const { signal } = settled;
  const { environment, standardInput } = options;
  const earlier = await earlierRuns(options.loaded);
  const own = earlier === null ? options.loaded : await keptInput(options.loaded, earlier.root, earlier.manifest);
  await using input = await previewInput(own, { rows: Infinity, standardInput, signal });
  const { loaded } = input;
  const openedAtMs = performance.now();
  await using job = await prepareJob(loaded, environment, {
    inputSchema: earlier?.manifest.plan.inputSchema,
    keyless: settled.sample === 0,
  });
  if (earlier !== null) checkSameJob(earlier, job);
  if (settled.sample > 0) refuseBatches(job);
  const preparedMs = performance.now() - openedAtMs;

  const random = seededRandom(settled.seed);
  const survey = await surveyInput(job.source, {
    input: loaded.spec.input,
    textsOf: textsOf(job),
    random,
    signal,
    onNotice: settled.onNotice,
  });
  const toRun = Math.max(0, survey.rows - (earlier?.rows ?? 0));
  const names = job.steps.pipeline(0).steps.map(({ name }) => name);
  const tokenPrices = stepPrices(settled.prices, names);
  // Whatever is wrong with a bench run is told before anything is paid.
  for (const endpoint of targetsOf(job, false).servers) basisOf(endpoint, { ...settled, served: null });
  const { input: priceIn, output: priceOut, hour } = settled.prices;
  const hasOwnPrices = priceIn !== undefined || priceOut !== undefined || hour !== undefined;
  const endpointPrices = hasOwnPrices
    ? new Map<string, number>()
    : await dedicatedPrices(loaded.spec, { environment, ...settled });

  const paysFor = Math.min(settled.sample, toRun);
  const looksAt = toRun === 0 ? 0 : paysFor > 0 ? paysFor : RENDERED_ROWS;
  const drawn = drawSample(survey.drawn, looksAt, random);
  const rows = await valuesOf(drawn, { job, signal });
  const known: Known = { job, settled, survey, rows, readable: toRun * (1 - survey.faultShare), preparedMs };
  const foreseen = paysFor > 0 && rows.length > 0 ? await withSample(known) : await withoutSample(known);
  return writePlan({
    ...foreseen,
    settled,
    loaded: options.loaded,
    survey,
    toRun,
    done: survey.rows - toRun,
    tokenPrices,
    endpointPrices,
  });
}

interface Row extends DrawnRow {
  readonly values: Readonly<Record<string, unknown>>;
}

interface Known {
  readonly job: PreparedJob;
  readonly settled: SettledOptions;
  readonly survey: InputSurvey;
  readonly rows: readonly Row[];
  /** Rows of the job that make calls. */
  readonly readable: number;
  readonly preparedMs: number;
}

async function withSample({ job, settled, survey, rows, readable, preparedMs }: Known): Promise<Foreseen> {
  const { signal, onNotice, benches, seed } = settled;
  const probedAtMs = performance.now();
  const served = await probeJob(job, { signal, onNotice });
  const besidesSeconds = (preparedMs + performance.now() - probedAtMs) / 1_000;
  const targets = targetsOf(
    job,
    served.flat().some(({ server }) => server === "tgi"),
  );
  onNotice(
    `Running ${rows.length === 1 ? "a row" : `${rows.length} rows`} for real, to see what rows take. Nothing is written.`,
  );
  const sample = await paySample(job, rows, signal);
  const textBytes = new Map(rows.map((row) => [row.rowId, row.textBytes]));
  const uses = sample.rows.map((row) => useOfRow(row, textBytes.get(row.rowId) ?? 0, targets.steps));
  const model = served.flat()[0]?.model ?? null;
  const lengths = lengthsFrom(benches, { job, sample, model });
  const bases = targets.servers.map((endpoint) => {
    const calls = sample.rows.flatMap((row, index) =>
      row.calls
        .filter((call) => call.endpoint === endpoint)
        .map((call) => ({
          row: index,
          tokens: Math.max(1, tokensOf(call, 0).outputTokens),
          startedAtMs: call.startedAtMs,
          durationMs: call.durationMs,
        })),
    );
    return basisOf(endpoint, { ...settled, served: calls });
  });
  const input: ForecastInput = {
    ...inputOf({ readable, survey, targets, bases, seed, signal }),
    uses,
    lengths: lengths.known?.lengths ?? null,
    besidesSeconds,
  };
  return { forecast: await forecast(input), targets, bases, sample, uses, lengths, cutShort: [] };
}

async function withoutSample({ job, settled, survey, rows, readable, preparedMs }: Known): Promise<Foreseen> {
  const { signal, seed, benches, preset } = settled;
  const isTgi = preset !== null || benches.some(({ endpoint }) => endpoint.server === "tgi");
  const targets = targetsOf(job, isTgi);
  const bases = targets.servers.map((endpoint) => basisOf(endpoint, { ...settled, served: null }));
  const { cutShort, ...uses } = await unsampledUses(job, rows, { targets: targets.steps, signal });
  const at = (supposed: readonly RowUse[]): ForecastInput => ({
    ...inputOf({ readable, survey, targets, bases, seed, signal }),
    uses: supposed,
    lengths: null,
    besidesSeconds: preparedMs / 1_000,
  });
  const between = forecastBetween({ low: at(uses.low), likely: at(uses.likely), high: at(uses.high) });
  const lengths = { known: null, notes: [] };
  return { forecast: between, targets, bases, sample: null, uses: uses.likely, lengths, cutShort };
}

function inputOf(of: {
  readonly readable: number;
  readonly survey: InputSurvey;
  readonly targets: JobTargets;
  readonly bases: readonly EndpointBasis[];
  readonly seed: number;
  readonly signal: AbortSignal;
}): Omit<ForecastInput, "uses" | "lengths" | "besidesSeconds"> {
  const { readable, survey, targets, bases, seed, signal } = of;
  const beliefs = bases.flatMap(({ belief }) => (belief === null ? [] : [belief]));
  return {
    rows: readable,
    // All of the doubt about the input's rows is about those that are left.
    rowsError: readable === 0 ? 0 : (survey.rowsError * survey.rows) / readable,
    meanTextBytes: survey.drawn.length === 0 ? 0 : mean(survey.drawn.map(({ textBytes }) => textBytes)),
    steps: targets.steps.length,
    gateways: targets.gateways,
    firstGateway: targets.firstGateway,
    beliefs: targets.gateways.length > 0 && beliefs.length === bases.length ? beliefs : null,
    seed,
    signal,
  };
}

/** Of each row the texts that any step reads. */
function textsOf({ steps, source }: PreparedJob): (values: Row["values"]) => number {
  const read = new Set(steps.columns.steps.flatMap(({ inputs }) => Object.values(inputs)));
  const columns = source.schema.map(({ name }) => name).filter((name) => read.has(name));
  return (values) => textBytesOf(values, columns);
}

async function valuesOf(
  drawn: readonly DrawnRow[],
  { job, signal }: { readonly job: PreparedJob; readonly signal: AbortSignal },
): Promise<readonly Row[]> {
  const found = await readDrawn(job.source, drawn, signal);
  return drawn.flatMap((row) => {
    const values = found.get(row.rowId);
    return values === undefined ? [] : [{ ...row, values }];
  });
}

function refuseBatches({ steps }: PreparedJob): void {
  if (steps.batched.length === 0) return;
  throw new TidingError("USAGE", "The answers of this job come by offline batches: no row can be run on its own.", {
    place: "--sample",
    mend: "Plan it with --no-sample.",
  });
}
