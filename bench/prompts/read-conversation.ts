/** From a dataset's value to a conversation that can be sent, with the roles it has. */

export interface BenchMessage {
  readonly role: string;
  readonly content: string;
}

/** ShareGPT's names for those who speak. */
const SHAREGPT_ROLES: Readonly<Record<string, string>> = {
  human: "user",
  user: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  bing: "assistant",
  bard: "assistant",
  system: "system",
};

/**
 * A text as a message of the user's; a list of `{role, content}` or `{from, value}` up to its last message of the user's, with
 * the answers between as history. Null for anything else: no text, no user, content that is not text.
 */
export function readConversation(value: unknown): readonly BenchMessage[] | null {
  if (typeof value === "string") return value.trim() === "" ? null : [{ role: "user", content: value }];
  if (!Array.isArray(value)) return null;
  const messages: BenchMessage[] = [];
  for (const each of value as readonly unknown[]) {
    const message = readMessage(each);
    if (message === null) return null;
    messages.push(message);
  }
  const last = messages.findLastIndex(({ role }) => role === "user");
  return last === -1 || messages[last]?.content.trim() === "" ? null : messages.slice(0, last + 1);
}

function readMessage(value: unknown): BenchMessage | null {
  if (typeof value !== "object" || value === null) return null;
  const { role, content, from, value: said } = value as Readonly<Record<string, unknown>>;
  if (typeof role === "string" && role !== "" && typeof content === "string") return { role, content };
  const speaker = typeof from === "string" ? SHAREGPT_ROLES[from] : undefined;
  return speaker !== undefined && typeof said === "string" ? { role: speaker, content: said } : null;
}
