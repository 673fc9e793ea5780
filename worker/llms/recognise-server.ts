/**
 * What a server says of itself, as pure functions: TGI by `/info`, the others by `/v1/models`. Who asks is
 * `ask-server.ts`.
 *
 * Sources: TGI router v3.3 (`server.rs`, `validation.rs`); `owned_by` of vLLM, SGLang and llama.cpp's server; their
 * context as `max_model_len` (vLLM and SGLang, `ModelCard`) and `meta.n_ctx` (llama.cpp).
 */
import { TidingError } from "../../shared/errors.ts";
import type { ServedModel } from "./llm.ts";

/**
 * `tei` is Text Embeddings Inference, which writes no texts; `openai` a gateway, or any other server that lists its models; `container` an endpoint container that answers
 * `POST /` with `inputs`; `unknown` says nothing of itself.
 */
export type ServerKind = "tgi" | "tei" | "vllm" | "sglang" | "llamacpp" | "openai" | "container" | "unknown";

/** Null is for what a server does not say, and for what it does not limit. */
export interface ServerLimits {
  /** Requests that are worked on at a time: TGI refuses more, the others let them wait. */
  readonly maxConcurrentRequests: number | null;
  /** Tokens of a prompt. */
  readonly maxInputTokens: number | null;
  /** Tokens of a prompt and its answer together: the context that the server was started with. */
  readonly maxTotalTokens: number | null;
  /** Stop sequences of one request. */
  readonly maxStopSequences: number | null;
}

/** A server and how to ask it. */
export interface RecognisedServer extends ServedModel {
  readonly server: ServerKind;
  readonly isTgi: boolean;
  /** Of the server's program, where it has been asked; no part of what is served, so that an update changes no job. */
  readonly version: string | null;
  readonly limits: ServerLimits;
  /** The `model` of requests; null leaves it out. */
  readonly requestModel: string | null;
}

/** What of a spec the server is held against. */
export interface Wanted {
  readonly endpoint: string;
  readonly modelId: string | undefined;
  readonly generationKwargs: Readonly<Record<string, unknown>>;
}

const NO_LIMITS: ServerLimits = {
  maxConcurrentRequests: null,
  maxInputTokens: null,
  maxTotalTokens: null,
  maxStopSequences: null,
};

const TGI_CHAT_IGNORES = [
  "top_k",
  "typical_p",
  "repetition_penalty",
  "do_sample",
  "watermark",
  "truncate",
  "chat_template_kwargs",
  "min_p",
  "n",
];

/** TGI, from its `/info`; null for anything else. Throws `SPEC_INVALID` for more stop sequences than it takes. */
export function recogniseTgi(info: unknown, { endpoint, modelId, generationKwargs }: Wanted): RecognisedServer | null {
  if (!isRecord(info) || typeof info["model_id"] !== "string") return null;
  // Releases before 2.1 don't name the router.
  // TEI has a limit of the same name.
  if (info["model_type"] !== undefined) return null;
  if (info["router"] !== "text-generation-router" && info["max_concurrent_requests"] === undefined) return null;
  const model = info["model_id"];
  const mostStops = numberOf(info["max_stop_sequences"]) ?? 4;
  requireStops({ endpoint, generationKwargs }, mostStops, "--max-stop-sequences");
  const advice: string[] = [];
  if (modelId !== undefined && modelId !== model && modelId !== "tgi") {
    advice.push(
      `${endpoint} serves ${model}; it takes model_id ${modelId} for an adapter, and answers with ${model} if it has none of that name.`,
    );
  }
  const mostTokens = numberOf(info["max_total_tokens"]);
  const newTokens = numberOf(generationKwargs["max_new_tokens"]);
  if (mostTokens !== null && newTokens !== null && newTokens >= mostTokens) {
    advice.push(
      `max_new_tokens ${newTokens} leaves no room for a prompt: ${endpoint} takes ${mostTokens} tokens for both.`,
    );
  }
  const most = numberOf(info["max_concurrent_requests"]);
  return {
    server: "tgi",
    model,
    revision: textOf(info["model_sha"]),
    ...(most === null ? {} : { maxConcurrentRequests: most }),
    advice,
    isTgi: true,
    version: textOf(info["version"]),
    limits: {
      maxConcurrentRequests: most,
      // Releases before 2.0 say max_input_length.
      maxInputTokens: numberOf(info["max_input_tokens"]) ?? numberOf(info["max_input_length"]),
      maxTotalTokens: mostTokens,
      maxStopSequences: mostStops,
    },
    requestModel: modelId === undefined || modelId === model ? "tgi" : modelId,
  };
}

/** Text Embeddings Inference, from its `/info` (`router/src/lib.rs`, `Info`); null for anything else. */
export function recogniseTei(info: unknown, { modelId }: Wanted): RecognisedServer | null {
  if (!isRecord(info) || typeof info["model_id"] !== "string" || !isRecord(info["model_type"])) return null;
  const model = info["model_id"];
  const most = numberOf(info["max_concurrent_requests"]);
  return {
    server: "tei",
    model: modelId ?? model,
    revision: textOf(info["model_sha"]),
    ...(most === null ? {} : { maxConcurrentRequests: most }),
    isTgi: false,
    version: textOf(info["version"]),
    limits: { ...NO_LIMITS, maxConcurrentRequests: most, maxInputTokens: numberOf(info["max_input_length"]) },
    requestModel: modelId ?? model,
  };
}

