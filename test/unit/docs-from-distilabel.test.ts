/** The page for who comes from distilabel: whatever it says of Tiding names a test, and its keys and its job are real. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { isTidingError } from "../../shared/errors.ts";
import { jobSpecJsonSchema, schemaAt } from "../../shared/spec/json-schema.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { resolveColumns } from "../../shared/task/resolve-columns.ts";
import { InferenceEndpointsLLM } from "../../worker/llms/inference-endpoints-llm.ts";
import { loadTask } from "../../worker/tasks/load-task.ts";

// Compiled, this file lies three folders below the project's.
const project = path.resolve(import.meta.dirname, "..", "..", "..");
const page = await readFile(path.join(project, "docs", "from-distilabel.md"), "utf8");

/** The cells of a section's table, without its head; a section is told by its heading's words, without backticks. */
function rowsOf(text: string): Map<string, readonly (readonly string[])[]> {
  const sections = text.split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const [heading = "", ...lines] = section.split("\n");
      const rows = lines.filter((line) => line.startsWith("| ")).slice(2);
      const cellsOf = (line: string): string[] =>
        line
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim());
      return [heading.replaceAll("`", ""), rows.map(cellsOf)] as const;
    }),
  );
}

/** What a test file's calls of `test` are given as titles: texts, or templates with their `${…}`. */
async function titlesIn(file: string): Promise<{ readonly source: string; readonly titles: readonly string[] } | null> {
  const source = await readFile(path.join(project, file), "utf8").catch(() => null);
  if (source === null) return null;
  const titles = source.matchAll(/^\s*void test\(\s*("(?:[^"\\\n]|\\.)*"|`[^`]*`)/gm);
  return { source, titles: [...titles].map(([, title = ""]) => title) };
}

/** Whether a title is one that this text or template gives; what stands for a `${…}` must be in the file as well. */
function gives(written: string, title: string, source: string): boolean {
  if (written.startsWith('"')) return JSON.parse(written) === title;
  const bare = (text: string): string => text.replaceAll(/["'\s]/g, "");
  const fixed = written.slice(1, -1).split(/\$\{[^}]*\}/);
  const pattern = fixed.map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join("(.+)");
  const [whole, ...parts] = new RegExp(`^${pattern}$`).exec(title) ?? [];
  return whole !== undefined && parts.every((part) => bare(source).includes(bare(part)));
}

/** What is wrong with the page's tests: rows without one, tests of no row, files and titles that do not exist. */
async function faultsOf(text: string): Promise<readonly string[]> {
  const { Tests: tests = [], ...others } = Object.fromEntries(rowsOf(text));
  const rows = Object.values(others).flatMap((section) =>
    section.map((cells) => [cells.length, cells.at(-1)] as const),
  );
  const named = new Set(tests.map(([row]) => row));
  const ids = rows.map(([, id]) => id);
  const faults = rows.filter(([cells]) => cells !== 4).map(([cells, id]) => `${id}: ${cells} cells`);
  faults.push(...ids.filter((id) => !named.has(id)).map((id) => `${id}: no test`));
  faults.push(...ids.filter((id, index) => ids.indexOf(id) < index).map((id) => `${id}: twice`));
  faults.push(...[...named].filter((id) => !ids.includes(id)).map((id) => `${id}: no row`));
  for (const [row, title = "", cell = ""] of tests) {
    const file = cell.replaceAll("`", "");
    const found = await titlesIn(file);
    if (found === null) faults.push(`${row}: no file ${file}`);
    else if (!found.titles.some((written) => gives(written, title, found.source)))
      faults.push(`${row}: no test "${title}" in ${file}`);
  }
  return faults;
}

void test("each row of the page names a test, and each test that it names exists", async () => {
  assert.ok([...rowsOf(page).values()].flat().length > 200);
  assert.deepEqual(await faultsOf(page), []);
});

void test("a page whose tests were renamed, moved, forgotten or made up is noticed", async () => {
  const library = "test/unit/worker/llms/library-calls.test.ts";
  for (const [from, to, fault] of [
    ["a class that extends it takes part", "a class takes part", /^L7: no test "a class takes part in every call" in /],
    ["base_url with the served name is", "base_url with luck is", /^E2: no test "base_url with luck is allowed, /],
    [`every call | \`${library}\` |`, "every call | `test/gone.test.ts` |", /^L7: no file test\/gone\.test\.ts$/],
    ["| L7 | a class", "| L9 | a class", /^L7: no test$/],
    ["| L6 |\n", "| L7 |\n", /^L7: twice$/],
    ["| L4 |\n", "| more | L4 |\n", /^L4: 5 cells$/],
  ] as const) {
    assert.ok(page.includes(from), from);
    const faults = await faultsOf(page.replace(from, to));
    assert.ok(
      faults.some((each) => fault.test(each)),
      faults.join("\n"),
    );
  }
});

/** The keys that a section's table names in its first column, and whether they are said to be refused. */
function keysOf(heading: string): (readonly [key: string, isRefused: boolean])[] {
  const rows = rowsOf(page).get(heading) ?? assert.fail(`no section ${heading}`);
  return rows.flatMap(([theirs = "", ours]) =>
    [...theirs.matchAll(/`(\w+)`/g)].map(([, key = ""]) => [key, ours === "refused"] as const),
  );
}

void test("each key of distilabel's that the page calls refused is refused, and each other one is taken", () => {
  const base_url = "http://127.0.0.1:8080";
  const llmKeys = keysOf("InferenceEndpointsLLM");
  assert.ok(llmKeys.length >= 14);
  for (const [key, isRefused] of llmKeys) {
    assert.equal(schemaAt(jobSpecJsonSchema(), ["steps", 0, "llm", key]) === null, isRefused, key);
    if (!isRefused) continue;
    const llm = { base_url, [key]: "x" };
    const spec = { input: { path: "a.jsonl" }, steps: [{ task: "text-generation", llm }], output: { path: "out" } };
    assert.throws(
      () => specFromObject(spec, { folder: ".", environment: {} }),
      (error) => isTidingError(error) && error.place === `steps.0.llm.${key}`,
    );
  }
  const kwargs = keysOf("generation_kwargs").filter(([key]) => key !== "False");
  assert.ok(kwargs.length >= 19);
  for (const [key, isRefused] of kwargs) {
    const generation_kwargs = { [key]: key === "stop_sequences" ? ["x"] : 1 };
    const open = () => new InferenceEndpointsLLM({ base_url, environment: {}, generation_kwargs });
    if (isRefused) assert.throws(open, { code: "SPEC_INVALID" }, key);
    else assert.doesNotThrow(open, key);
  }
});

void test("the page's job passes every check, and has the columns that the pipeline has", async () => {
  const [, source = ""] = /^```yaml\n([^]*?)^```$/m.exec(page) ?? [];
  const { spec, folder } = specFromObject(parse(source), { folder: ".", environment: {} });
  const steps = await Promise.all(
    spec.steps.map(async (step) => ({ name: step.task, spec: step, task: (await loadTask(step, { folder })).task })),
  );
  const { columns } = resolveColumns([{ name: "question", type: "string" }], steps, spec.output);
  assert.deepEqual(
    columns.map(({ name }) => name),
    ["question", "answer", "model_name"],
  );
});
