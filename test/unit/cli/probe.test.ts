import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../../cli/main.ts";
import { cliWorld } from "../../support/cli-world.ts";
import { startScriptedServer } from "../../support/scripted-server.ts";
import { serving, tgi3, vllm } from "../../support/server-captures.ts";

void test("tiding probe shows what an endpoint is, takes, and what to set for it", async () => {
  await using server = await startScriptedServer(tgi3);
  const world = cliWorld();
  assert.equal(await runCli(["probe", server.url], world), 0);
  const lines = world.stdout.text.split("\n");
  assert.equal(lines[0], `TGI 3.3.6 at ${server.url}`);
  for (const line of [
    /^model +bigscience\/blomm-560m · revision e985a63/,
    /^limits +128 requests at a time · prompts of 1,024 tokens · 2,048 tokens with the answer · 4 stop sequences$/,
    /^routes +POST \/v1\/chat\/completions · takes messages · json, regex$/,
    /^ +POST \/generate · takes prompt · json, regex$/,
    /^latency +[\d.,]+ms for one GET$/,
    /^advice +• Start with `slots: 128`/,
  ]) {
    assert.ok(
      lines.some((text) => line.test(text)),
      String(line),
    );
  }
  assert.equal(world.stderr.text, "");
});

void test("with --json it is one document, and the key is taken from the variable that is named", async () => {
  await using server = await startScriptedServer(vllm);
  const world = cliWorld({ MY_KEY: "k-77" });
  assert.equal(await runCli(["probe", server.url, "--api-key-env", "MY_KEY", "--json"], world), 0);
  const probe = JSON.parse(world.stdout.text) as Record<string, unknown>;
  assert.deepEqual([probe["version"], probe["server"], probe["serverVersion"]], [1, "vllm", "0.5.4"]);
  assert.equal(server.requests[0]?.headers.authorization, "Bearer k-77");
  assert.ok(!world.stdout.text.includes("k-77"));
});

void test("a refusal exits with 1 and names the flag that helps", async () => {
  await using refusing = await startScriptedServer(serving({}, [401, { error: "no" }]));
  const refused = cliWorld();
  assert.equal(await runCli(["probe", refusing.url], refused), 1);
  assert.match(refused.stderr.text, /UNAUTHORIZED[^]*--api-key-env/);

  const models = { data: [{ id: "a" }, { id: "b" }] };
  await using gateway = await startScriptedServer(serving({ "GET /v1/models": [200, models] }, [404, ""]));
  const ambiguous = cliWorld();
  assert.equal(await runCli(["probe", gateway.url], ambiguous), 1);
  assert.match(ambiguous.stderr.text, /it lists a, b\.[^]*--model-id/);
  assert.equal(await runCli(["probe", gateway.url, "--model-id", "b"], cliWorld()), 0);
});

void test("a wrong URL, a variable that is not set and a key in place of its name exit with 2, and no key shows", async () => {
  const cases: readonly [readonly string[], RegExp][] = [
    [["probe", "localhost:8080"], /must begin with http:/],
    [["probe", "http://127.0.0.1:1", "--api-key-env", "ABSENT"], /ABSENT.* is not set/],
    [["probe", "http://127.0.0.1:1", "--api-key-env", "sk-1234"], /takes the name of an environment variable/],
    [["probe"], /Missing required argument 'url'/],
  ];
  for (const [argv, message] of cases) {
    const world = cliWorld();
    assert.equal(await runCli(argv, world), 2, argv.join(" "));
    assert.match(world.stderr.text, message);
    assert.ok(!world.stderr.text.includes("sk-1234"));
  }
});
