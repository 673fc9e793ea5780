/**
 * `npm run test:real`: jobs on llama.cpp's server with a small model, through the command line, read back with hyparquet,
 * pyarrow and DuckDB.
 *
 *   --rows N                      rows of the first job, 100 when absent
 *   --data FILE --column NAME     questions from a JSON Lines file; all its rows run on the simulated endpoint as well
 *
 * The first run installs some Python packages into a cache folder (docs/real-model.md). Prints what happens, and as its last
 * line one JSON object with the figure: rows accepted and read back. Exits with 1 when anything is not as it should be.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Findings } from "./findings.ts";
import {
  checkAnswers,
  checkKilledJob,
  checkKilledServer,
  checkLongPrompt,
  checkModelNames,
  checkPreview,
} from "./model-checks.ts";
import { CONTEXT_TOKENS, MODEL_NAMES, ModelServer, PARALLEL } from "./model-server.ts";
import { checkProbe } from "./probe-check.ts";
import { preparePython } from "./python-environment.ts";
import { quickstartQuestions, readQuestions } from "./read-questions.ts";
import { checkSimulated } from "./simulated-check.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "100" },
    data: { type: "string" },
    column: { type: "string", default: "question" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const wanted = Number(values.rows);
const findings = new Findings(say);
const details: Record<string, unknown> = {};

const root = await mkdtemp(join(tmpdir(), "tiding-real-"));
try {
  await main();
} catch (error) {
  findings.threw(error);
} finally {
  await rm(root, { recursive: true, force: true });
}
const { rows = 0 } = (details["answers"] ?? {}) as { readonly rows?: number };
const ok = findings.problems.length === 0 && rows === wanted;
details["problems"] = findings.problems;
say(JSON.stringify({ figure: "real_model", value: rows, want: String(wanted), ok, details }));
process.exitCode = ok ? 0 : 1;

async function main(): Promise<void> {
  const questions = await readQuestions(values.data ?? quickstartQuestions, values.column);
  findings.expect(questions.length >= wanted, `The file holds ${questions.length} rows, of ${wanted} wanted.`);
  const environment = await preparePython(say);
  details["readers"] = ["hyparquet", ...(environment.hasReaders ? ["pyarrow", "duckdb"] : [])];
  details["server"] = { names: MODEL_NAMES, parallel: PARALLEL, contextTokens: CONTEXT_TOKENS };
  await using server = await ModelServer.create(environment);
  server.start();
  await server.reaches("ready");
  const world = { root, environment, server, questions, findings };
  await step("probe", () => checkProbe(world));
  await step("preview", () => checkPreview(world));
  await step("answers", () => checkAnswers(world, wanted));
  await step("killed job", () => checkKilledJob(world));
  await step("long prompt", () => checkLongPrompt(world));
  await step("model names", () => checkModelNames(world));
  await step("killed server", () => checkKilledServer(world));
  await server.kill();
  if (values.data === undefined) return;
  await step("simulated", () => checkSimulated(root, questions, { environment, findings }));
}

async function step(name: string, check: () => Promise<Readonly<Record<string, unknown>>>): Promise<void> {
  const startedMs = performance.now();
  details[name] = await check();
  say(`${name}: ${((performance.now() - startedMs) / 1_000).toFixed(1)} s  ${JSON.stringify(details[name])}`);
}
