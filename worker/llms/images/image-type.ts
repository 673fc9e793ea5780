/** Which image bytes are, by how the file begins: whatever a server or a column calls them. */
import type { GeneratedImage } from "../../../shared/task/task.ts";

const SIGNATURES: readonly (readonly [mediaType: string, parts: readonly (readonly [at: number, text: string])[]])[] = [
  ["image/png", [[0, "\x89PNG\r\n\x1a\n"]]],
  ["image/jpeg", [[0, "\xff\xd8\xff"]]],
  ["image/gif", [[0, "GIF8"]]],
  [
    "image/webp",
    [
      [0, "RIFF"],
      [8, "WEBP"],
    ],
  ],
];

/** `image/png`, `image/jpeg`, `image/gif` or `image/webp`; null for anything else. */
function imageType(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 16)).toString("latin1");
  const found = SIGNATURES.find(([, parts]) => parts.every(([at, text]) => head.startsWith(text, at)));
  return found?.[0] ?? null;
}

const NOT_BASE64 = /[^A-Za-z0-9+/=\s]/;

/** The image that a base64 text holds; null for any other text. */
export function imageFromBase64(text: string): GeneratedImage | null {
  return NOT_BASE64.test(text) ? null : imageOf(Buffer.from(text, "base64"));
}

/** Null for bytes that are no image. */
export function imageOf(bytes: Uint8Array): GeneratedImage | null {
  const mediaType = imageType(bytes);
  // No Buffer, which JSON would write as a list of numbers.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return mediaType === null ? null : { bytes: plain, mediaType };
}
