import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { BenchReport } from "../../../../bench/report/bench-report.ts";
import { readReport } from "../../../../bench/report/read-report.ts";
import { freshFolderName, ReportFolder } from "../../../../bench/report/report-folder.ts";
import { benchReport } from "../../../support/bench-reports.ts";

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tiding-report-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

void test("a report that is written again takes the place of the one before, and leaves nothing else", async (t) => {
  const place = join(await emptyFolder(t), "run");
  {
    await using folder = await ReportFolder.open(place, false);
    folder.addRecords(`{"index":0}\n`);
    await folder.write(benchReport({ headlines: ["Not finished."] }));
    folder.addRecords(`{"index":1}\n`);
    await folder.write(benchReport());
  }
  assert.deepEqual((await readdir(place)).toSorted(), ["report.html", "report.json", "requests.jsonl", "stages.csv"]);
  assert.equal(await readFile(join(place, "requests.jsonl"), "utf8"), `{"index":0}\n{"index":1}\n`);
  assert.deepEqual(await readReport(place), benchReport());
  assert.deepEqual(await readReport(join(place, "report.json")), benchReport());
});

void test("a folder into which nothing was written does not stay, and one that was there does", async (t) => {
  const above = await emptyFolder(t);
  const [fresh, used] = [join(above, "fresh"), join(above, "used")];
  await mkdir(used);
  await writeFile(join(used, "notes.txt"), "mine");
  for (const place of [fresh, used]) {
    await using _folder = await ReportFolder.open(place, false);
  }
  assert.deepEqual(await readdir(above), ["used"]);
  assert.deepEqual(await readdir(used), ["notes.txt"]);
});

void test("records of a run without a report are not written over either", async (t) => {
  const place = join(await emptyFolder(t), "run");
  await mkdir(place);
  await writeFile(join(place, "requests.jsonl"), "{}\n");
  await assert.rejects(ReportFolder.open(place, false), { code: "USAGE" });
  await using _forced = await ReportFolder.open(place, true);
});

void test("a place where no folder can be says so in terms of the option", async (t) => {
  const file = join(await emptyFolder(t), "file");
  await writeFile(file, "");
  for (const place of [file, join(file, "below")]) {
    await assert.rejects(ReportFolder.open(place, false), {
      code: "OUTPUT_UNWRITABLE",
      mend: "Name another folder with --out.",
    });
  }
});

void test("a folder that goes away while records come is told, and not passed over", async (t) => {
  const place = join(await emptyFolder(t), "run");
  const folder = await ReportFolder.open(place, false);
  await rm(place, { recursive: true });
  await assert.rejects(async () => {
    folder.addRecords("{}\n");
    await folder.write(benchReport());
  });
  await folder[Symbol.asyncDispose]().catch((error: unknown) => assert.ok(error instanceof Error));
});

void test("a fresh folder's name is a file's name, whatever the model is called", () => {
  const at = new Date("2026-11-21T16:00:05.123Z");
  assert.equal(freshFolderName("meta-llama/Llama-3.1-8B", at), "bench-Llama-3.1-8B-20261121-160005");
  assert.equal(freshFolderName("../..", at), "bench-20261121-160005");
  assert.equal(freshFolderName("a b\u0000/c:d\n", at), "bench-c-d-20261121-160005");
});

void test("what is no report is refused with what is wrong: no file, no JSON, a field that is missing", async (t) => {
  const folder = await emptyFolder(t);
  await assert.rejects(readReport(folder), { code: "USAGE", message: "There is no report of a benchmark." });
  const file = join(folder, "report.json");
  await writeFile(file, "no json");
  await assert.rejects(readReport(file), { code: "USAGE", message: /no report of a benchmark/ });
  const { prompts: _, ...rest } = benchReport();
  await writeFile(file, JSON.stringify(rest));
  await assert.rejects(readReport(file), { code: "USAGE", message: /prompts/ });
});

void test("reports built by hand are reports", () => {
  assert.ok(BenchReport.safeParse(benchReport()).success);
});
