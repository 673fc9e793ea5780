/**
 * From what a row holds of an image to the URL that stands for it in a message.
 *
 * An address goes to the server as it stands, and the server fetches it. Everything else travels within the request, as a
 * data URL: bytes, base64, what `datasets` stores, and files, which are read in the process that runs the row.
 */
import { readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { isTidingError, TidingError } from "../../shared/errors.ts";
import type { GeneratedImage } from "../../shared/task/task.ts";
import { imageFromBase64, imageOf } from "../llms/images/image-type.ts";

/** No server takes as much; a file that is larger was not meant. */
const MAX_FILE_BYTES = 50_000_000;
/** Shorter text is a name. */
const LEAST_BASE64 = 40;

/**
 * `value` is a URL, a data URL, base64, the path of a file relative to `folder`, bytes, or `{ bytes, path }`; null where
 * the row has no image. Rejects with `ROW_INVALID`.
 */
export async function imageUrlOf(value: unknown, folder: string): Promise<string | null> {
  if (value === null || value === undefined || value === "") return null;
  if (typeof value === "string") return await urlOfText(value, folder);
  if (value instanceof Uint8Array) return dataUrl(imageOf(value));
  if (typeof value === "object" && ("bytes" in value || "path" in value)) {
    const { bytes, path: file } = value as { readonly bytes?: unknown; readonly path?: unknown };
    if (bytes instanceof Uint8Array) return dataUrl(imageOf(bytes));
    if (typeof bytes === "string") return dataUrl(imageFromBase64(bytes));
    if (bytes === null || bytes === undefined) return await imageUrlOf(file, folder);
  }
  throw invalid("`image` is neither an address, nor a file, nor the bytes of an image.");
}

async function urlOfText(text: string, folder: string): Promise<string> {
  if (/^https?:\/\//i.test(text)) {
    if (URL.canParse(text)) return text;
    throw invalid("`image` begins as an address and is none.");
  }
  if (/^data:/i.test(text)) {
    const image = /^data:[^,]*;base64,/i.test(text) ? imageFromBase64(text.slice(text.indexOf(",") + 1)) : null;
    if (image !== null) return text;
    throw invalid("`image` is a data URL without an image in base64.");
  }
  const image = text.length < LEAST_BASE64 ? null : imageFromBase64(text);
  return dataUrl(image ?? imageOf(await fileOf(path.resolve(folder, text))));
}

async function fileOf(file: string): Promise<Uint8Array> {
  try {
    const { size, isFile } = await stat(file).then((found) => ({ size: found.size, isFile: found.isFile() }));
    if (!isFile) throw invalid(`\`image\` names what is no file: ${file}.`);
    if (size > MAX_FILE_BYTES) throw invalid(`\`image\` names a file of ${size} bytes: ${file}.`);
    return await readFile(file);
  } catch (error) {
    if (isTidingError(error)) throw error;
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    throw new TidingError("ROW_INVALID", `\`image\` names a file that ${hostname()} cannot read (${code}): ${file}.`, {
      mend: "Files are read by the process that runs the row: give workers the folder under the same path or with --folder, or put the bytes into the input.",
      cause: error,
    });
  }
}

function dataUrl(image: GeneratedImage | null): string {
  if (image === null) throw invalid("`image` holds no PNG, JPEG, WebP or GIF.");
  return `data:${image.mediaType};base64,${Buffer.from(image.bytes).toString("base64")}`;
}

function invalid(message: string): TidingError {
  return new TidingError("ROW_INVALID", message, {
    mend: "Correct the row, or map another column with the step's `columns`.",
  });
}
