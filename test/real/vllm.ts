/**
 * `npm run test:real:vllm`: jobs and single calls on vLLM's own server with a small model, on CPUs, and its exchanges held
 * against those that `test/fixtures/vllm/` keeps.
 *
 *   --rows N             rows of each job, 16 when absent
 *   --conversations N    conversations of three turns, 6 when absent
 *   --capture            writes the exchanges into test/fixtures/vllm/ first
 *
 * The first run installs vLLM and all that it needs, 6 GB, into a cache folder (docs/real-model.md). Prints what happens,
 * and as its last line one JSON object with the figure: exchanges that are as they were captured. Exits with 1 when one is
 * not, or anything else is not as it should be.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NESTED_FORM } from "./answer-forms.ts";
import { Findings } from "./findings.ts";
import { checkMagpie } from "./magpie-check.ts";
import { quickstartQuestions, readQuestions } from "./read-questions.ts";
import { checkStructured } from "./structured-check.ts";
import { checkCalls, checkJob, checkTokenizer, checkVllmProbe } from "./vllm-checks.ts";
import { prepareVllm } from "./vllm-environment.ts";
import { checkExchanges, EXCHANGES, writeExchanges } from "./vllm-exchanges.ts";
import { VllmServer } from "./vllm-server.ts";

/** Of so many answers of a form a share must be accepted. */
const ACCEPTED_SHARE = 0.9;

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "16" },
    conversations: { type: "string", default: "6" },
    capture: { type: "boolean", default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const findings = new Findings(say);
const details: Record<string, unknown> = {};
let alike = 0;

const root = await mkdtemp(join(tmpdir(), "tiding-real-"));
try {
  await main();
} catch (error) {
  findings.threw(error);
} finally {
  await rm(root, { recursive: true, force: true });
}
details["problems"] = findings.problems;
const ok = findings.problems.length === 0 && alike === EXCHANGES;
say(JSON.stringify({ figure: "real_vllm", value: alike, want: String(EXCHANGES), ok, details }));
process.exitCode = ok ? 0 : 1;

async function main(): Promise<void> {
  const rows = Number(values.rows);
  const questions = (await readQuestions(quickstartQuestions, "question")).slice(0, rows);
  const environment = await prepareVllm(say);
  const { tokenizer, version } = environment;
  details["version"] = version;
  await using server = await VllmServer.create(environment);
  server.start();
  say("starting vLLM, which takes a minute or two");
  await server.reaches("ready");
  const world = { root, environment, server, findings };
  await step("exchanges", async () => {
    alike = values.capture ? await writeExchanges(server) : await checkExchanges(server, findings);
    return { [values.capture ? "captured" : "alike"]: alike, of: EXCHANGES };
  });
  await step("probe", () => checkVllmProbe(world, version));
  await step("tokenizer", () => checkTokenizer(world, tokenizer));
  await step("calls", () => checkCalls(world, tokenizer));
  await step("chat", () => checkJob(world, { name: "chat", questions }));
  await step("completions", () => checkJob(world, { name: "completions", questions, tokenizer }));
  for (const [name, more] of [["structured-chat", {}] as const, ["structured-completions", { tokenizer }] as const]) {
    await step(name, async () => {
      const result = await checkStructured(world, { name, questions, form: NESTED_FORM, ...more });
      const isEnough = result.valid >= rows * ACCEPTED_SHARE;
      findings.expect(isEnough, `${name}: ${result.valid} of ${rows} rows were accepted.`);
      return result.details;
    });
  }
  const conversations = Number(values.conversations);
  await step("conversations", async () => {
    const { whole, details: facts } = await checkMagpie(world, conversations, tokenizer);
    findings.expect(whole === conversations, `${whole} of ${conversations} conversations are whole.`);
    return facts;
  });
}

async function step(name: string, check: () => Promise<Readonly<Record<string, unknown>>>): Promise<void> {
  const startedMs = performance.now();
  details[name] = await check();
  say(`${name}: ${((performance.now() - startedMs) / 1_000).toFixed(1)} s  ${JSON.stringify(details[name])}`);
}
