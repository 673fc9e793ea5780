/**
 * `npm run test:real:answers`: answers of a form, and conversations that the model writes alone, on llama.cpp's server with
 * a small model.
 *
 *   --rows N             rows of a form over chat, 100 when absent
 *   --rendered N         rows of a form over rendered prompts, 20 when absent
 *   --unheld N           rows of a form that the server cannot hold the model to, 12 when absent
 *   --conversations N    conversations of three turns, 50 when absent
 *
 * The packages are those of `npm run test:real`, and the model's tokenizer is made of the model's own file. Prints what
 * happens, and as its last two lines one JSON object with a figure each. Exits with 1 when one is not as wanted.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTidingError } from "../../shared/errors.ts";
import { sizesFrom } from "../../bench/engine/figure.ts";
import { NESTED_FORM, UNHELD_FORM } from "./answer-forms.ts";
import { Findings } from "./findings.ts";
import { checkMagpie } from "./magpie-check.ts";
import { CONTEXT_TOKENS, ModelServer, PARALLEL } from "./model-server.ts";
import { writeTokenizer } from "./model-tokenizer.ts";
import { preparePython } from "./python-environment.ts";
import { quickstartQuestions, readQuestions } from "./read-questions.ts";
import { checkStructured } from "./structured-check.ts";
import { checkTokenizer } from "./tokenizer-check.ts";

/** Of a hundred answers of a form so many must be accepted. */
const ACCEPTED_SHARE = 0.95;

const sizes = sizesFrom({ rows: 100, rendered: 20, unheld: 12, conversations: 50 });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const ofForm = { findings: new Findings(say), valid: 0, details: {} as Record<string, unknown> };
const magpie = { findings: new Findings(say), whole: 0, details: {} as Record<string, unknown> };

const root = await mkdtemp(join(tmpdir(), "tiding-real-"));
try {
  await main();
} catch (error) {
  const mend = isTidingError(error) ? ` ${error.mend ?? ""}` : "";
  for (const { findings } of [ofForm, magpie]) {
    findings.expect(false, `${error instanceof Error ? error.message : String(error)}${mend}`);
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
const wantedOfForm = sizes.rows * ACCEPTED_SHARE;
print("real_structured", ofForm.valid, {
  want: `>= ${wantedOfForm} of ${sizes.rows}, none invalid`,
  isEnough: ofForm.valid >= wantedOfForm,
  ...ofForm,
});
print("real_magpie", magpie.whole, {
  want: String(sizes.conversations),
  isEnough: magpie.whole === sizes.conversations,
  ...magpie,
});

async function main(): Promise<void> {
  const questions = await readQuestions(quickstartQuestions, "question");
  const environment = await preparePython(say);
  const tokenizer = join(environment.folder, "tokenizer");
  await writeTokenizer(environment.model, tokenizer);
  await using server = await ModelServer.create(environment);
  server.start();
  await server.reaches("ready");
  const world = { root, environment, server };
  for (const { details } of [ofForm, magpie]) {
    details["readers"] = ["hyparquet", ...(environment.hasReaders ? ["pyarrow", "duckdb"] : [])];
    details["server"] = { parallel: PARALLEL, contextTokens: CONTEXT_TOKENS };
  }
  await step("tokenizer", magpie.details, () => checkTokenizer(server.url, tokenizer, magpie.findings));
  await step("chat", ofForm.details, async () => {
    const job = { name: "structured-chat", questions: questions.slice(0, sizes.rows), form: NESTED_FORM };
    const { valid, details } = await checkStructured({ ...world, findings: ofForm.findings }, job);
    ofForm.valid = valid;
    return details;
  });
  await step("completions", ofForm.details, async () => {
    const { findings } = ofForm;
    const rows = questions.slice(-sizes.rendered);
    const job = { name: "structured-completions", questions: rows, form: NESTED_FORM, tokenizer };
    const { valid, details } = await checkStructured({ ...world, findings }, job);
    findings.expect(
      valid >= rows.length * ACCEPTED_SHARE,
      `${valid} of ${rows.length} rows were accepted over completions.`,
    );
    return details;
  });
  await step("unheld", ofForm.details, async () => {
    const job = { name: "structured-unheld", questions: questions.slice(0, sizes.unheld), form: UNHELD_FORM };
    return (await checkStructured({ ...world, findings: ofForm.findings }, job)).details;
  });
  await step("conversations", magpie.details, async () => {
    const { findings } = magpie;
    const { whole, details } = await checkMagpie({ ...world, findings }, sizes.conversations, tokenizer);
    magpie.whole = whole;
    return details;
  });
}

async function step(
  name: string,
  all: Record<string, unknown>,
  check: () => Promise<Readonly<Record<string, unknown>>>,
): Promise<void> {
  const startedMs = performance.now();
  const details = await check();
  all[name] = details;
  say(`${name}: ${((performance.now() - startedMs) / 1_000).toFixed(1)} s  ${JSON.stringify(details)}`);
}

function print(
  figure: string,
  value: number,
  of: { readonly want: string; readonly isEnough: boolean; readonly findings: Findings; readonly details: object },
): void {
  const { want, isEnough, details } = of;
  const { problems } = of.findings;
  const ok = isEnough && problems.length === 0;
  say(JSON.stringify({ figure, value, want, ok, details: { ...details, problems } }));
  if (!ok) process.exitCode = 1;
}
