import assert from "node:assert/strict";
import { test } from "node:test";
import { Roster } from "../../../worker/roster.ts";

void test("members are taken in the order in which they came, without those who left", () => {
  const roster = new Roster<string>();
  const [, second] = ["a", "b", "c"].map((member) => roster.add(member));
  second?.leave();
  assert.deepEqual(roster.members(), ["a", "c"]);
  assert.deepEqual([roster.take(), roster.take(), roster.take()], ["a", "c", null]);
  roster.add("d");
  assert.deepEqual(roster.members(), ["d"]);
});

void test("a place that was left can be left again, and holds on to nobody", () => {
  const roster = new Roster<string>();
  const places = ["a", "b", "c"].map((member) => roster.add(member));
  for (const place of [...places, ...places].slice(1, 5)) place.leave();
  assert.deepEqual(roster.members(), []);
  for (const place of places) {
    assert.equal(place.member, null);
    assert.equal(place.next, place);
  }
});