/** Throws `SPEC_INVALID` for more stop sequences than `most`, which the server's `setting` raises. */
export function requireStops(
  { endpoint, generationKwargs }: Pick<Wanted, "endpoint" | "generationKwargs">,
  most: number,
  setting: string,
): void {
  const { length } = stopsOf(generationKwargs);
  if (length <= most) return;
  throw new TidingError("SPEC_INVALID", `generation_kwargs has ${length} stop sequences; ${endpoint} takes ${most}.`, {
    place: "generation_kwargs.stop_sequences",
    mend: `Keep ${most} of them, or start the server with a higher ${setting}.`,
  });
}

/** The stop sequences of a list; a single one, as a text, is never too many. */
export function stopsOf(generationKwargs: Wanted["generationKwargs"]): readonly unknown[] {
  const stops = generationKwargs["stop_sequences"] ?? generationKwargs["stop"];
  return Array.isArray(stops) ? stops : [];
}

/** What the user should know of these parameters where conversations take the chat route, as sentences. */
export function chatAdvice(
  { isTgi }: Pick<RecognisedServer, "isTgi">,
  generationKwargs: Wanted["generationKwargs"],
): readonly string[] {
  const ignored = isTgi ? TGI_CHAT_IGNORES.filter((name) => generationKwargs[name] !== undefined) : [];
  return ignored.length === 0 ? [] : [`TGI's chat route ignores ${ignored.join(", ")}.`];
}

/** Any other server, from its `/v1/models`; null when that is no list of models. Throws `MODEL_NOT_FOUND`. */
export function recogniseByModels(list: unknown, { endpoint, modelId }: Wanted): RecognisedServer | null {
  if (!isRecord(list) || !Array.isArray(list["data"])) return null;
  const models = list["data"].filter(isRecord).filter((model) => typeof model["id"] === "string");
  if (models.length === 0) return null;
  const chosen = modelId === undefined ? onlyBase(models) : models.find((model) => answersTo(model, modelId));
  if (chosen === undefined) {
    const names = models.slice(0, 10).map(({ id }) => String(id));
    const served = names.join(", ") + (models.length > names.length ? ` and ${models.length - names.length} more` : "");
    const what = modelId === undefined ? `serves ${models.length} models` : `does not serve ${modelId}`;
    throw new TidingError("MODEL_NOT_FOUND", `${endpoint} ${what}; it lists ${served}.`, {
      place: "model_id",
      mend: "Set model_id to one of them.",
    });
  }
  const owner = String(chosen["owned_by"]);
  const name = String(chosen["id"]);
  const root = chosen["root"];
  const meta = isRecord(chosen["meta"]) ? chosen["meta"] : {};
  return {
    server: isOwner(owner) ? owner : "openai",
    model: modelId ?? name,
    // Under a served name of one's own, vLLM and SGLang say here which model it stands for.
    revision: typeof root === "string" && root !== name ? root : null,
    isTgi: false,
    requestModel: modelId ?? name,
    version: null,
    limits: { ...NO_LIMITS, maxTotalTokens: numberOf(chosen["max_model_len"]) ?? numberOf(meta["n_ctx"]) },
  };
}

/** A server that says nothing of itself. */
export function unknownServer(modelId: string | undefined): RecognisedServer {
  return {
    server: "unknown",
    model: modelId ?? "unknown",
    revision: null,
    isTgi: false,
    requestModel: modelId ?? null,
    version: null,
    limits: NO_LIMITS,
  };
}

/** The servers that sign their list of models. */
function isOwner(owner: string): owner is "vllm" | "sglang" | "llamacpp" {
  return ["vllm", "sglang", "llamacpp"].includes(owner);
}

function answersTo({ id, aliases }: Record<string, unknown>, modelId: string): boolean {
  // A gateway's listing leaves out the provider that may follow the model's name.
  if (id === modelId || id === modelId.replace(/:[^:/]*$/, "")) return true;
  // llama.cpp's server lists one of its `--alias` names as the id, and all of them beside it.
  return Array.isArray(aliases) && aliases.includes(modelId);
}

/**
 * The one model that is not an adapter of another (vLLM lists adapters with a `parent`), by the first of its names: vLLM
 * lists each `--served-model-name` with the same `root` (test/fixtures/vllm/models.json).
 */
function onlyBase(models: readonly Record<string, unknown>[]): Record<string, unknown> | undefined {
  const [first, ...others] = models.filter(({ parent }) => parent === undefined || parent === null);
  const root = textOf(first?.["root"]);
  const isOne = others.length === 0 || (root !== null && others.every((other) => other["root"] === root));
  return isOne ? first : undefined;
}

export function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
