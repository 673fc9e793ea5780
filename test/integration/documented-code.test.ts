/** TypeScript in the documents, against the types that the package declares: whoever copies it gets no error. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { glob } from "tinyglobby";

const project = path.resolve(import.meta.dirname, "..", "..", "..");
const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
const run = promisify(execFile);

/** Writes each piece of TypeScript into a file of the folder, named after its document; gives their number. */
async function writeSnippets(folder: string): Promise<number> {
  let count = 0;
  for (const document of await glob(["README.md", "docs/**/*.md"], { cwd: project })) {
    const text = await readFile(path.join(project, document), "utf8");
    for (const [, code = ""] of text.matchAll(/^```ts\n([^]*?)^```$/gm)) {
      count += 1;
      await writeFile(path.join(folder, `${document.replaceAll("/", "-")}-${count}.ts`), `${code}export {};\n`);
    }
  }
  return count;
}

void test("every piece of TypeScript in the documents has right types", async (context) => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-"));
  context.after(() => rm(folder, { recursive: true }));
  assert.ok((await writeSnippets(folder)) >= 7);
  const options = {
    extends: path.join(project, "examples", "tsconfig.json"),
    compilerOptions: {
      paths: { tiding: [path.join(project, "dist", "index.d.ts")] },
      typeRoots: [path.join(project, "node_modules", "@types")],
    },
    include: ["*.ts"],
  };
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify(options));
  const errors = await run(process.execPath, [tsc, "-p", folder]).then(
    () => null,
    (thrown: unknown) => {
      const { message, stdout } = thrown as Error & { readonly stdout: string };
      return stdout || message;
    },
  );
  assert.equal(errors, null);
});
