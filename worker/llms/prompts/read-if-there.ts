import { readFile } from "node:fs/promises";

/** The text of a file; null where there is no such file. */
export async function readIfThere(location: string): Promise<string | null> {
  try {
    return await readFile(location, "utf8");
  } catch (error) {
    if (isAbsence(error)) return null;
    throw error;
  }
}

/** Whether an error of the file system says that nothing is there. */
export function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}
