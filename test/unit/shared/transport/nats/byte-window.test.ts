import assert from "node:assert/strict";
import { test } from "node:test";

import { ByteWindow } from "../../../../../shared/transport/nats/byte-window.ts";
import { withResolvers } from "../../../../support/with-resolvers.ts";

void test("what does not fit waits, and so does everything behind it", async () => {
  const window = new ByteWindow(10);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const send = (name: string, bytes: number): Promise<void> =>
    window.run(bytes, () => {
      const end = withResolvers<void>();
      begun.push(name);
      ends.set(name, end.resolve);
      return end.promise;
    });
  const sends = [send("a", 6), send("b", 6), send("c", 1), send("larger than the window", 40)];
  await turn();
  assert.deepEqual(begun, ["a"]);
  ends.get("a")!();
  await turn();
  assert.deepEqual(begun, ["a", "b", "c"]);
  ends.get("b")!();
  await turn();
  assert.deepEqual(begun, ["a", "b", "c"]);
  ends.get("c")!();
  await turn();
  assert.deepEqual(begun, ["a", "b", "c", "larger than the window"]);
  ends.get("larger than the window")!();
  await Promise.all(sends);
});

void test("what failed makes room like what succeeded", async () => {
  const window = new ByteWindow(1);
  await assert.rejects(
    window.run(1, () => Promise.reject(new Error("lost"))),
    /lost/,
  );
  assert.equal(await window.run(1, () => Promise.resolve("through")), "through");
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
