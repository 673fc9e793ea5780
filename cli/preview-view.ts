import type { PreviewRow } from "../jobs/preview-job.ts";
import type { ChatMessage } from "../shared/task/task.ts";
import { formatCount, formatDuration } from "./format.ts";
import { toJsonValue } from "./terminal.ts";
import type { Look } from "./text.ts";
import { fit, paint, plain, plainLines } from "./text.ts";

/** One previewed row: what was sent, what came back, and the columns that would land. */
export function renderPreviewRow(row: PreviewRow, look: Look): string[] {
  const lines = [paint(look, { text: `row ${row.row_id}`, style: "bold" })];
  for (const call of row.calls) {
    const said = typeof call.input === "string" ? [{ role: "prompt", content: call.input }] : call.input;
    for (const message of said) lines.push(...renderBlock(plain(message.role), contentText(message), look));
    const cost = [
      call.inputTokens === null ? null : `${formatCount(call.inputTokens)} tokens in`,
      call.outputTokens === null ? null : `${formatCount(call.outputTokens)} out`,
      formatDuration(call.durationMs),
    ];
    const heading = `${call.preQuery ? "user, written by the model" : "answer"} (${cost.filter((text) => text !== null).join(", ")})`;
    lines.push(...renderBlock(heading, call.answer ?? "none", look));
  }
  if (row.error === null) lines.push(...renderColumns(row, look));
  else {
    const code = paint(look, { text: row.error.code, style: "red" });
    lines.push(`  ${paint(look, { text: "failed", style: "red" })} ${code}`, ...indent(row.error.message));
  }
  return [...lines, ""];
}

function contentText({ content }: ChatMessage): string {
  return typeof content === "string" ? content : JSON.stringify(content, toShownValue);
}

/** What a person cannot read is told by its size. */
function toShownValue(key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return `${formatCount(value.byteLength)} bytes`;
  const isLong = typeof value === "string" && value.startsWith("data:") && value.length > 100;
  return isLong ? `${value.slice(0, 40)}… (${formatCount(value.length)} characters)` : toJsonValue(key, value);
}

function renderBlock(heading: string, text: string, look: Look): string[] {
  return [`  ${paint(look, { text: heading, style: "cyan" })}`, ...indent(text)];
}

function indent(text: string): string[] {
  return plainLines(text)
    .split("\n")
    .map((line) => `    ${line}`.trimEnd());
}

/** A column to a line: its text is whole in the answer above. */
function renderColumns({ values }: PreviewRow, look: Look): string[] {
  const names = Object.keys(values).map((name) => fit(plain(name), look, 24));
  const nameWidth = Math.max(0, ...names.map((name) => name.length));
  const lines = Object.values(values).map((value, index) => {
    const text = plain(typeof value === "string" ? value : (JSON.stringify(value, toShownValue) ?? "null"));
    const start = `    ${paint(look, { text: (names[index] ?? "").padEnd(nameWidth), style: "dim" })}  `;
    return start + fit(text, look, Math.max(20, Math.min(look.width, 200) - nameWidth - 6));
  });
  return [`  ${paint(look, { text: "columns", style: "cyan" })}`, ...lines];
}
