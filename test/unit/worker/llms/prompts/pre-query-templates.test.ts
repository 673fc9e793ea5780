import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatTemplate } from "../../../../../worker/llms/prompts/chat-template.ts";
import {
  PRE_QUERY_TEMPLATES,
  learnTurns,
  preQueryFor,
  renderToUserTurn,
} from "../../../../../worker/llms/prompts/pre-query-templates.ts";
import { known, templateOf } from "../../../../support/chat-templates.ts";

const FAMILY_OF: Readonly<Record<string, string>> = {
  "llama3.3": "llama3.1",
  chatml: "qwen2",
  granite: "granite3.3",
};

function open(family: string): { template: ChatTemplate; beginToken: string | null } {
  const { tokens } = known(family);
  return { template: new ChatTemplate(templateOf(family), tokens), beginToken: tokens["bos_token"] ?? null };
}

for (const [alias, text] of Object.entries(PRE_QUERY_TEMPLATES)) {
  void test(`the alias ${alias} is the user's header of the model's own template, on the first turn and later`, () => {
    const { template, beginToken } = open(FAMILY_OF[alias] ?? alias);
    // Mixtral writes a space before each turn, which belongs to the turn before.
    assert.equal(learnTurns(template, beginToken).userHeader?.trimStart(), text);
    assert.ok(renderToUserTurn(template, []).endsWith(text));
    const turn = [
      { role: "user", content: "Why?" },
      { role: "assistant", content: "Because." },
    ];
    assert.ok(renderToUserTurn(template, turn).endsWith(text));
  });
}

const SYSTEM = { role: "system", content: "Be terse." };

void test("a system prompt stands where the template puts it", () => {
  const prompt = (family: string): string => renderToUserTurn(open(family).template, [SYSTEM]);
  assert.equal(prompt("qwen2.5"), "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\n");
  assert.equal(prompt("gemma3"), "<bos><start_of_turn>user\nBe terse.\n\n");
  assert.equal(prompt("mixtral"), "<s> [INST] Be terse.\n\n");
  assert.equal(prompt("mistral-small"), "<s>[SYSTEM_PROMPT]Be terse.[/SYSTEM_PROMPT][INST]");
  assert.equal(prompt("phi3"), "<|system|>\nBe terse.<|end|>\n<|user|>\n");
});

void test("a template that knows no system prompt refuses the row", () => {
  for (const family of ["gemma2", "mistral"]) {
    assert.throws(() => renderToUserTurn(open(family).template, [SYSTEM]), { code: "ROW_INVALID" });
  }
});

void test("a template's own system prompt is kept", () => {
  const qwen = renderToUserTurn(open("qwen2.5").template, []);
  assert.match(qwen, /^<\|im_start\|>system\nYou are Qwen[^<]*<\|im_end\|>\n<\|im_start\|>user\n$/);
});

void test("reasoning of earlier answers is left out as the template has it", () => {
  const turn = [
    { role: "user", content: "Why?" },
    { role: "assistant", content: "<think>\nhm\n</think>\n\nBecause." },
  ];
  assert.equal(
    renderToUserTurn(open("qwen3").template, turn),
    "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nBecause.<|im_end|>\n<|im_start|>user\n",
  );
});

void test("what templates add after a last answer does not come before the user's next header", () => {
  const turn = [
    { role: "user", content: "Why?" },
    { role: "assistant", content: "Because." },
  ];
  const phi = renderToUserTurn(open("phi3").template, turn);
  assert.equal(phi, "<|user|>\nWhy?<|end|>\n<|assistant|>\nBecause.<|end|>\n<|user|>\n");
  const olmo = renderToUserTurn(open("olmo2").template, turn);
  assert.equal(olmo, "<|endoftext|><|user|>\nWhy?\n<|assistant|>\nBecause.<|endoftext|>\n<|user|>\n");
});

void test("a template that drops the user's message refuses the row", () => {
  const template = new ChatTemplate("{% for m in messages %}{{ m.role }}{% endfor %}", {});
  assert.throws(() => renderToUserTurn(template, []), { code: "ROW_INVALID", message: /leaves out/ });
});

void test("a pre-query template is an alias, or a text as it stands", () => {
  assert.equal(preQueryFor(null), null);
  assert.equal(preQueryFor("qwen2"), "<|im_start|>user\n");
  assert.equal(preQueryFor("USER: "), "USER: ");
});

void test("a plain word that is no alias is refused with the aliases", () => {
  for (const word of ["lama3", "qwen9", "toString", ""]) {
    assert.throws(() => preQueryFor(word), { code: "SPEC_INVALID", mend: /llama3\.1, .*qwen2/ });
  }
});
