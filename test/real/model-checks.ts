/** What is tried on the real server, each on a job of its own. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { PreviewRow } from "../../jobs/preview-job.ts";
import type { Findings } from "./findings.ts";
import { writeJob } from "./job-folder.ts";
import type { JobFolder } from "./job-folder.ts";
import { CONTEXT_TOKENS, MODEL_NAMES, PARALLEL } from "./model-server.ts";
import type { ModelServer } from "./model-server.ts";
import type { PythonEnvironment } from "./python-environment.ts";
import { readDataset } from "./read-dataset.ts";
import type { DatasetRow } from "./read-dataset.ts";
import { reportOf, startTiding, tiding } from "./tiding-command.ts";
import { jobReaches, statusOf } from "./watch-job.ts";

export interface World {
  /** Jobs lie here. */
  readonly root: string;
  readonly environment: PythonEnvironment;
  readonly server: ModelServer;
  readonly questions: readonly string[];
  readonly findings: Findings;
}

const NEW_TOKENS = 48;
/** Rows of the jobs that are interrupted. */
const INTERRUPTED_ROWS = 24;
/** How many of them are to be committed before. */
const COMMITTED_BEFORE = 6;
/** How long the server may run at a time while it is held up in loading, and how long it may not. */
const THAWED_MS = 15;
const FROZEN_MS = 500;

function modelJob(world: World, name: string, questions: readonly string[], stream = false): Promise<JobFolder> {
  const llm = {
    base_url: world.server.url,
    slots: PARALLEL,
    stream,
    generation_kwargs: { max_new_tokens: NEW_TOKENS, temperature: 0.7 },
  };
  return writeJob(world.root, name, { questions, llm, run: { shard_rows: 4 } });
}

/** A whole job of so many rows: every one answered once, in order, with its provenance. */
export async function checkAnswers(world: World, wanted: number): Promise<Readonly<Record<string, unknown>>> {
  const { findings, server } = world;
  const questions = world.questions.slice(0, wanted);
  const job = await modelJob(world, "answers", questions);
  const end = await tiding("run", job.spec, "--json", "--quiet");
  const report = reportOf(end);
  const { run } = report;
  findings.expect(
    end.code === 0,
    `The job ended with exit code ${end.code}: ${JSON.stringify(report.error ?? report.failures)}`,
  );
  findings.expect(
    report.rows.accepted === questions.length,
    `${report.rows.accepted} of ${questions.length} rows were accepted.`,
  );
  const rows = await checkRowsOnce(world, job);
  for (const { generation, model_name, tiding: meta } of rows) {
    const place = `Row ${meta.row_id}`;
    findings.expect(generation.trim() !== "", `${place} has an empty answer.`);
    findings.expect(
      model_name === MODEL_NAMES[0] && meta.model === MODEL_NAMES[0],
      `${place} names the model ${meta.model}.`,
    );
    findings.expect(meta.endpoint === server.url, `${place} names the endpoint ${meta.endpoint}.`);
    findings.expect(meta.input_tokens > 0, `${place} has ${meta.input_tokens} input tokens.`);
    const isWithin = meta.output_tokens > 0 && meta.output_tokens <= NEW_TOKENS;
    findings.expect(isWithin, `${place} has ${meta.output_tokens} output tokens.`);
    const isFinish =
      meta.finish_reason === "stop" || (meta.finish_reason === "length" && meta.output_tokens === NEW_TOKENS);
    findings.expect(isFinish, `${place} finished by ${meta.finish_reason} after ${meta.output_tokens} tokens.`);
    findings.expect(
      meta.attempts === 1 && meta.duration_ms > 0,
      `${place} took ${meta.attempts} attempts, ${meta.duration_ms} ms.`,
    );
  }
  const answers = new Set(rows.map(({ generation }) => generation)).size;
  findings.expect(answers === rows.length, `${rows.length} rows have ${answers} different answers.`);
  const seeds = new Set(rows.map(({ tiding: { seed } }) => seed)).size;
  findings.expect(seeds === rows.length, `${rows.length} rows have ${seeds} different seeds.`);
  const cut = rows.filter(({ tiding: { finish_reason } }) => finish_reason === "length").length;
  findings.expect(
    run.calls.cutByLength === cut,
    `The report counts ${run.calls.cutByLength} cut answers, the rows ${cut}.`,
  );
  const input = sum(rows, ({ tiding: { input_tokens } }) => input_tokens);
  const output = sum(rows, ({ tiding: { output_tokens } }) => output_tokens);
  const counted = [run.calls.inputTokens, run.calls.outputTokens].join(" and ");
  findings.expect(
    counted === `${input} and ${output}`,
    `The report counts ${counted} tokens, the rows ${input} and ${output}.`,
  );
  const { rowsPerSecond, slotUse } = run;
  return { rows: rows.length, rowsPerSecond, slotUse, inputTokens: input, outputTokens: output, cutByLength: cut };
}

