import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestName } from "../../../../shared/spec/nearest-name.ts";

const names = ["generation_kwargs", "base_url", "slots", "id"];

void test("typing errors and other spellings of a name find it", () => {
  assert.equal(nearestName("generation_kwarg", names), "generation_kwargs");
  assert.equal(nearestName("generationKwargs", names), "generation_kwargs");
  assert.equal(nearestName("base-ulr", names), "base_url");
  assert.equal(nearestName("slot", names), "slots");
  assert.equal(nearestName("solts", names), "slots");
  assert.equal(nearestName("nmae", ["name", "steps"]), "name");
});

void test("a name that is like none finds none", () => {
  assert.equal(nearestName("temperature", names), null);
  assert.equal(nearestName("xy", names), null);
  assert.equal(nearestName("x", []), null);
});
