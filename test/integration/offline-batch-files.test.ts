/** Requests and results of offline batches as files, for submission by hand. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { runCli } from "../../cli/main.ts";
import { derivedAnswer, type BatchRequestLine } from "../support/batch-server.ts";
import { haveOwnAnswers, openBatchWorld } from "../support/batch-world.ts";
import { cliWorld } from "../support/cli-world.ts";
import { idsOf, upTo } from "../support/job-world.ts";

/** What a server would make of a file of requests. */
function resultsOf(requests: string, some: (index: number) => boolean = () => true): string {
  const lines = requests.trimEnd().split("\n");
  const results = lines
    .filter((_, index) => some(index))
    .map((text) => {
      const line = JSON.parse(text) as BatchRequestLine;
      const outcome = derivedAnswer(line);
      assert.ok(outcome !== "expired");
      const response = { status_code: outcome.status, request_id: "r", body: outcome.body };
      return `${JSON.stringify({ id: "b", custom_id: line.custom_id, response, error: null })}\n`;
    });
  return results.join("");
}

void test("requests are written to a file for submission by hand, and results are read from one", async () => {
  await using it = await openBatchWorld(10);
  const inFolder = (name: string): string => path.join(it.world.folder, name);
  await writeFile(inFolder("job.json"), JSON.stringify(it.spec()));
  const batch = async (...words: string[]): Promise<{ code: number; text: string }> => {
    const context = cliWorld();
    const code = await runCli(["batch", ...words.map((word) => (word.includes(".") ? inFolder(word) : word))], context);
    return { code, text: context.stdout.text + context.stderr.text };
  };
  assert.equal((await batch("read", "job.json", "results.jsonl")).code, 1, "nothing was written yet");
  const written = await batch("write", "job.json", "requests.jsonl");
  assert.equal(written.code, 4, written.text);
  assert.match(written.text, /Wrote 10 requests into .*requests\.jsonl\./);
  assert.match(written.text, /To collect what is ready:\n +tiding batch read /);
  const requests = await readFile(inFolder("requests.jsonl"), "utf8");
  assert.deepEqual(Object.keys(JSON.parse(requests.split("\n")[0] ?? "")), ["custom_id", "method", "url", "body"]);
  const submitted = await it.world.run(it.spec());
  assert.deepEqual([submitted.outcome, submitted.error?.code], ["stopped", "USAGE"], "it would be paid for twice");

  await writeFile(
    inFolder("some.jsonl"),
    resultsOf(requests, (index) => index < 7),
  );
  const some = await batch("read", "job.json", "some.jsonl");
  assert.equal(some.code, 4, some.text);
  assert.match(some.text, /3 requests have no answer yet/);
  assert.equal((await batch("write", "job.json", "rest.jsonl")).code, 4);
  const rest = await readFile(inFolder("rest.jsonl"), "utf8");
  assert.equal(rest.trimEnd().split("\n").length, 3);
  await writeFile(inFolder("others.jsonl"), resultsOf(rest));
  const others = await batch("read", "job.json", "others.jsonl");
  assert.equal(others.code, 0, others.text);
  const rows = await it.world.rows();
  assert.deepEqual(idsOf(rows), upTo(10));
  assert.ok(haveOwnAnswers(rows));
  assert.deepEqual([it.server.batches.length, it.server.uploads, it.server.directCalls], [0, 0, 0]);
});

void test("a file of requests is not written over, nor beside batches that a server has", async () => {
  await using it = await openBatchWorld(2);
  const write = path.join(it.world.folder, "requests.jsonl");
  await writeFile(write, "mine");
  const refused = await it.world.run(it.spec(), { batchFile: { write } });
  assert.deepEqual([refused.error?.code, refused.error?.place], ["USAGE", write]);
  assert.equal(await readFile(write, "utf8"), "mine");
  await using other = await openBatchWorld(2);
  await other.world.run(other.spec());
  const late = await other.world.run(other.spec(), { batchFile: { write: path.join(other.world.folder, "r.jsonl") } });
  assert.deepEqual([late.error?.code, existsSync(path.join(other.world.folder, "r.jsonl"))], ["USAGE", false]);
});
