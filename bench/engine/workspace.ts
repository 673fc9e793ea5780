/** A benchmark's temporary folder with its input, and the job that is run there. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { writeQuestions } from "./questions.ts";

export interface Workspace extends AsyncDisposable {
  readonly folder: string;
}

/** Makes the folder and `questions.jsonl` in it; disposing deletes it all. */
export async function openWorkspace(rows: number): Promise<Workspace> {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-bench-"));
  await writeQuestions(path.join(folder, "questions.jsonl"), rows);
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

export interface JobSize {
  readonly url: string;
  readonly slots: number;
  /** Folder of the output, within the workspace's. */
  readonly output: string;
  readonly limit?: number;
  readonly shardRows?: number;
  /** Renders prompts in the engine, with the chat template of this tokenizer. */
  readonly tokenizerId?: string;
}

/** The spec of every benchmark: a question a row, one answer, Parquet, all else by default. */
export function jobSpec({ url, slots, output, limit, shardRows, tokenizerId }: JobSize) {
  return {
    input: { path: "questions.jsonl", ...(limit === undefined ? {} : { limit }) },
    steps: [
      {
        task: "text-generation",
        columns: { instruction: "question" },
        llm: {
          base_url: url,
          slots,
          generation_kwargs: { max_new_tokens: 512 },
          ...(tokenizerId === undefined ? {} : { tokenizer_id: tokenizerId }),
        },
      },
    ],
    output: { path: output },
    ...(shardRows === undefined ? {} : { run: { shard_rows: shardRows } }),
  };
}
