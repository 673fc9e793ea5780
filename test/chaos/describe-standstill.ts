/** What the broker holds of a job that does not come on any more, in lines for whoever has to find out why. */
import { decodeCommitRecord } from "../../shared/protocol/commit-record.ts";
import { decodeJobRecord, jobRecordKey } from "../../shared/protocol/job-record.ts";
import { decodeWorkerRecord, WORKER_RECORDS } from "../../shared/protocol/worker-record.ts";
import { Bitmap } from "../../shared/rows/bitmap.ts";
import type { JobKey, Transport } from "../../shared/transport/transport.ts";

const MOST_SHARDS = 12;
const RECENT_MS = 5_000;

export async function describeStandstill(
  transport: Transport,
  job: JobKey,
  missing: readonly number[],
): Promise<readonly string[]> {
  const lines: string[] = [];
  const record = await transport.state.get(jobRecordKey(job));
  const { state, epoch, run } = record === null ? {} : decodeJobRecord(record.value);
  lines.push(`the job's record says ${state}, epoch ${epoch}, run ${run}`);
  lines.push(`its tasks: ${JSON.stringify(await transport.tasks.counts(job))}`);
  lines.push(`results: ${JSON.stringify(await transport.results.usage())}`);
  lines.push(`inputs: ${JSON.stringify(await transport.inputs.usage())}`);
  for (const shard of missing.slice(0, MOST_SHARDS)) {
    const tail = await transport.log.tail(job, shard);
    const isPending = await transport.tasks.isPending(job, shard);
    const told = tail === null ? "has no record" : describeRecord(tail.body);
    lines.push(`shard ${shard} ${told}; its task is ${isPending ? "" : "not "}pending`);
  }
  const watching = AbortSignal.timeout(1_000);
  for await (const { value } of transport.state.watch(WORKER_RECORDS, watching)) {
    const { worker, at, state: doing, jobs } = decodeWorkerRecord(value);
    if (Date.now() - at > RECENT_MS) continue;
    lines.push(`worker ${worker} is ${doing}: ${JSON.stringify(jobs).slice(0, 500)}`);
  }
  return lines;
}

function describeRecord(body: Uint8Array): string {
  const record = decodeCommitRecord(body);
  const by = record.type === "open" ? ` by ${record.worker}` : "";
  const done = Bitmap.fromText(record.size, record.done).count;
  return `ends with ${record.type}${by}, epoch ${record.epoch}, ${done} of ${record.size} rows done`;
}
