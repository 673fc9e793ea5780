/** Whole jobs whose answers are images. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import { imageFor } from "../../bench/simulator/image.ts";
import { assertImages, imageSpec, openImageWorld, readImages } from "../support/image-jobs.ts";
import { questionOf } from "../support/job-world.ts";

const TEXT = { dtype: "string", _type: "Value" };

void test("a container's images land in order, each with the row that asked, and the parts say that they are images", async () => {
  await using world = await openImageWorld(100);
  const report = await world.run(imageSpec(world));
  assert.deepEqual(report.rows, { accepted: 100, failed: 0, total: 100 }, JSON.stringify(report.error));
  const { rows, features } = await readImages(world.output);
  assertImages(rows, 100);
  assert.ok(rows.every(({ model_name, tiding }) => model_name === "painter" && tiding.finish_reason === "stop"));
  const [first] = features as Record<string, unknown>[];
  assert.deepEqual(first?.["image"], { _type: "Image" });
  assert.deepEqual(first?.["question"], TEXT);
  assert.deepEqual(Object.keys(first ?? {}), ["question", "image", "model_name", "tiding"]);
  const tiding = first?.["tiding"] as Record<string, unknown>;
  assert.deepEqual(tiding["seed"], { dtype: "int64", _type: "Value" });
  assert.deepEqual(tiding["started_at"], { dtype: "timestamp[us, tz=UTC]", _type: "Value" });
});

void test("OpenAI's route makes the same images, by a base URL that ends with /v1 or with the route itself", async () => {
  for (const route of ["/v1", "/v1/images/generations"]) {
    await using world = await openImageWorld(20);
    await world.run(imageSpec(world, { route }));
    assertImages((await readImages(world.output)).rows, 20);
  }
});

void test("a row's images together are a list of images, each of a seed of its own", async () => {
  await using world = await openImageWorld(3);
  await world.run(imageSpec(world, { step: { num_generations: 3, group_generations: true } }));
  const { rows, features } = await readImages(world.output);
  assert.deepEqual((features[0] as Record<string, unknown>)["image"], { feature: { _type: "Image" }, _type: "List" });
  for (const { image } of rows as unknown as readonly { image: { bytes: Uint8Array }[] }[]) {
    assert.equal(new Set(image.map(({ bytes }) => Buffer.from(bytes).toString("base64"))).size, 3);
  }
});

void test("images of a megabyte and more land; one beyond what can be carried fails its row alone", async () => {
  await using world = await openImageWorld(12, { imageBytes: 1_500_000 });
  await world.run(imageSpec(world));
  assertImages((await readImages(world.output)).rows, 12, 1_500_000);

  await using large = await openImageWorld(2, { imageBytes: 8_000_000 });
  await large.run(imageSpec(large));
  assertImages((await readImages(large.output)).rows, 2, 8_000_000);

  await using tooLarge = await openImageWorld(1, { imageBytes: 9_000_000 });
  const report = await tooLarge.run(imageSpec(tooLarge));
  assert.deepEqual(report.rows, { accepted: 0, failed: 1, total: 1 });
  assert.equal(report.failures[0]?.code, "OUTPUT_MISFIT");
});

void test("trouble at the endpoint is waited out: every row has its image", async () => {
  const faults = { "429": 0.1, "503": 0.05, "html-200": 0.05, "error-in-200": 0.05, "garbage-json": 0.05, reset: 0.05 };
  for (const route of ["", "/v1"]) {
    await using world = await openImageWorld(60, { faults });
    const report = await world.run(imageSpec(world, { route, run: { attempts: 20 } }));
    assert.deepEqual(report.rows, { accepted: 60, failed: 0, total: 60 }, JSON.stringify(report.error));
    assertImages((await readImages(world.output)).rows, 60);
  }
});

void test("a template makes the prompt", async () => {
  await using world = await openImageWorld(2);
  await world.run(imageSpec(world, { step: { columns: {}, template: "{{ question }} In oil." } }));
  const [row] = (await readImages(world.output)).rows;
  assert.ok(row !== undefined);
  assert.ok(imageFor(`${questionOf(0)} In oil.`, Number(row.tiding.seed)).equals(row.image.bytes));
});

void test("as JSON lines an image is base64, as Arrow its bytes with the same features", async () => {
  await using world = await openImageWorld(4);
  await world.run(imageSpec(world, { output: { path: "lines", format: "jsonl" } }));
  await world.run(imageSpec(world, { output: { path: "arrow", format: "arrow" } }));
  const lines = (await partOf(path.join(world.folder, "lines"))).toString().trimEnd().split("\n");
  const table = tableFromIPC(await partOf(path.join(world.folder, "arrow")));
  const { info } = JSON.parse(table.schema.metadata.get("huggingface") ?? "{}") as { info: { features: object } };
  assert.deepEqual((info.features as Record<string, unknown>)["image"], { _type: "Image" });
  for (const [index, line] of lines.entries()) {
    const { image, tiding } = JSON.parse(line) as { image: { bytes: string; path: null }; tiding: { seed: number } };
    const expected = imageFor(questionOf(index), tiding.seed);
    assert.deepEqual(image, { bytes: expected.toString("base64"), path: null });
    const struct = table.get(index)?.["image"] as { bytes: Uint8Array };
    assert.ok(expected.equals(struct.bytes));
  }
});

void test("an endpoint that writes texts is refused before the first row", async () => {
  await using world = await openImageWorld(2, { serves: "text" });
  await assert.rejects(world.run(imageSpec(world)), { code: "SPEC_INVALID", message: /TGI, which makes no images/ });
  assert.equal(world.simulator.stats().requests, 0);
});

async function partOf(output: string): Promise<Buffer> {
  const [name = ""] = await readdir(path.join(output, "data"));
  return await readFile(path.join(output, "data", name));
}
