import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WaitingLine } from "../../../../worker/endpoints/waiting-line.ts";
import type { Lane, LinePlace } from "../../../../worker/endpoints/waiting-line.ts";

class Entry implements LinePlace<Entry> {
  readonly id: number;
  lane: Lane<Entry> | null = null;
  previous: Entry | null = null;
  next: Entry | null = null;
  constructor(id: number) {
    this.id = id;
  }
}

void test("the line is two queues, those that came back ahead of the new, whoever leaves from the middle", () => {
  const step = fc.oneof(
    fc.constant({ do: "new" as const }),
    fc.constant({ do: "back" as const }),
    fc.constant({ do: "take" as const }),
    fc.nat(20).map((place) => ({ do: "leave" as const, place })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const line = new WaitingLine<Entry>();
      const back: Entry[] = [];
      const fresh: Entry[] = [];
      let id = 0;
      for (const each of steps) {
        if (each.do === "new" || each.do === "back") {
          const entry = new Entry(id++);
          line.add(entry, each.do === "back");
          (each.do === "back" ? back : fresh).push(entry);
        } else if (each.do === "take") {
          assert.equal(line.take()?.id, (back.shift() ?? fresh.shift())?.id);
        } else {
          const queue = each.place % 2 === 0 ? back : fresh;
          const [entry] = queue.splice(each.place % Math.max(1, queue.length), 1);
          if (entry !== undefined) {
            line.leave(entry);
            line.leave(entry);
          }
        }
        assert.equal(line.size, back.length + fresh.length);
      }
      for (const entry of [...back, ...fresh]) assert.equal(line.take()?.id, entry.id);
      assert.equal(line.take(), null);
    }),
  );
});
