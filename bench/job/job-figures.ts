/** From runs to figures: pure. */
import type { JobBenchReport, JobBenchRun, Recovery, Spread } from "./job-bench-report.ts";

export function spread(values: readonly (number | null | undefined)[]): Spread {
  const sorted = values.filter((value) => value !== null && value !== undefined).toSorted((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, n: sorted.length };
}

/**
 * Share of the generated tokens that is in no accepted row: answers that had not the form asked for, of rows that failed,
 * given twice. Null where tokens are not known, or none were generated. Of a request that broke off nobody told how many
 * tokens it had, and it is not in it.
 */
export function wasteOf(generatedTokens: number, tokensAccepted: number | null): number | null {
  if (tokensAccepted === null || generatedTokens === 0) return null;
  return 1 - tokensAccepted / generatedTokens;
}

/** Runs of pair 0 are left out. */
export function figuresOf(runs: readonly JobBenchRun[]): JobBenchReport["figures"] {
  const jobs = runs.filter(({ kind, pair }) => kind === "job" && pair > 0);
  const bare = runs.filter(({ kind }) => kind === "bare");
  const overhead = (rate: (run: JobBenchRun) => number | null): Spread =>
    spread(
      jobs.map((job) => {
        const loop = bare.find(({ pair }) => pair === job.pair);
        const [ofJob, ofLoop] = [rate(job), loop === undefined ? null : rate(loop)];
        return ofJob === null || ofLoop === null || ofLoop === 0 ? null : 1 - ofJob / ofLoop;
      }),
    );
  return {
    rows_s_accepted: spread(jobs.map((job) => job.rows_s)),
    tok_s_accepted: spread(jobs.map((job) => job.tok_s_accepted)),
    waste: spread(jobs.map((job) => job.waste)),
    utilisation: spread(jobs.map((job) => job.utilisation)),
    dispatch_utilisation: spread(jobs.map((job) => job.dispatch_utilisation)),
    ramp_ms: spread(jobs.map((job) => job.ramp_ms)),
    drain_ms: spread(jobs.map((job) => job.drain_ms)),
    finish_ms: spread(jobs.map((job) => job.finish_ms)),
    tail_fraction: spread(jobs.map((job) => job.tail_fraction)),
    engine_overhead: overhead((run) => run.answers_s),
    steady_overhead: overhead((run) => run.steady_answers_s),
    job_cpu_us_per_answer: spread(jobs.map((job) => job.cpu_us_per_answer)),
    bare_cpu_us_per_answer: spread(bare.map((loop) => loop.cpu_us_per_answer)),
  };
}

/** By pair: all endpoints against one. Null where no run was on one. */
export function scalingOf(runs: readonly JobBenchRun[], endpoints: number): JobBenchReport["scaling"] {
  const ones = runs.filter(({ kind }) => kind === "job-one-endpoint");
  const [one] = ones;
  const all = runs.find(({ kind, pair }) => kind === "job" && pair > 0);
  if (one === undefined || all === undefined) return null;
  const ratio = all.slots / one.slots;
  const efficiency = (rate: (run: JobBenchRun) => number | null): Spread =>
    spread(
      ones.map((single) => {
        const job = runs.find(({ kind, pair }) => kind === "job" && pair === single.pair);
        const [ofAll, ofOne] = [job === undefined ? null : rate(job), rate(single)];
        return ofAll === null || ofOne === null || ofOne === 0 ? null : ofAll / (ratio * ofOne);
      }),
    );
  return {
    endpoints,
    ratio,
    scaling_efficiency: efficiency((run) => run.rows_s),
    steady_scaling_efficiency: efficiency((run) => run.steady_answers_s),
  };
}

/** What a reader must know before the figures: sentences. */
export function notesOf(runs: readonly JobBenchRun[]): string[] {
  const jobs = runs.filter(({ kind, pair }) => kind === "job" && pair > 0);
  const bare = runs.filter(({ kind }) => kind === "bare");
  const notes: string[] = [];
  if (jobs.some((job) => job.ramp_ms === null)) {
    notes.push("In a job 95 % of the slots were never in flight: more rows, or fewer slots, would say more.");
  }
  const lost = bare.reduce((sum, run) => sum + run.requests - run.answers, 0);
  if (lost > 0) {
    const sent = bare.reduce((sum, run) => sum + run.requests, 0);
    notes.push(`Of the bare loops' ${sent} requests ${lost} had no answer, and were not sent again.`);
  }
  const silent = jobs.reduce((sum, run) => sum + run.answers_without_tokens, 0);
  if (silent > 0)
    notes.push(`${silent} answers of the jobs did not say how many tokens they have; they count as none.`);
  const broken = jobs.reduce((sum, run) => sum + run.errors, 0);
  if (broken > 0)
    notes.push(`${broken} requests of the jobs broke off or failed; what they had generated is not in the waste.`);
  const [least, most] = extremes(
    [...jobs, ...bare].filter((run) => run.answers > 0).map((run) => run.output_tokens / run.answers),
  );
  if (least > 0 && most / least > 1.1) {
    notes.push("Answers differ by more than a tenth in mean length from run to run: compare tokens/s, not rows/s.");
  }
  const rates = [...jobs, ...bare].flatMap((run) => run.prefix_cache_hit_rate ?? []);
  if (rates.length > 0) {
    const [low, high] = extremes(rates).map((rate) => `${Math.round(rate * 100)} %`);
    notes.push(`The server's prefix cache had ${low} to ${high} of the prompts' tokens, which came to it before.`);
  }
  return notes;
}

/** Null: the job was over first. */
export function notesOfRecovery(recovery: Recovery | null): string[] {
  if (recovery === null) return ["The job was over before a worker could be killed in its middle: it needs more rows."];
  const survivors = (recovery.slots * (recovery.workers - 1)) / recovery.workers;
  if (recovery.in_flight_lowest >= survivors / 2) return [];
  return [
    "After the kill even the other worker ran out of rows, and what was left waited for the dead one's lease: " +
      "the recovery time says nothing of a longer job. It needs more rows.",
  ];
}

function extremes(values: readonly number[]): readonly [number, number] {
  return values.length === 0 ? [0, 0] : [Math.min(...values), Math.max(...values)];
}
