import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { after, test } from "node:test";
import type { Manifest } from "../../../../coordinator/output/manifest.ts";
import { OwnedOutput, readManifest } from "../../../../coordinator/output/output-directory.ts";
import { isTidingError } from "../../../../shared/errors.ts";

const folder = await mkdtemp(path.join(tmpdir(), "tiding-output-"));
after(() => rm(folder, { recursive: true }));
let outputs = 0;

function newRoot(): string {
  outputs += 1;
  return path.join(folder, `out-${outputs}`);
}

function first(): Omit<Manifest, "version" | "generation" | "epoch" | "owner" | "at"> {
  return {
    state: "running",
    error: null,
    job: { id: "a", name: "a", createdAt: "", fingerprint: "", document: {}, spec: {}, folder: "/", revisions: [] },
    plan: { shardRows: 1, shardBytes: 1, inputSchema: [], inputFiles: [], limit: null, total: null },
    taskColumns: null,
    cursor: null,
    parts: [],
    failed: [],
    landed: [],
    spills: [],
    retry: null,
    transport: "embedded",
    rounds: 0,
  };
}

function coded(code: string) {
  return (error: unknown) => isTidingError(error) && error.code === code && error.mend !== undefined;
}

/** Makes the owner look like one on another machine, about whose processes nothing can be known here. */
async function moveOwnerAway(root: string): Promise<void> {
  const manifest = await readManifest(root);
  const file = path.join(root, ".tiding", `owner.${manifest?.owner}.json`);
  const owner = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...owner, host: `not-${hostname()}` }));
}

void test("an output is taken, changed in generations, and let go", async () => {
  const root = newRoot();
  const output = await OwnedOutput.take(root, first);
  await output.change({ cursor: "c1" });
  await output.change(({ rounds }) => ({ rounds: rounds + 1 }));
  await output.release({ state: "interrupted" });
  const manifest = await readManifest(root);
  assert.equal(manifest?.generation, 4);
  assert.deepEqual([manifest.cursor, manifest.rounds, manifest.state, manifest.owner], ["c1", 1, "interrupted", null]);
  assert.deepEqual(
    (await readdir(path.join(root, ".tiding"))).filter((name) => name.startsWith("owner")),
    [],
  );
});

void test("old generations are pruned, and the newest is the truth", async () => {
  const root = newRoot();
  const output = await OwnedOutput.take(root, first);
  for (let round = 1; round <= 6; round++) await output.change({ rounds: round });
  const generations = (await readdir(root)).filter((name) => name.startsWith("manifest"));
  assert.deepEqual(generations.toSorted(), ["manifest.5.json", "manifest.6.json", "manifest.7.json"]);
  await output.release({});
});

void test("a second process is refused while the owner's heart beats", async () => {
  const root = newRoot();
  const output = await OwnedOutput.take(root, first);
  await assert.rejects(OwnedOutput.take(root, first, { takeoverMs: 5_000 }), coded("OUTPUT_IN_USE"));
  await output.release({});
});

void test("of several that take an output at once, one gets it", async () => {
  // Again and again, a little apart: each pair of steps of the one meets each of the other.
  for (let spread = 0; spread < 20; spread++) {
    const root = newRoot();
    const takes = [0, 1, 2, 3].map(async (place) => {
      await pause(place * spread * 0.3);
      return OwnedOutput.take(root, first);
    });
    const settled = await Promise.allSettled(takes);
    const taken = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    assert.equal(taken.length, 1);
    for (const result of settled) {
      if (result.status === "rejected") assert.ok(coded("OUTPUT_IN_USE")(result.reason), String(result.reason));
    }
    await taken[0]?.release({});
  }
});

void test("an owner that fell silent is taken over from, and can change nothing when it wakes", async () => {
  const root = newRoot();
  const sleeper = await OwnedOutput.take(root, first);
  // Its heartbeats stop, as under SIGSTOP; the object itself goes on afterwards, as after SIGCONT.
  const asleep = await readManifest(root);
  await moveOwnerAway(root);
  await rm(path.join(root, ".tiding", `owner.${asleep?.owner}.json`));
  const successor = await OwnedOutput.take(root, first, { takeoverMs: 0 });
  for (let round = 1; round <= 5; round++) await successor.change({ rounds: round });
  await assert.rejects(sleeper.change({ rounds: 99 }), coded("OWNERSHIP_LOST"));
  assert.equal(sleeper.lost.aborted, true);
  await sleeper.release({ state: "stopped" });
  assert.deepEqual([(await readManifest(root))?.rounds, (await readManifest(root))?.state], [5, "running"]);
  await successor.release({});
});

void test("an owner learns from its heartbeat that it was replaced", async () => {
  const root = newRoot();
  const sleeper = await OwnedOutput.take(root, first);
  await rm(path.join(root, ".tiding", `owner.${sleeper.manifest.owner}.json`));
  const successor = await OwnedOutput.take(root, first, { takeoverMs: 0 });
  // A heartbeat alone does not keep a process alive.
  const alive = setInterval(() => undefined, 1_000);
  await new Promise((resolve) => sleeper.lost.addEventListener("abort", resolve));
  clearInterval(alive);
  assert.ok(coded("OWNERSHIP_LOST")(sleeper.lost.reason));
  await sleeper.release({});
  await successor.release({});
});

void test("a folder with something else in it is refused and left as it is", async () => {
  const root = newRoot();
  await mkdir(root);
  await writeFile(path.join(root, "thesis.tex"), "x");
  await assert.rejects(OwnedOutput.take(root, first), coded("OUTPUT_NOT_A_JOB"));
  assert.deepEqual(await readdir(root), ["thesis.tex"]);
});

void test("a path that is a file is refused", async () => {
  const root = newRoot();
  await writeFile(root, "x");
  await assert.rejects(OwnedOutput.take(root, first), coded("OUTPUT_UNWRITABLE"));
});

void test("what no manifest names is cleared away by the next owner", async () => {
  const root = newRoot();
  const output = await OwnedOutput.take(root, first);
  await output.release({});
  await writeFile(path.join(root, "data", "train-000000000000-e1g2.parquet"), "half a part");
  await writeFile(path.join(root, ".tiding", "tmp", "1", "landing.1.2.data"), "half");
  // Files of a successor, seen by a sleeper that wakes as it clears, and files that Tiding did not write.
  const others = ["notes.txt", "train-000000000000-e3g9.parquet"];
  for (const name of others) await writeFile(path.join(root, "data", name), "");
  const next = await OwnedOutput.take(root, first);
  assert.deepEqual((await readdir(path.join(root, "data"))).toSorted(), others);
  assert.deepEqual(await readdir(path.join(root, ".tiding", "tmp")), ["2"]);
  await next.release({});
});

void test("a manifest that is no manifest is reported with its place", async () => {
  const root = newRoot();
  await mkdir(root);
  await writeFile(path.join(root, "manifest.3.json"), '{"version": 7}');
  await assert.rejects(
    readManifest(root),
    (error) =>
      coded("OUTPUT_DAMAGED")(error) && String((error as { place?: string }).place).endsWith("manifest.3.json"),
  );
});
