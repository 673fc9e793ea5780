/** Conversations that are rendered here hold texts alone: how a model's prompt marks an image is its server's knowledge. */
import { TidingError } from "../../../shared/errors.ts";
import type { ChatMessage } from "../../../shared/task/task.ts";

/** Throws `ROW_INVALID` for a message with an image. */
export function requireTexts(messages: readonly ChatMessage[]): void {
  for (const { content } of messages) {
    if (!Array.isArray(content) || !content.some(isImage)) continue;
    throw new TidingError("ROW_INVALID", "The message holds an image, and its prompt is rendered here.", {
      place: "tokenizer_id",
      mend: "Take tokenizer_id out, or set use_openai_client: true, so that the server's chat route takes the image.",
    });
  }
}

function isImage(part: { readonly type?: unknown } | null): boolean {
  return part?.type === "image_url" || part?.type === "image";
}
