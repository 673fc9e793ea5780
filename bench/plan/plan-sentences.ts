/** What a plan says of itself: what its figures are made of, and what should be known before believing them. */
import type { InputSurvey } from "./input-survey.ts";
import { slotsAt } from "./job-targets.ts";
import type { Foreseen } from "./foreseen.ts";
import type { SettledOptions } from "./plan-options.ts";

const count = (number: number): string => Math.round(number).toLocaleString("en");

/** Of a server that was seen with fewer requests at a time than the job will send it, by more than this factor. */
const BEYOND = 1.1;

export interface SentenceFacts extends Foreseen {
  readonly settled: SettledOptions;
  readonly survey: InputSurvey;
  readonly toRun: number;
}

export function restsOn({ survey, sample, lengths, bases, settled, toRun }: SentenceFacts): string[] {
  const counted = {
    spec: "Rows: as many as the spec says.",
    files: "Rows: as the input's files say of themselves.",
    read: "Rows: counted, by reading the input.",
    estimated: `Rows: estimated from the length of some of the input's lines, to ${(survey.rowsError * 100).toFixed(1)} %.`,
  }[survey.counted];
  if (toRun === 0) return [counted];
  const looked = survey.drawn.length > 0 && survey.drawn.some(({ textBytes }) => textBytes > 0);
  const compared = looked
    ? `, by the length of their texts beside ${count(survey.drawn.length)} that were only read`
    : "";
  const tokens =
    sample === null
      ? "Tokens: no row was run. Prompts were rendered, at 3 to 5 bytes a token; an answer takes between a tenth of max_new_tokens and all of it."
      : `Tokens: ${sample.rows.length === 1 ? "a row" : `${sample.rows.length} rows`} of the job, run for real, drawn over the whole input by seed ${settled.seed}${compared}.`;
  const known = lengths.known;
  const answers =
    known === null
      ? []
      : [
          `Length of answers: ${count(known.answers)} answers of the bench run ${known.report.id}, which asked the same model for the same with the input's own prompts.`,
        ];
  const ranges =
    sample === null
      ? "Ranges: from what is thought the least to what is thought the most."
      : "Ranges: eight of ten of the futures that the sample allows, by drawing from it again and again.";
  return [counted, tokens, ...answers, ...bases.map((basis) => basis.restsOn), ranges];
}

export function warningsOf(facts: SentenceFacts, timeIsBound: boolean): string[] {
  const { sample, bases, lengths, cutShort, toRun } = facts;
  if (toRun === 0) return [];
  const warnings = bases.flatMap((basis) => basis.warnings);
  warnings.push(...lengths.notes);
  if (timeIsBound) warnings.push(...boundWarnings(facts));
  if (bases.some(({ basis }) => basis === "none"))
    warnings.push(
      "Time is not foretold: give --preset, or --bench with the report of a `tiding bench` run of the endpoint.",
    );
  for (const step of cutShort)
    warnings.push(
      `The step ${step} could not go on with a made-up answer: it may make more calls than are counted here.`,
    );
  if (sample === null) {
    warnings.push(
      "Without a sample nothing is known of rows that fail, nor of how often an answer is asked for again.",
    );
    return warnings;
  }
  const calls = sample.rows.flatMap((row) => row.calls);
  const failed = sample.rows.filter((row) => row.error !== null);
  const cut = calls.filter(({ isCut }) => isCut).length;
  if (failed.length > 0) {
    const [first] = failed;
    warnings.push(
      `${failed.length} of ${sample.rows.length} sampled rows failed, the first with ${first?.error?.code}: ${first?.error?.message}`,
    );
  }
  if (cut > 0) warnings.push(`${cut} of ${calls.length} answers were cut by the token limit.`);
  if (calls.some(({ inputTokens, outputTokens }) => inputTokens === null || outputTokens === null))
    warnings.push("The server does not count its tokens: they are taken to be four letters each.");
  if (sample.rows.length < 5) warnings.push("A sample of fewer than five rows says little; its ranges are too narrow.");
  return warnings;
}

/** Servers that the job sends more at a time than is known of them. */
export function beyondKnown({ bases, targets }: Pick<Foreseen, "bases" | "targets">): readonly string[] {
  return bases.flatMap(({ endpoint, belief }, server) => {
    const most = belief?.knownUpTo ?? Infinity;
    return slotsAt(targets, server) > most * BEYOND ? [endpoint] : [];
  });
}

function boundWarnings({ bases, targets }: SentenceFacts): string[] {
  const beyond = beyondKnown({ bases, targets });
  return bases.flatMap(({ endpoint, belief, basis }, server) => {
    if (!beyond.includes(endpoint)) return [];
    const seen = (belief?.knownUpTo ?? 0).toFixed(0);
    const measure =
      basis === "sample"
        ? "Measure it with `tiding bench`, and give the report with --bench."
        : "Measure it with as many.";
    return [
      `Time is a bound: the job sends ${endpoint} up to ${slotsAt(targets, server)} requests at a time, and it was seen with ${seen}. ` +
        `The low end has steps grow little longer with more of them, the high end has it full already. ${measure}`,
    ];
  });
}
