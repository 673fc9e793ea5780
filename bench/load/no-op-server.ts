/**
 * A server that does nothing but stream: what a client can take in at most is measured on it. In a process of its own, so
 * that its CPU is nobody's.
 *
 * Every turn of its loop writes one event to each open stream, as a batch's decode step does, and no two events share a write.
 * A stream whose socket is full is left out until it has drained.
 */
import { fork } from "node:child_process";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface NoOpServer extends AsyncDisposable {
  readonly url: string;
  /** What it has sent so far. */
  sent(): Promise<NoOpSent>;
}

export interface NoOpSent {
  /** To their ends. */
  readonly answers: number;
  /** Of one token each. */
  readonly events: number;
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** From its process: where it is, and whenever it is asked what it has sent. */
export type NoOpMessage = { readonly url: string } | { readonly sent: NoOpSent };

/** Starts the server in a process that ends when this one does. Every answer is of so many tokens. */
export async function startNoOpServer(tokens: number): Promise<NoOpServer> {
  const entry = new URL(import.meta.url.endsWith(".ts") ? "./no-op-child.ts" : "./no-op-child.js", import.meta.url);
  const child = fork(entry, [`${tokens}`], { execArgv: [] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once("message", (message: NoOpMessage) => "url" in message && resolve(message.url));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The server that does nothing ended with code ${code}.`)));
  });
  return {
    url,
    sent: () =>
      new Promise((resolve) => {
        child.once("message", (message: NoOpMessage) => "sent" in message && resolve(message.sent));
        child.send("sent");
      }),
    [Symbol.asyncDispose]: async () => {
      child.disconnect();
      await exited;
    },
  };
}

interface Stream {
  readonly response: ServerResponse;
  readonly events: StreamEvents;
  left: number;
  isFull: boolean;
}

/** In its process: serves, and resolves with the URL. What is not posted is answered at once: somebody asks for its health. */
export function serveNoOp(tokens: number): Promise<{ readonly url: string; readonly sent: NoOpSent }> {
  const sent: Writable<NoOpSent> = { answers: 0, events: 0 };
  const streams = new Set<Stream>();
  let isTurning = false;
  const turn = (): void => {
    for (const stream of streams) if (!stream.isFull) writeOne(stream, { streams, sent });
    isTurning = streams.size > 0;
    if (isTurning) setImmediate(turn);
  };
  const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 }, (request, response) => {
    request
      .on("data", () => undefined)
      .on("end", () => {
        if (request.method !== "POST") return void response.end();
        response.writeHead(200, ["content-type", "text/event-stream"]);
        const stream: Stream = { response, events: eventsFor(request), left: tokens, isFull: false };
        streams.add(stream);
        response.on("drain", () => void (stream.isFull = false)).on("close", () => void streams.delete(stream));
        if (!isTurning) turn();
      });
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent });
    });
  });
}

function writeOne(
  stream: Stream,
  { streams, sent }: { readonly streams: Set<Stream>; readonly sent: Writable<NoOpSent> },
): void {
  const { response, events } = stream;
  if (stream.left > 0) {
    stream.left--;
    sent.events++;
    stream.isFull = !response.write(events.token);
    return;
  }
  sent.answers++;
  streams.delete(stream);
  response.end(events.end);
}

interface StreamEvents {
  readonly token: string;
  /** After the last token. */
  readonly end: string;
}

/** As TGI writes them (router v3.3). */
function eventsFor({ url }: IncomingMessage): StreamEvents {
  return url === "/generate_stream" ? GENERATE : CHAT;
}

const GENERATE: StreamEvents = {
  token: `data: {"index":7,"token":{"id":1917,"text":" world","logprob":-0.25341797,"special":false},"generated_text":null,"details":null}\n\n`,
  end: `data: {"index":8,"token":{"id":2,"text":"","logprob":-0.5,"special":true},"generated_text":"…","details":null}\n\n`,
};
const CHUNK = `data: {"object":"chat.completion.chunk","id":"","created":1764000000,"model":"meta-llama/Llama-3.1-8B-Instruct","system_fingerprint":"3.3.7-native","choices":[`;
const CHAT: StreamEvents = {
  token: `${CHUNK}{"index":0,"delta":{"role":"assistant","content":" world"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n`,
  end:
    `${CHUNK}{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":"stop"}],"usage":null}\n\n` +
    `${CHUNK}],"usage":{"prompt_tokens":20,"completion_tokens":500,"total_tokens":520}}\n\ndata: [DONE]\n\n`,
};
