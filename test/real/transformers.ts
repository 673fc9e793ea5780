/**
 * `npm run test:real:transformers`: `TransformersLLM` on `@huggingface/transformers` itself, with the small model of
 * test/fixtures/transformers/, held against what Python's transformers answered with the same weights
 * (make_onnx_model.py).
 *
 * The first run installs the package, 327 MB, into a cache folder (docs/real-model.md). Prints what happens, and as its last
 * line one JSON object with the figure: checks that hold. Exits with 1 when one does not.
 */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { runJob } from "../../jobs/run-job.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { poolStates } from "../../worker/llms/transformers/pool-states.ts";
import { TransformersLLM } from "../../worker/llms/transformers/transformers-llm.ts";
import { Findings } from "./findings.ts";
import { prepareTransformers } from "./node-package.ts";

interface Expected {
  readonly new_tokens: number;
  readonly answers: readonly {
    readonly question: string;
    readonly text: string;
    readonly input_tokens: number;
    readonly output_tokens: number;
  }[];
  readonly hidden_states: readonly { readonly text: string; readonly state: readonly (readonly number[])[] }[];
}

const TOLERANCE = 1e-3;
const CHECKS = 9;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const findings = new Findings(say);
const details: Record<string, unknown> = {};
const fixtures = fileURLToPath(new URL("../../../test/fixtures/transformers", import.meta.url));
const expected = JSON.parse(await readFile(join(fixtures, "expected.json"), "utf8")) as Expected;
let held = 0;

const home = await prepareTransformers(say);
// Below the package's folder, so that it is found from the spec's.
const folder = await mkdtemp(join(home, "job-"));
try {
  await cp(join(fixtures, "tiny-gpt"), join(folder, "tiny-gpt"), { recursive: true });
  await checkClass();
  await checkJobs();
} catch (error) {
  findings.threw(error);
} finally {
  await rm(folder, { recursive: true, force: true });
}
details["problems"] = findings.problems;
const ok = findings.problems.length === 0 && held === CHECKS;
say(JSON.stringify({ figure: "real_transformers", value: held, want: String(CHECKS), ok, details }));
process.exitCode = ok ? 0 : 1;

function expect(what: string, holds: boolean): void {
  if (holds) held++;
  findings.expect(holds, what);
}

async function checkClass(): Promise<void> {
  await using llm = new TransformersLLM({ model_id: "./tiny-gpt", folder });
  const generate = (question: string, kwargs: object = {}, more: { seed?: number } = {}) =>
    llm.generate([{ role: "user", content: question }], {
      generationKwargs: { max_new_tokens: expected.new_tokens, ...kwargs },
      ...more,
    });
  const answers = await Promise.all(expected.answers.map(({ question }) => generate(question)));
  expect(
    "every text is Python's",
    answers.every(({ text }, index) => text === expected.answers[index]?.text),
  );
  expect(
    "tokens are counted as Python's, and the answers are cut by their length",
    answers.every(({ inputTokens, outputTokens, finishReason }, index) => {
      const { input_tokens, output_tokens } = expected.answers[index] ?? {};
      return inputTokens === input_tokens && outputTokens === output_tokens && finishReason === "length";
    }),
  );
  const [first] = expected.answers;
  const stop = first?.text.slice(6, 9) ?? "";
  const stopped = await generate(first?.question ?? "", { stop_sequences: [stop] });
  const before = first?.text.slice(0, first.text.indexOf(stop));
  expect("a stop sequence ends the answer before it", stopped.text === before && stopped.finishReason === "stop");
  const drawn = await Promise.all([1, 1, 2 ** 41].map((seed) => generate("A wheel", { temperature: 1 }, { seed })));
  const [one, again, other] = drawn.map(({ text }) => text);
  expect("a seed draws the same text again, and another another", one === again && one !== other);

  const states = await llm.getLastHiddenState(expected.hidden_states.map(({ text }) => text));
  const distances = expected.hidden_states.map(({ state }, index) => {
    const found = states[index] ?? [];
    const values = state.flatMap((row, token) => row.map((value, at) => Math.abs(value - (found[token]?.[at] ?? 9))));
    return found.length === state.length ? Math.max(...values) : Number.POSITIVE_INFINITY;
  });
  details["hidden_state_distance"] = Math.max(...distances);
  expect(`hidden states are Python's within ${TOLERANCE}`, Math.max(...distances) <= TOLERANCE);

  const leaving = new AbortController();
  const given = llm.generate("The wheel", { generationKwargs: { max_new_tokens: 240 }, signal: leaving.signal });
  leaving.abort(new Error("left"));
  const left = await given.catch((error: unknown) => error);
  expect("an answer that is no longer wanted rejects", left instanceof Error && left.message === "left");
}

async function checkJobs(): Promise<void> {
  const questions = expected.answers.map(({ question }) => ({ question }));
  const rows = await runStep("texts", questions, {
    task: "text-generation",
    columns: { instruction: "question" },
    llm: { generation_kwargs: { max_new_tokens: expected.new_tokens } },
  });
  expect(
    "a job's rows have Python's texts",
    rows.length === questions.length && rows.every((row, index) => row["generation"] === expected.answers[index]?.text),
  );
  const passages = expected.hidden_states.map(({ text }) => ({ text }));
  for (const normalize of [false, true]) {
    const embedded = await runStep(`embeddings-${normalize}`, passages, {
      task: "generate-embeddings",
      llm: { generation_kwargs: { normalize } },
    });
    const distances = expected.hidden_states.map(({ state }, index) => {
      const wanted = poolStates(
        state.map((row) => Float32Array.from(row)),
        { pooling: "mean", normalize },
      );
      const found = (embedded[index]?.["embedding"] ?? []) as readonly number[];
      return Math.max(...wanted.map((value, at) => Math.abs(value - (found[at] ?? 9))));
    });
    expect(
      `a job's embeddings are the mean of Python's states (normalize: ${normalize})`,
      Math.max(...distances) <= TOLERANCE,
    );
  }
}

async function runStep(
  name: string,
  input: readonly object[],
  { llm, ...step }: { readonly llm: object } & Record<string, unknown>,
): Promise<readonly Record<string, unknown>[]> {
  await writeFile(join(folder, `${name}.jsonl`), input.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const local = { class: "TransformersLLM", model_id: "./tiny-gpt", slots: 2, ...llm };
  const spec = { input: { path: `${name}.jsonl` }, steps: [{ ...step, llm: local }], output: { path: name } };
  const loaded = specFromObject(spec, { folder, environment: {} });
  const report = await runJob({ loaded, environment: {} });
  details[name] = report.rows;
  const data = join(folder, name, "data");
  const [part = ""] = await readdir(data);
  const file = await asyncBufferFromFile(join(data, part));
  return await parquetReadObjects({ file, compressors });
}
