/** What each error code means and what to do about it, in one sentence each, for docs/errors.md. */
import type { ErrorClass, ErrorCode } from "../../shared/errors.ts";

export interface ErrorDescription {
  readonly meaning: string;
  readonly mend: string;
}

/** What the engine does about each class. */
export const CLASS_DESCRIPTIONS: Readonly<Record<ErrorClass, string>> = {
  "back-pressure": "The row waits its turn and the endpoint's slots are cut for a while. No attempt is counted.",
  transient:
    "The call is tried again after a random, growing wait, outside the slot, until `run.attempts` are used up; then the row fails.",
  "endpoint-down": "The endpoint's circuit opens; other endpoints carry on. No attempt is counted.",
  row: "The row becomes a failed row; the job goes on.",
  job: "The job stops before it burns rows. The same command resumes it.",
  usage: "The command, the spec or the input is wrong. Nothing was sent; exit code 2.",
  engine:
    "Tiding's own storage or protocol failed. The job stops; the same command resumes it unless the text says otherwise.",
};

/** A code without an entry does not compile. */
export const ERROR_DESCRIPTIONS: Readonly<Record<ErrorCode, ErrorDescription>> = {
  ENDPOINT_SATURATED: {
    meaning: "The endpoint has no room for the request: 429, TGI's `overloaded`, or 503 with `Retry-After`.",
    mend: "Nothing; lower `llm.slots` where it happens all the time.",
  },

  ENDPOINT_ERROR: {
    meaning:
      "The endpoint failed: 500, 502, 504, 408, 424, 503 without `Retry-After`, or an answer that it gave up on.",
    mend: "Look into the server's log where rows fail with it.",
  },
  CONNECTION_LOST: {
    meaning: "The connection broke off before the answer was whole.",
    mend: "Look at the server and at proxies before it.",
  },
  RESPONSE_INVALID: {
    meaning: "What came is not an answer: no JSON, HTML, or JSON without choices. The next attempt gets a new seed.",
    mend: "See whether `base_url` is the model server's address.",
  },
  STREAM_TRUNCATED: {
    meaning: "The stream ended before the answer did.",
    mend: "Look at the server and at proxies before it.",
  },
  REQUEST_TIMEOUT: {
    meaning: "The request took longer than `request_timeout`, or a stream was silent for longer than `idle_timeout`.",
    mend: "Raise the one that the message names if answers may take longer.",
  },
  LLM_FAILED: {
    meaning: "A custom LLM threw something that is no `TidingError`.",
    mend: "Mend the module, or throw a `TidingError` with the code that fits.",
  },

  ENDPOINT_UNREACHABLE: {
    meaning: "No connection came about: refused, unknown host, no route, TLS failed.",
    mend: "Start the server; check host, port, and http or https in `base_url`.",
  },
  ENDPOINT_LOADING: {
    meaning: "The server says that its model is loading, paused or scaled to zero.",
    mend: "Wait, or resume the endpoint.",
  },
  ENDPOINT_REFUSED_KEY: {
    meaning: "One endpoint refuses the key. A custom LLM may throw it; the built-in one throws `UNAUTHORIZED`.",
    mend: "Give the endpoint a key with access.",
  },

  REQUEST_REJECTED: {
    meaning: "The server rejected this request: mostly 400 or 422.",
    mend: "Read the message; correct the row or `generation_kwargs`, then `tiding retry`.",
  },
  CONTEXT_TOO_LONG: {
    meaning: "Prompt and `max_new_tokens` do not fit the model's context.",
    mend: "Shorten the input or lower `max_new_tokens`, then `tiding retry`.",
  },
  CONTENT_FILTERED: {
    meaning: "A content filter held back the request or the whole answer.",
    mend: "Change the prompt, or leave the row failed.",
  },
  ANSWER_CUT: {
    meaning: "The answer was cut by the token limit, and `fail_on_length` is set or its structured output incomplete.",
    mend: "`tiding retry DIR --set steps.0.llm.generation_kwargs.max_new_tokens=N`.",
  },
  ANSWER_MISFIT: {
    meaning:
      "The answer did not have the form of `structured_output`, nor when asked again `structured_retries` times.",
    mend: "Make the schema simpler, describe it in the prompt, or raise `structured_retries`; then `tiding retry DIR`.",
  },
  NO_INSTRUCTION: {
    meaning: "Magpie's model wrote no message for the user, however often it was asked.",
    mend: "Check that `tokenizer_id` is the served model's; raise `temperature`, then `tiding retry`.",
  },
  TASK_FAILED: { meaning: "A task threw, or did not return an object with its columns.", mend: "Mend the task." },
  ROW_INVALID: {
    meaning: "The input row could not be read, does not fit its columns' types, or lacks what the task needs.",
    mend: "Correct the row, declare `input.types`, or map another column.",
  },
  ROW_POISON: {
    meaning: "The process died three times while this row ran alone; it is not run again.",
    mend: "Mend the task, then `tiding retry`.",
  },
  OUTPUT_MISFIT: {
    meaning: "A value does not fit its column's type, which was declared or frozen by the first rows.",
    mend: "Declare the type, as in `output.types: { score: json }`, before the first run.",
  },
  BATCH_REQUEST_FAILED: {
    meaning:
      "A request of an offline batch failed in a way that may pass, in `run.attempts` batches; or its answer is none.",
    mend: "Run `tiding retry`, which asks with another seed.",
  },
  AWAITS_BATCH: {
    meaning: "The answer comes with an offline batch. Known inside the engine alone: no row fails with it.",
    mend: "Nothing.",
  },

  UNAUTHORIZED: {
    meaning: "The endpoint refused the key: 401 or 403. With several endpoints the others carry on.",
    mend: "Give `api_key` a reference to a variable with a key that has access.",
  },
  MODEL_NOT_FOUND: {
    meaning:
      "The endpoint does not serve the model, serves another one than before, or endpoints serve different ones.",
    mend: "Set `model_id` to a name that the server lists.",
  },
  WRONG_SERVICE: {
    meaning: "What answers has no route of the kind that was asked for: 404 for the route, 405, 415, or a redirect.",
    mend: "Check `base_url`.",
  },
  QUOTA_EXHAUSTED: {
    meaning: "Quota or credit is used up: 402, or `insufficient_quota` under any status.",
    mend: "Add credit or raise the limit, then run the same command again.",
  },
  ENDPOINT_NOT_RUNNING: {
    meaning: "The dedicated endpoint that `endpoint_name` names is paused, failed, or does not exist.",
    mend: "Resume or correct it on Hugging Face, then run the same command again.",
  },
  NO_ENDPOINT: {
    meaning: "No endpoint could be used for `run.endpoint_wait`.",
    mend: "Start a server, then run the same command again.",
  },
  BATCH_FAILED: {
    meaning: "An offline batch failed, was cancelled, or is gone from its server. Answers that came are kept.",
    mend: "Mend the cause and run the same command again: what is unanswered is submitted anew.",
  },
  ROWS_FAIL_ALIKE: {
    meaning: "The first `run.stop_after_alike` rows all failed with the same error; none of them was recorded.",
    mend: "Mend the cause and run the same command again.",
  },
  TASK_INVALID: { meaning: "A task calls an LLM and its step has none.", mend: "Give the step an `llm`." },

  SPEC_INVALID: {
    meaning: "The spec has keys or values that are not valid; the message lists them all, with their places.",
    mend: "Correct them.",
  },
  SPEC_UNREADABLE: {
    meaning: "The spec file is missing, is not UTF-8, or is no kind of file that holds a spec.",
    mend: "Check the path and the file's ending.",
  },
  ENDPOINT_NOT_FOUND: {
    meaning: "Hugging Face knows no dedicated endpoint of this name, or the token may not see it.",
    mend: "`tiding endpoints list` shows the names; `--namespace` says whose it is.",
  },
  ENDPOINT_CONFLICT: {
    meaning: "The order does not go with the endpoint as it is: its name is taken, or it is being changed.",
    mend: "Choose another name, or wait until it is no longer changing.",
  },
  ENDPOINT_ORDER_INVALID: {
    meaning: "Hugging Face refuses what an endpoint is to be created with or changed to; its words are in the message.",
    mend: "Correct what the message names; `tiding endpoints hardware` lists what can be had.",
  },
  NOT_BUILT: {
    meaning: "The key or value belongs to Tiding's design and is not built yet.",
    mend: "Use what the message names in its place.",
  },
  USAGE: { meaning: "The command line, or what it asks of this output, is wrong.", mend: "`tiding help COMMAND`." },
  SECRET_MISSING: { meaning: "The environment variable that a secret refers to is not set.", mend: "Set it." },
  PACKAGE_MISSING: {
    meaning: "An optional package that the spec needs is not installed, or cannot be loaded.",
    mend: "Install it as the message says.",
  },
  MODULE_INVALID: {
    meaning: "A module of yours is missing, does not compile, threw, or does not export what it should.",
    mend: "Correct it at the place that is named.",
  },
  TOKENIZER_UNUSABLE: {
    meaning:
      "The tokenizer of `tokenizer_id` is missing, gated, cannot be fetched, has no chat template, or is of a kind that is not read.",
    mend: "Do as the message says; a local folder with the tokenizer's files always works.",
  },
  INPUT_MISSING: {
    meaning: "No file is at `input.path`, or none matches the glob.",
    mend: "Check the path; it is relative to the spec's folder.",
  },
  INPUT_UNREADABLE: {
    meaning:
      "An input file is damaged, of another format, in an encoding or compression that is not read; or, with `strict`, one row is.",
    mend: "Do as the message says; mostly convert the file.",
  },
  INPUT_CHANGED: {
    meaning: "The input is not what it was when the job began.",
    mend: "Put the former input back, or choose another `output.path` for the new one.",
  },
  COLUMN_MISSING: {
    meaning: "A column that the spec names does not exist.",
    mend: "Name one of the columns that the message lists.",
  },
  COLUMN_COLLISION: {
    meaning: "Two columns would have one name, or a name that Tiding keeps for itself.",
    mend: "Rename one with `input.columns` or the step's `rename`.",
  },
  OUTPUT_OTHER_JOB: {
    meaning: "The output holds a job with another fingerprint; the message says what differs.",
    mend: "Choose another `output.path`, or put back what was changed.",
  },
  OUTPUT_IN_USE: { meaning: "Another process runs a job in this output.", mend: "Let it finish, or stop it." },
  OUTPUT_UNWRITABLE: {
    meaning: "The output cannot be written: permission, read-only, or a file in its place.",
    mend: "Choose another `output.path`, or allow writing there.",
  },
  OUTPUT_NOT_A_JOB: {
    meaning: "The folder holds no job of Tiding, or something else.",
    mend: "Give the folder with `manifest.<n>.json` in it; for a new job, an empty or new one.",
  },
  BROKER_MISSING: {
    meaning: "No nats-server was found that could be started, and none could be fetched.",
    mend: "Install nats-server 2.9.10 or later, or give the URL of a running one as the broker.",
  },
  BROKER_FAILED: {
    meaning: "The nats-server that Tiding started ended, or did not become ready.",
    mend: "Do what the end of its log says, which the message shows.",
  },
  BROKER_REFUSED: {
    meaning: "The NATS broker does not accept the credentials or the certificate, or forbids a subject that is needed.",
    mend: "Correct the credentials, or have the user allowed what the message names.",
  },
  BROKER_UNFIT: {
    meaning:
      "The NATS broker cannot serve: no JetStream, too old, too small messages, no room for the budgets, or not set up yet.",
    mend: "Change the server's configuration as the message says.",
  },

  CODE_MISMATCH: {
    meaning: "A worker's copy of a task or LLM module is not the one that the job began with.",
    mend: "Bring the same files to the same path on the worker's machine.",
  },
  PROTOCOL_MISMATCH: {
    meaning: "Coordinator and worker speak different versions of the protocol.",
    mend: "Let them run the same version of Tiding.",
  },
  BROKER_UNREACHABLE: {
    meaning: "No NATS broker answers at the address.",
    mend: "Start it or correct the address, then run the same command again.",
  },
  BROKER_FULL: {
    meaning:
      "The NATS broker stores nothing more: its max_file_store, the account's limits or the stream's are used up. Jobs, workers and coordinators wait; a command that asks for something is told.",
    mend: "Give it room as the message says, then give the command again.",
  },
  OUTPUT_DAMAGED: {
    meaning: "The manifest or a part is missing, cut, or not what was written.",
    mend: "Put the file back from a copy, or begin a new output.",
  },
  OWNERSHIP_LOST: {
    meaning: "Another process took the output over while this one was silent.",
    mend: "Nothing is lost; let the other finish.",
  },
  DISK_FULL: {
    meaning: "There is no space left to write to.",
    mend: "Free some space and run the same command again.",
  },
  STORE_DAMAGED: {
    meaning: "The commit log cannot be read back as it was written, or is of another version.",
    mend: "Check the disk; finish the output with the version that began it.",
  },
  FENCED: { meaning: "A shard was taken over by another worker. It stays inside the engine.", mend: "Nothing." },
  INTERNAL: {
    meaning: "Something that was not foreseen: a defect of Tiding.",
    mend: "Run again with `TIDING_DEBUG=1` and report what it shows.",
  },
};
