/**
 * Fetches an image from where a server put it, over a connection of its own and without the server's key: such addresses
 * are of other hosts, and carry their own permission. Whatever is not an image is refused, wherever it came from.
 */
import { messageOf, TidingError } from "../../../shared/errors.ts";
import type { GeneratedImage } from "../../../shared/task/task.ts";
import { HttpClient } from "../http-client.ts";
import type { HttpAnswer, ProxyEnvironment, ReceivedAnswer } from "../http-client.ts";
import { imageOf } from "./image-type.ts";

const REDIRECTS = 5;

export interface FetchImageOptions {
  /** The server that gave the address, for messages. */
  readonly endpoint: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly environment: ProxyEnvironment;
}

/**
 * Rejects with `ENDPOINT_ERROR` where the image is not to be had, so that it is asked for again, and with the signal's
 * reason. The address itself is never shown: it may be signed.
 */
export async function fetchImage(url: URL, options: FetchImageOptions): Promise<GeneratedImage> {
  const { endpoint } = options;
  for (let [at, hop] = [url, 0]; ; hop++) {
    const answer = await getOnce(at, options);
    const next = redirectOf(answer, at);
    if (next !== null && hop < REDIRECTS) {
      at = next;
      continue;
    }
    const image = answer.status === 200 ? imageOf(answer.bytes) : null;
    if (image !== null) return image;
    const what = answer.status === 200 ? "what is no PNG, JPEG, WebP or GIF" : `status ${answer.status}`;
    throw new TidingError("ENDPOINT_ERROR", `${endpoint} left its image at ${at.host}, which answered with ${what}.`, {
      place: endpoint,
      details: { status: answer.status },
    });
  }
}

async function getOnce(
  url: URL,
  { endpoint, signal, timeoutMs, environment }: FetchImageOptions,
): Promise<ReceivedAnswer> {
  const client = new HttpClient({
    endpoint: url.host,
    origin: url.origin,
    connections: 1,
    idleTimeoutMs: timeoutMs,
    shortestTimeoutMs: timeoutMs,
    environment,
  });
  const path = url.pathname + url.search;
  const headers = { accept: "image/*" };
  try {
    return await client.send({ method: "GET", path, headers, body: null, signal, timeoutMs, reader: null });
  } catch (error) {
    signal.throwIfAborted();
    // The endpoint itself is up: its circuit must not open for another host's sake.
    throw new TidingError("ENDPOINT_ERROR", `${endpoint} left its image at ${url.host}: ${messageOf(error)}`, {
      place: endpoint,
      cause: error,
    });
  } finally {
    await client.close();
  }
}

function redirectOf({ status, headers }: HttpAnswer, from: URL): URL | null {
  const { location } = headers;
  if (status < 300 || status >= 400 || typeof location !== "string" || !URL.canParse(location, from.href)) return null;
  const next = new URL(location, from);
  return /^https?:$/.test(next.protocol) ? next : null;
}
