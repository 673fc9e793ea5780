/**
 * A regex as servers know it (Python's and Rust's dialects, which constrained decoding uses) in JavaScript's words.
 *
 * What JavaScript writes otherwise is translated, what it cannot say is refused; nothing is taken to mean something
 * else. `\d`, `\w`, `\s` and `\b` stay JavaScript's, whose first two are ASCII: stricter than Python's, never looser.
 * A pattern that backtracks without end blocks its worker, as in any program: the spec's author answers for it.
 */

/** What JavaScript takes behind a backslash with the `u` flag, beside punctuation of its syntax. */
const KNOWN_ESCAPES = /^[dDwWsSbBnrtfvpPkxuc0-9]$/;
const SYNTAX = /^[\^$\\.*+?()[\]{}|/]$/;
/** \p{L}, \u{1F600}; \pL and \x{1F600} are Rust's. */
const BRACED = /^\\(?:[pPux](\{[^}]*\})|[pP][A-Z])/;
const RENAMED_ESCAPES: Readonly<Record<string, string>> = {
  A: "(?<![\\s\\S])",
  Z: "(?![\\s\\S])",
  z: "(?![\\s\\S])",
  a: "\\x07",
  e: "\\x1b",
};

export interface Refused {
  /** A clause that names what cannot be said, to stand behind "the regex". */
  readonly refused: string;
}

/** A RegExp that matches a text only as a whole, or why there is none. */
export function wholeMatch(pattern: string): RegExp | Refused {
  const translated = new Translation(pattern).run();
  if ("refused" in translated) return translated;
  try {
    // Not ^ and $, which `m` would take for the ends of lines.
    return new RegExp(`(?<![\\s\\S])(?:${translated.source})(?![\\s\\S])`, `${translated.flags}u`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // V8 quotes the whole pattern before the reason.
    return { refused: `is not valid in JavaScript: ${error.message.replace(/^.*: /s, "")}` };
  }
}

class Translation {
  readonly #pattern: string;
  #at = 0;
  #source = "";
  #flags = "";
  #isInClass = false;
  #refused: string | null = null;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  run(): { readonly source: string; readonly flags: string } | Refused {
    const flags = /^\(\?([a-zA-Z]+)\)/.exec(this.#pattern);
    if (flags !== null) this.#takeFlags(flags);
    while (this.#refused === null && this.#at < this.#pattern.length) {
      if (this.#pattern[this.#at] === "\\") this.#takeEscape();
      else if (this.#isInClass) this.#takeInClass();
      else this.#take();
    }
    return this.#refused === null ? { source: this.#source, flags: this.#flags } : { refused: this.#refused };
  }

  #takeFlags([whole = "", letters = ""]: RegExpExecArray): void {
    const unknown = letters.split("").find((letter) => !"imsu".includes(letter));
    if (unknown !== undefined) this.#refused = `sets the flag ${unknown}, which JavaScript lacks`;
    this.#flags = [...new Set(letters.replaceAll("u", ""))].join("");
    this.#at = whole.length;
  }

  #put(text: string, taken: number): void {
    this.#source += text;
    this.#at += taken;
  }

  #takeEscape(): void {
    const escaped = this.#pattern[this.#at + 1];
    const [whole, braced] = BRACED.exec(this.#pattern.slice(this.#at)) ?? [];
    if (escaped === undefined) this.#refused = "ends in a single backslash";
    else if (whole !== undefined) {
      this.#put(`\\${escaped === "x" ? "u" : escaped}${braced ?? `{${whole.at(-1)}}`}`, whole.length);
    } else if (KNOWN_ESCAPES.test(escaped) || SYNTAX.test(escaped)) this.#put(`\\${escaped}`, 2);
    else if (escaped === "-" && this.#isInClass) this.#put("\\-", 2);
    else if (Object.hasOwn(RENAMED_ESCAPES, escaped) && !this.#isInClass)
      this.#put(RENAMED_ESCAPES[escaped] as string, 2);
    else if (/^[A-Za-z]$/.test(escaped)) this.#refused = `holds \\${escaped}, which JavaScript does not know`;
    else this.#put(escaped, 2);
  }

  #takeInClass(): void {
    const rest = this.#pattern.slice(this.#at, this.#at + 2);
    if (rest === "[:") this.#refused = "holds a POSIX class such as [:alpha:], which JavaScript does not know";
    if (rest.startsWith("]")) this.#isInClass = false;
    this.#put(rest.slice(0, 1), 1);
  }

  #take(): void {
    const rest = this.#pattern.slice(this.#at);
    const head = rest.slice(0, 1);
    if (head === "[") {
      const opening = rest.startsWith("[^") ? "[^" : "[";
      this.#isInClass = true;
      this.#put(opening, opening.length);
      // JavaScript takes [] for the empty class; others take the bracket for a member.
      if (this.#pattern[this.#at] === "]") this.#put("\\]", 1);
    } else if (head === "(" && rest.startsWith("(?")) this.#takeGroup(rest);
    else if (head === "{") {
      const [whole = "", least = "", most = ""] = /^\{(\d*)(,\d*)?\}/.exec(rest) ?? [];
      const isQuantifier = least !== "" || most.length > 1;
      if (isQuantifier) this.#put(`{${least === "" ? "0" : least}${most}}`, whole.length);
      else this.#put("\\{", 1);
    } else if (head === "}" || head === "]") this.#put(`\\${head}`, 1);
    else if (head === ".") this.#put(this.#flags.includes("s") ? "." : "[^\\n]", 1);
    else this.#put(head, 1);
  }

  #takeGroup(rest: string): void {
    const named = /^\(\?P<(\w+)>/.exec(rest);
    const back = /^\(\?P=(\w+)\)/.exec(rest);
    const comment = /^\(\?#[^)]*\)/.exec(rest);
    if (named !== null) this.#put(`(?<${named[1]}>`, named[0].length);
    else if (back !== null) this.#put(`\\k<${back[1]}>`, back[0].length);
    else if (comment !== null) this.#put("", comment[0].length);
    else if (/^\(\?(?:[:=!]|<[=!]|<[A-Za-z_]\w*>)/.test(rest)) this.#put("(?", 2);
    else this.#refused = `holds the group ${rest.slice(0, 4)}, which JavaScript does not know`;
  }
}
