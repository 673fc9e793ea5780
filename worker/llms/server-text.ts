/** What of a server's own words may be shown: never a prompt, never a key. */
import type { LLMInput } from "../../shared/task/task.ts";

const MESSAGE_LENGTH = 300;
const RAW_LENGTH = 65_536;
/** Letters and digits in a row that a message must share with a prompt to count as its echo. */
const ECHO_LENGTH = 20;

/** What a server says is wrong, or the first line of its message, cut to 300 characters; empty where it repeats part of the prompt. */
export function quotable(message: string, input: LLMInput, secrets: readonly string[]): string {
  // pydantic (vLLM, SGLang, FastAPI gateways) appends the offending value to its messages.
  const valueAt = message.search(/["']?\binput(_value)?["']?\s*[:=]/);
  const ownWords = fieldErrors(message) ?? (valueAt === -1 ? message : message.slice(0, valueAt));
  const line = (ownWords.trimStart().split(/[\r\n]/, 1)[0] ?? "").slice(0, MESSAGE_LENGTH).trim();
  return echoes(line, input) ? "" : withoutSecrets(line, secrets);
}

/** A server's answer for the failed row: cut to 64 Ki characters, keys replaced. */
export function rawResponse(text: string, secrets: readonly string[]): string {
  return withoutSecrets(text.slice(0, RAW_LENGTH), secrets);
}

/**
 * vLLM lists what does not fit of a body below a line that says how many, each as Python shows it: `{'type': …, 'loc':
 * 'body.stop', 'msg': 'List should have …', 'input': …}` (test/fixtures/vllm/). Null for any other message.
 */
function fieldErrors(message: string): string | null {
  if (!/^\d+ validation errors?:\n/.test(message)) return null;
  const errors = message.matchAll(/'loc': '([^'\n]*)', 'msg': (?:'([^'\n]*)'|"([^"\n]*)")/g);
  const texts = Array.from(errors, ([, field, text, quoting]) => `${field}: ${text ?? quoting}`);
  return texts.length === 0 ? null : texts.join("; ");
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  let safe = text;
  for (const secret of secrets) safe = safe.replaceAll(secret, "[secret]");
  return safe;
}

function echoes(line: string, input: LLMInput): boolean {
  // Compared by letters and digits alone, so that quoting and escaping don't hide an echo.
  const said = onlyWords(line.replace(/\\./g, ""));
  const contents = typeof input === "string" ? [input] : input.flatMap(({ content }) => textsOf(content));
  for (const content of contents) {
    const prompt = onlyWords(content);
    if (prompt.length < ECHO_LENGTH) {
      if (prompt.length >= 4 && said.includes(prompt)) return true;
      continue;
    }
    for (let start = 0; start + ECHO_LENGTH <= said.length; start++) {
      if (prompt.includes(said.slice(start, start + ECHO_LENGTH))) return true;
    }
  }
  return false;
}

/** A content, or each of its parts, as text. */
function textsOf(content: unknown): readonly string[] {
  if (typeof content === "string") return [content];
  const parts: readonly unknown[] = Array.isArray(content) ? content : [content ?? ""];
  return parts.map((part) => {
    const text = typeof part === "object" && part !== null && "text" in part ? part.text : null;
    return typeof text === "string" ? text : JSON.stringify(part, withoutData);
  });
}

/** Of a data URL only the beginning: megabytes of base64 are no words. */
function withoutData(_key: string, value: unknown): unknown {
  return typeof value === "string" && value.startsWith("data:") ? value.slice(0, ECHO_LENGTH * 10) : value;
}

function onlyWords(text: string): string {
  return text.replace(/[^\p{L}\p{N}]+/gu, "");
}
