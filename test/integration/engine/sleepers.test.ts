/** Owners that fall asleep at a step of the protocol and wake when the output is another's: they must undo nothing. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { readManifest } from "../../../coordinator/output/output-directory.ts";
import { HEARTBEAT_MS } from "../../../coordinator/output/owner.ts";
import { isTidingError } from "../../../shared/errors.ts";
import type { ProtocolStep } from "../../../shared/protocol/protocol-step.ts";
import { damagedFiles, unnamedFiles } from "../../support/committed-rows.ts";
import { startJobProcess, type JobProcess } from "../../support/job-process.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const ROWS = 300;
const SLOW = { latency: { distribution: "fixed", medianMs: 20 } } as const;

async function isAsleep({ pid }: JobProcess): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
}

const sleeps: readonly (readonly [string, ProtocolStep, number])[] = [
  ["right after it took the output", "manifest-linked", 1],
  ["between writing a part and linking it", "part-written", 2],
  ["between linking a part and naming it", "part-linked", 2],
  ["behind its manifest", "manifest-linked", 4],
];

for (const [moment, step, count] of sleeps) {
  void test(`an owner that sleeps ${moment} and wakes after another finished leaves the dataset as it is`, async () => {
    await using world = await JobWorld.open(ROWS, SLOW);
    const order = { folder: world.folder, spec: world.spec({ output: { part_bytes: 8_000 } }) };
    const sleeper = startJobProcess({ ...order, crash: { step, count, signal: "SIGSTOP" } });
    try {
      while (!(await isAsleep(sleeper))) await pause(20);
      const successor = await startJobProcess({ ...order, takeoverMs: 1_200 }).ended;
      assert.deepEqual(
        successor.result?.report?.rows,
        { accepted: ROWS, failed: 0, total: ROWS },
        JSON.stringify(successor),
      );
      const finished = await readManifest(world.output);
      sleeper.kill("SIGCONT");
      const { result } = await sleeper.ended;
      assert.equal(result?.report?.error?.code ?? result?.error?.code, "OWNERSHIP_LOST", JSON.stringify(result));
      assert.deepEqual(await readManifest(world.output), finished);
      assert.deepEqual(await damagedFiles(world.output), []);
      assert.ok(finished !== null);
      assert.deepEqual(await unnamedFiles(world.output, finished), []);
      assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
      // The output can still be used: nothing that a further run needs was taken away.
      assert.equal((await world.run(order.spec)).outcome, "finished");
    } finally {
      sleeper.kill("SIGKILL");
    }
  });
}

void test("an owner that wakes before its first row, and finds its files gone, says that the output is another's", async () => {
  await using world = await JobWorld.open(8);
  // Between the output's taking and the first row: the broker is opened, and here never is.
  const broker = {
    works: false,
    environment: {},
    async open(): Promise<never> {
      const mine = await readManifest(world.output);
      assert.ok(mine !== null);
      const next = { ...mine, generation: mine.generation + 1, epoch: mine.epoch + 1, owner: null };
      await writeFile(path.join(world.output, `manifest.${next.generation}.json`), `${JSON.stringify(next)}\n`);
      // By its next heartbeat it has learned of its loss.
      await pause(2 * HEARTBEAT_MS);
      throw new Error("Its files are gone.");
    },
  };
  await assert.rejects(world.run(world.spec(), { broker }), (error) => {
    assert.ok(isTidingError(error), String(error));
    return error.code === "OWNERSHIP_LOST";
  });
});
