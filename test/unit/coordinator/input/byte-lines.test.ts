import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteLines } from "../../../../coordinator/input/byte-lines.ts";
import type { Line } from "../../../../coordinator/input/byte-lines.ts";

async function split(chunks: readonly Uint8Array[], maxBytes = 1_000_000, at = 0): Promise<Line[]> {
  const lines: Line[] = [];
  const source = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk);
  })();
  for await (const batch of byteLines(source, { at, maxBytes })) lines.push(...batch);
  return lines;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let start = 0;
  for (const size of sizes) {
    chunks.push(bytes.subarray(start, start + size));
    start += size;
  }
  return [...chunks, bytes.subarray(start)];
}

void test("however the bytes are cut, the lines are the same and start where they say", async () => {
  const text = fc.array(fc.string({ unit: "binary", maxLength: 6 })).map((words) => words.join("\n"));
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat({ max: 7 })), fc.nat({ max: 99 }), async (content, sizes, at) => {
      const bytes = Buffer.from(content);
      const lines = await split(cut(bytes, sizes), 1_000, at);
      const expected = content.split("\n");
      if (expected.at(-1) === "") expected.pop();
      assert.deepEqual(
        lines.map((line) => line.text),
        expected,
      );
      for (const [index, line] of lines.entries()) {
        assert.equal(line.number, index + 1);
        assert.equal(line.problem, null);
        assert.equal(bytes.toString("utf8", line.at - at, line.at - at + line.bytes), line.text);
      }
    }),
  );
});

void test("of a line that is too long only the start is kept, and the next line is whole", async () => {
  const chunks = [Buffer.alloc(9_000, "x"), Buffer.alloc(9_000, "y"), Buffer.from("z\nshort\n")];
  const [long, short] = await split(chunks, 10_000);
  assert.match(long?.problem ?? "", /longer than 10000 bytes/);
  assert.equal(long?.text, "x".repeat(4_096));
  assert.equal(long.bytes, 18_001);
  assert.deepEqual(
    { text: short?.text, at: short?.at, number: short?.number },
    { text: "short", at: 18_002, number: 2 },
  );
});

void test("a line in a broken encoding has a problem wherever it is cut, and its neighbours have none", async () => {
  const bytes = Buffer.concat([Buffer.from("é\n"), Buffer.from([0xc3, 0x28, 10]), Buffer.from("é\n")]);
  for (let size = 0; size < bytes.length; size += 1) {
    const lines = await split(cut(bytes, [size]));
    assert.deepEqual(
      lines.map(({ problem }) => problem === null),
      [true, false, true],
    );
  }
});
