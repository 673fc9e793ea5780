/**
 * What one request costs the simulator, and what it costs a bare client: `node dist/bench/simulator/measure-cpu.js`.
 *
 * A loop over an undici pool, 64 requests in flight, answers of 800 characters without latency, the simulator in a
 * process of its own. CPU is user and system time of each process, after a warm-up.
 */

import { Pool } from "undici";
import { startSimulatorProcess } from "./child.ts";

const WARM_UP = 5_000;
const REQUESTS = Number(process.argv[2] ?? 40_000);
const IN_FLIGHT = 64;

await using simulator = await startSimulatorProcess({ answerChars: 800, maxConcurrentRequests: 0 });
const pool = new Pool(simulator.url, { connections: IN_FLIGHT, pipelining: 1 });
const content = "Explain to a child of ten why the sky is blue, and why the evening sun is red. ".repeat(4);
let sent = 0;

await callMany(WARM_UP);
const before = { server: (await simulator.stats()).cpuMs, client: process.cpuUsage(), at: performance.now() };
await callMany(REQUESTS);
const { user, system } = process.cpuUsage(before.client);
const seconds = (performance.now() - before.at) / 1000;
const stats = await simulator.stats();
await pool.close();

const perRequest = (milliseconds: number): string => `${((milliseconds * 1000) / REQUESTS).toFixed(1)} µs`;
console.log(
  `requests            ${REQUESTS} (${stats.answers} answers in all), ${(REQUESTS / seconds).toFixed(0)} a second`,
);
console.log(`simulator, CPU each ${perRequest(stats.cpuMs - before.server)}`);
console.log(`client, CPU each    ${perRequest((user + system) / 1000)}`);

async function callMany(count: number): Promise<void> {
  let left = count;
  const call = async (): Promise<void> => {
    while (left-- > 0) {
      const body = JSON.stringify({
        model: "tgi",
        messages: [{ role: "user", content: `${content}${sent++}` }],
        max_tokens: 512,
      });
      const headers = { "content-type": "application/json" };
      const response = await pool.request({ path: "/v1/chat/completions", method: "POST", headers, body });
      if (!(await response.body.text()).includes("answer-")) throw new Error("An answer is missing.");
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, call));
}
