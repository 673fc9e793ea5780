/**
 * What makes two runs one job.
 *
 * In it: what decides a row's content or the dataset's columns. Not in it: where and how fast the work is done
 * (endpoints, slots, attempts, timeouts, limit), how it is stored (path, format, parts), names of views, and secrets.
 */
import { createHash } from "node:crypto";
import path from "node:path";
import type { StepCode } from "../protocol/step-code.ts";
import type { RowSchema } from "../rows/row-schema.ts";
import type { JobSpec, StepSpec } from "./job-spec.ts";
import { isMagpie, magpieSettings } from "./magpie-settings.ts";
import { isModulePath } from "./module-path.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Canonical: keys sorted, nothing undefined. Kept whole in the output, so that a refusal can say what differs. */
export type FingerprintDocument = { readonly [key: string]: Json };

export interface FingerprintFacts {
  readonly spec: JobSpec;
  readonly inputFiles: readonly { readonly path: string; readonly bytes: number; readonly sample: string }[];
  readonly inputSchema: RowSchema;
  /** One for each step. */
  readonly steps: readonly (StepCode & {
    /** As probed, from each endpoint that answered; empty for a step without LLM. */
    readonly servedModels: readonly { readonly model: string; readonly revision: string | null }[];
  })[];
}

/** The document of a job. */
export function fingerprintDocument(facts: FingerprintFacts): FingerprintDocument {
  const { input, output, run } = facts.spec;
  return canonical({
    version: 1,
    input: {
      files: facts.inputFiles.map((file) => ({
        name: path.basename(file.path),
        bytes: file.bytes,
        sample: file.sample,
      })),
      // How many is a limit.
      generated: input.generate === undefined ? undefined : true,
      columns: facts.inputSchema.map(({ name, type }) => ({ name, type })),
      format: input.format,
      selection: input.columns,
      types: input.types,
      csv: input.csv,
      offset: input.offset,
    },
    steps: facts.spec.steps.map((step, index) => stepDocument(step, facts.steps[index])),
    output: { columns: output.columns, types: output.types, metadata: output.metadata },
    seed: run.seed,
  }) as FingerprintDocument;
}

function stepDocument(step: StepSpec, facts: FingerprintFacts["steps"][number] | undefined): object {
  // Asking again decides which rows fail, as attempts do, and not what an answer is.
  const { task, name: _, num_rows: _rows, structured_retries: _retries, llm, ...settings } = step;
  const served = facts?.servedModels ?? [];
  const revisions = (model: string) => served.filter((entry) => entry.model === model).map(({ revision }) => revision);
  return {
    ...settings,
    ...(isMagpie(task) ? magpieDocument(step) : {}),
    // A module counts by its code: it may move.
    task: isModulePath(task) ? "module" : task,
    task_code: facts?.taskCode ?? undefined,
    llm: llm && {
      class: llm.class !== undefined && isModulePath(llm.class) ? "module" : (llm.class ?? "InferenceEndpointsLLM"),
      code: facts?.llmCode ?? undefined,
      chat_template: facts?.chatTemplate ?? undefined,
      // One entry for a model, however many endpoints serve it; servers that name no revision do not add one.
      models:
        served.length > 0
          ? [...new Set(served.map(({ model }) => model))].toSorted().map((model) => ({
              model,
              revisions: [...new Set(revisions(model))].filter((revision) => revision !== null).toSorted(),
            }))
          : [{ model: llm.model_id, revisions: [] }],
      dtype: llm.dtype,
      model_display_name: llm.model_display_name,
      generation_kwargs: llm.generation_kwargs,
      structured_output: llm.structured_output && {
        format: llm.structured_output.format,
        // As text: constrained decoding writes properties in the schema's order, which a document does not keep.
        schema: JSON.stringify(llm.structured_output.schema),
      },
      // The server's template then makes the prompts, whatever there is to render them with here.
      use_openai_client: llm.use_openai_client === true ? true : undefined,
      fail_on_length: llm.fail_on_length,
      // A folder may move: where prompts are rendered by Tiding, what they are rendered with counts.
      ...(typeof facts?.chatTemplate === "string"
        ? {}
        : { tokenizer_id: llm.tokenizer_id, magpie_pre_query_template: llm.magpie_pre_query_template }),
      options: llm.options,
    },
  };
}

/** With defaults filled in: to write one out changes nothing. */
function magpieDocument(step: StepSpec): object {
  const { turns, endsWithUser, includesSystemPrompt, onlyInstruction } = magpieSettings(step);
  return {
    n_turns: turns,
    end_with_user: endsWithUser,
    include_system_prompt: includesSystemPrompt,
    only_instruction: onlyInstruction,
  };
}

/** SHA-256 of the document, hex. */
export function fingerprintOf(document: FingerprintDocument): string {
  return createHash("sha256")
    .update(JSON.stringify(canonical(document)))
    .digest("hex");
}

/** What differs from the document that was kept, one sentence for each key; empty when nothing does. */
export function differences(kept: FingerprintDocument, present: FingerprintDocument): string[] {
  return [...differ(kept, present, "")];
}

function* differ(kept: Json | undefined, present: Json | undefined, at: string): Generator<string> {
  if (isBranch(kept) && isBranch(present) && Array.isArray(kept) === Array.isArray(present)) {
    const [before, after] = [kept as Record<string, Json>, present as Record<string, Json>];
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      yield* differ(own(before, key), own(after, key), at === "" ? key : `${at}.${key}`);
    }
    return;
  }
  if (JSON.stringify(kept) === JSON.stringify(present)) return;
  const [was, is] = shorten(kept, present);
  yield kept === undefined
    ? `${at} was not set, is now ${is}.`
    : present === undefined
      ? `${at} was ${was}, is not set now.`
      : `${at} was ${was}, is now ${is}.`;
}

function isBranch(value: Json | undefined): boolean {
  return typeof value === "object" && value !== null;
}

function own(value: Readonly<Record<string, Json>>, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

const SHOWN = 60;

/** Both cut to what fits a message, from shortly before the first character in which they differ. */
function shorten(kept: Json | undefined, present: Json | undefined): [string, string] {
  const [was, is] = [JSON.stringify(kept) ?? "", JSON.stringify(present) ?? ""];
  let same = 0;
  while (same < was.length && was[same] === is[same]) same++;
  const from = Math.max(was.length, is.length) > SHOWN ? Math.max(0, same - 10) : 0;
  const cut = (text: string): string => {
    const end = from + SHOWN;
    return `${from > 0 ? "…" : ""}${text.slice(from, end)}${text.length > end ? "…" : ""}`;
  };
  return [cut(was), cut(is)];
}

function canonical(value: unknown): Json {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value as Json;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, canonical(item)]));
}
