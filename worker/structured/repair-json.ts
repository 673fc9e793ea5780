/**
 * JSON out of what a model wrote around it, or nearly as JSON: code fences, a sentence before and after, trailing commas,
 * single quotes, comments.
 *
 * Never made up: an end that is missing. A text that stops within its JSON may have lost half of its content, and would
 * read as whole once its brackets were closed.
 */
import { JSONRepairError, jsonrepair } from "jsonrepair";

/** Beyond this, repairing would hold the event loop for tens of milliseconds; such answers are asked for again. */
const MOST_CHARACTERS = 262_144;
/** Of one answer: more are no answer with words around it. */
const MOST_BLOCKS = 16;

/**
 * JSON texts that the answer may mean, in its order; valid JSON each, none twice. Objects and lists only: any other text
 * could be repaired to a JSON string.
 */
export function jsonWithin(answer: string): readonly string[] {
  if (answer.length > MOST_CHARACTERS) return [];
  const texts = new Set<string>();
  for (const block of blocksOf(answer)) {
    const repaired = repairedBlock(block);
    if (repaired !== null) texts.add(repaired);
  }
  return [...texts];
}

function repairedBlock(block: string): string | null {
  if (isJson(block)) return block;
  let text: string;
  try {
    text = jsonrepair(block);
  } catch (error) {
    // A RangeError: nested deeper than the stack, as of a model that repeats itself.
    if (error instanceof JSONRepairError || error instanceof RangeError) return null;
    throw error;
  }
  return isJson(text) && closersIn(text) <= closersIn(block) ? text : null;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return false;
    throw error;
  }
}

/** The outermost objects and lists; where none is balanced, all from the first opening bracket to the last closing one. */
function blocksOf(answer: string): readonly string[] {
  const blocks: string[] = [];
  for (let at = nextOpener(answer, 0); at !== -1 && blocks.length < MOST_BLOCKS;) {
    const end = endOfBlock(answer, at);
    if (end === -1) break;
    blocks.push(answer.slice(at, end));
    at = nextOpener(answer, end);
  }
  if (blocks.length > 0) return blocks;
  const from = nextOpener(answer, 0);
  const to = Math.max(answer.lastIndexOf("}"), answer.lastIndexOf("]"));
  return from === -1 || to < from ? [] : [answer.slice(from, to + 1)];
}

function nextOpener(text: string, from: number): number {
  const found = text.slice(from).search(/[{[]/);
  return found === -1 ? -1 : from + found;
}

/** Behind the bracket that closes the one at `from`, with brackets in strings passed over; -1 where there is none. */
function endOfBlock(text: string, from: number): number {
  let depth = 0;
  let isInString = false;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (isInString) {
      if (character === "\\") at++;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

function closersIn(text: string): number {
  let count = 0;
  for (const character of text) if (character === "}" || character === "]") count++;
  return count;
}
