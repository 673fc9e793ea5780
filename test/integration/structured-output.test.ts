import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import type { RowValues } from "../../shared/rows/row-schema.ts";
import { retryJob } from "../../jobs/retry-job.ts";
import { tokenizerFolder } from "../support/chat-templates.ts";
import { JobWorld } from "../support/job-world.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi } from "../support/scripted-server.ts";
import type { ScriptedServer } from "../support/scripted-server.ts";

const schema = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer", minimum: 0 } },
  required: ["name", "age"],
  additionalProperties: false,
};
const ADA = '{"name":"Ada","age":36}';

/** A TGI whose answers follow from the question and how often it was asked; a text ending in … is cut. */
function startModel(answerTo: (question: string, asking: number) => string): Promise<ScriptedServer> {
  const asked = new Map<string, number>();
  return startScriptedServer(
    tgi(({ body }, response) => {
      const messages = body.messages as { role: string; content: string }[];
      const question = messages.find(({ role }) => role === "user")?.content ?? "";
      const asking = asked.get(question) ?? 0;
      asked.set(question, asking + 1);
      const content = answerTo(question, asking);
      const message = { role: "assistant", content };
      const finish = content.endsWith("…") ? "length" : "stop";
      sendJson(response, chatAnswer(content, { choices: [{ index: 0, message, finish_reason: finish }] }));
    }),
  );
}

/** Rows as they lie in the dataset. */
async function rowsOf(world: JobWorld, kind: "data" | "failed" = "data"): Promise<readonly RowValues[]> {
  return (await world.rows(kind)) as unknown as readonly RowValues[];
}

function tidingOf(row: RowValues | undefined): RowValues {
  return (row?.["tiding"] ?? assert.fail("there is no such row")) as RowValues;
}

function chats(server: ScriptedServer) {
  return server.requests.filter(({ method }) => method === "POST");
}

const ANSWERS: readonly ((asking: number) => string)[] = [
  () => '{ "name": "Ada", "age": 36 }',
  () => `Here you are:\n\`\`\`json\n${ADA}\n\`\`\``,
  () => "{'name': 'Ada', 'age': 36,}",
  (asking) => (asking === 0 ? '{"name":"Ada","age":"36"}' : ADA),
  () => '{"name":"Ad…',
  () => '{"name":"always wrong"}',
];

