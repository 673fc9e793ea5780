/**
 * A program for tests that end it without warning: appends to eight shards at once and prints one line for each append
 * that was acknowledged (shard, number, blob), then, when the log refuses, one with the error's code and place.
 */

import { isTidingError } from "../../shared/errors.ts";
import { openEmbeddedTransport } from "../../shared/transport/embedded/embedded-transport.ts";
import { appendNext, JOB } from "./embedded-log.ts";

const [directory, epoch, segmentBytes] = process.argv.slice(2);
const transport = await openEmbeddedTransport({
  directory: directory!,
  epoch: Number(epoch),
  segmentBytes: Number(segmentBytes),
});

async function write(shard: number): Promise<void> {
  const tail = await transport.log.tail(JOB, shard);
  for (let n = tail === null ? 0 : Number(Buffer.from(tail.body)) + 1; ; n++) {
    const ref = await transport.results.put(JOB, shard, Buffer.alloc(3000, `${shard}.${n} `));
    // So that there is room to win back, and enough is left to be looked at.
    if (n % 10 === 0) await transport.results.drop(JOB, shard);
    else {
      await appendNext(transport, shard, String(n));
      process.stdout.write(`acknowledged ${shard} ${n} ${ref}\n`);
      await transport.log.trim(JOB, shard);
    }
  }
}

const failures = await Promise.allSettled(Array.from({ length: 8 }, (_, shard) => write(shard)));
for (const failure of failures) {
  const reason: unknown = failure.status === "rejected" ? failure.reason : null;
  if (!isTidingError(reason)) throw reason;
  process.stdout.write(`refused ${reason.code} ${reason.place}\n`);
}
await transport.close();