/** A job that is killed in the middle, and the same command again. */
export async function checkKilledJob(world: World): Promise<Readonly<Record<string, unknown>>> {
  const { findings } = world;
  const job = await modelJob(world, "killed", world.questions.slice(0, INTERRUPTED_ROWS));
  const command = startTiding("run", job.spec, "--json", "--quiet");
  await jobReaches(job.output, command, ({ rows }) => rows.committed >= COMMITTED_BEFORE);
  command.kill("SIGKILL");
  const { code } = await command.ended;
  findings.expect(code === null, `The job ended with exit code ${code} before it was killed.`);
  const committed = (await statusOf(job.output))?.rows.committed ?? 0;
  const end = await tiding("run", job.spec, "--json", "--quiet");
  const { run } = reportOf(end);
  findings.expect(end.code === 0, `The resumed job ended with exit code ${end.code}.`);
  const left = job.questions.length - committed;
  findings.expect(
    run.rows === left,
    `${committed} rows were committed; the resumed run did ${run.rows} of the other ${left}.`,
  );
  findings.expect(run.calls.requests === left, `The resumed run sent ${run.calls.requests} requests for ${left} rows.`);
  await checkRowsOnce(world, job);
  return { committedAtKill: committed, requestsOfResume: run.calls.requests };
}

/** A server that is killed and comes back in the middle, and is long in loading: the job waits and goes on. */
export async function checkKilledServer(world: World): Promise<Readonly<Record<string, unknown>>> {
  const { findings, server } = world;
  const job = await modelJob(world, "server-killed", world.questions.slice(0, INTERRUPTED_ROWS));
  const command = startTiding("run", job.spec, "--json", "--quiet");
  await jobReaches(job.output, command, ({ rows }) => rows.committed >= COMMITTED_BEFORE);
  await server.kill();
  const noticed = await jobReaches(job.output, command, ({ progress }) => reasonOf(progress) !== null);
  const reasonDown = reasonOf(noticed?.progress ?? null) ?? "";
  findings.expect(/cannot be reached|broke off/.test(reasonDown), `The job says of the dead server: ${reasonDown}`);
  server.start();
  await server.reaches("loading");
  let reasonLoading = "";
  do {
    // The server answers 503 in its turns, and comes so far in them that it is ready after some dozens.
    server.freeze();
    await delay(FROZEN_MS);
    reasonLoading = reasonOf((await statusOf(job.output))?.progress ?? null) ?? "";
    server.thaw();
    await delay(THAWED_MS);
  } while (!reasonLoading.includes("Loading model") && (await server.health()) === "loading");
  findings.expect(reasonLoading.includes("Loading model"), `The job says of the loading server: ${reasonLoading}`);
  const end = await command.ended;
  findings.expect(end.code === 0, `The job ended with exit code ${end.code} after the server came back.`);
  const { retries, requests } = reportOf(end).run.calls;
  await checkRowsOnce(world, job);
  return { reasonDown, reasonLoading, requests, retries };
}

