import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { loadModule } from "../../../../shared/task/module-code.ts";

const root = await mkdtemp(path.join(tmpdir(), "tiding-module-"));
after(async () => await rm(root, { recursive: true }));

let folders = 0;
async function write(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = path.join(root, String(++folders));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

const sources = {
  "main.ts":
    'import { b } from "./lib/b";\nimport type { T } from "./types.ts";\nimport dep from "dep";\nexport default { b, dep } as T;\n',
  "types.ts": "export type T = object;\n",
  "lib/b.ts": 'import "../main.ts";\nimport n from "./c.json";\nexport const b = (): number => n.n;\n',
  "lib/c.json": '{ "n": 1 }\n',
  "node_modules/dep/package.json": '{ "name": "dep", "version": "1.0.0", "main": "index.js" }',
  "node_modules/dep/index.js": "module.exports = 'dep';",
};

async function hashOf(change: Readonly<Record<string, string>> = {}): Promise<string> {
  return (await loadModule(path.join(await write({ ...sources, ...change }), "main.ts"))).codeHash;
}

async function refusal(files: Readonly<Record<string, string>>, name = "main.ts"): Promise<string[]> {
  const folder = await write(files);
  try {
    await loadModule(path.join(folder, name), { name: `./${name}` });
  } catch (error) {
    if (!isTidingError(error)) throw error;
    return [error.code, error.place ?? "", error.message, error.mend ?? ""].map((text) =>
      text.replaceAll(folder, "<folder>"),
    );
  }
  return assert.fail("the module was accepted");
}

void test("a TypeScript module is loaded with what it imports, a circle included", async () => {
  const { exported } = await loadModule(path.join(await write(sources), "main.ts"));
  const { b, dep } = exported as { b: () => number; dep: string };
  assert.deepEqual([b(), dep], [1, "dep"]);
});

void test("the hash is the same in another folder and with other line ends", async () => {
  const hash = await hashOf();
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(await hashOf(), hash);
  assert.equal(await hashOf({ "main.ts": sources["main.ts"].replaceAll("\n", "\r\n") }), hash);
});

void test("the hash follows relative imports, files of other kinds and package versions, not types or package files", async () => {
  const hash = await hashOf();
  const changes = [
    { "main.ts": `${sources["main.ts"]}// more\n` },
    { "lib/b.ts": sources["lib/b.ts"].replace("n.n", "n.n + 1") },
    { "lib/c.json": '{ "n": 2 }\n' },
    { "node_modules/dep/package.json": sources["node_modules/dep/package.json"].replace("1.0.0", "1.0.1") },
  ];
  for (const change of changes) assert.notEqual(await hashOf(change), hash, JSON.stringify(change));
  assert.equal(await hashOf({ "types.ts": "export type T = unknown;\n" }), hash);
  assert.equal(await hashOf({ "node_modules/dep/index.js": "module.exports = 'other';" }), hash);
});

void test("an edited module is read anew", async () => {
  const folder = await write({ "main.ts": "export default 1;" });
  const file = path.join(folder, "main.ts");
  assert.equal((await loadModule(file)).exported, 1);
  await writeFile(file, "export default 2;");
  assert.equal((await loadModule(file)).exported, 2);
});

void test("a missing file, a syntax error, a missing export and a missing import are told apart", async () => {
  assert.deepEqual(await refusal({ "other.ts": "" }), [
    "MODULE_INVALID",
    "./main.ts",
    "The module ./main.ts does not exist.",
    "Check the path; in a spec it is relative to the spec's folder.",
  ]);
  assert.deepEqual(await refusal({ "main.ts": "const a = 1;\nconst b = {;\n" }), [
    "MODULE_INVALID",
    "./main.ts:2:12",
    "The module ./main.ts has a syntax error: Unexpected token.",
    "Correct the syntax.",
  ]);
  assert.deepEqual((await refusal({ "main.ts": 'import "./bad.ts";', "bad.ts": "let a a;" })).slice(0, 2), [
    "MODULE_INVALID",
    `<folder>${path.sep}bad.ts:1:6`,
  ]);
  assert.deepEqual(await refusal({ "main.ts": "export const named = 1;" }), [
    "MODULE_INVALID",
    "./main.ts",
    "The module ./main.ts has no default export.",
    "Add `export default ...`.",
  ]);
  assert.deepEqual(await refusal({ "main.ts": 'import "nowhere-to-be-found"; export default 1;' }), [
    "MODULE_INVALID",
    "./main.ts",
    "The module ./main.ts cannot be loaded: Cannot find module 'nowhere-to-be-found'.",
    "Install the package beside the module, or correct the import's path.",
  ]);
  const [, , thrown] = await refusal({ "main.ts": 'throw new Error("no luck"); export default 1;' });
  assert.equal(thrown, "The module ./main.ts threw while it was loaded: no luck");
});
