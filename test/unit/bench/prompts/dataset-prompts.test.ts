import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { parquetWriteFile } from "hyparquet-writer";
import { tableFromArrays, tableToIPC } from "apache-arrow";
import { openPrompts } from "../../../../bench/prompts/prompt-source.ts";
import type { PromptOptions } from "../../../../bench/prompts/prompt-options.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import { tokenizerFolder } from "../../../support/chat-templates.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "tiding-prompts-"));
});
after(() => rm(folder, { recursive: true, force: true }));

type DatasetChanges = Partial<Extract<PromptOptions["source"], { kind: "dataset" }>>;

function options(source: DatasetChanges & { path: string }, more: Partial<PromptOptions> = {}): PromptOptions {
  return { source: { kind: "dataset", ...source }, maxTokens: 32, folder, nonce: false, ...more };
}

async function jsonl(name: string, rows: readonly unknown[]): Promise<string> {
  await writeFile(path.join(folder, name), rows.map((row) => JSON.stringify(row)).join("\n"));
  return name;
}

async function allTexts(prompts: PromptOptions): Promise<string[]> {
  const opened = await openPrompts(prompts);
  return Array.from({ length: opened.count }, (_, index) => opened.prompt(index).text);
}

const QUESTIONS = Array.from({ length: 300 }, (_, index) => `Question ${index}?`);

void test("the same texts come from jsonl, csv, parquet and arrow", async () => {
  await jsonl(
    "q.jsonl",
    QUESTIONS.map((question) => ({ question, id: 1 })),
  );
  await writeFile(
    path.join(folder, "q.csv"),
    `id,question\n${QUESTIONS.map((question) => `1,"${question}"`).join("\n")}\n`,
  );
  parquetWriteFile({
    filename: path.join(folder, "q.parquet"),
    columnData: [{ name: "question", data: QUESTIONS, type: "STRING" }],
  });
  await writeFile(path.join(folder, "q.arrow"), tableToIPC(tableFromArrays({ question: QUESTIONS }), "file"));
  const wanted = QUESTIONS.toSorted();
  for (const file of ["q.jsonl", "q.csv", "q.parquet", "q.arrow"]) {
    const texts = await allTexts(options({ path: file, column: "question" }));
    assert.deepEqual(texts.toSorted(), wanted, file);
  }
});

void test("a sample is bounded, drawn by seed from all rows, and the same for all who open it", async () => {
  const file = await jsonl(
    "sample.jsonl",
    QUESTIONS.map((text) => ({ text })),
  );
  const source = { path: file, sampleRows: 60 };
  const [one, again, other] = await Promise.all([
    allTexts(options(source, { seed: 5 })),
    allTexts(structuredClone(options(source, { seed: 5 }))),
    allTexts(options(source, { seed: 6 })),
  ]);
  assert.equal(new Set(one).size, 60);
  assert.deepEqual(again, one);
  assert.notDeepEqual(other.toSorted(), one.toSorted());
  const positions = one.map((text) => QUESTIONS.indexOf(text));
  assert.ok(positions.some((position) => position > 200) && positions.some((position) => position < 100));
});

void test("every row has the same chance to be drawn", async () => {
  const file = await jsonl(
    "chance.jsonl",
    QUESTIONS.slice(0, 40).map((text) => ({ text })),
  );
  const times = new Map<string, number>();
  for (let seed = 0; seed < 400; seed++) {
    for (const text of await allTexts(options({ path: file, sampleRows: 10 }, { seed }))) {
      times.set(text, (times.get(text) ?? 0) + 1);
    }
  }
  // 100 expected, with a standard deviation of 8.7; the seeds are fixed, so this either holds or does not.
  for (const text of QUESTIONS.slice(0, 40)) assert.ok(Math.abs((times.get(text) ?? 0) - 100) < 45, text);
});

void test("in the file's order the first rows are taken as they stand", async () => {
  const file = await jsonl(
    "order.jsonl",
    QUESTIONS.map((text) => ({ text })),
  );
  const texts = await allTexts(options({ path: file, sampleRows: 7, order: "file" }));
  assert.deepEqual(texts, QUESTIONS.slice(0, 7));
});

