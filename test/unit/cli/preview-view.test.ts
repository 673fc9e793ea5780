import assert from "node:assert/strict";
import { test } from "node:test";
import { renderPreviewRow } from "../../../cli/preview-view.ts";

const look = { width: 60, colour: false, unicode: true };
const call = {
  input: [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "What is 2+2?" }] },
  ],
  preQuery: false,
  answer: "It is\n4.\u001B[2J",
  inputTokens: 12,
  outputTokens: null,
  durationMs: 812,
};

void test("a previewed row shows the messages, the answer, its cost and the columns", () => {
  const values = { question: "q".repeat(100), tokens: 3n, generation: "It is\n4.", none: null };
  assert.deepEqual(renderPreviewRow({ row_id: 7, values, error: null, calls: [call] }, look), [
    "row 7",
    "  system",
    "    Be brief.",
    "  user",
    '    [{"type":"text","text":"What is 2+2?"}]',
    "  answer (12 tokens in, 812ms)",
    "    It is",
    "    4.",
    "  columns",
    `    question    ${"q".repeat(43)}…`,
    "    tokens      3",
    "    generation  It is 4.",
    "    none        null",
    "",
  ]);
});

void test("a message that the model wrote as the user is not called an answer", () => {
  const lines = renderPreviewRow(
    { row_id: 7, values: {}, error: null, calls: [{ ...call, input: [], preQuery: true }] },
    look,
  );
  assert.equal(lines[1], "  user, written by the model (12 tokens in, 812ms)");
});

void test("a row that failed shows why in place of columns", () => {
  const error = { code: "CONTEXT_TOO_LONG", message: "9,120 tokens, of 8,192." } as const;
  const lines = renderPreviewRow({ row_id: 0, values: {}, error, calls: [{ ...call, answer: null }] }, look);
  assert.deepEqual(lines.slice(-5), [
    "  answer (12 tokens in, 812ms)",
    "    none",
    "  failed CONTEXT_TOO_LONG",
    "    9,120 tokens, of 8,192.",
    "",
  ]);
});
