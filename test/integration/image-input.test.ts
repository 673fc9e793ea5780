/** Whole jobs whose rows show an image to the model, in each form that a column may hold it in. */
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { answerKey, promptOf } from "../../bench/simulator/answer.ts";
import { imageFor } from "../../bench/simulator/image.ts";
import { sharedBroker } from "../../jobs/open-broker.ts";
import { assertImages, imageSpec, openImageWorld, readImages } from "../support/image-jobs.ts";
import { JobWorld } from "../support/job-world.ts";
import { NatsWorld } from "../support/nats-world.ts";

const PNG = imageFor("a cat", 1);
const DATA_URL = `data:image/png;base64,${PNG.toString("base64")}`;
const ADDRESS = "https://images.example/cat.png";

/** What the simulated endpoint answers to a question with an image. */
function answerTo(text: string, url: string): string {
  const content = [
    { type: "text", text },
    { type: "image_url", image_url: { url } },
  ];
  return answerKey(promptOf([{ role: "user", content }]));
}

async function openVision(): Promise<JobWorld> {
  const world = await JobWorld.open(0);
  await writeFile(path.join(world.folder, "cat.png"), PNG);
  const images = [ADDRESS, DATA_URL, "cat.png", PNG.toString("base64"), "gone.png", ""];
  const rows = images.map((image, row) => `${JSON.stringify({ question: `What is it? ${row}`, image })}\n`);
  await writeFile(path.join(world.folder, "rows.jsonl"), rows.join(""));
  return world;
}

async function assertAnswers(world: JobWorld): Promise<void> {
  const rows = await world.rows();
  for (const { question, generation, tiding } of rows) {
    const row = Number(tiding.row_id);
    const expected =
      row === 5
        ? answerKey(promptOf([{ role: "user", content: question }]))
        : answerTo(question, row === 0 ? ADDRESS : DATA_URL);
    assert.ok(String(generation).startsWith(expected), `row ${row}`);
  }
  const [failed] = (await world.rows("failed")) as unknown as readonly { tiding: { code: string; message: string } }[];
  assert.equal(failed?.tiding.code, "ROW_INVALID");
  assert.match(failed.tiding.message, /cannot read \(ENOENT\).*gone\.png/);
}

void test("addresses, data URLs, files and base64 reach the model; a file that is gone fails its row alone", async () => {
  await using world = await openVision();
  const report = await world.run(world.spec());
  assert.deepEqual(report.rows, { accepted: 5, failed: 1, total: 6 });
  await assertAnswers(world);
  assert.equal(world.simulator.stats().requests, 5);
});

void test("workers read files below the folder that they are given", async () => {
  await using world = await openVision();
  await using nats = await NatsWorld.open();
  const transport = await nats.connect();
  await using elsewhere = await JobWorld.open(0);
  await writeFile(path.join(elsewhere.folder, "cat.png"), PNG);
  await nats.work({ surroundings: { environment: {}, folder: elsewhere.folder } });
  const broker = sharedBroker(transport, { works: false, environment: {} });
  const report = await world.run(world.spec(), { broker });
  assert.deepEqual(report.rows, { accepted: 5, failed: 1, total: 6 }, JSON.stringify(report.error));
  await assertAnswers(world);
});

void test("a column of another name is mapped to the image, and keeps what it held", async () => {
  await using world = await openVision();
  const step = { task: "text-generation", columns: { instruction: "question", image: "picture" } };
  const input = { columns: { question: "question", picture: "image" }, limit: 3 };
  await world.run(world.spec({ step, input }));
  const rows = (await world.rows()) as unknown as readonly { picture: string; generation: string; question: string }[];
  assert.deepEqual(
    rows.map(({ picture }) => picture),
    [ADDRESS, DATA_URL, "cat.png"],
  );
  assert.ok(rows[2]?.generation.startsWith(answerTo(rows[2].question, DATA_URL)));
});

void test("images that one job made are shown to the model of the next, and stay images in its output", async () => {
  await using painted = await openImageWorld(6);
  await painted.run(imageSpec(painted, { output: { path: "images" } }));
  const images = path.join(painted.folder, "images");
  const made = (await readImages(images)).rows;
  await using world = await JobWorld.open(0);
  const [name = ""] = await readdir(path.join(images, "data"));
  await writeFile(path.join(world.folder, "images.parquet"), await readFile(path.join(images, "data", name)));
  const columns = { question: "question", image: "image" };
  const report = await world.run(world.spec({ input: { path: "images.parquet", columns } }));
  assert.deepEqual(report.rows, { accepted: 6, failed: 0, total: 6 });
  const { rows, features } = await readImages(world.output);
  assert.deepEqual((features[0] as Record<string, unknown>)["image"], { _type: "Image" });
  for (const [index, row] of (
    rows as unknown as readonly { image: { bytes: Uint8Array }; generation: string; question: string }[]
  ).entries()) {
    const bytes = Buffer.from(row.image.bytes);
    assert.ok(bytes.equals(made[index]?.image.bytes ?? Buffer.alloc(0)));
    const url = `data:image/png;base64,${bytes.toString("base64")}`;
    assert.ok(row.generation.startsWith(answerTo(row.question, url)));
  }
  assertImages(made, 6);
});
