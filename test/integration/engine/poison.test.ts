import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { startJobProcess } from "../../support/job-process.ts";
import { idsOf, JobWorld } from "../../support/job-world.ts";

void test("slow rows of other shards that die with a row that kills are not taken for such rows", async () => {
  await using world = await JobWorld.open(24);
  await writeFile(
    path.join(world.folder, "fatal.mjs"),
    `export default { inputs: ["question"], outputs: { n: "int64" }, usesLLM: false,
      async run({ row }) {
        if (row.question === "question 17.") process.abort();
        await new Promise((resolve) => setTimeout(resolve, 150));
        return { n: row.question.length };
      } };`,
  );
  const spec = world.spec({ steps: [{ task: "./fatal.mjs" }], run: { shard_rows: 8, stop_after_alike: 0 } });
  for (let lives = 0; ; lives++) {
    assert.ok(lives < 20, "the row that kills was not found");
    const { result } = await startJobProcess({ folder: world.folder, spec }).ended;
    if (result === null) continue;
    assert.deepEqual(result.report?.rows, { accepted: 23, failed: 1, total: 24 }, JSON.stringify(result));
    break;
  }
  assert.deepEqual(idsOf(await world.rows("failed")), [17]);
});
