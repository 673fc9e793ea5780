/** The name under which `tiding init` puts the JSON Schema beside a spec. */
export const SCHEMA_FILE = "tiding.schema.json";

/** The spec that `tiding init` writes: it runs once the input and the endpoint are real. */
export const JOB_TEMPLATE = `# yaml-language-server: $schema=./${SCHEMA_FILE}
#
# A Tiding job: rows in, an LLM's answers beside them out.
#   tiding preview job.yaml     the first rows, nothing is written
#   tiding run job.yaml         all rows; the same command again resumes
# Paths are relative to this file. \${NAME} is taken from the environment.

input:
  path: questions.jsonl         # a file, a glob or a list; jsonl, csv, parquet or arrow
  # limit: 100                  # most rows; raising it later extends the dataset

steps:
  - task: text-generation       # or a module of your own: ./my-task.ts
    columns:
      instruction: question     # the task's column: the input's column
    # system_prompt: Answer in one sentence.
    # num_generations: 1        # answers for each row
    llm:
      base_url: http://127.0.0.1:8080     # TGI, vLLM, SGLang, llama.cpp …; a list spreads the load
      # model_id: my-model      # the served name; asked of the server when absent
      # api_key: \${HF_TOKEN}    # a reference, never the key itself
      slots: 64                 # requests in flight to each endpoint
      generation_kwargs:
        max_new_tokens: 512
        temperature: 0.7

output:
  path: out/answers             # becomes a folder that load_dataset() reads
  # format: parquet             # or jsonl, arrow

# run:
#   seed: 42                    # every call's seed derives from it
#   attempts: 6                 # tries of one call before its row fails
`;
