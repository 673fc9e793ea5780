/**
 * Token counts out of an answer's bytes as they pass, without parsing it: OpenAI's `usage`, TGI's `details`.
 *
 * Looked for is a key with its quotes and colon, which inside a JSON text would be escaped: an answer that speaks of
 * `"completion_tokens":` does not mislead it. The last mention counts, as a stream with continuous usage repeats it.
 */

const OUTPUT_KEYS = [Buffer.from('"completion_tokens":'), Buffer.from('"generated_tokens":')];
const PROMPT_KEYS = [Buffer.from('"prompt_tokens":'), Buffer.from('"input_length":')];
/** A key, a space and a number that the next chunk may continue. */
const CARRIED_BYTES = 48;
const NOTHING = Buffer.alloc(0);

export class TokenScan {
  #carried: Buffer = NOTHING;
  #prompt: number | null = null;
  #output: number | null = null;

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const joined = this.#carried.length === 0 ? bytes : Buffer.concat([this.#carried, bytes]);
    this.#output = lastCount(joined, OUTPUT_KEYS) ?? this.#output;
    this.#prompt = lastCount(joined, PROMPT_KEYS) ?? this.#prompt;
    this.#carried = Buffer.from(joined.subarray(-CARRIED_BYTES));
  }

  /** Null where the server did not say. */
  get promptTokens(): number | null {
    return this.#prompt;
  }

  get outputTokens(): number | null {
    return this.#output;
  }
}

function lastCount(bytes: Buffer, keys: readonly Buffer[]): number | null {
  for (const key of keys) {
    const at = bytes.lastIndexOf(key);
    if (at < 0) continue;
    const count = numberAt(bytes, at + key.length);
    if (count !== null) return count;
  }
  return null;
}

function numberAt(bytes: Buffer, from: number): number | null {
  let at = from;
  while (bytes[at] === 0x20) at++;
  let count = 0;
  const first = at;
  for (; at < bytes.length; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) break;
    count = count * 10 + digit;
  }
  return at === first ? null : count;
}
