/**
 * What a server's own routes add to what it was recognised by, as pure functions: its version and its limits.
 *
 * Sources: vLLM `GET /version`, and `VLLM_MAX_STOP_STRINGS` of `vllm/envs.py`, which 0.28.0 has and 0.27.1 has not; SGLang `http_server.py` (`/server_info`, until 0.5 `/get_server_info`: its arguments, the
 * scheduler's facts and the version in one object); llama.cpp `GET /props`, as captured in `test/fixtures/llama-cpp/`.
 */
import { isRecord, numberOf, textOf } from "./recognise-server.ts";
import type { RecognisedServer, ServerKind } from "./recognise-server.ts";

/** Routes to ask, one after the other until one answers; none for kinds that have said it all. */
export const DETAIL_ROUTES: Readonly<Record<ServerKind, readonly string[]>> = {
  tgi: [],
  tei: [],
  vllm: ["/version"],
  sglang: ["/server_info", "/get_server_info"],
  llamacpp: ["/props"],
  openai: [],
  container: [],
  unknown: [],
};

/** The server with what `answer`, the JSON of its detail route, says beside. Null stays where it says nothing. */
export function withDetails(server: RecognisedServer, answer: unknown): RecognisedServer {
  if (!isRecord(answer)) return server;
  switch (server.server) {
    case "vllm":
      return withVllmDetails(server, textOf(answer["version"]));
    case "sglang":
      return withSglangDetails(server, answer);
    case "llamacpp":
      return withLlamaCppDetails(server, answer);
    case "tgi":
    case "tei":
    case "openai":
    case "container":
    case "unknown":
      return server;
  }
}

/** What vLLM starts with; it tells nobody what it was set to. */
const VLLM_STOPS = 4;

function withVllmDetails(server: RecognisedServer, version: string | null): RecognisedServer {
  const maxStopSequences = version !== null && limitsStops(version) ? VLLM_STOPS : null;
  return { ...server, version, limits: { ...server.limits, maxStopSequences } };
}

/** False for a version that is no number. */
function limitsStops(version: string): boolean {
  const [, major = "0", minor = "0"] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 0 || Number(minor) >= 28;
}

/** Takes single fields, because the object holds the server's arguments, its api_key among them. */
function withSglangDetails(server: RecognisedServer, answer: Readonly<Record<string, unknown>>): RecognisedServer {
  const states = Array.isArray(answer["internal_states"]) ? answer["internal_states"].filter(isRecord) : [];
  // Each data-parallel rank names what it found room for; the argument is null where it was left to the server.
  const running = states.map((state) => numberOf(state["effective_max_running_requests_per_dp"]) ?? 0);
  const runningNow = running.reduce((sum, each) => sum + each, 0);
  const { limits } = server;
  return {
    ...server,
    version: textOf(answer["version"]),
    limits: {
      ...limits,
      maxConcurrentRequests: runningNow > 0 ? runningNow : numberOf(answer["max_running_requests"]),
      maxInputTokens: numberOf(answer["max_req_input_len"]),
      maxTotalTokens: limits.maxTotalTokens ?? numberOf(answer["context_length"]),
    },
  };
}

function withLlamaCppDetails(server: RecognisedServer, answer: Readonly<Record<string, unknown>>): RecognisedServer {
  const settings = answer["default_generation_settings"];
  return {
    ...server,
    version: textOf(answer["build_info"]),
    limits: {
      ...server.limits,
      maxConcurrentRequests: numberOf(answer["total_slots"]),
      // Of one slot, as a request has it; builds of before 2026 leave it out of the list of models.
      maxTotalTokens: (isRecord(settings) ? numberOf(settings["n_ctx"]) : null) ?? server.limits.maxTotalTokens,
    },
  };
}
