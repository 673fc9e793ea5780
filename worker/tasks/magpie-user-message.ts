/** From what the model wrote as the user to the user's message. Pure. */

/**
 * Marks by which chat templates end a message or begin the next: ChatML, Llama 3 and 4, Phi, Cohere, Granite and gpt-oss
 * write `<|name|>`, DeepSeek with wide bars, Gemma `<start_of_turn>`, Llama 2 and Mistral `[INST]`, `<<SYS>>`, `</s>`.
 */
const TEMPLATE_TOKEN =
  /<\|\/?[a-z][\w-]*\|>|<｜[^｜\n]{1,40}｜>|<(?:start|end)_of_turn>|\[\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS)\]|<<\/?SYS>>|<\/s>/i;

/**
 * The message without what follows the first mark of a template, and without blanks around it; empty where nothing is
 * left. A server that has no stop sequences, or shows special tokens, goes on into the next speaker's message.
 */
export function userMessageOf(written: string): string {
  const end = written.search(TEMPLATE_TOKEN);
  return (end === -1 ? written : written.slice(0, end)).trim();
}
