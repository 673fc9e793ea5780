/** `npm run docs` writes the tables of docs/ that come from the code; with `--check` it only says whether they are up to date. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { withSections, writtenPages } from "./docs/pages.ts";

// Compiled, this file lies two folders below the project's.
const project = path.resolve(import.meta.dirname, "..", "..");
const isCheck = process.argv.includes("--check");

for (const { file, sections } of writtenPages()) {
  const place = path.join(project, file);
  const before = await readFile(place, "utf8");
  const after = withSections(before, sections);
  if (after === before) continue;
  if (isCheck) {
    console.error(`${file} is not what the code says; run: npm run docs`);
    process.exitCode = 1;
    continue;
  }
  await writeFile(place, after);
  console.log(`wrote ${file}`);
}
