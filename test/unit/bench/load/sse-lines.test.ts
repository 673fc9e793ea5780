import assert from "node:assert/strict";
import { test } from "node:test";
import { SseLines } from "../../../../bench/load/sse-lines.ts";

function eventsOf(...reads: readonly Buffer[]): string[] {
  const events: string[] = [];
  const lines = new SseLines((data) => void events.push(data));
  for (const read of reads) lines.push(read);
  lines.end();
  return events;
}

const STREAM = Buffer.from(
  [
    ": keep-alive\n\n",
    'data: {"text":"größer"}\n\n',
    'data:{"text":"日本語 🙂"}\r\n\r\n',
    "event: message\nid: 7\ndata: one\ndata: two\n\n",
    ":\r\n\r\n",
    "data\n\n",
    "data: [DONE]\n\n",
  ].join(""),
);
const EVENTS = ['{"text":"größer"}', '{"text":"日本語 🙂"}', "one\ntwo", "[DONE]"];

void test("events are read, with and without a space after `data:` (TGI before axum 0.7), with LF and CRLF, and comments are not", () => {
  assert.deepEqual(eventsOf(STREAM), EVENTS);
});

void test("events and characters may be torn anywhere between reads", () => {
  for (let at = 0; at <= STREAM.length; at++) {
    assert.deepEqual(eventsOf(STREAM.subarray(0, at), STREAM.subarray(at)), EVENTS, `torn at ${at}`);
  }
  assert.deepEqual(eventsOf(...Array.from(STREAM, (byte) => Buffer.of(byte))), EVENTS);
});

void test("the last event may lack its blank line, and its line end", () => {
  assert.deepEqual(eventsOf(Buffer.from("data: one\n\ndata: two\n")), ["one", "two"]);
  assert.deepEqual(eventsOf(Buffer.from("data: one\n\ndata: two")), ["one", "two"]);
});

void test("an event of megabytes over many reads is one event (vLLM's benchmark choked on its client's 64 KiB buffer)", () => {
  const text = "x".repeat(3_000_000);
  const bytes = Buffer.from(`data: ${text}\n\n`);
  const reads = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, index) =>
    bytes.subarray(index * 65_536, (index + 1) * 65_536),
  );
  assert.deepEqual(eventsOf(...reads), [text]);
});
