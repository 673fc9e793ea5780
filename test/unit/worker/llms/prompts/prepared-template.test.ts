import assert from "node:assert/strict";
import { test } from "node:test";
import { Template } from "@huggingface/jinja";
import { messageOf } from "../../../../../shared/errors.ts";
import { PreparedTemplate } from "../../../../../worker/llms/prompts/prepared-template.ts";
import { conversations, families, templateOf } from "../../../../support/chat-templates.ts";

const variables = ["messages", "add_generation_prompt"];

function prepare(source: string, constants: Readonly<Record<string, unknown>> = {}) {
  const template = new PreparedTemplate(source, { constants, variables });
  return (messages: readonly unknown[] = []) => template.render({ messages, add_generation_prompt: true });
}

/** A rendering, or what it throws. */
function outcome(render: () => string): string {
  try {
    return `text: ${render()}`;
  } catch (error) {
    return `refused: ${messageOf(error)}`;
  }
}

for (const [family, { tokens }] of Object.entries(families)) {
  void test(`the template of ${family}, used again and again, gives what the library's own Template gives`, () => {
    // A clock that stands still, for both.
    const source = templateOf(family).replaceAll("strftime_now", "clock");
    const constants = { tools: null, documents: null, clock: (format: string) => `<${format}>`, ...tokens };
    const prepared = new PreparedTemplate(source, { constants, variables });
    const plain = new Template(source);
    const cases = Object.values(conversations).flatMap((messages) =>
      [true, false].map((addGenerationPrompt) => ({ messages, add_generation_prompt: addGenerationPrompt })),
    );
    // The other way round as well: what one conversation leaves behind would show in another's text.
    for (const each of [...cases, ...cases.toReversed()]) {
      assert.equal(
        outcome(() => prepared.render(each)),
        outcome(() => plain.render({ ...constants, ...each })),
      );
    }
  });
}

void test("what a rendering sets, the next one does not find", () => {
  const set = prepare(
    "{% set n = 1 %}{% for m in messages %}{% endfor %}{% set n = n + 1 %}{{ n }}{{ seen }}{% set seen = 5 %}",
  );
  assert.deepEqual([set(), set([1])], ["2", "2"]);
  const inNamespace = prepare(
    "{% set s = namespace(n=0) %}{% for m in messages %}{% set s.n = s.n + m %}{% endfor %}{{ s.n }}",
  );
  assert.deepEqual([inNamespace([1, 2]), inNamespace([4])], ["3", "4"]);
});

void test("a beginning without variables may set, loop and test, and what it set is there for the rest", () => {
  const render = prepare(
    "{% if a is defined %}no{% endif %}{% for x in words %}{{ x }},{% endfor %}{% set b = bos + '!' %}{{ messages[0] }}{{ b }}",
    {
      words: ["one", "two"],
      bos: "<s>",
    },
  );
  assert.deepEqual([render(["x"]), render(["y"])], ["one,two,x<s>!", "one,two,y<s>!"]);
});

void test("a beginning that cannot be carried out refuses every rendering, and no template", () => {
  const render = prepare("{{ 1 + none }}{{ messages }}");
  const plain = outcome(() => new Template("{{ 1 + none }}").render());
  assert.match(plain, /^refused/);
  assert.deepEqual([outcome(render), outcome(render)], [plain, plain]);
});

void test("all that the library's own Template defines is there, and does the same", () => {
  const names =
    "true false none True False None range raise_exception namespace strftime_now lipsum dict cycler joiner";
  const globals = names.split(" ").map((name) => `{{ ${name} is defined }} `);
  const ranges = ["3", "0", "1, 4", "1, 8, 3", "3, 0, -1", "4, 1", "nothing", "2, nothing"];
  const sources = [
    globals.join(""),
    ...ranges.map((given) => `{% for i in range(${given}) %}{{ i }} {% endfor %}`),
    "{{ range(1, 2, 0) }}",
    "{{ raise_exception('No.') }}",
    "{{ true }}{{ True }}{{ false }}{{ False }}{{ none }}{{ None }}{{ nothing }}{{ nothing is defined }}",
    "{{ nothing() }}",
    "a\n  {% if true %}\n  b\n  {% endif %}\n  c  \n",
    "{{ 'a b'.split(' ') | length }}{{ 'A'.lower() }}{{ [1, 2, 3][1] }}{{ {'a': 1}['a'] }}{{ 1.5 }}",
  ];
  for (const source of sources) {
    const render = prepare(source, { strftime_now: () => "now" });
    const plain = outcome(() => new Template(source).render());
    assert.deepEqual([outcome(render), outcome(render)], [plain, plain], source);
  }
});
