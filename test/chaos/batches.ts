/**
 * `npm run test:batches`: a job of 1,000 rows over offline batches, its process killed at each step on the way.
 *
 * Prints what happens, and as its last line one JSON object with the figure. Exits with 1 when any promise was broken.
 * `--rows N` and `--per-batch N` change the job.
 */
import { parseArgs } from "node:util";
import { BATCH_DEATHS, runBatchDeaths } from "./batch-deaths.ts";

const { values } = parseArgs({
  options: { rows: { type: "string", default: "1000" }, "per-batch": { type: "string", default: "400" } },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const [rows, perBatch] = [Number(values.rows), Number(values["per-batch"])];
const { violations, unreached, ...details } = await runBatchDeaths({ rows, perBatch, deaths: BATCH_DEATHS, say });
for (const death of unreached) say(`NOT REACHED: the job ended before a planned death at ${death}`);
for (const violation of violations) say(`VIOLATION: ${violation}`);
const ok = violations.length === 0 && unreached.length === 0;
const value = violations.length + unreached.length;
say(JSON.stringify({ figure: "chaos_batches", value, want: "0", ok, details: { rows, ...details } }));
process.exitCode = ok ? 0 : 1;
