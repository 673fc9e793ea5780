import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeMatch } from "../../../../shared/structured/regex-form.ts";

function matches(pattern: string, text: string): boolean {
  const whole = wholeMatch(pattern);
  assert.ok(!("refused" in whole), "refused" in whole ? whole.refused : "");
  return whole.test(text);
}

function refused(pattern: string): string {
  const whole = wholeMatch(pattern);
  return "refused" in whole ? whole.refused : assert.fail(`${pattern} was taken for ${whole.source}`);
}

void test("the whole text must match, alternatives and line ends included", () => {
  assert.ok(matches("yes|no", "no"));
  assert.ok(!matches("yes|no", "no!"));
  assert.ok(!matches("yes|no", "oh yes"));
  assert.ok(!matches("\\d+", "12\n"));
  assert.ok(!matches("(?m)^\\d+$", "12\n13"));
  assert.ok(matches("^\\d+$", "12"));
});

void test("what Python writes otherwise is translated", () => {
  for (const [pattern, good, bad] of [
    ["\\d{3}\\-\\d{2}", "123-45", "12345"],
    ["(?P<year>\\d{4})-(?P=year)", "2020-2020", "2020-2021"],
    ['\\{"a": \\d+\\}', '{"a": 5}', '{"a": x}'],
    ['{"a": \\d+}', '{"a": 5}', '{"a": x}'],
    ["a{,2}", "aa", "aaa"],
    ["a{2,}", "aaaa", "a"],
    ["(?i)yes", "YES", "no"],
    ["(?s).+", "a\nb", ""],
    [".+", "a\rb", "a\nb"],
    ["[]a]+", "]a", "b"],
    ["[^]a]+", "bc", "]"],
    ["\\Aab\\Z", "ab", "abc"],
    ["\\pL+", "äß", "12"],
    ["\\p{Lu}+", "ÄB", "äb"],
    ["[\\p{Lu}\\d]+", "Ä1", "ä"],
    ["\\x{1F600}", "😀", "x"],
    ["(?#a comment)a", "a", "b"],
    ["\\'\\_\\ \\@", "'_ @", "x"],
    ["[\\w\\-]+", "a-b", "a b"],
    ["a}]", "a}]", "a"],
  ] as const) {
    assert.ok(matches(pattern, good), `${pattern} does not match ${good}`);
    assert.ok(!matches(pattern, bad), `${pattern} matches ${bad}`);
  }
});

void test("what JavaScript cannot say is refused with the reason", () => {
  for (const [pattern, reason] of [
    ["(?x)a b", "sets the flag x, which JavaScript lacks"],
    ["(?>a+)b", "holds the group (?>a, which JavaScript does not know"],
    ["(?i:a)", "holds the group (?i:, which JavaScript does not know"],
    ["[[:alpha:]]+", "holds a POSIX class such as [:alpha:], which JavaScript does not know"],
    ["\\y", "holds \\y, which JavaScript does not know"],
    ["a\\", "ends in a single backslash"],
    ["(a", "is not valid in JavaScript: Unterminated group"],
    ["a++", "is not valid in JavaScript: Nothing to repeat"],
    ["[b-a]", "is not valid in JavaScript: Range out of order in character class"],
  ] as const) {
    assert.equal(refused(pattern), reason, pattern);
  }
});
