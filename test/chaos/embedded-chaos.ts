/**
 * `npm run test:chaos`: the embedded engine under 40 random kills and two at each step of the commit protocol.
 *
 * Prints what happens, with the seed, and as its last line one JSON object with the figure. Exits with 1 when any promise
 * was broken. `--seed N`, `--rows N` and `--kills N` change the run; a seed repeats the plan, not the timing.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { runChaos } from "./chaos-driver.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    rows: { type: "string", default: "5000" },
    kills: { type: "string", default: "40" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(values.seed);
say(`seed ${seed}`);
const { violations, unreached, details } = await runChaos({
  seed,
  rows: Number(values.rows),
  kills: Number(values.kills),
  killsPerStep: 2,
  slots: 16,
  say,
});
for (const step of unreached) say(`NOT REACHED: the job ended before a planned death ${step}`);
for (const violation of violations) say(`VIOLATION: ${violation}`);
const ok = violations.length === 0 && unreached.length === 0;
say(JSON.stringify({ figure: "chaos_embedded", value: violations.length + unreached.length, want: "0", ok, details }));
process.exitCode = ok ? 0 : 1;