void test("a large dataset is read no further than asked, and the report says so", async () => {
  const file = await jsonl(
    "scan.jsonl",
    QUESTIONS.map((text) => ({ text })),
  );
  const opened = await openPrompts(options({ path: file, scanRows: 20, sampleRows: 10 }));
  const texts = Array.from({ length: 10 }, (_, index) => opened.prompt(index).text);
  assert.ok(texts.every((text) => QUESTIONS.indexOf(text) < 20));
  assert.match(
    opened.described.source,
    /^dataset scan\.jsonl#[0-9a-f]{8}, column text: 10 rows, drawn from the first 20$/,
  );
});

void test("a conversation keeps its roles and answers up to the user's last message (inference-benchmarker joined it to one)", async () => {
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "One?" },
    { role: "assistant", content: "Yes." },
    { role: "user", content: "Two?" },
  ];
  const answered = [...messages, { role: "assistant", content: "No." }];
  const file = await jsonl("chat.jsonl", [{ messages: answered }]);
  const prompt = (await openPrompts(options({ path: file }))).prompt(0);
  assert.deepEqual(prompt.messages, messages);
  assert.equal(prompt.text, "system: Be brief.\n\nuser: One?\n\nassistant: Yes.\n\nuser: Two?");

  const shareGpt = answered
    .slice(1)
    .map(({ role, content }) => ({ from: role === "user" ? "human" : "gpt", value: content }));
  const other = await jsonl("sharegpt.jsonl", [{ conversations: shareGpt }]);
  assert.deepEqual((await openPrompts(options({ path: other }))).prompt(0).messages, messages.slice(1));
});

void test("a nonce stands at the very start of a conversation, and differs when the row comes again", async () => {
  const file = await jsonl("nonce.jsonl", [
    {
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "One?" },
      ],
    },
  ]);
  const opened = await openPrompts(options({ path: file }, { nonce: true }));
  const [first, again] = [opened.prompt(0), opened.prompt(1)];
  assert.match(first.messages[0]?.content ?? "", /^(?:\w+ ){6}\w+\n\nBe brief\.$/);
  assert.notEqual(first.messages[0]?.content, again.messages[0]?.content);
  assert.deepEqual(first.messages.slice(1), again.messages.slice(1));
  assert.equal(opened.count, 1);
  assert.match(opened.notes(4)[0] ?? "", /^4 requests took 1 prompts in turn: a prompt came up to 4 times, each/);
  const bare = await openPrompts(options({ path: file }));
  assert.match(bare.notes(4).join(" "), /word for word.*no nonce/);
});

void test("raw routes get a conversation in the model's own template, without the token that the server puts before it", async () => {
  await using tokenizer = await tokenizerFolder("llama3.1", "llama3.1");
  const file = await jsonl("raw.jsonl", [{ messages: [{ role: "user", content: "One?" }] }]);
  const opened = await openPrompts(options({ path: file }, { tokenizerId: tokenizer.folder }));
  const { text } = opened.prompt(0);
  assert.match(text, /^<\|start_header_id\|>/);
  assert.match(text, /One\?<\|eot_id\|><\|start_header_id\|>assistant<\|end_header_id\|>\n\n$/);
});

void test("rows without a prompt are passed over and counted", async () => {
  const rows = [{ text: "Here." }, { text: "" }, { text: null }, { text: "There." }];
  const file = await jsonl("holes.jsonl", rows);
  const opened = await openPrompts(options({ path: file }));
  assert.equal(opened.count, 2);
  assert.match(opened.described.source, /: 2 rows, drawn from the first 4, 2 without a prompt passed over$/);
});

void test("a dataset without prompts, or without a column for them, is refused", async () => {
  const empty = await jsonl("empty.jsonl", [{ text: "" }]);
  const unnamed = await jsonl("unnamed.jsonl", [{ a: "x", b: "y" }]);
  const cases: [PromptOptions, string, RegExp][] = [
    [options({ path: empty }), "INPUT_UNREADABLE", /None of 1 rows has a prompt in column "text"/],
    [options({ path: unnamed }), "COLUMN_MISSING", /it has a, b/],
    [options({ path: unnamed, column: "c" }), "COLUMN_MISSING", /"c"/],
    [options({ path: "nowhere.jsonl" }), "INPUT_MISSING", /does not exist/],
  ];
  for (const [given, code, message] of cases) {
    await assert.rejects(openPrompts(given), (error) => {
      assert.ok(isTidingError(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  }
});
