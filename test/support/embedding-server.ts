/**
 * Servers of embeddings on 127.0.0.1, by the contracts of Text Embeddings Inference (`router/src/http/server.rs`) and of
 * OpenAI's `/v1/embeddings`. A vector is a pure function of its text, so that a test can tell whose it is.
 */
import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { sendJson, startScriptedServer } from "./scripted-server.ts";
import type { ReceivedRequest, Script, ScriptedServer } from "./scripted-server.ts";

/** As `GET /info` of TEI 1.8 answers. */
export const TEI_INFO = {
  model_id: "some/embedder",
  model_sha: "e1",
  model_dtype: "float16",
  model_type: { embedding: { pooling: "mean" } },
  max_concurrent_requests: 512,
  max_input_length: 256,
  max_batch_tokens: 16_384,
  max_batch_requests: null,
  max_client_batch_size: 32,
  auto_truncate: false,
  tokenization_workers: 8,
  version: "1.8.0",
  sha: "abc",
  docker_label: "sha-abc",
};

const LENGTH = 16;

/** Sixteen numbers from -1 to 1 that float32 holds exactly. */
export function vectorOf(text: string): readonly number[] {
  return [...createHash("sha256").update(text).digest().subarray(0, LENGTH)].map((byte) => (byte - 128) / 128);
}

export type EmbeddingServerKind = "tei" | "openai" | "container";

/** `trouble` may answer a POST in the server's place, by returning true. */
export async function startEmbeddingServer(
  kind: EmbeddingServerKind,
  trouble: (request: ReceivedRequest, response: ServerResponse, posts: number) => boolean = () => false,
): Promise<ScriptedServer> {
  let posts = 0;
  const script = SCRIPTS[kind];
  return await startScriptedServer((request, response) => {
    if (request.method === "POST" && trouble(request, response, ++posts)) return;
    return script(request, response);
  });
}

const SCRIPTS: Readonly<Record<EmbeddingServerKind, Script>> = {
  tei({ path, body }, response) {
    if (path === "/info") return sendJson(response, TEI_INFO);
    if (path !== "/embed") return sendJson(response, { error: "no such route" }, { status: 404 });
    const { inputs } = body as { readonly inputs: string };
    const tokens = inputs.split(" ").length;
    if (tokens > TEI_INFO.max_input_length) {
      const error = `\`inputs\` must have less than ${TEI_INFO.max_input_length} tokens. Given: ${tokens}`;
      return sendJson(response, { error, error_type: "Validation" }, { status: 413 });
    }
    sendJson(response, [vectorOf(inputs)], { headers: { "x-compute-tokens": String(tokens) } });
  },
  openai({ path, body }, response) {
    if (path === "/v1/models")
      return sendJson(response, { object: "list", data: [{ id: "served", owned_by: "vllm" }] });
    if (path === "/version") return sendJson(response, { version: "0.12.0" });
    if (path !== "/v1/embeddings") return sendJson(response, { detail: "Not Found" }, { status: 404 });
    const { input, model } = body as { readonly input: string; readonly model: string };
    const prompt_tokens = input.split(" ").length;
    sendJson(response, {
      object: "list",
      model,
      data: [{ object: "embedding", index: 0, embedding: vectorOf(input) }],
      usage: { prompt_tokens, total_tokens: prompt_tokens },
    });
  },
  container({ method, path, body }, response) {
    if (method !== "POST" || path !== "/") return sendJson(response, { error: "Not Found" }, { status: 404 });
    sendJson(response, { embeddings: vectorOf((body as { readonly inputs: string }).inputs) });
  },
};
