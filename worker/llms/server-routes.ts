/**
 * Which routes of generation a kind of server has, what they take, and which structured output they can be held to.
 *
 * Source: research on TGI router v3.3, vLLM 0.12, SGLang and llama.cpp's server; llama.cpp's completions tried on a real
 * one. A gateway's models differ: what it passes on cannot be told from outside.
 */
import type { StructuredOutput } from "../../shared/task/task.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import { ownRoute, rootPath, withoutQuery } from "./endpoint-address.ts";
import type { ServerKind } from "./recognise-server.ts";

export interface ServerRoute {
  readonly route: "chat" | "completions" | "generate" | "inputs" | "embed";
  /** Without the query of the base URL, which may hold a key. */
  readonly path: string;
  /** A conversation, to which the server applies its template, a prompt that was rendered before, or a text to embed. */
  readonly takes: "messages" | "prompt" | "text";
  readonly structuredOutput: readonly StructuredOutput["format"][];
}

const BOTH = ["json", "regex"] as const;

/** The routes of a kind of server at this address, the preferred one for conversations first. */
export function routesOf(server: ServerKind, address: EndpointAddress): readonly ServerRoute[] {
  const chatPath = withoutQuery(address.chatPath);
  const chat = { route: "chat", path: chatPath, takes: "messages" } as const;
  const completions = {
    route: "completions",
    path: chatPath.replace(/\/chat\/completions$/, "/completions"),
    takes: "prompt",
  } as const;
  switch (server) {
    case "tgi": {
      const path = withoutQuery(ownRoute(address, "/generate"));
      return [
        { ...chat, structuredOutput: BOTH },
        { route: "generate", path, takes: "prompt", structuredOutput: BOTH },
      ];
    }
    case "tei":
      return [{ route: "embed", path: withoutQuery(ownRoute(address, "/embed")), takes: "text", structuredOutput: [] }];
    case "vllm":
    case "sglang":
      return [
        { ...chat, structuredOutput: BOTH },
        { ...completions, structuredOutput: BOTH },
      ];
    case "llamacpp":
      return [
        { ...chat, structuredOutput: ["json"] },
        { ...completions, structuredOutput: ["json"] },
      ];
    case "openai":
      return [{ ...chat, structuredOutput: ["json"] }];
    case "container":
      return [{ route: "inputs", path: withoutQuery(rootPath(address)), takes: "prompt", structuredOutput: [] }];
    case "unknown":
      return [{ ...chat, structuredOutput: [] }];
  }
}
