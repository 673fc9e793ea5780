/**
 * What must hold of a job that was killed again and again, as pure functions over what was read from its files and from
 * the endpoint's request log. Each gives violations as sentences; none means that all is well.
 */
import type { RequestLogEntry } from "../../bench/simulator/request-log.ts";

/** Sentences that are given for one kind of violation, so that a broken engine does not print a book. */
const EXAMPLES = 5;

export interface DatasetFile {
  readonly name: string;
  readonly rows: readonly { readonly rowId: number; readonly question: string; readonly answer: string | null }[];
}

/** Every row once, with its own answer, in input order over the files by name. `failed` names the rows that may lack. */
export function checkDataset(
  files: readonly DatasetFile[],
  expected: {
    readonly rows: number;
    readonly questionOf: (row: number) => string;
    readonly answerOf: (row: number) => string;
    readonly failed?: ReadonlySet<number>;
  },
): readonly string[] {
  const times = new Map<number, number>();
  const foreign: string[] = [];
  const disorder: string[] = [];
  let before = -1;
  for (const { name, rows } of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const { rowId, question, answer } of rows) {
      times.set(rowId, (times.get(rowId) ?? 0) + 1);
      if (rowId < before) disorder.push(`row ${rowId} in ${name} comes after row ${before}`);
      before = rowId;
      if (rowId < 0 || rowId >= expected.rows) foreign.push(`row ${rowId} in ${name} is none of the input`);
      else if (question !== expected.questionOf(rowId))
        foreign.push(`row ${rowId} in ${name} holds another row's input`);
      else if (answer?.startsWith(expected.answerOf(rowId)) !== true)
        foreign.push(`row ${rowId} in ${name} holds another's answer`);
    }
  }
  const missing: string[] = [];
  const twice: string[] = [];
  for (let row = 0; row < expected.rows; row++) {
    const isFailed = expected.failed?.has(row) ?? false;
    const count = times.get(row) ?? 0;
    if (count === 0 && !isFailed) missing.push(`row ${row} is missing`);
    if (count > 0 && isFailed) twice.push(`row ${row} is in the dataset and among the failed`);
    if (count > 1) twice.push(`row ${row} is there ${count} times`);
  }
  return [missing, twice, foreign, disorder].flatMap(some);
}

/** A death of the job's process: until when its requests were sent, and what was committed then. */
export interface Death {
  /** On the endpoint's clock: later requests are of the next process. */
  readonly atMs: number;
  readonly committed: ReadonlySet<number>;
}

export interface RequestCheck {
  readonly violations: readonly string[];
  /** Answers beyond each row's first. */
  readonly paidTwice: number;
  /** Answers that were given and not committed when their process died: all that may be paid for again. */
  readonly uncommitted: number;
  /** Requests that were running at the deaths. */
  readonly inFlight: number;
}

/**
 * A row that was committed at a death is never requested again, one process never gets two answers to a row, what is
 * committed stays so, and no more is paid twice than was answered and not yet committed at some death.
 *
 * @param rowOf the row that a request's key is about; undefined for a stranger's
 */
export function checkRequests(
  requests: readonly RequestLogEntry[],
  deaths: readonly Death[],
  rowOf: (key: string) => number | undefined,
): RequestCheck {
  const taken: string[] = [];
  const again: string[] = [];
  const twice: string[] = [];
  const strange: string[] = [];
  for (const [index, { committed }] of deaths.entries()) {
    for (const row of deaths[index - 1]?.committed ?? []) {
      if (!committed.has(row))
        taken.push(`row ${row} was committed at death ${index - 1} and is not at death ${index}`);
    }
  }
  const answers = new Map<number, number>();
  const inLife = new Map<string, number>();
  let uncommitted = 0;
  let inFlight = 0;
  for (const { startMs, outcome, key } of requests) {
    const row = rowOf(key);
    if (row === undefined) {
      strange.push(`a request with key ${key} is about no row`);
      continue;
    }
    const life = deaths.filter(({ atMs }) => atMs <= startMs).length;
    const committedAt = life === 0 ? undefined : deaths[life - 1];
    if (committedAt?.committed.has(row) === true)
      again.push(`row ${row}, committed at death ${life - 1}, was requested again`);
    const endedBy = deaths[life];
    if (outcome === "dropped" || outcome === "hang") inFlight += 1;
    if (outcome !== "ok") continue;
    answers.set(row, (answers.get(row) ?? 0) + 1);
    const ofLife = `${life}/${row}`;
    inLife.set(ofLife, (inLife.get(ofLife) ?? 0) + 1);
    if (inLife.get(ofLife) === 2)
      twice.push(`row ${row} was answered twice within the life that ended with death ${life}`);
    if (endedBy !== undefined && !endedBy.committed.has(row)) uncommitted += 1;
  }
  const paidTwice = [...answers.values()].reduce((sum, count) => sum + count - 1, 0);
  const excess = paidTwice > uncommitted ? [`${paidTwice} answers were paid twice, ${uncommitted} at most may be`] : [];
  return { violations: [taken, again, twice, strange, excess].flatMap(some), paidTwice, uncommitted, inFlight };
}

function some(violations: readonly string[]): readonly string[] {
  if (violations.length <= EXAMPLES) return violations;
  return [...violations.slice(0, EXAMPLES), `… and ${violations.length - EXAMPLES} more like "${violations[0]}"`];
}
