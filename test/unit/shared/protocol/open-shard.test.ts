import { PROTOCOL_VERSION } from "../../../../shared/protocol/version.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CommitRecord } from "../../../../shared/protocol/commit-record.ts";
import {
  LOSSES_OF_A_POISON_ROW,
  LOSSES_UNTIL_ALONE,
  nextOpening,
  type Opening,
} from "../../../../shared/protocol/open-shard.ts";
import { Bitmap } from "../../../../shared/rows/bitmap.ts";

const SIZE = 8;

type Act = "die" | "drain" | "commit one and die" | "start the next row alone and die";

/** What an owner with this opening leaves behind as the shard's newest record. */
function tailAfter(opening: Opening, act: Act): CommitRecord {
  const done = opening.done.copy();
  const next = [...Bitmap.full(SIZE).without(done)][0] ?? 0;
  const common = {
    version: PROTOCOL_VERSION as typeof PROTOCOL_VERSION,
    epoch: opening.epoch,
    nonce: "n",
    index: 1,
    size: SIZE,
  };
  switch (act) {
    case "die":
      return {
        type: "open",
        worker: "w",
        ...common,
        done: done.toText(),
        lost: opening.lost,
        suspect: opening.suspect,
      };
    case "drain":
      return { type: "release", ...common, done: done.toText(), lost: opening.lost, suspect: opening.suspect };
    case "start the next row alone and die":
      return {
        type: "start",
        position: next,
        ...common,
        done: done.toText(),
        lost: opening.lost,
        suspect: opening.suspect,
      };
    case "commit one and die": {
      const own = new Bitmap(SIZE);
      own.add(next);
      done.add(next);
      return {
        type: "rows",
        ...common,
        done: done.toText(),
        lost: 0,
        suspect: null,
        own: own.toText(),
        batches: ["b"],
        bytes: 1,
      };
    }
  }
}

const SHARD = { size: SIZE, only: null, runsForeignCode: true };

function openAfter(acts: readonly Act[], shard = SHARD): Opening {
  let opening = nextOpening(null, shard);
  for (const act of acts) opening = nextOpening(tailAfter(opening, act), shard);
  return opening;
}

void test("a shard that nobody opened has all of its rows to run", () => {
  const opening = nextOpening(null, SHARD);
  assert.equal(opening.epoch, 1);
  assert.equal(opening.done.isEmpty, true);
  assert.equal(opening.alone, false);
});

void test("a retry leaves all but the named rows alone", () => {
  const only = new Bitmap(SIZE);
  only.add(3);
  assert.deepEqual([...nextOpening(null, { ...SHARD, only }).done], [0, 1, 2, 4, 5, 6, 7]);
});

void test("a shard that is lost again and again without a commit is run one row at a time", () => {
  const deaths = Array.from({ length: LOSSES_UNTIL_ALONE }, (): Act => "die");
  assert.equal(openAfter(deaths.slice(1)).alone, false);
  assert.equal(openAfter(deaths).alone, true);
});

void test("drained openings never add up to a suspicion", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom<Act>("drain", "commit one and die"), { maxLength: 30 }), (acts) => {
      assert.equal(openAfter(acts).alone, false);
      assert.equal(openAfter(acts).poison, null);
    }),
  );
});

void test("a row that dies alone often enough is named as poison, and a commit in between clears it", () => {
  const alone = Array.from({ length: LOSSES_UNTIL_ALONE }, (): Act => "die");
  const starts = Array.from({ length: LOSSES_OF_A_POISON_ROW }, (): Act => "start the next row alone and die");
  assert.equal(openAfter([...alone, ...starts]).poison, 0);
  assert.equal(openAfter([...alone, ...starts.slice(1)]).poison, null);
  assert.equal(openAfter([...alone, ...starts, "commit one and die"]).poison, null);
  assert.equal(openAfter([...alone, "commit one and die"]).alone, false);
});

void test("owners follow one another in ascending epochs, whatever happens", () => {
  const acts = fc.array(
    fc.constantFrom<Act>("die", "drain", "commit one and die", "start the next row alone and die"),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(acts, (run) => {
      assert.equal(openAfter(run).epoch, run.length + 1);
    }),
  );
});

void test("rows of built-in tasks are never suspected, however often their owners are killed", () => {
  const acts = fc.array(fc.constantFrom<Act>("die", "start the next row alone and die"), { maxLength: 30 });
  fc.assert(
    fc.property(acts, (run) => {
      const opening = openAfter(run, { ...SHARD, runsForeignCode: false });
      assert.equal(opening.alone, false);
      assert.equal(opening.poison, null);
    }),
  );
});
