import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { keepAwake } from "../../../../bench/engine/truth/awake-cores.ts";
import { CORES } from "../../../../bench/engine/truth/scheduling.ts";

/** sched(7); proc_pid_stat(5), field 41. */
const SCHED_IDLE = "5";
const POLICY = 41 - 3;

/** The scheduling policy of each process that this one has started. */
function policies(): readonly string[] {
  if (process.platform !== "linux") return [];
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);
  return children.map((pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[POLICY]!);
}

void test(
  "a core that is kept awake is kept so by what gives way to all others, until it is let sleep",
  { timeout: 60_000 },
  async () => {
    const wanted = CORES.slice(0, 1);
    const awake = keepAwake(wanted);
    while (policies().filter((policy) => policy === SCHED_IDLE).length < wanted.length) await delay(10);
    await awake[Symbol.asyncDispose]();
    assert.deepEqual(policies(), []);
  },
);
