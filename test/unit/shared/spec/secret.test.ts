import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { huggingFaceToken, secretResolver } from "../../../../shared/spec/secret.ts";

const folder = await mkdtemp(path.join(tmpdir(), "tiding-secret-"));
after(async () => await rm(folder, { recursive: true }));

void test("references are resolved within a text, and text without them stays", () => {
  const resolve = secretResolver({ KEY: "k", USER_NAME: "u" });
  assert.equal(resolve("${KEY}"), "k");
  assert.equal(resolve("Basic ${USER_NAME}:${KEY}"), "Basic u:k");
  assert.equal(resolve("${TEAM:-none} $${KEY}"), "none ${KEY}");
  assert.equal(resolve("plain"), "plain");
});

void test("an unset and an empty secret are missing, by name", () => {
  for (const environment of [{}, { KEY: "" }]) {
    assert.throws(
      () => secretResolver(environment)("Bearer ${KEY}"),
      (error: unknown) => {
        assert.ok(isTidingError(error));
        assert.deepEqual(
          [error.code, error.message, error.mend],
          ["SECRET_MISSING", "The environment variable KEY, which holds a secret, is not set.", "Set KEY."],
        );
        return true;
      },
    );
  }
});

void test("the Hugging Face token is found in its variables first, then in its files", async () => {
  const home = path.join(folder, "home");
  await mkdir(path.join(home, ".cache", "huggingface"), { recursive: true });
  await writeFile(path.join(home, ".cache", "huggingface", "token"), "from-home\n");
  await writeFile(path.join(folder, "token"), "from-hf-home\n");
  await writeFile(path.join(folder, "elsewhere"), " from-path \n");
  const inHome = { HOME: home };
  const inHFHome = { ...inHome, HF_HOME: folder };
  const atPath = { ...inHFHome, HF_TOKEN_PATH: path.join(folder, "elsewhere") };
  assert.equal(huggingFaceToken(inHome), "from-home");
  assert.equal(huggingFaceToken(inHFHome), "from-hf-home");
  assert.equal(huggingFaceToken(atPath), "from-path");
  assert.equal(huggingFaceToken({ ...atPath, HUGGING_FACE_HUB_TOKEN: "hub" }), "hub");
  assert.equal(huggingFaceToken({ ...atPath, HUGGING_FACE_HUB_TOKEN: "hub", HF_TOKEN: "first" }), "first");
  assert.equal(huggingFaceToken({ ...atPath, HF_TOKEN: "" }), "from-path");
  assert.equal(secretResolver(inHFHome)("${HF_TOKEN}"), "from-hf-home");
});

void test("without any Hugging Face token, HF_TOKEN is missing", () => {
  const environment = { HF_HOME: path.join(folder, "nowhere") };
  assert.equal(huggingFaceToken(environment), null);
  assert.throws(
    () => secretResolver(environment)("${HF_TOKEN}"),
    (error: unknown) => isTidingError(error) && error.mend === "Set HF_TOKEN, or log in with `hf auth login`.",
  );
});
