import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenScan } from "../../../../bench/job/token-scan.ts";

function scan(chunks: readonly string[]): readonly [number | null, number | null] {
  const found = new TokenScan();
  for (const chunk of chunks) found.push(Buffer.from(chunk));
  return [found.promptTokens, found.outputTokens];
}

const CHAT = JSON.stringify({
  choices: [{ message: { content: 'It says {"completion_tokens": 9} and so on.' }, finish_reason: "stop" }],
  usage: { prompt_tokens: 35, completion_tokens: 120, total_tokens: 155, completion_tokens_details: { x: 7 } },
});

void test("counts are found wherever the answer is cut into chunks", () => {
  for (let cut = 0; cut <= CHAT.length; cut++) {
    assert.deepEqual(scan([CHAT.slice(0, cut), CHAT.slice(cut)]), [35, 120], `cut at ${cut}`);
  }
  assert.deepEqual(scan(CHAT.split("")), [35, 120], "byte by byte");
});

void test("an answer that speaks of the keys misleads nobody", () => {
  const text = JSON.stringify({ generated_text: '"completion_tokens": 5, "generated_tokens": 6, "prompt_tokens": 7' });
  assert.deepEqual(scan([text]), [null, null]);
});

void test("TGI's details count, in an answer and at the end of a stream", () => {
  assert.deepEqual(scan(['{"generated_text":"x","details":{"finish_reason":"length","generated_tokens":42}}']), [
    null,
    42,
  ]);
  const events = ['data: {"index":1,"token":{"text":"a"},"details":null}\n\n'];
  events.push('data: {"index":2,"details":{"generated_tokens":2,"seed":null,"input_length":7}}\n\n');
  assert.deepEqual(scan(events), [7, 2]);
});

void test("of a stream with continuous usage the last count stands", () => {
  const event = (tokens: number): string =>
    `data: {"usage": {"prompt_tokens": 10, "completion_tokens": ${tokens}}}\n\n`;
  assert.deepEqual(scan([event(1), event(2), event(30), "data: [DONE]\n\n"]), [10, 30]);
});

void test("a key without a number says nothing", () => {
  assert.deepEqual(scan(['{"usage":{"completion_tokens":null}}']), [null, null]);
});
