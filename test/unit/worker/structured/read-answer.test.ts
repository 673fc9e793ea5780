import assert from "node:assert/strict";
import { test } from "node:test";
import { Validator } from "@cfworker/json-schema";
import type { Schema } from "@cfworker/json-schema";
import fc from "fast-check";
import { compileForm } from "../../../../shared/structured/compile-form.ts";
import type { CompiledForm } from "../../../../shared/structured/compile-form.ts";
import type { StructuredOutput } from "../../../../shared/task/task.ts";
import { readAnswer } from "../../../../worker/structured/read-answer.ts";
import type { ReadAnswer } from "../../../../worker/structured/read-answer.ts";

const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};

function compiled(form: StructuredOutput): CompiledForm {
  const found = compileForm(form);
  assert.ok("faultsOf" in found);
  return found;
}

const personForm = compiled({ format: "json", schema: person });
const ADA = '{"name":"Ada","age":36}';

function read(answer: string, form: CompiledForm = personForm): string {
  const found: ReadAnswer = readAnswer(answer, form);
  if (!found.fits) return `misfit: ${found.faults.map(({ inSchema }) => inSchema).join("; ")}`;
  return `${found.isRepaired ? "repaired" : "fits"}: ${found.text}`;
}

void test("an answer that is JSON of the schema is taken as it is, without spaces", () => {
  assert.equal(read(`\n{ "name": "Ada",\n "age": 36 }\n`), `fits: ${ADA}`);
  assert.equal(read('{"age": 36, "name": "Ada"}'), 'fits: {"age":36,"name":"Ada"}');
  const found = readAnswer(ADA, personForm);
  assert.ok(found.fits);
  assert.deepEqual(found.value, { name: "Ada", age: 36 });
});

void test("fences, words around, trailing commas, quotes and comments are repaired, and the answer is marked", () => {
  for (const answer of [
    `\`\`\`json\n${ADA}\n\`\`\``,
    `Here you are: ${ADA} Anything else?`,
    `Here you are:\n\`\`\`\n{"name": "Ada", "age": 36,}\n\`\`\`\nAnything else?`,
    "{'name': 'Ada', 'age': 36}",
    '{name: "Ada", age: 36}',
    '{"name": "Ada", // of Lovelace\n "age": 36}',
    '{"name": "Ada" "age": 36}',
    `${ADA}}`,
    `The first is ${ADA}, once more ${ADA}`,
    `The schema is {"type": "object"} and so: ${ADA}`,
  ]) {
    assert.equal(read(answer), `repaired: ${ADA}`, answer);
  }
});

void test("an end that is missing is never made up", () => {
  for (const answer of ['{"name": "Ada", "age": 36', '{"age": 36, "name": "Ad', '```json\n{"age": 36, "name": "Ada"']) {
    assert.equal(read(answer), "misfit: it is not valid JSON", answer);
  }
  const list = compiled({ format: "json", schema: { type: "array", items: { type: "object" } } });
  assert.equal(read('[{"a": 1}, {"a": 2}', list), "misfit: it is not valid JSON");
  assert.equal(read('{"a": 1}\n{"a": 2}', list), "misfit: it must be array (#/type)");
});

void test("what does not fit says why, and prose is no JSON text", () => {
  assert.equal(read('{"name": "Ada", "age": "36"}'), "misfit: it must be integer (#/properties/age/type)");
  assert.equal(read('So: {"name": "Ada"}'), "misfit: it must have required property 'age' (#/required)");
  assert.equal(read("I cannot answer that."), "misfit: it is not valid JSON");
  assert.equal(read(""), "misfit: it is not valid JSON");
  const text = compiled({ format: "json", schema: { type: "string" } });
  assert.equal(read("plain words", text), "misfit: it is not valid JSON");
  assert.equal(read('"quoted words"', text), 'fits: "quoted words"');
});

void test("of several values that would do none is chosen", () => {
  const answer = `Either ${ADA} or {"name":"Grace","age":85}`;
  assert.equal(read(answer), "misfit: it holds more than one JSON value that would do");
});

void test("an answer that repeats its brackets without end is a misfit, and no crash", () => {
  for (const bracket of ["[", "{", '{"a":']) {
    assert.match(read(bracket.repeat(50_000)), /^misfit: /);
  }
  const deep = compiled({ format: "json", schema: { type: "array" } });
  assert.match(
    read("[".repeat(50_000) + "]".repeat(50_000), deep),
    /^misfit: it is (nested too deeply|not valid JSON)/,
  );
});

