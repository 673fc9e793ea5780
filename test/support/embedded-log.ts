import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

import type { LogEntry, Position, Transport } from "../../shared/transport/transport.ts";

export const JOB = "job";

/** A folder that goes when the test ends. */
export async function logFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tiding-log-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The log's files with their sizes, in the order of their numbers. */
export async function segmentsOf(directory: string): Promise<{ readonly path: string; readonly size: number }[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".wal"));
  const numberOf = (name: string): number => Number(/-(\d+)\.wal$/.exec(name)![1]);
  const sized = names
    .toSorted((a, b) => numberOf(a) - numberOf(b))
    .map(async (name) => {
      const path = join(directory, name);
      // Compaction may have deleted it since it was listed.
      const found = await stat(path).catch(() => null);
      return found === null ? [] : [{ path, size: found.size }];
    });
  return (await Promise.all(sized)).flat();
}

export async function appendNext(transport: Transport, shard: number, body: string | Uint8Array): Promise<Position> {
  const tail = await transport.log.tail(JOB, shard);
  return await transport.log.append(JOB, shard, tail?.position ?? null, Buffer.from(body));
}

const MARK = 999_999;

/** All entries of the job that are there now, found by reading up to a mark, which is forgotten again. */
export async function entriesOf(transport: Transport): Promise<LogEntry[]> {
  const mark = await appendNext(transport, MARK, "the end");
  const entries: LogEntry[] = [];
  for await (const entry of transport.log.read(JOB, null, new AbortController().signal)) {
    if (entry.position === mark) break;
    entries.push(entry);
  }
  await transport.log.forget(JOB, MARK);
  return entries;
}

/** Each shard's entries as texts, in their order. */
export async function textsOf(transport: Transport): Promise<Map<number, string[]>> {
  const texts = new Map<number, string[]>();
  for (const { shard, body } of await entriesOf(transport)) {
    texts.set(shard, [...(texts.get(shard) ?? []), Buffer.from(body).toString()]);
  }
  return texts;
}
