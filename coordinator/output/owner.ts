/**
 * Who owns an output, and whether that owner still lives.
 *
 * The manifest names its owner's heartbeat file, `.tiding/owner.<nonce>.json`, rewritten every second. A second process
 * takes over at once when the owner is known to be dead (same machine and process namespace, process gone or another one
 * under its number), and otherwise only after it saw no heartbeat for `TAKEOVER_MS` on its own clock: that holds on
 * network file systems and between containers, where a process number alone says nothing.
 */
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { hasCode } from "./durable-file.ts";
import { JobProgressSnapshot } from "./progress-snapshot.ts";

export const HEARTBEAT_MS = 1_000;
export const TAKEOVER_MS = 10_000;

const OwnerSchema = z.object({
  nonce: z.string(),
  host: z.string(),
  /** Names the boot and the process namespace, within which a process number means something; null where unknown. */
  realm: z.string().nullable(),
  pid: z.int(),
  /** Start of the process in kernel ticks, which tells it from a later one under the same number. */
  startTicks: z.string().nullable(),
  since: z.string(),
  at: z.string(),
  beat: z.int(),
  progress: JobProgressSnapshot.nullable(),
});

export type Owner = z.output<typeof OwnerSchema>;

export async function thisProcess(nonce: string): Promise<Owner> {
  const now = new Date().toISOString();
  return {
    nonce,
    host: hostname(),
    realm: await realm(),
    pid: process.pid,
    startTicks: await startTicks(process.pid),
    since: now,
    at: now,
    beat: 0,
    progress: null,
  };
}

/** Null when the file is gone or half-written: its owner let go, or never began. */
export async function readOwner(path: string): Promise<Owner | null> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  });
  if (text === null) return null;
  const parsed = OwnerSchema.safeParse(parseOrNull(text));
  return parsed.success ? parsed.data : null;
}

/** Watches an owner's file until it is known to live or to be gone. Takes up to `TAKEOVER_MS` for one that is silent. */
export async function ownerLives(
  path: string,
  options: { readonly takeoverMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<Owner | null> {
  const first = await readOwner(path);
  if (first === null || (await isKnownDead(first))) return null;
  const deadline = performance.now() + (options.takeoverMs ?? TAKEOVER_MS);
  while (performance.now() < deadline) {
    await delay(HEARTBEAT_MS / 4, undefined, options.signal === undefined ? {} : { signal: options.signal });
    const next = await readOwner(path);
    if (next === null) return null;
    if (next.beat !== first.beat) return next;
  }
  return null;
}

/** The process is gone for certain, as far as this machine can tell. */
export async function isKnownDead(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname() || owner.realm === null || owner.realm !== (await realm())) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (hasCode(error, "ESRCH")) return true;
  }
  return owner.startTicks !== (await startTicks(owner.pid));
}

async function realm(): Promise<string | null> {
  try {
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    return `${boot.trim()} ${await readlink("/proc/self/ns/pid")}`;
  } catch {
    // Not Linux: without a realm, silence alone decides.
    return null;
  }
}

/** Null for a process that is gone, a zombie that nobody reaped, or where there is no /proc. */
async function startTicks(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The command's name may hold spaces and brackets; the fields after it do not. Field 3 is the state, 22 the start
    // time, proc(5).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
