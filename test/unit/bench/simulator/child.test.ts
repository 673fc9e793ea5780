import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { startSimulatorProcess } from "../../../../bench/simulator/child.ts";
import { readRequestLog } from "../../../../bench/simulator/request-log.ts";
import { post } from "./client.ts";

void test("a simulator in a process of its own answers, counts, writes its log and stops", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tiding-simulator-"));
  try {
    const log = join(folder, "requests.log");
    const simulator = await startSimulatorProcess({ log });
    assert.notEqual(simulator.pid, process.pid);
    await post(`${simulator.url}/generate`, { inputs: "hello" });
    await simulator.flushLog();
    assert.equal((await readRequestLog(log)).length, 1);
    assert.equal((await simulator.stats()).answers, 1);
    await simulator.stop();
    await assert.rejects(post(`${simulator.url}/generate`, { inputs: "hello" }), { code: "ECONNREFUSED" });
    await simulator.stop();
  } finally {
    await rm(folder, { recursive: true });
  }
});

void test("a simulator process that cannot start says why", async () => {
  await assert.rejects(startSimulatorProcess({ answerChars: -1 }), { code: "USAGE", message: /answerChars/ });
});

void test("a simulator process dies with its parent, even when that is killed", async () => {
  const module = new URL("../../../../bench/simulator/child.js", import.meta.url).href;
  const script = `import { startSimulatorProcess } from ${JSON.stringify(module)};
    console.log((await startSimulatorProcess()).url);`;
  const parent = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = (await once(createInterface(parent.stdout), "line")) as [string];
  assert.equal((await post(`${url}/generate`, { inputs: "hello" })).status, 200);
  // Both hold the pipe's other end: it closes when the last of them is gone.
  const gone = once(parent.stdout, "close");
  parent.kill("SIGKILL");
  await gone;
  await assert.rejects(post(`${url}/generate`, { inputs: "hello" }), { code: "ECONNREFUSED" });
});
