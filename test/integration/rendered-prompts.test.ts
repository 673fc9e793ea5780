/** Whole jobs whose prompts are rendered by the worker, with the chat template of `tokenizer_id`. */
import assert from "node:assert/strict";
import path from "node:path";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { readRequestLog } from "../../bench/simulator/request-log.ts";
import { tokenizerFolder } from "../support/chat-templates.ts";
import { idsOf, JobWorld, upTo } from "../support/job-world.ts";

/** A world with the tokenizer of Qwen 3 in `tokenizer/`. */
async function openWorld(rows: number, options: Parameters<typeof JobWorld.open>[1] = {}): Promise<JobWorld> {
  const world = await JobWorld.open(rows, options);
  await using tokenizer = await tokenizerFolder("qwen3", "qwen3", { inConfig: false });
  await cp(tokenizer.folder, path.join(world.folder, "tokenizer"), { recursive: true });
  return world;
}

const llm = { tokenizer_id: "./tokenizer", generation_kwargs: { max_new_tokens: 64 } };

interface Conversation {
  readonly conversation: readonly { readonly role: string; readonly content: string }[];
}

void test("Magpie makes whole conversations on the prompt route of TGI", { timeout: 60_000 }, async () => {
  const logs = await mkdtemp(path.join(tmpdir(), "tiding-rendered-"));
  after(() => rm(logs, { recursive: true }));
  const log = path.join(logs, "requests.log");
  await using world = await openWorld(0, { seedChangesAnswer: true, log });
  const step = {
    task: "magpie-generator",
    num_rows: 24,
    n_turns: 2,
    system_prompt: "Be brief.",
    llm: { base_url: world.simulator.url, slots: 8, ...llm },
  };
  const { input: _, ...spec } = world.spec({ steps: [step] }) as { input: unknown };
  const report = await world.run(spec);
  assert.deepEqual(report.rows, { accepted: 24, failed: 0, total: 24 });
  assert.equal(world.simulator.stats().answers, 24 * 4);
  const rows = (await world.rows()) as unknown as readonly Conversation[];
  for (const { conversation } of rows) {
    assert.deepEqual(
      conversation.map(({ role }) => role),
      ["user", "assistant", "user", "assistant"],
    );
    assert.equal(new Set(conversation.map(({ content }) => content)).size, 4);
    for (const { content } of conversation) assert.doesNotMatch(content, /<\|im_/);
  }
  assert.equal(new Set(rows.map(({ conversation }) => conversation[0]?.content)).size, 24);
  await world.simulator.close();
  assert.deepEqual([...new Set((await readRequestLog(log)).map(({ route }) => route))], ["generate"]);
});

void test(
  "a job goes on with the chat template that it began with, and with no other",
  { timeout: 60_000 },
  async () => {
    await using world = await openWorld(8);
    const first = await world.run(world.spec({ llm, input: { limit: 4 } }));
    assert.equal(first.rows.accepted, 4);
    const template = path.join(world.folder, "tokenizer", "chat_template.jinja");
    const text = await readFile(template, "utf8");
    await writeFile(template, `${text} `);
    await assert.rejects(world.run(world.spec({ llm })), (error: { code?: string; message: string }) => {
      assert.equal(error.code, "OUTPUT_OTHER_JOB");
      assert.match(error.message, /chat_template/);
      return true;
    });
    await writeFile(template, text);
    // Its place is not what counts.
    await cp(path.join(world.folder, "tokenizer"), path.join(world.folder, "moved"), { recursive: true });
    await world.run(world.spec({ llm: { ...llm, tokenizer_id: "./moved" } }));
    assert.deepEqual(idsOf(await world.rows()), upTo(8));
  },
);

void test("a row that has no room is failed before it is paid for", { timeout: 60_000 }, async () => {
  await using world = await openWorld(4, { maxInputTokens: 99, maxTotalTokens: 100 });
  const long = { question: "A question that goes on and on. ".repeat(40) };
  await writeFile(path.join(world.folder, "rows.jsonl"), `${JSON.stringify(long)}\n{"question":"Short?"}\n`);
  const report = await world.run(world.spec({ llm }));
  assert.deepEqual(report.rows, { accepted: 1, failed: 1, total: 2 });
  assert.equal(report.failures[0]?.code, "CONTEXT_TOO_LONG");
  assert.equal(world.simulator.stats().requests, 1);
  assert.equal(report.run.calls.requests, 1, "and is no request");
  const [failed] = (await world.rows("failed")) as unknown as {
    tiding: { attempts: number; endpoint: string | null };
  }[];
  assert.deepEqual([failed?.tiding.attempts, failed?.tiding.endpoint], [0, null]);
});
