/** `tiding simulate` with batches: the command's words reach the server. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { clockMs } from "../../../bench/fine-timer.ts";
import { get, post } from "../../unit/bench/simulator/client.ts";

const bin = fileURLToPath(new URL("../../../cli/bin.js", import.meta.url));

/** Runs the command until `use` is done with its address, then interrupts it. */
async function simulate(words: readonly string[], use: (url: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [bin, "simulate", "--port", "0", ...words], { stdio: "pipe" });
  const exited = once(child, "exit");
  try {
    let said = "";
    child.stderr.on("data", (data: Buffer) => (said += String(data)));
    const [line] = (await Promise.race([once(child.stdout, "data"), exited.then(() => [""])])) as [Buffer | string];
    const url = /http:\/\/\S+(?=;)/.exec(String(line))?.[0];
    assert.ok(url !== undefined, said);
    await use(url);
  } finally {
    child.kill("SIGINT");
  }
  assert.deepEqual(await exited, [0, null]);
}

async function refusal(...words: string[]): Promise<string> {
  const child = spawn(process.execPath, [bin, "simulate", "--port", "0", ...words], { stdio: "pipe" });
  let said = "";
  child.stderr.on("data", (data: Buffer) => (said += String(data)));
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 2, said);
  return said;
}

void test("a preset, its changes, replicas and an answer's length reach the server", async () => {
  const words = ["--preset", "h100", "--kv-tokens", "262144", "--replicas", "2", "--answer-tokens", "5"];
  await simulate(words, async (url) => {
    const answer = await post(`${url}/generate`, { inputs: "Name a bird." });
    assert.equal(answer.headers["x-generated-tokens"], "5");
    const metrics = (await get(`${url}/metrics`)).text;
    // Each replica keeps one block for itself.
    assert.match(metrics, /^tgi_batch_max_total_tokens 524286$/m);
    assert.match(metrics, /^tgi_batch_inference_count\{method="decode"\} 4$/m);
    const stats = JSON.parse((await get(`${url}/simulator/stats`)).text) as { lateness: { count: number } };
    assert.equal(stats.lateness.count, 5);
  });
});

void test("known times hold over HTTP: no answer comes before its time, nor more than there are places for", async () => {
  await simulate(["--fixed", "30,2.5,4", "--answer-tokens", "9", "--slots", "0"], async (url) => {
    const startMs = clockMs();
    const took = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const sentMs = clockMs();
        const answer = await post(`${url}/generate_stream`, { inputs: `prompt ${index}` });
        assert.equal(answer.text.split("\n\n").length - 1, 9);
        return clockMs() - sentMs;
      }),
    );
    const answerMs = 30 + 2.5 * 8;
    assert.ok(Math.min(...took) >= answerMs);
    // Twenty answers through four places are five rounds.
    assert.ok(clockMs() - startMs >= 5 * answerMs);
  });
});

void test("a cold start refuses, and tells nothing of itself", async () => {
  await simulate(["--cold-start", "1h"], async (url) => {
    assert.equal((await get(`${url}/health`)).status, 503);
    assert.equal((await post(`${url}/generate`, { inputs: "Name a bird." })).status, 503);
  });
});

void test("words that do not go together are refused", async () => {
  assert.match(await refusal("--kv-tokens", "1000"), /Name one with --preset: h100, /);
  assert.match(await refusal("--preset", "h100", "--fixed", "50,10,4"), /cannot be used with/);
  assert.match(await refusal("--preset", "h900"), /h100, a100-80, l40s, a10g, l4/);
  assert.match(await refusal("--fixed", "50,10"), /such as 50,10,64/);
  assert.match(await refusal("--answer-tokens", "1,2,3"), /400,100,50,800/);
});
