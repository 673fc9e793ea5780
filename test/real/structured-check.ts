/** Answers of a nested form on the real server: what was accepted, judged by a validator that Tiding does not use. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Validator } from "@cfworker/json-schema";
import type { AnswerForm } from "./answer-forms.ts";
import type { Findings } from "./findings.ts";
import { writeJob } from "./job-folder.ts";
import { PARALLEL } from "./model-server.ts";
import type { ServerProcess } from "./server-process.ts";
import type { PythonEnvironment } from "./python-environment.ts";
import { readDataset } from "./read-dataset.ts";
import type { DatasetRow } from "./read-dataset.ts";
import { reportOf, tiding } from "./tiding-command.ts";

/** An answer of these forms without blanks has 90 or so at most; the rest is for blanks and for other scripts. */
const NEW_TOKENS = 256;
/** Codes of rows that fail because of what the model wrote. */
const MODELS_FAULTS = new Set<string>(["ANSWER_MISFIT", "ANSWER_CUT"]);

interface StructuredRow extends DatasetRow {
  readonly structured: unknown;
}

export interface AnswersWorld {
  /** Jobs lie here. */
  readonly root: string;
  readonly environment: PythonEnvironment;
  readonly server: ServerProcess;
  readonly findings: Findings;
}

export interface StructuredResult {
  /** Rows that were accepted, and that the other validator accepts too. */
  readonly valid: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface StructuredOptions {
  /** Of the job. */
  readonly name: string;
  readonly questions: readonly string[];
  readonly form: AnswerForm;
  /** Folder of the tokenizer for prompts that are rendered here, and streamed; over chat when absent. */
  readonly tokenizer?: string;
}

export async function checkStructured(
  { root, environment, server, findings }: AnswersWorld,
  { name, questions, form, tokenizer }: StructuredOptions,
): Promise<StructuredResult> {
  const llm = {
    ...server.access,
    slots: PARALLEL,
    generation_kwargs: { max_new_tokens: NEW_TOKENS, temperature: 0.7 },
    structured_output: { format: "json" as const, schema: form.schema },
    ...(tokenizer === undefined ? {} : { tokenizer_id: tokenizer, stream: true }),
  };
  const step = { task: "structured-generation", system_prompt: form.systemPrompt };
  const job = await writeJob(root, name, { questions, llm, step });
  const end = await tiding("run", job.spec, "--json", "--quiet");
  const { rows: counts, run, failures, error } = reportOf(end);
  findings.expect(error === null, `${name} stopped: ${error?.code} ${error?.message}`);
  const isWhole = counts.accepted + counts.failed === questions.length;
  findings.expect(isWhole, `${name}: ${counts.accepted} rows accepted and ${counts.failed} failed.`);
  const isModels = failures.every(({ code }) => MODELS_FAULTS.has(code));
  findings.expect(isModels, `${name}: not only the model is at fault: ${JSON.stringify(failures)}`);

  const rows = await readDataset<StructuredRow>(join(job.output, "data"), environment, findings);
  findings.expect(
    rows.length === counts.accepted,
    `${name} holds ${rows.length} rows, its report says ${counts.accepted}.`,
  );
  const validator = new Validator(form.schema, "2020-12", false);
  const isValid = (answer: unknown): boolean => validator.validate(answer).valid;
  const invalid = rows.filter(({ generation }) => !isValid(JSON.parse(generation)));
  for (const { generation, tiding: meta } of invalid) {
    findings.expect(false, `${name}: row ${meta.row_id} was accepted, but is invalid: ${generation}`);
  }
  for (const { question, generation, structured, tiding: meta } of rows) {
    findings.expect(question === questions[meta.row_id], `${name}: row ${meta.row_id} has another row's question.`);
    const isSame = isDeepStrictEqual(structured, JSON.parse(generation));
    findings.expect(isSame, `${name}: the columns of row ${meta.row_id} are not what its answer says.`);
  }
  const different = new Set(rows.map(({ generation }) => generation)).size;
  findings.expect(different >= rows.length / 2, `${name}: ${rows.length} rows have ${different} different answers.`);
  // What the other validator is good for: it must miss a key.
  const lacking = rows.map(({ generation }) => ({ ...JSON.parse(generation), answer: undefined }));
  const isBlind = lacking.some((answer) => isValid(JSON.parse(JSON.stringify(answer))));
  findings.expect(!isBlind, `${name}: the other validator accepts answers without a key.`);
  return {
    valid: rows.length - invalid.length,
    details: {
      rows: questions.length,
      accepted: rows.length,
      invalid: invalid.length,
      different,
      askedAgain: run.calls.answers - questions.length,
      cutByLength: run.calls.cutByLength,
      outputTokens: run.calls.outputTokens,
      seconds: Math.round(run.elapsedMs / 1_000),
      failures,
    },
  };
}
