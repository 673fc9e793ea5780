import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";

const bin = fileURLToPath(new URL("../../cli/bin.js", import.meta.url));

async function tiding(argv: readonly string[], folder = tmpdir()) {
  const child = execFile(process.execPath, [bin, ...argv], { cwd: folder });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (text: string) => (stdout += text));
  child.stderr?.on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout, stderr };
}

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-cli-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

void test("the program has a help, a version, and a hint for a mistyped command", async () => {
  const help = await tiding(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Usage: tiding[^]*Exit codes:/);
  const version = await tiding(["--version"]);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  const mistyped = await tiding(["statsu"]);
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.stderr, /Did you mean status\?/);
});

void test("a spec that is not there is a usage error with a place, in words and in JSON", async () => {
  const words = await tiding(["run", "nowhere.yaml"]);
  assert.equal(words.code, 2);
  assert.match(words.stderr, /^error SPEC_UNREADABLE\n/);
  assert.equal(words.stdout, "");
  const json = await tiding(["run", "nowhere.yaml", "--json"]);
  assert.equal(json.code, 2);
  assert.equal((JSON.parse(json.stdout) as { error: { code: string } }).error.code, "SPEC_UNREADABLE");
  assert.equal(json.stderr, "");
});

void test("init writes a spec that its schema accepts, and overwrites nothing", async (t) => {
  const folder = await emptyFolder(t);
  const first = await tiding(["init"], folder);
  assert.equal(first.code, 0);
  assert.match(first.stdout, /tiding preview job\.yaml/);
  assert.deepEqual((await readdir(folder)).toSorted(), ["job.yaml", "tiding.schema.json"]);

  const written = await readFile(path.join(folder, "job.yaml"), "utf8");
  const hint = /^# yaml-language-server: \$schema=(\S+)\n/.exec(written)?.[1];
  const schema = JSON.parse(await readFile(path.join(folder, hint ?? ""), "utf8")) as object;
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
  assert.ok(validate(parse(written)), JSON.stringify(validate.errors));

  const second = await tiding(["init"], folder);
  assert.equal(second.code, 2);
  assert.match(second.stderr, /job\.yaml exists/);
  assert.equal(await readFile(path.join(folder, "job.yaml"), "utf8"), written);

  for (const [name, expected] of [
    ["job.json", /not the name of a YAML file[^]*mend: Let it end in \.yaml/],
    ["jobs/a.yaml", /there is no folder jobs\./],
  ] as const) {
    const { code, stderr } = await tiding(["init", name], folder);
    assert.equal(code, 2);
    assert.match(stderr, expected);
  }
  assert.equal((await readdir(folder)).length, 2);
});

void test("schema prints what init writes", async (t) => {
  const folder = await emptyFolder(t);
  await tiding(["init", "other.yaml"], folder);
  const { stdout, code } = await tiding(["schema"]);
  assert.equal(code, 0);
  assert.equal(stdout, await readFile(path.join(folder, "tiding.schema.json"), "utf8"));
});

void test("simulate serves until it is interrupted, and exits with 0", async () => {
  const child = spawn(process.execPath, [bin, "simulate", "--port", "0", "--model", "tiny"], { stdio: "pipe" });
  let shown = "";
  for await (const text of child.stdout) {
    shown += String(text);
    if (shown.includes("tiding run")) break;
  }
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(shown)?.[0] ?? "";
  const info = (await (await fetch(`${url}/info`)).json()) as { model_id: string };
  assert.equal(info.model_id, "tiny");
  child.kill("SIGINT");
  assert.deepEqual(await once(child, "close"), [0, null]);
});

void test("a reader that leaves early is no error", async () => {
  const child = spawn(process.execPath, [bin, "schema"], { stdio: "pipe" });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (text) => (stderr += String(text)));
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.equal(stderr, "");
});
