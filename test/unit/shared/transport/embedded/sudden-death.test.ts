import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { openEmbeddedTransport } from "../../../../../shared/transport/embedded/embedded-transport.ts";
import type { BlobRef } from "../../../../../shared/transport/transport.ts";
import { JOB, logFolder } from "../../../../support/embedded-log.ts";

const APPENDER = fileURLToPath(new URL("../../../../support/embedded-appender.js", import.meta.url));

interface Acknowledged {
  readonly shard: number;
  readonly n: number;
  readonly ref: BlobRef;
}

/** Runs the appender until it ends, or is killed at the given number of lines; gives what it printed. */
async function runAppender(
  args: readonly string[],
  options: { readonly killAt?: number; readonly fileLimitBlocks?: number } = {},
): Promise<{ acknowledged: Acknowledged[]; refusals: string[]; code: number | null }> {
  const limit = options.fileLimitBlocks === undefined ? "" : `ulimit -f ${options.fileLimitBlocks}; `;
  const child = spawn("sh", ["-c", `${limit}exec "$@"`, "sh", process.execPath, APPENDER, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  const acknowledged: Acknowledged[] = [];
  const refusals: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, ...words] = line.split(" ");
    if (what === "refused") refusals.push(words.join(" "));
    // A line that the kill cut short says nothing.
    else if (words.length === 3)
      acknowledged.push({ shard: Number(words[0]), n: Number(words[1]), ref: words[2] as BlobRef });
    if (acknowledged.length === options.killAt) child.kill("SIGKILL");
  }
  return { acknowledged, refusals, code: (await ended)[0] };
}

async function assertKept(directory: string, epoch: number, acknowledged: readonly Acknowledged[]): Promise<void> {
  await using transport = await openEmbeddedTransport({ directory, epoch });
  for (const { shard, n, ref } of acknowledged) {
    const tail = await transport.log.tail(JOB, shard);
    assert.ok(Number(Buffer.from(tail!.body)) >= n, `shard ${shard} lost ${n}`);
    const lastDrop = Math.floor(Number(Buffer.from(tail!.body)) / 10) * 10;
    // Those before a drop may be there or not; those behind every drop that can have happened must be.
    if (n <= lastDrop || Number(Buffer.from(tail!.body)) % 10 === 9) continue;
    assert.ok(Buffer.alloc(3000, `${shard}.${n} `).equals((await transport.results.get(ref))!));
  }
}

void test("whatever was acknowledged before a kill -9 is there afterwards, with its blobs", async (t) => {
  const directory = await logFolder(t);
  const all: Acknowledged[] = [];
  for (const [round, killAt] of [150, 400, 30, 700].entries()) {
    const { acknowledged, code } = await runAppender([directory, String(round * 2 + 1), "60000"], { killAt });
    assert.equal(code, null);
    assert.ok(acknowledged.length >= killAt);
    all.push(...acknowledged);
    await assertKept(directory, round * 2 + 2, all);
  }
});

void test("when the disk is full every append is refused, and all that was acknowledged is there once there is room", async (t) => {
  const directory = await logFolder(t);
  // A limit on the size of files stands for the full disk; it stops a write in the middle, as a disk does.
  const { acknowledged, refusals, code } = await runAppender([directory, "1", "4000000"], { fileLimitBlocks: 500 });
  assert.equal(code, 0);
  assert.deepEqual(refusals, Array(8).fill(`DISK_FULL ${directory}`));
  assert.ok(acknowledged.length > 20);
  await assertKept(directory, 2, acknowledged);

  const { acknowledged: more, refusals: again } = await runAppender([directory, "3", "4000000"], {
    fileLimitBlocks: 500,
  });
  assert.equal(again.length, 8);
  await assertKept(directory, 4, [...acknowledged, ...more]);
});
