import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { startSimulator } from "../../bench/simulator/simulator.ts";
import { runCli } from "../../cli/main.ts";
import { cliWorld } from "../support/cli-world.ts";

const KEY = "canary-key-4711";
const HEADER = "canary-header-0815";
const PROMPT = "canary prompt";

const folder = await mkdtemp(path.join(tmpdir(), "tiding-secrets-"));
after(() => rm(folder, { recursive: true }));

async function filesBelow(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

async function runWith(name: string, options: { readonly apiKey: string; readonly faults?: object }): Promise<string> {
  await using simulator = await startSimulator({ apiKey: options.apiKey, faults: options.faults ?? {} });
  const input = path.join(folder, `${name}.jsonl`);
  await writeFile(
    input,
    Array.from({ length: 40 }, (_, row) => `${JSON.stringify({ q: `${PROMPT} ${row}` })}\n`).join(""),
  );
  const spec = {
    input: { path: input },
    steps: [
      {
        task: "text-generation",
        columns: { instruction: "q" },
        llm: { base_url: simulator.url, api_key: "${KEY}", headers: { "X-Team": "${TEAM}" } },
      },
    ],
    output: { path: path.join(folder, name) },
    run: { attempts: 2, endpoint_wait: "1s", stop_after_alike: 0 },
  };
  const specFile = path.join(folder, `${name}.json`);
  await writeFile(specFile, JSON.stringify(spec));
  const world = cliWorld({ KEY, TEAM: HEADER, TIDING_DEBUG: "1" });
  await runCli(["run", specFile], world);
  await runCli(["retry", path.join(folder, name), "--set", `steps.0.llm.headers.X-More=${HEADER}`], world);
  return world.stdout.text + world.stderr.text;
}

void test("neither key nor header ever reaches a file, a log line or an error, whether the job succeeds or fails", async () => {
  const faults = { "422": 0.2, "500": 0.2, "html-200": 0.2, reset: 0.1 };
  const printed = [await runWith("accepted", { apiKey: KEY, faults }), await runWith("refused", { apiKey: "another" })];
  for (const text of printed) assert.doesNotMatch(text, new RegExp(`${KEY}|${HEADER}`));
  for (const file of await filesBelow(folder)) {
    const content = await readFile(file, "latin1");
    assert.ok(!content.includes(KEY) && !content.includes(HEADER), file);
  }
});

void test("prompts reach the dataset and the failed rows, and nothing that is printed", async () => {
  const printed = await runWith("prompts", { apiKey: KEY, faults: { "422": 0.3, "garbage-json": 0.3 } });
  assert.ok(printed.includes("failed"));
  assert.ok(!printed.includes(PROMPT), printed);
  for (const file of await filesBelow(path.join(folder, "prompts"))) {
    if (!/manifest|owner|shards/.test(file)) continue;
    assert.ok(!(await readFile(file, "utf8")).includes(PROMPT), file);
  }
});
