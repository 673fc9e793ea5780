import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isTidingError } from "../../../../../shared/errors.ts";
import { ChatTemplate } from "../../../../../worker/llms/prompts/chat-template.ts";
import { conversations, families, known, templateOf } from "../../../../support/chat-templates.ts";
import type { PythonRendering } from "../../../../support/chat-templates.ts";

for (const [family, { tokens, cases }] of Object.entries(families)) {
  void test(`the template of ${family} gives what transformers gives`, () => {
    const template = new ChatTemplate(templateOf(family), tokens);
    for (const [name, { withGenerationPrompt, without }] of Object.entries(cases)) {
      const messages = conversations[name] ?? [];
      assertSame(() => template.render(messages, true), withGenerationPrompt, `${name}, with generation prompt`);
      assertSame(() => template.render(messages, false), without, name);
    }
  });
}

function assertSame(render: () => string, python: PythonRendering, what: string): void {
  let text: string;
  try {
    text = render();
  } catch (error) {
    assert.ok(isTidingError(error) && error.code === "ROW_INVALID", `${what}: ${String(error)}`);
    assert.ok(python.refused !== undefined, `${what}: refused here alone: ${error.message}`);
    return;
  }
  assert.equal(python.refused, undefined, `${what}: refused by Python alone`);
  if (python.text === undefined) assert.equal(createHash("sha256").update(text).digest("hex"), python.sha256, what);
  else assert.equal(text, python.text, what);
}

void test("a template that asks for today's date always gets the same one", () => {
  const template = new ChatTemplate("{{ strftime_now('%A, %d %B %Y (%b, %a) %m %H:%M:%S 100%%') }}", {});
  assert.equal(template.render([], false), "Friday, 26 July 2024 (Jul, Fri) 07 00:00:00 100%");
  const llama = new ChatTemplate(templateOf("llama3.2"), known("llama3.2").tokens);
  assert.match(llama.render([{ role: "user", content: "Hi" }], true), /Today Date: 26 Jul 2024\n/);
});

void test("a date format that is not known refuses the row rather than be copied into its prompt", () => {
  const template = new ChatTemplate("{{ strftime_now('%U') }}", {});
  assert.throws(() => template.render([], false), { code: "ROW_INVALID", message: /%U/ });
});

void test("text parts become one text, and other parts refuse the row", () => {
  const template = new ChatTemplate(templateOf("qwen3"), known("qwen3").tokens);
  const parts = [
    { type: "text", text: "one" },
    { type: "text", text: "two" },
  ];
  assert.equal(
    template.render([{ role: "user", content: parts }], false),
    template.render([{ role: "user", content: "one\ntwo" }], false),
  );
  const image = [{ type: "image_url", image_url: { url: "data:," } }];
  assert.throws(() => template.render([{ role: "user", content: image }], false), { code: "ROW_INVALID" });
});

void test("a template that does not parse is told as the tokenizer's", () => {
  assert.throws(() => new ChatTemplate("{% for %}", {}), { code: "TOKENIZER_UNUSABLE", place: "tokenizer_id" });
});
