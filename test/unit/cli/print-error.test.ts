import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError, renderError } from "../../../cli/print-error.ts";
import { TidingError } from "../../../shared/errors.ts";

const look = { width: 80, colour: false, unicode: true };
const error = new TidingError("SPEC_INVALID", "slots must be above 0, and is -1.\nname must not be empty.", {
  place: "job.yaml:12",
  mend: "Give a whole number above 0.",
  rawResponse: "a secret answer",
  cause: new Error("underneath"),
});

void test("an error shows its code, message, place and mend, and no stack", () => {
  assert.deepEqual(renderError(error, { look, debug: false }), [
    "error SPEC_INVALID",
    "  slots must be above 0, and is -1.",
    "  name must not be empty.",
    "  at: job.yaml:12",
    "  mend: Give a whole number above 0.",
  ]);
});

void test("debugging adds the stacks of an error and of its causes", () => {
  const text = renderError(error, { look, debug: true }).join("\n");
  assert.match(text, /print-error\.test/);
  assert.match(text, /Error: underneath/);
  assert.doesNotMatch(text, /secret answer/);
});

void test("an error that was not foreseen is INTERNAL, and says how to see more", () => {
  const described = describeError(new RangeError("out of cheese"));
  assert.equal(described.code, "INTERNAL");
  assert.equal(described.message, "out of cheese");
  assert.match(described.mend ?? "", /TIDING_DEBUG=1/);
});

void test("an error from outside cannot steer the terminal", () => {
  const lines = renderError(new TidingError("ENDPOINT_ERROR", "bad\u001B]0;title\u0007 news"), { look, debug: false });
  assert.doesNotMatch(lines.join(""), /\p{Cc}/u);
});
