import { createHash } from "node:crypto";
import type { JobKey, Position } from "../transport.ts";

/** `<sequence>.<content>.<stream>`: where an entry lies, what it holds, and in which of all streams of that name. */
export interface LogPlace {
  readonly sequence: number;
  readonly content: string;
  readonly stream: string;
}

export function toPosition(place: LogPlace): Position {
  return `${place.sequence}.${place.content}.${place.stream}` as Position;
}

/** Null for what is no position of a NATS log. */
export function readPosition(position: Position): LogPlace | null {
  const [sequence, content, stream, ...rest] = position.split(".");
  if (content === undefined || stream === undefined || rest.length > 0 || !/^[0-9]+$/.test(sequence!)) return null;
  return { sequence: Number(sequence), content, stream };
}

export function contentName(job: JobKey, shard: number, body: Uint8Array): string {
  return shortHash(`${job} ${shard} `, body);
}

/** Streams are told apart by when they were created, to the nanosecond. */
export function streamName(name: string, created: string): string {
  return shortHash(name, Buffer.from(created));
}

function shortHash(label: string, body: Uint8Array): string {
  return createHash("sha256").update(label).update(body).digest("base64url").slice(0, 12);
}
