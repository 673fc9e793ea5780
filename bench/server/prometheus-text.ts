/**
 * Prometheus' text format, version 0.0.4, read strictly: what is not of the format is an error, and no number is made up.
 *
 * Own, because the one package that reads it was last built in 2019 and takes any line for a sample.
 * Source: Prometheus' documentation, "Exposition formats".
 */
import { TidingError } from "../../shared/errors.ts";

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  /** NaN and infinities as the text has them. */
  readonly value: number;
}

/** By the name of a sample: of a histogram or summary those that end in `_bucket`, `_sum` and `_count`, and its own. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,?)/y;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const SPECIAL: Readonly<Record<string, number>> = { nan: NaN, "+inf": Infinity, inf: Infinity, "-inf": -Infinity };

/** Throws `RESPONSE_INVALID` for the first line that is no sample, comment or gap, or that says one thing twice. */
export function readPrometheusText(text: string): Samples {
  const samples = new Map<string, Sample[]>();
  const seen = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    const { name, labels, value } = readSample(content, index + 1);
    const identity = name + JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    if (seen.has(identity)) throw malformed(`says ${name} twice with the same labels`, index + 1);
    seen.add(identity);
    const ofName = samples.get(name);
    if (ofName === undefined) samples.set(name, [{ labels, value }]);
    else ofName.push({ labels, value });
  }
  return samples;
}

function readSample(content: string, line: number): Sample & { readonly name: string } {
  NAME.lastIndex = 0;
  const [name] = NAME.exec(content) ?? [];
  if (name === undefined) throw malformed("does not begin with a metric's name", line);
  let at = name.length;
  while (content[at] === " " || content[at] === "\t") at++;
  const { labels, end } = content[at] === "{" ? readLabels(content, at + 1, line) : { labels: {}, end: at };
  const [number = "", timestamp, ...more] = content
    .slice(end)
    .trim()
    .split(/[ \t]+/);
  if (end === name.length) throw malformed("has no value", line);
  const isTimed = timestamp === undefined || /^-?\d+$/.test(timestamp);
  if (!isTimed || more.length > 0) throw malformed("has more behind its value than a timestamp", line);
  return { name, labels, value: readNumber(number, line) };
}

function readLabels(
  content: string,
  start: number,
  line: number,
): { readonly labels: Record<string, string>; readonly end: number } {
  const labels: Record<string, string> = {};
  let at = start;
  let mayFollow = true;
  for (;;) {
    LABEL.lastIndex = at;
    const label: RegExpExecArray | null = mayFollow ? LABEL.exec(content) : null;
    if (label === null) break;
    const [whole = "", name = "", value = "", comma]: readonly string[] = label;
    if (Object.hasOwn(labels, name)) throw malformed(`has the label ${name} twice`, line);
    Object.defineProperty(labels, name, { value: unescape(value, line), enumerable: true });
    at += whole.length;
    mayFollow = comma === ",";
  }
  const close = /^\s*\}/.exec(content.slice(at));
  if (close === null) throw malformed("has labels that do not end", line);
  return { labels, end: at + close[0].length };
}

function unescape(value: string, line: number): string {
  return value.replace(/\\(.)/gs, (_, letter: string) => {
    if (letter === "n") return "\n";
    if (letter === "\\" || letter === '"') return letter;
    throw malformed(`has the unknown escape \\${letter}`, line);
  });
}

function readNumber(text: string, line: number): number {
  const special = SPECIAL[text.toLowerCase()];
  if (special !== undefined) return special;
  if (NUMBER.test(text)) return Number(text);
  throw malformed(text === "" ? "has no value" : `has ${JSON.stringify(text.slice(0, 40))} for a value`, line);
}

function malformed(what: string, line: number): TidingError {
  return new TidingError("RESPONSE_INVALID", `Line ${line} of the server's metrics ${what}.`, {
    mend: "See that /metrics is the model server's own, in Prometheus' text format.",
  });
}
