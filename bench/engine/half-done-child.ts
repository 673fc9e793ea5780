/**
 * Makes the state that a job leaves that died when nine rows of ten were done, a hole in every ten of them.
 *
 * No real run leaves such holes in reasonable time, so all is real here but the worker: the coordinator plans, dispatches,
 * reads the log, and spills or lands; in the worker's place stands a loop that claims shards, opens them by the protocol
 * and commits made-up answers for nine rows of ten in two batches each. It keeps every shard open and is killed where it
 * stands. The result store cannot hold this much: the sink must have spilled most of it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Coordinator } from "../../coordinator/coordinator.ts";
import { OwnedOutput } from "../../coordinator/output/output-directory.ts";
import { ShardTable } from "../../coordinator/shard-table.ts";
import { PartEncoder } from "../../coordinator/sink/part-encoder.ts";
import { jobKey } from "../../jobs/job-key.ts";
import { prepareJob } from "../../jobs/prepare-job.ts";
import { decodeShardMessage } from "../../shared/protocol/shard-message.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { openEmbeddedTransport } from "../../shared/transport/embedded/embedded-transport.ts";
import { commitRows, resultSchema } from "../../worker/commit-rows.ts";
import { HeldShard, type FinishedRow, type UnstartedRow } from "../../worker/held-shard.ts";
import { ShardOwner } from "../../worker/shard-owner.ts";
import type { JobTask } from "./job-child.ts";
import { serveMeasured } from "./measured-child.ts";

const HOLE_EVERY = 10;
const BATCHES_PER_SHARD = 2;
/** No lease ends here: nobody is to repair the shards that are left open. */
const LEASE_MS = 86_400_000;
const SETTLE_MS = 2_000;

const answer =
  "The short of it is that people watched, wrote down what they saw, and argued until one account was left. "
    .repeat(3)
    .slice(0, 250);

export interface HalfDoneNote {
  readonly rows: number;
  /** All is committed: the process waits to be killed. */
  readonly complete: boolean;
}

serveMeasured<JobTask, never, HalfDoneNote>(async ({ spec, folder }, note) => {
  const loaded = specFromObject(spec, { folder, environment: {} });
  const job = await prepareJob(loaded, {});
  const output = await OwnedOutput.take(`${folder}/${loaded.spec.output.path}`, () => {
    throw new Error("The output must have been begun by a real run.");
  });
  const { manifest } = output;
  const transport = await openEmbeddedTransport({
    directory: output.paths.log,
    epoch: manifest.epoch,
    leaseMs: LEASE_MS,
  });
  const stopped = new AbortController();
  const onFault = (error: unknown): void => stopped.abort(error);
  const coordinator = new Coordinator({
    transport,
    job: jobKey(manifest),
    source: job.source,
    table: await ShardTable.open(output.paths.private, manifest.epoch),
    output,
    landing: {
      encoder: new PartEncoder(),
      format: "parquet",
      inputColumns: job.steps.inputColumns,
      taskColumns: job.steps.taskColumns,
      columns: null,
      metadata: true,
      keepPartial: false,
      partBytes: loaded.spec.output.part_bytes,
    },
    partAgeMs: loaded.spec.output.part_age,
    ordered: true,
    shardRows: manifest.plan.shardRows,
    shardBytes: manifest.plan.shardBytes,
    offset: 0,
    limit: null,
    verifyAll: false,
    windowRows: () => 4 * manifest.plan.shardRows,
    leaseMs: LEASE_MS,
    reconcileMs: LEASE_MS,
    onFault,
  });
  coordinator.run().catch(onFault);

  const target = {
    transport,
    job: jobKey(manifest),
    schema: resultSchema(job.steps.batchColumns),
    signal: stopped.signal,
    onStep: undefined,
    onFull: () => undefined,
  };
  let rows = 0;
  while (!coordinator.hasDispatchedAll || (await transport.tasks.counts(target.job)).ready > 0) {
    stopped.signal.throwIfAborted();
    const claim = await transport.tasks.claim(target.job, { waitMs: 200 });
    if (claim === null) continue;
    const message = decodeShardMessage(claim.body);
    const input = await transport.inputs.get(message.input);
    const place = {
      job: target.job,
      shard: message.shard,
      size: message.rows,
      only: null,
      runsForeignCode: false,
      worker: "half-done",
      signal: stopped.signal,
    };
    const owner = await ShardOwner.open(transport.log, place);
    if (input === null || owner === null) throw new Error(`Shard ${message.shard} could not be opened.`);
    const shard = new HeldShard(message, claim, owner, input);
    const finished: FinishedRow[] = [];
    for (let row = shard.next(); row !== null; row = shard.next()) {
      if (row.rowId % HOLE_EVERY !== 3) finished.push(finishedRow(row));
    }
    const size = Math.ceil(finished.length / BATCHES_PER_SHARD);
    for (let from = 0; from < finished.length; from += size)
      await commitRows(target, shard, finished.slice(from, from + size));
    rows += finished.length;
    note({ rows, complete: false });
  }
  // For the sink to read, and spill, what was appended last.
  await delay(SETTLE_MS);
  stopped.signal.throwIfAborted();
  note({ rows, complete: true });
  return new Promise<never>(() => undefined);
});

function finishedRow({ position, rowId, values }: UnstartedRow): FinishedRow {
  const engine = {
    row_id: rowId,
    generation: 0,
    model: "simulated/magpie-1",
    endpoint: "http://127.0.0.1",
    input_tokens: 30,
    output_tokens: 45,
    finish_reason: "stop",
    seed: rowId,
    attempts: 1,
    started_at: new Date(),
    duration_ms: 1,
    calls: null,
    error_code: null,
    error_class: null,
    error_step: null,
    error_message: null,
    raw_response: null,
  };
  return { position, rows: [{ values: { ...values, generation: answer, model_name: "simulated/magpie-1" }, engine }] };
}
