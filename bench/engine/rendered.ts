/**
 * What rendering prompts here costs: `node dist/bench/engine/rendered.js`.
 *
 * Zero-latency endpoint in a process of its own, the same rows over TGI's chat route and, rendered with the chat template of
 * Llama 3.1, over its `/generate`. Nothing is counted: every prompt fits by its length. They take turns; rows a second, from
 * the first request to the last landing.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { tokenizerFolder } from "../../test/support/chat-templates.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import { median, printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import type { JobTask } from "./job-child.ts";
import { runMeasured } from "./measured-child.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const LEAST = 0.6;
const { rows, rounds, slots } = sizesFrom({ rows: 100_000, rounds: 3, slots: 64 });

await using workspace = await openWorkspace(rows);
await using simulator = await startSimulatorProcess({ answerChars: 800, maxConcurrentRequests: 0 });
await using tokenizer = await tokenizerFolder("llama3.1", "llama3.1");
const { folder } = workspace;
const chat: number[] = [];
const rendered: number[] = [];
for (let round = 0; round < rounds; round++) {
  chat.push(await rowsPerSecond({}));
  rendered.push(await rowsPerSecond({ tokenizerId: tokenizer.folder }));
  tell(`round ${round + 1}: chat ${chat.at(-1)?.toFixed(0)} rows a second, rendered ${rendered.at(-1)?.toFixed(0)}`);
}
const value = median(rendered) / median(chat);
printFigure({
  figure: "rendered_throughput_ratio",
  value: rounded(value),
  want: `>= ${LEAST}`,
  ok: value >= LEAST,
  details: {
    rows,
    slots,
    chat: chat.map((each) => rounded(each, 0)),
    rendered: rendered.map((each) => rounded(each, 0)),
  },
});

async function rowsPerSecond(more: { readonly tokenizerId?: string }): Promise<number> {
  const spec = jobSpec({ url: simulator.url, slots, output: "out", ...more });
  const { result } = await runMeasured<JobTask, JobReport>("job-child", { spec, folder });
  if (result.rows.accepted !== rows) throw new Error(`${result.rows.accepted} of ${rows} rows were accepted.`);
  await rm(path.join(folder, "out"), { recursive: true });
  return result.run.rowsPerSecond;
}
