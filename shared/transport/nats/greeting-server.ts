import { connect } from "node:net";
import { messageOf } from "../../errors.ts";

/** What a server says of itself before anybody signs in, as far as it decides how to. */
export interface Greeting {
  /** `host:port` */
  readonly address: string;
  readonly speaksTls: boolean;
  /** It wants a certificate of the client. */
  readonly asksForCertificate: boolean;
}

/**
 * The first of the addresses (`host:port`) where a NATS server greets within `timeoutMs`; rejects with all reasons.
 * Asked before the client library is: where nothing comes, that leaves its socket open, and the program cannot end.
 */
export async function greetingServer(
  addresses: readonly string[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Greeting> {
  const found = new AbortController();
  const signal = AbortSignal.any([options.signal, found.signal]);
  try {
    return await Promise.any(addresses.map((address) => probe(address, { ...options, signal })));
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof AggregateError)) throw error;
    throw new Error([...new Set(error.errors.map(messageOf))].join("; "), { cause: error });
  } finally {
    found.abort();
  }
}

async function probe(
  address: string,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<Greeting> {
  const { hostname, port } = new URL(`nats://${address}`);
  const late = AbortSignal.timeout(timeoutMs);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const socket = connect({ host, port: Number(port), signal: AbortSignal.any([signal, late]) });
  try {
    let said = "";
    for await (const chunk of socket) {
      said += String(chunk);
      const info = /^INFO (\{.*\})\s*\n/.exec(said)?.[1];
      if (info !== undefined) return greetingOf(address, info);
      if (!"INFO ".startsWith(said.slice(0, 5))) throw new Error(`${address} answers, but not as a NATS server`);
    }
    throw new Error(`${address} closed the connection`);
  } catch (error) {
    throw late.aborted
      ? new Error(`no answer from ${address} within ${timeoutMs} ms`, { cause: error })
      : reasonOf(error);
  } finally {
    socket.destroy();
  }
}

function greetingOf(address: string, info: string): Greeting {
  const { tls_required, tls_available, tls_verify } = JSON.parse(info) as Readonly<Record<string, unknown>>;
  return {
    address,
    speaksTls: tls_required === true || tls_available === true,
    asksForCertificate: tls_verify === true,
  };
}

/** An error about several addresses of a host has no text of its own. */
function reasonOf(error: unknown): unknown {
  return error instanceof AggregateError ? (error.errors[0] as unknown) : error;
}
