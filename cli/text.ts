/** Text on a terminal: how wide it is, how to cut it, and how to lay segments out in lines. */
import { stripVTControlCharacters, styleText } from "node:util";

export type Style = Parameters<typeof styleText>[0];

/** How a view may look: what the stream that it goes to can show. */
export interface Look {
  /** Columns; `Infinity` where the text does not go to a terminal. */
  readonly width: number;
  readonly colour: boolean;
  /** False for terminals without box-drawing characters. */
  readonly unicode: boolean;
}

export interface Segment {
  readonly text: string;
  readonly style?: Style;
}

/** `look` has decided already; left to itself, `styleText` would ask standard output, whatever the view goes to. */
const anyStream = { validateStream: false };

export function paint(look: Look, { text, style }: Segment): string {
  return look.colour && style !== undefined && text !== "" ? styleText(style, text, anyStream) : text;
}

/** One line without control characters: what servers, models and specs say must not steer the terminal. */
export function plain(text: string): string {
  return plainLines(text)
    .replaceAll(/\s*\n\s*/g, " ")
    .trim();
}

/** As `plain`, with line breaks kept. */
export function plainLines(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/\r\n?|[\u2028\u2029]/g, "\n")
    .replaceAll("\t", "  ")
    .replaceAll(/[^\P{Cc}\n]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "");
}

/** Columns of a text without control characters. Never too few; too many for combining marks and rare narrow scripts. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character.codePointAt(0) ?? 0);
  return width;
}

function characterWidth(codePoint: number): number {
  const narrow = codePoint < 0x1100 || (codePoint >= 0x2000 && codePoint < 0x2300) || isBoxDrawing(codePoint);
  return narrow ? 1 : 2;
}

function isBoxDrawing(codePoint: number): boolean {
  return codePoint >= 0x2500 && codePoint < 0x25a0;
}

/** The text, or its beginning with a mark where it was cut, in at most `width` columns. */
export function fit(text: string, look: Look, width = look.width): string {
  if (textWidth(text) <= width) return text;
  const mark = look.unicode ? "…" : "...";
  if (width < mark.length) return mark.slice(0, Math.max(0, width));
  let kept = "";
  let left = width - mark.length;
  for (const character of text) {
    left -= characterWidth(character.codePointAt(0) ?? 0);
    if (left < 0) break;
    kept += character;
  }
  return kept.trimEnd() + mark;
}

/** A text in lines that break between words; a word wider than a line stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && textWidth(line) + 1 + textWidth(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

export const labelWidth = 10;

/** A label and its segments, in as many lines as the width asks for; a segment wider than a line is cut. None without segments. */
export function labelled(label: string, segments: readonly (Segment | string)[], look: Look): string[] {
  if (segments.length === 0) return [];
  const room = Math.max(1, look.width - labelWidth);
  const separator = look.unicode ? " · " : ", ";
  const lines: string[] = [];
  let line = "";
  let used = 0;
  for (const given of segments) {
    const segment = typeof given === "string" ? { text: given } : given;
    const text = fit(plain(segment.text), look, room);
    if (used > 0 && used + separator.length + textWidth(text) > room) {
      lines.push(line);
      line = "";
      used = 0;
    }
    if (used > 0) line += paint(look, { text: separator, style: "dim" });
    line += paint(look, { ...segment, text });
    used += (used > 0 ? separator.length : 0) + textWidth(text);
  }
  lines.push(line);
  return lines.map(
    (text, index) => paint(look, { text: (index === 0 ? label : "").padEnd(labelWidth), style: "dim" }) + text,
  );
}
