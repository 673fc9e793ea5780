import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { compileTemplate } from "../../../../shared/task/template.ts";

const variables = (source: string): [string[], string[]] => {
  const { needed, optional } = compileTemplate(source);
  return [[...needed], [...optional]];
};

for (const [source, needed, optional] of [
  ["{{ question }} about {{ topic | upper }}", ["question", "topic"], []],
  [
    "{% for item in items if item.ok %}{{ loop.index }} {{ item.name }} {{ other }}{% endfor %}",
    ["items", "other"],
    [],
  ],
  ["{% for a, b in pairs %}{{ a }}{{ b }}{% else %}{{ a }}{% endfor %}", ["pairs", "a"], []],
  ["{% set x = topic %}{{ x }}{% set ns = namespace(n=count) %}{% set ns.n = 2 %}", ["topic", "count"], []],
  ["{% macro shout(text, end=mark) %}{{ text ~ end }}{% endmacro %}{{ shout(a) }}", ["mark", "a"], []],
  ["{{ row[key] }} {{ row.key }}", ["row", "key"], []],
  ["{% if context is defined %}{{ context }}{% endif %}{{ hint | default('none') }}", [], ["context", "hint"]],
  ["{{ a if b else c }} {{ [d, { 'k': e }] }} {{ f(x=g) }}", ["b", "a", "c", "d", "e", "f", "g"], []],
  ["{% filter replace(old, 'b') %}{{ text }}{% endfilter %}{{ true }} {{ none }} {{ range(3) }}", ["old", "text"], []],
  ["no variables", [], []],
] as const) {
  void test(`the columns of ${source}`, () => {
    const [found, maybe] = variables(source);
    assert.deepEqual(found.toSorted(), [...needed].toSorted());
    assert.deepEqual(maybe.toSorted(), [...optional].toSorted());
  });
}

void test("a row is rendered, with dates and big integers as text", () => {
  const { render } = compileTemplate("{{ name }} {{ at }} {{ count }} {{ items[0].n }}");
  const row = { name: "a", at: new Date(0), count: 2n ** 60n, items: [{ n: 1n }] };
  assert.equal(render(row), "a 1970-01-01T00:00:00.000Z 1152921504606846976 1");
});

void test("a row whose needed columns are all empty is invalid, one with some is not", () => {
  const { render } = compileTemplate("{{ a }}{{ b }}{{ c | default('') }}");
  assert.equal(render({ a: null, b: "x" }), "x");
  assert.throws(
    () => render({ a: null, b: " ", c: "x" }),
    (error: unknown) =>
      isTidingError(error) &&
      error.code === "ROW_INVALID" &&
      error.message === "All columns that the template needs are empty: a, b.",
  );
});

void test("a template that does not parse is an invalid spec, one that cannot be rendered an invalid row", () => {
  assert.throws(
    () => compileTemplate("{{ a"),
    (error: unknown) => isTidingError(error) && error.code === "SPEC_INVALID",
  );
  assert.throws(
    () => compileTemplate("{{ a | nofilter }}").render({ a: 1 }),
    (error: unknown) => isTidingError(error) && error.code === "ROW_INVALID" && error.message.includes("nofilter"),
  );
});
