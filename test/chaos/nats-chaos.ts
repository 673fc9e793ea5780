/**
 * `npm run test:chaos:nats`: coordinator, workers and the server are killed, put to sleep and set back while a job runs.
 *
 * Prints what happens, with the seed, and as its last line one JSON object with the figure. Exits with 1 when any promise
 * was broken, or when the job did not end. A seed repeats the plan, not the timing.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import type { NatsServerVersion } from "../support/nats-server.ts";
import { runNatsChaos } from "./nats-chaos-driver.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    rows: { type: "string", default: "20000" },
    workers: { type: "string", default: "6" },
    "worker-kills": { type: "string", default: "200" },
    "coordinator-kills": { type: "string", default: "50" },
    "server-kills": { type: "string", default: "25" },
    zombies: { type: "string", default: "25" },
    drains: { type: "string", default: "10" },
    rollbacks: { type: "string", default: "0" },
    latency: { type: "string", default: "150" },
    server: { type: "string", default: "2.9.10" },
  },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
const say = (line: string): void => void process.stdout.write(`${line}\n`);
say(`seed ${values.seed}`);
const { violations, details } = await runNatsChaos({
  seed: Number(values.seed),
  rows: Number(values.rows),
  workers: Number(values.workers),
  faults: {
    worker: Number(values["worker-kills"]),
    coordinator: Number(values["coordinator-kills"]),
    server: Number(values["server-kills"]),
    zombie: Number(values.zombies),
    drain: Number(values.drains),
    rollback: Number(values.rollbacks),
  },
  latencyMs: Number(values.latency),
  server: values.server as NatsServerVersion,
  say,
});
for (const violation of violations) say(`VIOLATION: ${violation}`);
const ok = violations.length === 0;
say(JSON.stringify({ figure: "chaos_nats", value: violations.length, want: "0", ok, details }));
process.exit(ok ? 0 : 1);
