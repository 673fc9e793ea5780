/**
 * A job with offline batches whose process is killed at each step of its way, and what its dataset and its server say
 * afterwards: one batch was paid for each request, and every row is there once with its own answer.
 */
import { BATCH_STEPS, type BatchStep } from "../../jobs/batches/batch-step.ts";
import type { ProtocolStep } from "../../shared/protocol/protocol-step.ts";
import { BATCH_MODEL, startBatchServer, type BatchServer } from "../support/batch-server.ts";
import { startJobProcess, type JobProcess } from "../support/job-process.ts";
import { answerOf, idsOf, JobWorld, upTo } from "../support/job-world.ts";
import type { ChildOrder } from "./run-job-child.ts";

const LANDING: readonly ProtocolStep[] = ["batch-recorded", "part-linked", "manifest-linked"];
/** Runs that end by themselves until a job has finished, whatever it is. */
const MOST_RUNS = 40;

type JobEnd = Awaited<JobProcess["ended"]>;

export type BatchDeath = BatchStep | "half-download" | `landing: ${string}`;

export const BATCH_DEATHS: readonly BatchDeath[] = [
  ...BATCH_STEPS,
  "half-download",
  ...LANDING.map((step) => `landing: ${step}` as const),
];

export interface BatchDeathsResult {
  readonly violations: readonly string[];
  readonly unreached: readonly BatchDeath[];
  readonly batches: number;
  readonly uploads: number;
  readonly runs: number;
}

/** Kills one run at each of the moments, each in a job of its own, or all of them in one after another. */
export async function runBatchDeaths(options: {
  readonly rows: number;
  readonly deaths: readonly BatchDeath[];
  /** Requests of one batch. */
  readonly perBatch: number;
  readonly say: (line: string) => void;
}): Promise<BatchDeathsResult> {
  const { rows, say } = options;
  await using world = await JobWorld.open(rows);
  await using server = await startBatchServer();
  const llm = { base_url: server.url, model_id: BATCH_MODEL, use_offline_batch_generation: true };
  const spec = world.spec({ llm, output: { part_bytes: 20_000, part_age: "100ms" } });
  const unreached: BatchDeath[] = [];
  let runs = 0;
  const run = async (
    order: Partial<ChildOrder>,
    watch: (kill: () => void) => void = () => undefined,
  ): Promise<JobEnd> => {
    runs += 1;
    const settings = { leaseMs: 2_000, reconcileMs: 100, batchLimits: { requests: options.perBatch, bytes: 1e8 } };
    const child = startJobProcess({ spec, folder: world.folder, settings, takeoverMs: 1_500, ...order });
    watch(() => child.kill("SIGKILL"));
    return await child.ended;
  };
  for (const death of options.deaths) {
    let end: JobEnd | null = null;
    for (let tries = 0; tries < MOST_RUNS && end?.signal !== "SIGKILL"; tries++) {
      end = await runUntil(death, server, run);
      const { outcome } = end.result?.report ?? {};
      if (end.signal === null && outcome !== "parked") break;
    }
    if (end?.signal === "SIGKILL") say(`killed at ${death}`);
    else unreached.push(death);
  }
  let last: JobEnd | null = null;
  for (let tries = 0; tries < MOST_RUNS; tries++) {
    last = await run({});
    if (last.result?.report?.outcome !== "parked") break;
  }
  const violations: string[] = [];
  const { result } = last ?? {};
  if (result?.report?.outcome !== "finished")
    violations.push(`the job ended ${JSON.stringify(result)} ${last?.stderr}`);
  violations.push(...paidTwice(server));
  violations.push(...(await wrongRows(world, rows)));
  return { violations, unreached, batches: server.batches.length, uploads: server.uploads, runs };
}

function runUntil(
  death: BatchDeath,
  server: BatchServer,
  run: (order: Partial<ChildOrder>, watch?: (kill: () => void) => void) => Promise<JobEnd>,
): Promise<JobEnd> {
  if (death === "half-download") {
    return run({}, (kill) => {
      server.onHalfDownload = kill;
    });
  }
  if (!death.startsWith("landing: ")) return run({ crash: { step: death as BatchStep, count: 1 } });
  const step = death.slice("landing: ".length) as ProtocolStep;
  // The first generation is the taking of the output.
  return run({ crash: { step, count: step === "manifest-linked" ? 3 : 1 } });
}

function paidTwice(server: BatchServer): readonly string[] {
  const times = new Map<string, number>();
  for (const { custom_id } of server.batches.flatMap(({ lines }) => lines))
    times.set(custom_id, (times.get(custom_id) ?? 0) + 1);
  const twice = [...times].filter(([, count]) => count > 1);
  const direct = server.directCalls === 0 ? [] : [`${server.directCalls} requests went past the batches`];
  return twice.length === 0 ? direct : [...direct, `${twice.length} requests are in more than one batch`];
}

async function wrongRows(world: JobWorld, rows: number): Promise<readonly string[]> {
  const found = await world.rows();
  const violations: string[] = [];
  if (JSON.stringify(idsOf(found)) !== JSON.stringify(upTo(rows)))
    violations.push(`${found.length} rows, not ${rows} in order`);
  const foreign = found.filter(
    ({ generation, tiding }) => !String(generation).startsWith(answerOf(Number(tiding.row_id))),
  );
  if (foreign.length > 0) violations.push(`${foreign.length} rows have not got their own answer`);
  return violations;
}
