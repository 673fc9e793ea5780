import { isPassing, TransportError } from "../../../shared/transport/transport.ts";
import type { Claim, LogEntry, Position, Transport, TransportFault } from "../../../shared/transport/transport.ts";

export interface ContractOptions {
  readonly leaseMs?: number;
  readonly resultsBudgetBytes?: number;
  readonly inputsBudgetBytes?: number;
}

/** What an implementation gives to be tested. */
export interface TransportHarness {
  /** An empty transport with these limits; where none is given, ones that no test reaches. */
  open(options?: ContractOptions): Promise<Transport>;
  /** Closes it and opens it again over the same store. Needed where `capabilities.durable`. */
  restart?(transport: Transport): Promise<Transport>;
  /** A task may be delivered twice though it was put once and its lease is alive. */
  readonly duplicates?: boolean;
}

export const JOB = "job_A-1";

export function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

export function text(body: Uint8Array | null): string | null {
  return body === null ? null : new TextDecoder().decode(body);
}

/** For `assert.rejects`. */
export function isFault(fault: TransportFault): (error: unknown) => boolean {
  return (error) => error instanceof TransportError && error.fault === fault;
}

/** Far more often than any server that comes back needs. */
const MOST_REPEATS = 6;

/**
 * Repeats a call that found its broker away, or whose outcome stays unknown: for calls that may happen twice, as every
 * caller repeats them. Rejects where it stays so.
 */
export async function surely<T>(call: () => Promise<T>): Promise<T> {
  for (let repeat = 1; ; repeat++) {
    try {
      return await call();
    } catch (error) {
      if (!isPassing(error) || error.fault === "full" || repeat === MOST_REPEATS) throw error;
    }
  }
}

/** Appends as every caller must: a conflict with its own entry means that an append before it had happened. Bodies differ. */
export async function append(
  transport: Transport,
  shard: number,
  entry: { readonly after: Position | null; readonly body: string | Uint8Array; readonly job?: string },
): Promise<Position> {
  const { after, job = JOB } = entry;
  const body = typeof entry.body === "string" ? bytes(entry.body) : entry.body;
  let wasUnknown = false;
  for (;;) {
    try {
      return await transport.log.append(job, shard, after, body);
    } catch (error) {
      if (isFault("unknown")(error)) wasUnknown = true;
      else if (!wasUnknown || !isFault("conflict")(error)) throw error;
      else {
        const { tail } = error as TransportError;
        if (tail === null || text(tail.body) !== text(body)) throw error;
        return tail.position;
      }
    }
  }
}

/** The first `count` entries that a reader gets. */
export async function readSome(
  transport: Transport,
  count: number,
  options: { readonly from?: Position | null; readonly job?: string } = {},
): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  if (count === 0) return entries;
  for await (const entry of transport.log.read(
    options.job ?? JOB,
    options.from ?? null,
    new AbortController().signal,
  )) {
    entries.push(entry);
    if (entries.length === count) break;
  }
  return entries;
}

export async function claim(transport: Transport, options: { waitMs?: number; job?: string } = {}): Promise<Claim> {
  const claimed = await transport.tasks.claim(options.job ?? JOB, { waitMs: options.waitMs ?? 10_000 });
  if (claimed === null) throw new Error("A task was expected, and none came.");
  return claimed;
}

/** Claims and finishes until nothing comes any more; gives what came, as "shard:body". */
export async function claimAll(transport: Transport, job: string = JOB): Promise<string[]> {
  const came: string[] = [];
  for (;;) {
    const claimed = await transport.tasks.claim(job, { waitMs: 60 });
    if (claimed === null) return came;
    came.push(`${claimed.shard}:${text(claimed.body)}`);
    await claimed.done();
  }
}
