/** Tells text from other files by the first chunk, so that a file that is no text is one error and not a million rows. */
import { isUtf8 } from "node:buffer";
import { TidingError } from "../../shared/errors.ts";
import { readBytes } from "./compression.ts";

/** The first chunk of a text file. Throws INPUT_UNREADABLE for a file that is no text in UTF-8. */
export async function readTextHead(path: string): Promise<Buffer> {
  for await (const chunk of readBytes(path, 0)) {
    checkText(chunk, path);
    return chunk;
  }
  return Buffer.alloc(0);
}

function checkText(chunk: Buffer, path: string): void {
  const isUtf16 = chunk.length >= 2 && ["fffe", "feff"].includes(chunk.toString("hex", 0, 2));
  if (isUtf16 || chunk.includes(0)) {
    throw new TidingError("INPUT_UNREADABLE", `The input is ${isUtf16 ? "text in UTF-16" : "binary, not text"}.`, {
      place: path,
      mend: isUtf16
        ? "Convert it: iconv -f UTF-16 -t UTF-8."
        : "Name its format with input.format, or unpack it first.",
    });
  }
  const lines = chunk.toString("latin1").split("\n");
  // The last line may be cut in the middle of a letter.
  const whole = lines.length > 1 ? lines.slice(0, -1) : [];
  const broken = whole.filter((line) => !isUtf8(Buffer.from(line, "latin1"))).length;
  if (broken * 2 <= whole.length) return;
  throw new TidingError(
    "INPUT_UNREADABLE",
    `The input is not text in UTF-8: ${broken} of its first ${whole.length} lines are not.`,
    {
      place: path,
      mend: "Convert it, such as with iconv -f ISO-8859-1 -t UTF-8, or name its format with input.format.",
    },
  );
}
