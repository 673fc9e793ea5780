import assert from "node:assert/strict";
import { test } from "node:test";
import { serveMetrics, type JobSample } from "../../../jobs/serve-metrics.ts";
import { isTidingError } from "../../../shared/errors.ts";
import { emptyCalls } from "../../../shared/observe/call-counts.ts";

const HERE = { host: "127.0.0.1", port: 0 };

function sample(accepted: number): JobSample {
  const calls = { ...emptyCalls(), requests: 12, inputTokens: 340 };
  const endpoint = { endpoint: "http://e", slots: 8, inUse: 3, circuit: "open", reason: "refused" } as const;
  return { job: "answers", accepted, failed: 1, total: 20, rowsRunning: 4, calls, endpoints: [endpoint] };
}

async function text(url: string): Promise<string> {
  return (await fetch(url)).text();
}

void test("each scrape tells of the jobs as they are then", async () => {
  let accepted = 5;
  await using metrics = await serveMetrics({ ...HERE, sample: () => [sample(accepted)], trouble: () => null });
  const first = await text(`${metrics.url}/metrics`);
  assert.match(first, /^tiding_rows_total\{job="answers",outcome="accepted"\} 5$/m);
  assert.match(first, /^tiding_job_rows\{job="answers"\} 20$/m);
  assert.match(first, /^tiding_tokens_total\{job="answers",direction="input"\} 340$/m);
  assert.match(first, /^tiding_endpoint_up\{job="answers",endpoint="http:\/\/e"\} 0$/m);
  assert.match(first, /^process_cpu_seconds_total /m);
  accepted = 9;
  assert.match(await text(`${metrics.url}/metrics`), /^tiding_rows_total\{job="answers",outcome="accepted"\} 9$/m);
});

void test("health says what keeps the process from its work", async () => {
  let trouble: string | null = null;
  await using metrics = await serveMetrics({ ...HERE, sample: () => [], trouble: () => trouble });
  assert.equal((await fetch(`${metrics.url}/health`)).status, 200);
  trouble = "The broker cannot be reached.";
  const response = await fetch(`${metrics.url}/health`);
  assert.equal(response.status, 503);
  assert.equal(await response.text(), trouble);
  assert.equal((await fetch(`${metrics.url}/other`)).status, 404);
});

void test("a port that is taken is told as such", async () => {
  const options = { sample: () => [], trouble: () => null };
  await using metrics = await serveMetrics({ ...HERE, ...options });
  const port = Number(new URL(metrics.url).port);
  await assert.rejects(serveMetrics({ host: "127.0.0.1", port, ...options }), (error) => {
    return isTidingError(error) && error.code === "USAGE" && /EADDRINUSE/.test(error.message);
  });
});
