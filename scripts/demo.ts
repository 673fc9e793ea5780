/**
 * `npm run demo`: the quickstart job on a simulated endpoint, and a look at the dataset that came of it.
 * `npm run demo -- --base-url URL` does the same on a real one.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { startSimulatorProcess } from "../bench/simulator/child.ts";

const SHOWN_ROWS = 3;
// Compiled, this file lies two folders below the project's.
const project = path.resolve(import.meta.dirname, "..", "..");
const spec = path.join("examples", "quickstart", "job.yaml");

const { values } = parseArgs({ options: { "base-url": { type: "string" }, output: { type: "string" } } });
const output = values.output ?? (await mkdtemp(path.join(tmpdir(), "tiding-demo-")));
const latency = { distribution: "lognormal" as const, medianMs: 300, stragglers: { share: 0.02, factor: 5 } };
const simulator = values["base-url"] === undefined ? await startSimulatorProcess({ latency }) : null;
try {
  const baseUrl = values["base-url"] ?? simulator?.url ?? "";
  const command = ["run", spec, "--output", output, "--set", `steps.0.llm.base_url=${baseUrl}`];
  console.log(`$ tiding ${command.join(" ")}`);
  const child = spawn(process.execPath, [path.join(project, "dist", "cli", "bin.js"), ...command], {
    cwd: project,
    stdio: "inherit",
  });
  const [code] = (await once(child, "exit")) as [number | null];
  process.exitCode = code ?? 1;
  await showRows(path.join(output, "data"));
} finally {
  await simulator?.stop();
}

async function showRows(folder: string): Promise<void> {
  const [first] = (await readdir(folder).catch(() => [])).toSorted((a, b) => a.localeCompare(b));
  if (first === undefined) return;
  const file = await asyncBufferFromFile(path.join(folder, first));
  const rows = await parquetReadObjects({ file, compressors, rowEnd: SHOWN_ROWS });
  console.log(`\nThe first ${SHOWN_ROWS} rows of ${path.join(folder, first)}:\n`);
  for (const row of rows) console.log(JSON.stringify(row, asJson, 2));
}

function asJson(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
