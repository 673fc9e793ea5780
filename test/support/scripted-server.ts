/** A real HTTP server on 127.0.0.1 whose answers the test writes. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON; null for a request without a body. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what they sent
  readonly body: any;
}

export type Script = (request: ReceivedRequest, response: ServerResponse) => void | Promise<void>;

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly ReceivedRequest[];
  /** Connections open right now. */
  readonly connections: number;
  script: Script;
  close(): Promise<void>;
}

/** Starts on a port of the system's choice, or on `port` to come back where a server was before. */
export async function startScriptedServer(script: Script, port = 0): Promise<ScriptedServer> {
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, response) => {
    void text(incoming).then(async (raw) => {
      const { method = "", url = "", headers } = incoming;
      const request = { method, path: url, headers, body: raw === "" ? null : (JSON.parse(raw) as unknown) };
      requests.push(request);
      await scripted.script(request, response);
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  const scripted: ScriptedServer = {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    get connections() {
      return sockets.size;
    },
    script,
    close,
    [Symbol.asyncDispose]: close,
  };
  return scripted;
}

export function sendJson(
  response: ServerResponse,
  body: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** A chat answer as TGI writes it. */
export function chatAnswer(content: string | null, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    object: "chat.completion",
    id: "",
    model: "some/model",
    choices: [{ index: 0, message: { role: "assistant", content }, logprobs: null, finish_reason: "stop" }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    ...more,
  };
}

export const TGI_INFO = {
  model_id: "some/model",
  model_sha: "abc123",
  router: "text-generation-router",
  version: "3.3.7",
  max_concurrent_requests: 128,
  max_stop_sequences: 4,
  max_input_tokens: 4095,
  max_total_tokens: 4096,
};

/** Answers `/info` as TGI does and everything else by the script given. */
export function tgi(chat: Script, info: Record<string, unknown> = TGI_INFO): Script {
  return (request, response) => (request.path === "/info" ? sendJson(response, info) : chat(request, response));
}