/** A prompt that cannot fit, among others that can, all streamed: it fails at once, with what the server said. */
export async function checkLongPrompt(world: World): Promise<Readonly<Record<string, unknown>>> {
  const { findings, environment } = world;
  const [first = "", second = ""] = world.questions;
  const job = await modelJob(world, "long-prompt", [first, "otters ".repeat(CONTEXT_TOKENS), second], true);
  const end = await tiding("run", job.spec, "--json", "--quiet");
  const { rows, failures } = reportOf(end);
  findings.expect(end.code === 3, `The job with a prompt too long ended with exit code ${end.code}, expected 3.`);
  findings.expect(
    rows.accepted === 2 && rows.failed === 1,
    `${rows.accepted} rows were accepted, ${rows.failed} failed.`,
  );
  findings.expect(!JSON.stringify(failures).includes("otters"), "The report repeats the prompt.");
  const accepted = await readDataset(join(job.output, "data"), environment, findings);
  const isAnswered = accepted.every(
    ({ generation, tiding: { output_tokens } }) => generation !== "" && output_tokens > 0,
  );
  findings.expect(isAnswered, "A streamed answer is empty, or without its tokens.");
  const [failed] = await readDataset(join(job.output, "failed"), environment, findings);
  const { row_id, code, attempts, raw_response } = failed?.tiding ?? {};
  findings.expect(
    row_id === 1 && code === "CONTEXT_TOO_LONG",
    `Row ${row_id} failed with ${code}, expected row 1 with CONTEXT_TOO_LONG.`,
  );
  findings.expect(attempts === 1, `The prompt too long was tried ${attempts} times.`);
  const hasRaw = raw_response?.includes('"n_prompt_tokens"') === true;
  findings.expect(hasRaw, `The failed row holds no answer of the server, but ${raw_response}.`);
  return { exitCode: end.code, failures };
}

/** Names that the server has, and one that it has not: that one costs no request. */
export async function checkModelNames(world: World): Promise<Readonly<Record<string, unknown>>> {
  const { findings } = world;
  const job = await modelJob(world, "model-names", world.questions.slice(0, 2));
  const wrong = await tiding("run", job.spec, "--json", "--quiet", "--set", "steps.0.llm.model_id=some-other-model");
  const { error } = JSON.parse(wrong.stdout) as { error: { code: string; message: string } | null };
  findings.expect(
    wrong.code === 1 && error?.code === "MODEL_NOT_FOUND",
    `A wrong model_id gave exit code ${wrong.code}, ${error?.code}.`,
  );
  const isNamed = error?.message.includes(MODEL_NAMES[0]) === true;
  findings.expect(isNamed, `The error does not name what is served: ${error?.message}`);
  const other = await tiding("preview", job.spec, "-n", "1", "--set", `steps.0.llm.model_id=${MODEL_NAMES[1]}`);
  findings.expect(other.code === 0, `The model's other name gave exit code ${other.code}: ${other.stderr}`);
  return { wrongModel: error };
}

export async function checkPreview(world: World): Promise<Readonly<Record<string, unknown>>> {
  const { findings, questions } = world;
  const job = await modelJob(world, "preview", questions);
  const { code, stdout } = await tiding("preview", job.spec, "-n", "2", "--json");
  findings.expect(code === 0, `tiding preview ended with exit code ${code}.`);
  const { rows } = JSON.parse(stdout) as { rows: readonly PreviewRow[] };
  findings.expect(rows.length === 2, `tiding preview showed ${rows.length} rows, expected 2.`);
  for (const { row_id, values, calls } of rows) {
    const [call] = calls;
    const [said] = [call?.input ?? []].flat();
    const isAsked = typeof said === "object" && said.content === questions[row_id];
    const isSame = isAsked && call?.answer === values["generation"];
    findings.expect(isSame && call?.answer !== "", `tiding preview does not show what row ${row_id} sent and got.`);
  }
  findings.expect((await statusOf(job.output)) === null, "tiding preview wrote a job.");
  return { rows: rows.length };
}

/** The dataset, after it was found to hold each question once and in order. */
async function checkRowsOnce(world: World, job: JobFolder): Promise<readonly DatasetRow[]> {
  const rows = await readDataset(join(job.output, "data"), world.environment, world.findings);
  const isOnce = rows.length === job.questions.length && rows.every(isInPlace);
  world.findings.expect(isOnce, `${job.output} does not hold each row once and in the input's order.`);
  return rows;

  function isInPlace(row: DatasetRow, index: number): boolean {
    return row.tiding.row_id === index && row.question === job.questions[index];
  }
}

function reasonOf(
  progress: { readonly endpoints: readonly { readonly reason: string | null }[] } | null,
): string | null {
  return progress?.endpoints[0]?.reason ?? null;
}

function sum(rows: readonly DatasetRow[], of: (row: DatasetRow) => number): number {
  return rows.reduce((total, row) => total + of(row), 0);
}
