import assert from "node:assert/strict";
import { test } from "node:test";
import { nextMove, type Asked, type Move } from "../../../jobs/next-move.ts";
import type { Standing } from "../../../shared/protocol/standing-record.ts";
import type { Submission } from "../../../shared/protocol/submission-record.ts";

type Case = readonly [
  wanted: Submission["wanted"],
  state: Standing["state"] | null,
  answered: "answered" | "new",
  run: Asked | null,
  move: Move,
];

const cases: Record<string, readonly Case[]> = {
  "a job that does not run is started while that is wanted, also after a coordinator died": [
    ["run", null, "new", null, "start"],
    ["run", "queued", "answered", null, "start"],
    ["run", "running", "answered", null, "start"],
  ],
  "what was paused, or ended, stays so until a new order comes": [
    ["pause", "paused", "answered", null, "nothing"],
    ["run", "stopped", "answered", null, "nothing"],
    ["run", "finished", "answered", null, "nothing"],
    ["cancel", "cancelled", "answered", null, "nothing"],
    ["run", "paused", "new", null, "start"],
    ["run", "stopped", "new", null, "start"],
    ["cancel", "stopped", "new", null, "cancel"],
    ["cancel", "paused", "new", null, "cancel"],
  ],
  "a run is drained for a pause or an end, and stopped for an end now": [
    ["pause", "running", "new", "nothing", "drain"],
    ["cancel", "running", "new", "nothing", "drain"],
    ["cancel-now", "running", "new", "nothing", "stop"],
    ["cancel-now", "running", "new", "drain", "stop"],
    ["pause", "running", "new", "drain", "nothing"],
    ["cancel-now", "running", "new", "stop", "nothing"],
  ],
  "a run that was asked to end is not called back, and is looked at anew once it has ended": [
    ["run", "running", "new", "drain", "nothing"],
    ["run", "running", "new", null, "start"],
    ["pause", "running", "new", null, "pause"],
    ["cancel-now", "running", "new", null, "cancel"],
  ],
};

for (const [name, lines] of Object.entries(cases)) {
  void test(name, () => {
    for (const [wanted, state, answered, run, move] of lines) {
      const standing = state === null ? null : { state, order: answered === "new" ? 1 : 2 };
      assert.equal(nextMove({ wanted, order: 2 }, { standing, run }), move, `${wanted} ${state} ${answered} ${run}`);
    }
  });
}
