/** Requests and answers of a real server, as they were captured into `test/fixtures/`, to be read and played back. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { sendJson } from "./scripted-server.ts";
import type { Script } from "./scripted-server.ts";

export interface Exchange {
  readonly request: {
    readonly method: string;
    readonly path: string;
    /** A text is what no JSON was; null for a request without a body. */
    readonly body: unknown;
  };
  readonly response: {
    readonly status: number;
    readonly contentType: string | null;
    /** The JSON of an answer, or the text of any other: the events of a stream. */
    readonly body: unknown;
  };
}

/** Folder of captures beside the sources; the build copies none. */
export function capturesOf(server: string): string {
  return fileURLToPath(new URL(`../../../test/fixtures/${server}/`, import.meta.url));
}

/** One of the captures of a server, by its name. */
export function captured(server: string, name: string): Exchange {
  return JSON.parse(readFileSync(`${capturesOf(server)}${name}.json`, "utf8")) as Exchange;
}

/** The body of an answer as it went over the network. */
export function answerText({ response: { body } }: Exchange): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** The events of a captured stream, parsed, without the mark at its end. */
export function eventsOf(exchange: Exchange): readonly Record<string, unknown>[] {
  const data = answerText(exchange).matchAll(/^data: (\{.*\})$/gm);
  return Array.from(data, ([, json = ""]) => JSON.parse(json) as Record<string, unknown>);
}

/** Answers each method and path with the capture of its name; what is not captured gets 599, which no test wants. */
export function replaying(exchanges: readonly Exchange[]): Script {
  return ({ method, path }, response) => {
    const exchange = exchanges.find(({ request }) => request.method === method && request.path === path);
    if (exchange === undefined)
      return sendJson(response, { error: `no capture of ${method} ${path}` }, { status: 599 });
    const { status, contentType } = exchange.response;
    response.writeHead(status, contentType === null ? {} : { "content-type": contentType });
    response.end(answerText(exchange));
  };
}

/**
 * Where a fake says what the real server does not: paths of keys that the real one lacks or gives another type. Null stands
 * for any type, since servers write it for what is absent; every element of a list is held against the real one's first.
 */
export function strayFields(fake: unknown, real: unknown, path = "$"): readonly string[] {
  if (fake === null || real === null) return [];
  if (Array.isArray(fake) && Array.isArray(real)) {
    return real.length === 0 ? [] : fake.flatMap((each, index) => strayFields(each, real[0], `${path}[${index}]`));
  }
  if (kindOf(fake) !== kindOf(real)) return [`${path} is ${kindOf(fake)}, of the real server ${kindOf(real)}`];
  if (kindOf(fake) !== "object") return [];
  const [ours, theirs] = [fake as Record<string, unknown>, real as Record<string, unknown>];
  return Object.keys(ours).flatMap((key) =>
    Object.hasOwn(theirs, key)
      ? strayFields(ours[key], theirs[key], `${path}.${key}`)
      : [`${path}.${key} is not the real server's`],
  );
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "list" : typeof value;
}