void test("an answer of more than 256 Ki characters is not repaired, but read", () => {
  const long = JSON.stringify({ name: "x".repeat(300_000), age: 1 });
  assert.equal(read(long), `fits: ${long}`);
  assert.equal(read(`Here: ${long}`), "misfit: it is not valid JSON");
});

void test("wide integers keep their digits", () => {
  const form = compiled({ format: "json", schema: { type: "object", properties: { id: { type: "integer" } } } });
  const found = readAnswer('{"id": 12345678901234567890}', form);
  assert.ok(found.fits);
  assert.equal(found.text, '{"id":12345678901234567890}');
  assert.deepEqual(found.value, { id: 12345678901234567890n });
});

void test("numbers that JSON cannot hold fit nothing", () => {
  const form = compiled({ format: "json", schema: { type: "object", properties: { n: { type: "number" } } } });
  assert.equal(read('{"n": 1e999}', form), "misfit: it must be number (#/properties/n/type)");
  assert.equal(read('{"n": NaN}', form), "misfit: it must be number (#/properties/n/type)");
});

void test("a regex takes the whole answer, but for space around it", () => {
  const form = compiled({ format: "regex", schema: "yes|no" });
  assert.equal(read("yes", form), "fits: yes");
  assert.equal(read(" yes\n", form), "repaired: yes");
  assert.equal(read("yes!", form), "misfit: it does not match the regular expression as a whole");
});

/** Schemas of what structured output mostly asks for. */
const { schema: anySchema } = fc.letrec<{ schema: Schema; leaf: Schema }>((tie) => ({
  leaf: fc.oneof(
    fc.record({ type: fc.constant("string"), maxLength: fc.nat(6) }, { requiredKeys: ["type"] }),
    fc.record({ type: fc.constantFrom("integer", "number"), minimum: fc.integer({ min: -5, max: 5 }) }),
    fc.record({ type: fc.constantFrom("boolean", "null") }),
    fc.record({ enum: fc.uniqueArray(fc.constantFrom("a", "b", 1, true, null), { minLength: 1 }) }),
    fc.record({ type: fc.constant(["string", "null"]) }),
  ) as fc.Arbitrary<Schema>,
  schema: fc.oneof(
    { maxDepth: 3 },
    tie("leaf"),
    fc.record({ type: fc.constant("array"), items: tie("schema"), maxItems: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc
      .tuple(fc.dictionary(fc.constantFrom("a", "b", "c"), tie("schema")), fc.boolean())
      .map(([properties, additionalProperties]) => ({
        type: "object",
        properties,
        required: Object.keys(properties).slice(0, 1),
        additionalProperties,
      })),
  ) as fc.Arbitrary<Schema>,
}));

/** JSON of the same keys and values as the schemas have, and what models make of it. */
const anyAnswer = fc
  .tuple(
    fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.oneof(fc.constantFrom("a", "b", 1, true, null, "", -3, 2.5), fc.string({ maxLength: 8 }), fc.integer()),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value")),
      ),
    })).value,
    fc.constantFrom(
      (json: string) => json,
      (json: string) => `\`\`\`json\n${json}\n\`\`\``,
      (json: string) => `Sure! ${json} Done.`,
      (json: string) => json.replaceAll('"', "'"),
      (json: string) => json.replace(/([}\]])/, ",$1"),
      (json: string) => json.slice(0, -1),
      (json: string) => `${json} ${json.slice(1)}`,
    ),
  )
  .map(([value, spoil]) => spoil(JSON.stringify(value)));

void test("whatever is accepted passes another validator, and reads the same once more", () => {
  let accepted = 0;
  fc.assert(
    fc.property(anySchema, fc.array(anyAnswer, { minLength: 10, maxLength: 20 }), (schema, answers) => {
      const form = compiled({ format: "json", schema });
      for (const answer of answers) {
        const found = readAnswer(answer, form);
        if (!found.fits) continue;
        accepted++;
        assert.ok(new Validator(schema, "2020-12").validate(JSON.parse(found.text)).valid, found.text);
        assert.equal(read(found.text, form), `fits: ${found.text}`);
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(accepted > 100, `only ${accepted} answers were accepted`);
});