void test("answers are checked, repaired and asked for again; what stays wrong fails with its reason and its last answer", async () => {
  await using world = await JobWorld.open(ANSWERS.length);
  await using model = await startModel(
    (question, asking) => ANSWERS[Number(/\d+/.exec(question)?.[0])]?.(asking) ?? "?",
  );
  const llm = { base_url: model.url, structured_output: { schema } };
  const report = await world.run(world.spec({ step: { task: "structured-generation" }, llm }));

  assert.deepEqual(report.rows, { accepted: 4, failed: 2, total: 6 });
  assert.deepEqual([report.run.calls.answers, report.run.calls.cutByLength], [9, 1]);
  assert.deepEqual(
    report.failures.map(({ code, rows, example }) => [code, rows, example.includes("always")]),
    [
      ["ANSWER_CUT", 1, false],
      ["ANSWER_MISFIT", 1, false],
    ],
  );

  const rows = await rowsOf(world);
  const [fine, fenced, near, again] = rows.map(({ tiding }) => tiding as RowValues);
  for (const row of rows) {
    assert.deepEqual([row["generation"], row["structured"]], [ADA, { name: "Ada", age: 36n }]);
  }
  assert.equal(fine?.["calls"], null);
  for (const repaired of [fenced, near]) {
    const [call, ...others] = JSON.parse(String(repaired?.["calls"])) as RowValues[];
    assert.deepEqual([call?.["repaired"], call?.["output_tokens"], others], [true, 3, []]);
  }
  const calls = JSON.parse(String(again?.["calls"])) as RowValues[];
  assert.deepEqual(
    calls.map(({ call, asking, repaired, output_tokens }) => [call, asking, repaired, output_tokens]),
    [
      [0, undefined, undefined, 3],
      [0, 1, undefined, 3],
    ],
  );
  assert.deepEqual([again?.["output_tokens"], again?.["attempts"]], [6n, 2]);

  const failed = (await rowsOf(world, "failed")).map(({ tiding }) => tiding as RowValues);
  assert.deepEqual(
    failed.map(({ code, raw_response, output_tokens, attempts }) => [code, raw_response, output_tokens, attempts]),
    [
      ["ANSWER_CUT", '{"name":"Ad…', 3n, 1],
      ["ANSWER_MISFIT", '{"name":"always wrong"}', 9n, 3],
    ],
  );
  assert.match(String(failed[1]?.["message"]), /asked 3 times.*must have required property 'age' \(#\/required\)/);
});

void test("each asking has a seed of its own, which the row records, and the same on every run", async () => {
  const seeds: number[][] = [];
  for (let run = 0; run < 2; run++) {
    await using world = await JobWorld.open(1);
    await using model = await startModel((_question, asking) => (asking < 3 ? "no JSON" : ADA));
    const llm = { base_url: model.url, structured_output: { schema } };
    await world.run(world.spec({ step: { task: "structured-generation", structured_retries: 3 }, llm }));
    const [row] = await rowsOf(world);
    const calls = JSON.parse(String(tidingOf(row)["calls"])) as { seed: number }[];
    const sent = chats(model).map(({ body }) => body.seed as number);
    assert.deepEqual(
      calls.map(({ seed }) => seed),
      sent,
    );
    assert.equal(new Set(sent).size, 4);
    seeds.push(sent);
  }
  assert.deepEqual(seeds[0], seeds[1]);
});

for (const rendered of [false, true]) {
  const over = rendered ? "a prompt that is rendered here" : "the chat route";
  void test(`a seed that the user fixed is the first asking's; others derive from it, over ${over}`, async () => {
    const runs: number[][] = [];
    for (const seed of [7, 7, 8]) {
      await using world = await JobWorld.open(2);
      await using tokenizer = await tokenizerFolder("qwen3", "qwen3", { inConfig: false });
      await using model = await startScriptedServer(
        tgi((_request, response) =>
          sendJson(response, rendered ? { generated_text: "no JSON" } : chatAnswer("no JSON")),
        ),
      );
      const llm = {
        base_url: model.url,
        structured_output: { schema },
        generation_kwargs: { seed },
        ...(rendered ? { tokenizer_id: tokenizer.folder } : {}),
      };
      const step = { task: "structured-generation", structured_retries: 2 };
      await world.run(world.spec({ step, llm: { ...llm, slots: 1 }, run: { stop_after_alike: 0 } }));
      const sent = chats(model).map(({ body }) => (rendered ? body.parameters.seed : body.seed) as number);
      assert.equal(sent.filter((each) => each === seed).length, 2, "the first asking of each row");
      assert.equal(new Set(sent).size, 5, `no asking again repeats a request: ${sent.join(", ")}`);
      const failed = (await rowsOf(world, "failed")).map(tidingOf);
      for (const tiding of failed) assert.ok(sent.includes(Number(tiding["seed"])));
      runs.push(sent.toSorted((a, b) => a - b));
    }
    assert.deepEqual(runs[0], runs[1], "the same on every run");
    assert.equal(new Set([...(runs[0] ?? []), ...(runs[2] ?? [])]).size, 10);
  });
}

void test("a retry round asks with other seeds than the one that failed, also where the user fixed it", async () => {
  await using world = await JobWorld.open(1);
  let isRight = false;
  await using model = await startModel(() => (isRight ? ADA : "no JSON"));
  const llm = { base_url: model.url, structured_output: { schema }, generation_kwargs: { seed: 7 } };
  await world.run(world.spec({ step: { task: "structured-generation", structured_retries: 0 }, llm }));
  isRight = true;
  const report = await retryJob({ output: world.output, overrides: [], environment: {} });
  assert.equal(report.rows.accepted, 1);
  const sent = chats(model).map(({ body }) => body.seed as number);
  assert.equal(sent[0], 7);
  assert.equal(new Set(sent).size, 2);
});

void test("rows bring forms of their own, and one whose form is none fails without a call", async () => {
  await using world = await JobWorld.open(0);
  const rows = [
    {
      question: "an age",
      structured_output: JSON.stringify({ type: "object", properties: { age: { type: "integer" } } }),
    },
    { question: "a word", structured_output: JSON.stringify({ format: "regex", schema: "yes|no" }) },
    { question: "the step's", structured_output: null },
    { question: "none", structured_output: '{"type":"intger"}' },
  ];
  await writeFile(path.join(world.folder, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const answers: Record<string, string> = { "an age": '{"age": 5}', "a word": "yes\n", "the step's": ADA };
  await using model = await startModel((question) => answers[question] ?? "unexpected");
  const llm = { base_url: model.url, structured_output: { schema } };
  const report = await world.run(world.spec({ step: { task: "structured-generation" }, llm }));

  assert.deepEqual(report.rows, { accepted: 3, failed: 1, total: 4 });
  const asked = chats(model).map(({ body }) => [body.messages, body.response_format.type, body.response_format.value]);
  const inOrder = (a: readonly unknown[], b: readonly unknown[]): number =>
    JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
  assert.deepEqual(asked.toSorted(inOrder), [
    [[{ role: "user", content: "a word" }], "regex", "yes|no"],
    [
      [{ role: "user", content: "an age" }],
      "json_object",
      { type: "object", properties: { age: { type: "integer" } } },
    ],
    [[{ role: "user", content: "the step's" }], "json_object", schema],
  ]);
  assert.deepEqual(
    (await rowsOf(world)).map(({ generation, structured = null }) => [generation, structured]),
    [
      ['{"age":5}', null],
      ["yes", null],
      [ADA, { name: "Ada", age: 36n }],
    ],
  );
  const [failed] = await rowsOf(world, "failed");
  assert.match(
    String(tidingOf(failed)["message"]),
    /^`structured_output\.schema\.type` is no valid JSON Schema: it must be equal to one of/,
  );
});

/** As pydantic writes a model with a union of models, a list of models and one that holds itself. */
const nested = {
  $defs: {
    Card: {
      type: "object",
      properties: { kind: { const: "card" }, digits: { type: "string", pattern: "^[0-9]{4}$" } },
      required: ["kind", "digits"],
      additionalProperties: false,
    },
    Cash: {
      type: "object",
      properties: { kind: { const: "cash" }, amount: { anyOf: [{ type: "number" }, { type: "null" }] } },
      required: ["kind", "amount"],
      additionalProperties: false,
    },
    Item: {
      type: "object",
      properties: { name: { type: "string" }, parts: { type: "array", items: { $ref: "#/$defs/Item" } } },
      required: ["name"],
      additionalProperties: false,
    },
  },
  type: "object",
  properties: {
    paid: { anyOf: [{ $ref: "#/$defs/Card" }, { $ref: "#/$defs/Cash" }] },
    items: { type: "array", items: { $ref: "#/$defs/Item" } },
  },
  required: ["paid", "items"],
  additionalProperties: false,
};

void test("a schema of unions, lists and recursion is sent whole, and its answers are checked to the last leaf", async () => {
  await using world = await JobWorld.open(2);
  const items = [{ name: "lamp", parts: [{ name: "bulb", parts: [] }] }];
  const answers = [
    { paid: { kind: "card", digits: "12" }, items },
    { paid: { kind: "cash", amount: null }, items: [{ name: "lamp", parts: [{ parts: [] }] }] },
  ];
  await using model = await startModel((question, asking) => {
    const paid = { kind: "card", digits: "1234" };
    return JSON.stringify(asking === 0 ? answers[Number(/\d+/.exec(question)?.[0])] : { paid, items });
  });
  const llm = { base_url: model.url, structured_output: { schema: nested } };
  const report = await world.run(world.spec({ step: { task: "structured-generation" }, llm }));
  assert.deepEqual(report.rows, { accepted: 2, failed: 0, total: 2 });
  assert.equal(chats(model).length, 4, "each is asked again, for a leaf of the union and one of the recursion");
  for (const { body } of chats(model)) assert.deepEqual(body.response_format.value, nested);
  for (const row of await rowsOf(world)) {
    const { paid, items: listed } = JSON.parse(String(row["generation"])) as typeof row;
    assert.deepEqual([paid, listed], [{ kind: "card", digits: "1234" }, items]);
    assert.deepEqual(Object.keys(row["structured"] as RowValues), ["paid", "items"]);
  }
});

void test("text-generation's answers are checked by llm.structured_output too, and those that fit cost one call", async () => {
  await using world = await JobWorld.open(2);
  await using model = await startModel((_question, asking) => (asking === 0 ? "perhaps" : "no"));
  const llm = { base_url: model.url, structured_output: { schema: "yes|no" } };
  const report = await world.run(world.spec({ llm }));
  assert.deepEqual([report.rows.accepted, report.run.calls.answers], [2, 4]);
  assert.deepEqual(
    (await rowsOf(world)).map(({ generation }) => generation),
    ["no", "no"],
  );
});

void test("a task of one's own gets the parsed value, may ask for another form, or for none", async () => {
  await using world = await JobWorld.open(1);
  const task = `
    const form = { format: "regex", schema: "[0-9]+" };
    export default {
      inputs: ["question"],
      outputs: { age: "int64", number: "string", free: "string" },
      async run({ row, llm }) {
        const own = await llm.generate([{ role: "user", content: "own" }]);
        const other = await llm.generate([{ role: "user", content: "other" }], { structuredOutput: form });
        const free = await llm.generate([{ role: "user", content: "free" }], { structuredOutput: null });
        return { age: own.value.age, number: other.value, free: free.text + String(free.value) };
      },
    };`;
  await writeFile(path.join(world.folder, "task.ts"), task);
  const answers: Record<string, string> = { own: ADA, other: "12", free: "as it likes" };
  await using model = await startModel((question) => answers[question] ?? "unexpected");
  const llm = { base_url: model.url, structured_output: { schema } };
  const report = await world.run(world.spec({ steps: [{ task: "./task.ts", llm }] }));
  assert.deepEqual(report.rows, { accepted: 1, failed: 0, total: 1 });
  const [row] = await rowsOf(world);
  assert.deepEqual([row?.["age"], row?.["number"], row?.["free"]], [36n, "12", "as it likesundefined"]);
});

void test("two steps whose llm differs in the form alone share its slots", async () => {
  await using world = await JobWorld.open(12);
  let inFlight = 0;
  let most = 0;
  await using model = await startScriptedServer(
    tgi((_request, response) => {
      most = Math.max(most, ++inFlight);
      setTimeout(() => {
        inFlight--;
        sendJson(response, chatAnswer("yes"));
      }, 5);
    }),
  );
  const stepOf = (name: string, regex: string) => ({
    task: "text-generation",
    columns: { instruction: "question" },
    rename: { generation: name, model_name: `${name}_model` },
    llm: { base_url: model.url, slots: 2, structured_output: { schema: regex } },
  });
  const report = await world.run(world.spec({ steps: [stepOf("a", "yes|no"), stepOf("b", "[a-z]+")] }));
  assert.equal(report.rows.accepted, 12);
  assert.ok(most <= 2, `${most} requests at once for 2 slots`);
});

void test("a schema that is none stops the job before a request is sent", async () => {
  await using world = await JobWorld.open(1);
  await using model = await startModel(() => ADA);
  const llm = { base_url: model.url, structured_output: { schema: { type: "object", propertys: {} } } };
  assert.throws(
    () => world.run(world.spec({ llm })),
    /`steps\.0\.llm\.structured_output\.schema` holds the keyword "propertys", which nothing checks\./,
  );
  assert.equal(model.requests.length, 0);
});

void test("tasks with a form of their own run one after the other: evolved, answered, judged and classified", async () => {
  await using world = await JobWorld.open(8);
  await using model = await startScriptedServer(
    tgi(({ body }, response) => {
      // Of each property the last value that it may have, or a text that says which question it was.
      const { properties = null } = (body.response_format?.value ?? {}) as {
        properties?: Record<string, { enum?: unknown[] }>;
      };
      const asked = /\d+/.exec((body.messages as { content: string }[]).at(-1)!.content)?.[0] ?? "?";
      const valueOf = (of: { enum?: unknown[] }): unknown => of.enum?.at(-1) ?? `Evolved ${asked}.`;
      const content =
        properties === null
          ? `Answer ${asked}.`
          : JSON.stringify(Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, valueOf(of)])));
      sendJson(response, chatAnswer(content));
    }),
  );
  const llm = { base_url: model.url };
  const report = await world.run({
    ...world.spec(),
    steps: [
      {
        task: "evol-instruct",
        columns: { instruction: "question" },
        num_evolutions: 2,
        rename: { model_name: "m1" },
        llm,
      },
      { task: "text-generation", columns: { instruction: "evolved_instruction" }, rename: { model_name: "m2" }, llm },
      { task: "judge", columns: { instruction: "question" }, rename: { model_name: "m3" }, llm },
      { task: "text-classification", columns: { text: "generation" }, labels: ["short", "long"], llm },
    ],
  });
  assert.deepEqual(report.rows, { accepted: 8, failed: 0, total: 8 }, JSON.stringify(await rowsOf(world, "failed")));
  for (const [index, row] of (await rowsOf(world)).entries()) {
    assert.equal(row["evolved_instruction"], `Evolved ${index}.`);
    assert.equal((row["evolution_methods"] as string[]).length, 2);
    assert.equal(row["generation"], `Answer ${index}.`);
    assert.equal(row["score"], 5n);
    assert.equal(row["label"], "long");
  }
  assert.equal(chats(model).length, 8 * 5);
});
