/** A folder with one job's spec, input and output. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobSpecInput } from "../../shared/spec/job-spec.ts";

type StepInput = JobSpecInput["steps"][number];

export interface JobFolder {
  readonly spec: string;
  readonly output: string;
  readonly questions: readonly string[];
}

export interface JobFolderOptions {
  /** None for a job that makes its rows itself. */
  readonly questions: readonly string[];
  readonly llm: NonNullable<StepInput["llm"]>;
  /** Without its `llm`; text-generation of the questions when absent. */
  readonly step?: StepInput;
  readonly run?: JobSpecInput["run"];
}

/** Writes `job.json` and `questions.jsonl` into a new folder of that name. */
export async function writeJob(
  root: string,
  name: string,
  { questions, llm, step = { task: "text-generation" }, run }: JobFolderOptions,
): Promise<JobFolder> {
  const folder = join(root, name);
  await mkdir(folder);
  await writeFile(
    join(folder, "questions.jsonl"),
    questions.map((question) => `${JSON.stringify({ question })}\n`).join(""),
  );
  const isAsked = questions.length > 0;
  const spec: JobSpecInput = {
    name,
    ...(isAsked ? { input: { path: "questions.jsonl" } } : {}),
    steps: [{ ...step, ...(isAsked ? { columns: { instruction: "question" } } : {}), llm }],
    output: { path: "out" },
    run: { flush_interval: "200ms", ...run },
  };
  await writeFile(join(folder, "job.json"), JSON.stringify(spec));
  return { spec: join(folder, "job.json"), output: join(folder, "out"), questions };
}
