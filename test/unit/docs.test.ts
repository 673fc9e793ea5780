import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { glob } from "tinyglobby";
import { PROTOCOL_STEPS } from "../../shared/protocol/protocol-step.ts";
import { withSections, writtenPages } from "../../scripts/docs/pages.ts";

// Compiled, this file lies three folders below the project's.
const project = path.resolve(import.meta.dirname, "..", "..", "..");

for (const { file, sections } of writtenPages()) {
  void test(`${file} says what the code says`, async () => {
    const text = await readFile(path.join(project, file), "utf8");
    assert.equal(text, withSections(text, sections), "Run: npm run docs");
  });

  void test(`every row of ${file}'s tables has its cells filled`, () => {
    for (const content of Object.values(sections)) {
      assert.doesNotMatch(content, /undefined|\[object|\|  \|$/m);
      assert.ok(content.split("\n").length > 2, "a table without rows");
    }
  });
}

void test("a page without a section's markers is refused", () => {
  assert.throws(() => withSections("# A page\n", { codes: "x" }), /begin: codes/);
});

void test("what stands around a section stays as it is", () => {
  const page = "before\n<!-- begin: a -->\nold\n<!-- end: a -->\nbehind\n";
  assert.equal(withSections(page, { a: "new" }), "before\n<!-- begin: a -->\n\nnew\n\n<!-- end: a -->\nbehind\n");
});

const documents = (await glob(["*.md", "docs/**/*.md", "examples/**/*.md"], { cwd: project })).toSorted();

void test("every link between the documents leads to a file, and to a heading where it names one", async () => {
  const broken: string[] = [];
  for (const document of documents) {
    const text = await readFile(path.join(project, document), "utf8");
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", heading] = target.split("#");
      const place = path.join(project, path.dirname(document), file);
      const found = await readFile(place, "utf8").catch(() => (existsSync(place) ? "" : null));
      if (found === null || (heading !== undefined && !headingsOf(found).includes(heading)))
        broken.push(`${document}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(/\s/g, "-"),
  );
}

void test("the crash table of ARCHITECTURE.md names every step of the protocol", async () => {
  const text = await readFile(path.join(project, "ARCHITECTURE.md"), "utf8");
  assert.deepEqual(
    PROTOCOL_STEPS.filter((step) => !text.includes(`| \`${step}\` |`)),
    [],
  );
});
