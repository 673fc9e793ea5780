import assert from "node:assert/strict";
import { test } from "node:test";
import { TidingError } from "../../../shared/errors.ts";
import { JobWorld } from "../../support/job-world.ts";

void test("what goes wrong first is what is thrown, also where the output cannot be released after it", async () => {
  await using world = await JobWorld.open(4);
  await world.run(world.spec({ input: { limit: 2 } }));
  const full = new TidingError("DISK_FULL", "The disk is full.", { place: world.output, mend: "Make room." });
  const later = new Error("and the folder is gone");
  // The output is taken, then the new limit is recorded, then the output is released: each in a generation.
  const outcomes = [null, full, later];
  const onStep = (): void => {
    const outcome = outcomes.shift() ?? null;
    if (outcome !== null) throw outcome;
  };
  await assert.rejects(world.run(world.spec(), { onStep }), (error) => {
    assert.ok(error instanceof TidingError);
    assert.deepEqual(
      [error.code, error.message, error.place, error.mend],
      [full.code, full.message, full.place, full.mend],
    );
    assert.ok(error.cause instanceof AggregateError);
    assert.deepEqual(error.cause.errors, [full, later]);
    return true;
  });
});

void test("a new limit that was recorded before something failed is worked off by the next run", async () => {
  await using world = await JobWorld.open(4);
  await world.run(world.spec({ input: { limit: 2 } }));
  const outcomes = [null, new TidingError("DISK_FULL", "The disk is full.")];
  const onStep = (): void => {
    const outcome = outcomes.shift() ?? null;
    if (outcome !== null) throw outcome;
  };
  await assert.rejects(world.run(world.spec(), { onStep }), { code: "DISK_FULL" });
  assert.equal((await world.run(world.spec())).rows.accepted, 4);
});
