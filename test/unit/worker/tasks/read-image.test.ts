import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { imageFor } from "../../../../bench/simulator/image.ts";
import { imageUrlOf } from "../../../../worker/tasks/read-image.ts";
import { temporaryFolder } from "../../../support/result-rows.ts";

const PNG = imageFor("a cat", 1);
const BASE64 = PNG.toString("base64");
const DATA_URL = `data:image/png;base64,${BASE64}`;
const JPEG = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(60)]);

void test("an address goes as it stands", async () => {
  for (const url of ["https://images.example/a.png?size=1", "http://127.0.0.1/b"]) {
    assert.equal(await imageUrlOf(url, "."), url);
  }
  assert.equal(await imageUrlOf(DATA_URL, "."), DATA_URL);
});

void test("bytes, base64 and what datasets stores become a data URL of the image's own type", async () => {
  const forms = [
    PNG,
    new Uint8Array(PNG),
    BASE64,
    { bytes: PNG, path: null },
    { bytes: PNG, path: "gone.png" },
    { bytes: BASE64 },
  ];
  for (const form of forms) assert.equal(await imageUrlOf(form, "."), DATA_URL);
  const jpeg = `data:image/jpeg;base64,${JPEG.toString("base64")}`;
  assert.equal(await imageUrlOf(JPEG, "."), jpeg);
  // It begins as an absolute path would.
  assert.equal(await imageUrlOf(JPEG.toString("base64"), "."), jpeg);
});

void test("a file is read from the folder, or by its absolute path, or by the path that datasets stores", async (t) => {
  const folder = temporaryFolder(t);
  await mkdir(path.join(folder, "photos"));
  await writeFile(path.join(folder, "photos", "cat.png"), PNG);
  const absolute = path.join(folder, "photos", "cat.png");
  for (const form of ["photos/cat.png", absolute, { bytes: null, path: "photos/cat.png" }]) {
    assert.equal(await imageUrlOf(form, folder), DATA_URL);
  }
});

void test("a row without an image has none", async () => {
  for (const form of [null, undefined, "", { bytes: null, path: null }])
    assert.equal(await imageUrlOf(form, "."), null);
});

void test("a file that cannot be read is told with the machine that tried", async (t) => {
  const folder = temporaryFolder(t);
  await assert.rejects(imageUrlOf("gone.png", folder), (error: Error & { code?: string; mend?: string }) => {
    assert.equal(error.code, "ROW_INVALID");
    assert.ok(error.message.includes(hostname()) && error.message.includes("ENOENT"));
    assert.match(error.mend ?? "", /--folder/);
    return true;
  });
  await assert.rejects(imageUrlOf(".", folder), { code: "ROW_INVALID", message: /no file/ });
});

void test("what is no image fails the row before it is sent", async (t) => {
  const folder = temporaryFolder(t);
  await writeFile(path.join(folder, "notes.txt"), "no image");
  const wrong = [
    "notes.txt",
    "data:image/png,raw",
    "data:text/plain;base64,aGVsbG8=",
    "http://",
    Buffer.from("x"),
    5,
    ["a"],
    {},
  ];
  for (const form of [...wrong, { bytes: "aGVsbG8=", path: null }, true]) {
    await assert.rejects(imageUrlOf(form, folder), { code: "ROW_INVALID" }, JSON.stringify(form));
  }
});
