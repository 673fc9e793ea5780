/** What is tried on vLLM's own server beside its exchanges. */
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import type { EndpointProbe } from "../../jobs/probe-endpoint.ts";
import { isTidingError } from "../../shared/errors.ts";
import type { ChatMessage } from "../../shared/task/task.ts";
import { InferenceEndpointsLLM } from "../../worker/llms/inference-endpoints-llm.ts";
import { PROMPT, QUESTION, VLLM_NAMES } from "../support/vllm-calls.ts";
import type { Findings } from "./findings.ts";
import { writeJob } from "./job-folder.ts";
import { CONTEXT_TOKENS, PARALLEL } from "./model-server.ts";
import { readDataset } from "./read-dataset.ts";
import type { PythonEnvironment } from "./python-environment.ts";
import { reportOf, tiding } from "./tiding-command.ts";
import type { VllmServer } from "./vllm-server.ts";

export interface VllmWorld {
  readonly root: string;
  readonly environment: PythonEnvironment;
  readonly server: VllmServer;
  readonly findings: Findings;
}

type Facts = Readonly<Record<string, unknown>>;

const NEW_TOKENS = 32;

/** What `tiding probe` says, against what the server was started with. */
export async function checkVllmProbe({ server, findings }: VllmWorld, version: string): Promise<Facts> {
  const [, name] = VLLM_NAMES;
  const key = server.access.api_key?.slice(2, -1) ?? "";
  const end = await tiding("probe", server.url, "--model-id", name, "--api-key-env", key, "--json");
  findings.expect(end.code === 0, `tiding probe ended with exit code ${end.code}: ${end.stderr}`);
  const probe = JSON.parse(end.stdout) as EndpointProbe;
  findings.expect(probe.server === "vllm", `The server was taken for ${probe.server}.`);
  findings.expect(probe.serverVersion === version, `The version was taken for ${probe.serverVersion}.`);
  findings.expect(probe.model === name, `The model was taken for ${probe.model}.`);
  const { maxTotalTokens } = probe.limits;
  findings.expect(maxTotalTokens === CONTEXT_TOKENS, `${maxTotalTokens} tokens of context.`);
  const closed = await tiding("probe", server.url, "--model-id", name, "--json");
  findings.expect(closed.code === 1, `tiding probe without the key ended with exit code ${closed.code}.`);
  return { server: probe.server, serverVersion: probe.serverVersion, limits: probe.limits };
}

/** Whether the prompts that Tiding renders are the server's own, token by token. */
export async function checkTokenizer({ server, findings }: VllmWorld, tokenizer: string): Promise<Facts> {
  const conversations: readonly (readonly ChatMessage[])[] = [
    QUESTION as readonly ChatMessage[],
    [
      { role: "system", content: "You are brief." },
      { role: "user", content: "Hello\n" },
      { role: "assistant", content: " Hello. " },
      { role: "user", content: "Who's there? 1,234.5 naïve café" },
    ],
  ];
  await using chat = open(server);
  await using rendered = open(server, { tokenizer_id: tokenizer });
  const counts: number[] = [];
  for (const conversation of conversations) {
    const [one, other] = await Promise.all([chat.generate(conversation), rendered.generate(conversation)]);
    counts.push(one.inputTokens ?? 0);
    const isSame = one.inputTokens === other.inputTokens;
    findings.expect(isSame, `The server counts ${one.inputTokens} tokens of its prompt, ${other.inputTokens} of ours.`);
    findings.expect(one.text === other.text, `The answer over chat is ${one.text}, over completions ${other.text}.`);
  }
  return { tokens: counts };
}

