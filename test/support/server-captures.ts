/**
 * What servers of each kind say of themselves, as their users and sources show it, as scripts for a scripted server.
 * Whatever is not named here is answered in the server's own words for a route that it does not have.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Script } from "./scripted-server.ts";

type Answer = readonly [status: number, body: unknown];

/** Answers `METHOD /path`; bodies that are texts are sent as they are, others as JSON. */
export function serving(routes: Readonly<Record<string, Answer>>, otherwise: Answer): Script {
  return ({ method, path }, response) => {
    const [status, body] = routes[`${method} ${path}`] ?? otherwise;
    const isText = typeof body === "string";
    response.writeHead(status, { "content-type": isText ? "text/plain" : "application/json" });
    response.end(isText ? body : JSON.stringify(body));
  };
}

/** FastAPI's, as vLLM and SGLang have it. */
const FASTAPI_NO_ROUTE: Answer = [404, { detail: "Not Found" }];

/** TGI: `Info` of docs/openapi.json of its repository, with the values of the examples there and a release of today. */
export const TGI_3: Readonly<Record<string, Answer>> = {
  "GET /info": [
    200,
    {
      model_id: "bigscience/blomm-560m",
      model_sha: "e985a63cdc139290c5f700ff1929f0b5942cced2",
      model_pipeline_tag: "text-generation",
      max_concurrent_requests: 128,
      max_best_of: 2,
      max_stop_sequences: 4,
      max_input_tokens: 1024,
      max_total_tokens: 2048,
      validation_workers: 2,
      max_client_batch_size: 32,
      router: "text-generation-router",
      version: "3.3.6",
      sha: null,
      docker_label: null,
    },
  ],
};
export const tgi3 = serving(TGI_3, [404, ""]);

/** vLLM: the list as in modal-labs/modal-examples issue 843; `/version` as `show_version` of its api_server writes it. */
export const vllm = serving(
  {
    "GET /v1/models": [
      200,
      {
        object: "list",
        data: [
          {
            id: "meta-llama/Meta-Llama-3.1-8B-Instruct",
            object: "model",
            created: 1723770563,
            owned_by: "vllm",
            root: "meta-llama/Meta-Llama-3.1-8B-Instruct",
            parent: null,
            max_model_len: 8096,
            permission: [{ id: "modelperm-7c4c5de9b37b4f76800eb2d03b845b00", object: "model_permission" }],
          },
        ],
      },
    ],
    "GET /version": [200, { version: "0.5.4" }],
  },
  FASTAPI_NO_ROUTE,
);

/**
 * SGLang: `/get_server_info` as SGLang's documentation shows it ("Native API", March 2026), cut to a few of its 400 fields
 * and with a key; the list as `available_models` of `http_server.py` writes it.
 */
export const SGLANG_INFO = {
  model_path: "qwen/qwen2.5-0.5b-instruct",
  context_length: null,
  revision: null,
  host: "0.0.0.0",
  port: 31345,
  max_running_requests: 128,
  max_queued_requests: null,
  max_total_tokens: 20480,
  api_key: "sk-of-the-server",
  served_model_name: "qwen/qwen2.5-0.5b-instruct",
  status: "ready",
  max_total_num_tokens: 20480,
  max_req_input_len: 20474,
  internal_states: [{ max_running_requests: 128, effective_max_running_requests_per_dp: 128 }],
  version: "0.0.0.dev1+gf97c09dac",
};
const SGLANG_MODELS: Answer = [
  200,
  {
    object: "list",
    data: [
      {
        id: "qwen/qwen2.5-0.5b-instruct",
        object: "model",
        created: 1774039934,
        owned_by: "sglang",
        root: "qwen/qwen2.5-0.5b-instruct",
        parent: null,
        max_model_len: 32768,
      },
    ],
  },
];
export const sglang = serving(
  { "GET /v1/models": SGLANG_MODELS, "GET /server_info": [200, SGLANG_INFO] },
  FASTAPI_NO_ROUTE,
);
/** Releases that have the route under its old name alone. */
export const olderSglang = serving(
  { "GET /v1/models": SGLANG_MODELS, "GET /get_server_info": [200, SGLANG_INFO] },
  FASTAPI_NO_ROUTE,
);

/** llama.cpp's server, captured: see test/unit/worker/llms/llama-cpp.test.ts. */
export const llamaCpp = serving(
  { "GET /v1/models": [200, captured("models.json")], "GET /props": [200, captured("props.json")] },
  [404, captured("not-found.json")],
);

/** Hugging Face's container for pipelines: `webservice_starlette.py` of huggingface-inference-toolkit. */
export const container = serving(
  {
    "GET /": [200, "Ok"],
    "GET /health": [200, "Ok"],
    "POST /": [400, { error: "Body needs to provide a inputs key, recieved: b'{}'" }],
  },
  [404, "Not Found"],
);

function captured(name: string): unknown {
  const file = fileURLToPath(new URL(`../../../test/fixtures/llama-cpp/${name}`, import.meta.url));
  return JSON.parse(readFileSync(file, "utf8"));
}
