/** Jobs with offline batches, between a folder of rows and a server of files and batches. */
import assert from "node:assert/strict";
import type { RunJobOptions } from "../../jobs/run-job.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { BATCH_MODEL, startBatchServer, type BatchServer } from "./batch-server.ts";
import { answerOf, JobWorld, type OutputRow } from "./job-world.ts";

export interface BatchWorld extends AsyncDisposable {
  readonly world: JobWorld;
  readonly server: BatchServer;
  /** As of `JobWorld`, with an LLM whose answers come by batches of the server. */
  spec(changes?: Parameters<JobWorld["spec"]>[0]): object;
  /** Such an LLM, for steps of one's own. */
  readonly llm: object;
  /** Runs until it is not parked any more; the outcomes of all runs, and the report of the last. */
  toItsEnd(spec: object, options?: Partial<RunJobOptions>): Promise<{ outcomes: string[]; report: JobReport }>;
}

export async function openBatchWorld(rows: number): Promise<BatchWorld> {
  const world = await JobWorld.open(rows);
  const server = await startBatchServer();
  const llm = { base_url: server.url, model_id: BATCH_MODEL, use_offline_batch_generation: true };
  return {
    world,
    server,
    llm,
    spec: (changes = {}) => world.spec({ ...changes, llm: { ...llm, ...changes.llm } }),
    async toItsEnd(spec, options = {}) {
      const outcomes: string[] = [];
      for (;;) {
        const report = await world.run(spec, options);
        outcomes.push(report.outcome);
        assert.ok(outcomes.length < 30, JSON.stringify(outcomes));
        if (report.outcome !== "parked") return { outcomes, report };
      }
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** How many requests each batch held, in the order of their creation. */
export function sizesOf({ batches }: BatchServer): readonly number[] {
  return batches.map(({ lines }) => lines.length);
}

export function haveOwnAnswers(rows: readonly OutputRow[]): boolean {
  return rows.every(({ generation, tiding }) => String(generation).startsWith(answerOf(Number(tiding.row_id))));
}