/** Single calls through the library: texts as they come, stop sequences, seeds, a regex, what is refused. */
export async function checkCalls({ server, findings }: VllmWorld, tokenizer: string): Promise<Facts> {
  await using llm = open(server);
  await using rendered = open(server, { tokenizer_id: tokenizer });
  const whole = await llm.generate(QUESTION);
  const texts = await collected(llm.stream(QUESTION));
  findings.expect(texts.length > 1, `The stream came in ${texts.length} pieces.`);
  findings.expect(texts.join("") === whole.text, `The stream says ${texts.join("")}, the answer ${whole.text}.`);

  const cut = await llm.generate(PROMPT, { generationKwargs: { stop_sequences: [" seven"] } });
  const isCut = cut.finishReason === "stop" && !cut.text.includes(" seven");
  findings.expect(isCut, `The answer with a stop sequence ended by ${cut.finishReason}: ${cut.text}`);

  const seeded = async (seed: number): Promise<string> =>
    (await collected(llm.stream(PROMPT, { generationKwargs: { temperature: 1.5 }, seed }))).join("");
  const [first, again, other] = [await seeded(7), await seeded(7), await seeded(Number.MAX_SAFE_INTEGER)];
  findings.expect(first === again, "The same seed gave two answers.");
  findings.expect(first !== other, "Two seeds gave the same answer.");

  const code = await rendered.generate(QUESTION, {
    structuredOutput: { format: "regex", schema: "[A-D]{3}-[0-9]{4}" },
  });
  findings.expect(/^[A-D]{3}-[0-9]{4}$/.test(code.text), `The answer of a regex is ${code.text}.`);

  const user = await rendered.generate([], { preQuery: true });
  findings.expect(user.text.trim() !== "" && !user.text.includes("<|im"), `The user's message is ${user.text}.`);

  const refused = {
    key: await codeOf(open(server, { api_key: "${TIDING_REAL_WRONG_KEY}" }, { TIDING_REAL_WRONG_KEY: "wrong" })),
    model: await codeOf(open(server, { model_id: "another" })),
  };
  const isRefused = isDeepStrictEqual(refused, { key: "UNAUTHORIZED", model: "MODEL_NOT_FOUND" });
  findings.expect(isRefused, `What is refused came as ${JSON.stringify(refused)}.`);
  return { pieces: texts.length, answer: whole.text, seeded: first, user: user.text, refused };
}

/** A job of text-generation: every row answered once, in order. With a tokenizer over prompts, streamed. */
export async function checkJob(
  { root, environment, server, findings }: VllmWorld,
  {
    name,
    questions,
    tokenizer,
  }: { readonly name: string; readonly questions: readonly string[]; readonly tokenizer?: string },
): Promise<Facts> {
  const llm = {
    ...server.access,
    slots: PARALLEL,
    generation_kwargs: { max_new_tokens: NEW_TOKENS, temperature: 0.7 },
    ...(tokenizer === undefined ? {} : { tokenizer_id: tokenizer, stream: true }),
  };
  const job = await writeJob(root, name, { questions, llm });
  const { rows: counts, run, failures, error } = reportOf(await tiding("run", job.spec, "--json", "--quiet"));
  findings.expect(error === null, `${name} stopped: ${error?.code} ${error?.message}`);
  findings.expect(counts.accepted === questions.length, `${name}: ${JSON.stringify(failures)}`);
  const rows = await readDataset(join(job.output, "data"), environment, findings);
  for (const [index, { question, generation, tiding: meta }] of rows.entries()) {
    const isRight = question === questions[index] && generation.trim() !== "" && meta.attempts === 1;
    findings.expect(isRight, `${name}: row ${meta.row_id} is not as it should be.`);
    const isCounted = meta.input_tokens > 0 && meta.output_tokens > 0 && meta.output_tokens <= NEW_TOKENS;
    findings.expect(
      isCounted,
      `${name}: row ${meta.row_id} has ${meta.input_tokens} and ${meta.output_tokens} tokens.`,
    );
  }
  return { rows: rows.length, outputTokens: run.calls.outputTokens, seconds: Math.round(run.elapsedMs / 1_000) };
}

function open(
  server: VllmServer,
  more: Readonly<Record<string, unknown>> = {},
  environment: Readonly<Record<string, string>> = {},
): InferenceEndpointsLLM {
  const generation_kwargs = { max_new_tokens: NEW_TOKENS, temperature: 0 };
  return new InferenceEndpointsLLM({
    ...server.access,
    generation_kwargs,
    ...more,
    environment: { ...process.env, ...environment },
  });
}

async function collected(texts: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const text of texts) all.push(text);
  return all;
}

/** Of the error that the first call ends with; null for none. */
async function codeOf(llm: InferenceEndpointsLLM): Promise<string | null> {
  await using closing = llm;
  return await closing.generate(QUESTION).then(
    () => null,
    (error: unknown) => (isTidingError(error) ? error.code : String(error)),
  );
}
