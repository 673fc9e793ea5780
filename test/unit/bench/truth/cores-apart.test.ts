import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { keepCoresApart } from "../../../../bench/engine/truth/cores-apart.ts";
import { CORES, coresOf, ownThreads } from "../../../../bench/engine/truth/scheduling.ts";

/** sched(7); proc_pid_stat(5), field 41. */
const POLICY = 41 - 3;
const [OTHER, ROUND_ROBIN] = ["0", "2"];
const CAN_COME_FIRST = spawnSync("chrt", ["--rr", "1", "true"]).status === 0;
const isApart = process.platform === "linux" && CORES.length > 1;

const policyOf = (thread: number): string =>
  readFileSync(`/proc/${thread}/stat`, "utf8").split(") ")[1]!.split(" ")[POLICY]!;

void test(
  "a server and the load have cores of their own and come first, until they are over",
  { timeout: 60_000 },
  async () => {
    const first = CAN_COME_FIRST ? ROUND_ROBIN : OTHER;
    const server = spawn("sleep", ["60"]);
    const load = async (): Promise<Worker> => {
      const worker = new Worker("setInterval(() => {}, 1_000)", { eval: true });
      await once(worker, "online");
      return worker;
    };
    const earlier = await load();
    const before = process.platform === "linux" ? await ownThreads() : [];
    try {
      const cores = await keepCoresApart(server.pid!, CORES[0] ?? null);
      const later = await load();
      try {
        assert.equal(cores.isDone, isApart);
        if (!isApart) return;
        cores.putLoadFirst();
        const started = (await ownThreads()).filter((thread) => !before.includes(thread));
        assert.notDeepEqual(started, []);
        while (started.some((thread) => policyOf(thread) !== first)) await delay(10);
        assert.deepEqual(coresOf(server.pid!), CORES.slice(0, 1));
        assert.equal(policyOf(server.pid!), first);
        assert.deepEqual(coresOf(process.pid), CORES.slice(1));
        for (const thread of before) assert.equal(policyOf(thread), OTHER);
      } finally {
        await later.terminate();
        await cores[Symbol.asyncDispose]();
      }
      assert.deepEqual(coresOf(process.pid), CORES);
      const next = spawn("sleep", ["60"]);
      try {
        assert.deepEqual(coresOf(next.pid!), CORES);
        assert.equal(policyOf(next.pid!), OTHER);
      } finally {
        next.kill();
      }
    } finally {
      await earlier.terminate();
      server.kill();
    }
  },
);
