/** An npm package in a folder of the cache, for what is too large to be a dependency. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exists, orMend, run } from "./python-environment.ts";

const TRANSFORMERS = "4.3.1";
/** The build for browsers, a third of the whole, which Node never loads; the empty package stands in for it. */
const OVERRIDES = { "onnxruntime-web": "npm:empty-npm-package@1.0.0" };

/**
 * Installs `@huggingface/transformers` once, 327 MB, and resolves with the folder to load it from. Without its scripts, of
 * which one downloads libraries for GPUs. Throws `USAGE`.
 */
export async function prepareTransformers(say: (line: string) => void): Promise<string> {
  const cache = process.env["TIDING_CACHE"] ?? fileURLToPath(new URL("../../../.cache", import.meta.url));
  const folder = join(cache, `real-transformers-${TRANSFORMERS}`);
  const ready = join(folder, "ready");
  if (await exists(ready)) return folder;
  say(`installing @huggingface/transformers ${TRANSFORMERS}, 327 MB, into ${folder}`);
  await mkdir(folder, { recursive: true });
  const dependencies = { "@huggingface/transformers": TRANSFORMERS };
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, dependencies, overrides: OVERRIDES }));
  await orMend(
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder }),
    "npm could not install @huggingface/transformers",
    "See that npm reaches its registry and that the disk has room for 400 MB.",
  );
  await writeFile(ready, "");
  return folder;
}
