import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { runCli } from "../../../cli/main.ts";
import { CapturedStream, cliWorld, type CliWorld } from "../../support/cli-world.ts";
import { startFakeHub, type FakeHub } from "../../support/fake-hub.ts";
import { sendJson, startScriptedServer } from "../../support/scripted-server.ts";

const BODY = {
  type: "authenticated",
  provider: { vendor: "aws", region: "us-east-1" },
  compute: {
    accelerator: "gpu",
    instanceType: "nvidia-a10g",
    instanceSize: "x1",
    scaling: { minReplica: 0, maxReplica: 2, scaleToZeroTimeout: 15 },
  },
  model: { repository: "org/writer-8b", env: { A: "1" }, secrets: { KEY: "REDACTED" } },
};
const CREATE = (
  "endpoints create poet --model org/poet-8b --vendor aws --region us-east-1 " +
  "--instance-type nvidia-a10g --instance-size x1"
).split(" ");

/** With `answers` somebody sits at a terminal and types them. */
function worldOf(hub: FakeHub, answers: string | null = null, environment: Record<string, string> = {}): CliWorld {
  const world = cliWorld({ ...hub.environment, ...environment });
  if (answers === null) return world;
  return { ...world, stdin: Object.assign(Readable.from([answers]), { isTTY: true }), stderr: new CapturedStream(120) };
}

function ordersTo({ server }: FakeHub): readonly { readonly order: string; readonly body: unknown }[] {
  return server.requests
    .filter(({ method }) => method !== "GET")
    .map(({ method, path, body }) => ({ order: `${method} ${path}`, body: body as unknown }));
}

void test("list shows all that the token may see, with states and what each costs now", async () => {
  await using hub = await startFakeHub();
  hub.user = { type: "user", name: "ada", orgs: [{ name: "team" }, { name: "closed" }] };
  hub.endpoints["ada/writer"] = { state: "running", body: BODY };
  hub.endpoints["team/poet"] = { state: "scaledToZero", body: BODY };
  hub.refusals["GET /endpoint/closed"] = [403, { error: "no" }];
  const world = worldOf(hub);
  assert.equal(await runCli(["endpoints", "list"], world), 0);
  assert.deepEqual(world.stdout.text.split("\n"), [
    "NAME        STATE           MODEL          INSTANCE                      REPLICAS  $/H NOW",
    "ada/writer  running         org/writer-8b  aws us-east-1 nvidia-a10g x1       1/2    $1.25",
    "team/poet   scaled to zero  org/writer-8b  aws us-east-1 nvidia-a10g x1       0/2",
    "closed is passed over: The token may not have closed listed (403): no",
    "",
  ]);
  const json = worldOf(hub);
  assert.equal(await runCli(["endpoints", "list", "--namespace", "team", "--json"], json), 0);
  const { version, endpoints } = JSON.parse(json.stdout.text) as { version: number; endpoints: { name: string }[] };
  assert.deepEqual([version, endpoints.map(({ name }) => name)], [1, ["poet"]]);
});

void test("a list without prices is a list all the same", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "running", body: BODY };
  hub.refusals["GET /provider/ada"] = [403, { error: "not yours" }];
  const world = worldOf(hub);
  assert.equal(await runCli(["endpoints", "list"], world), 0);
  assert.match(world.stdout.text, /ada\/writer +running/);
  assert.match(world.stderr.text, /^Prices are not known: .*not yours/);
});

void test("show tells state, model, hardware, price and the names of secrets", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["team/writer"] = { state: "failed", message: "out of memory", body: BODY };
  const world = worldOf(hub);
  assert.equal(await runCli(["endpoints", "show", "team/writer"], world), 0);
  for (const line of [
    /^team\/writer {2}failed$/m,
    /^says +out of memory$/m,
    /^model +org\/writer-8b/m,
    /^runs on +aws us-east-1 nvidia-a10g x1$/m,
    /^replicas +0 ready of 1 · between 0 and 2 · scaled to zero after 15m$/m,
    /^costs +\$1\.25 an hour while it runs, up to \$2\.50 with 2 replicas$/m,
    /^env +A$/m,
    /^secrets +KEY$/m,
  ]) {
    assert.match(world.stdout.text, line);
  }
  assert.doesNotMatch(world.stdout.text, /REDACTED/);
});

void test("create asks with the price, and a no orders nothing", async () => {
  await using hub = await startFakeHub();
  const refused = worldOf(hub, "n\n");
  assert.equal(await runCli([...CREATE, "--max-replica", "2"], refused), 130);
  assert.match(
    refused.stderr.text,
    /^Create ada\/poet on aws us-east-1 nvidia-a10g x1, for \$1\.25 an hour while it runs, up to \$2\.50 with 2 replicas\? \[y\/N\] Nothing was ordered\./,
  );
  const ended = worldOf(hub, "");
  assert.equal(await runCli(CREATE, ended), 130);
  assert.deepEqual(ordersTo(hub), []);

  const agreed = worldOf(hub, "yes\n");
  assert.equal(await runCli(CREATE, agreed), 0);
  assert.match(agreed.stdout.text, /^ada\/poet is created\./);
  assert.equal(ordersTo(hub).length, 1);
});

void test("without a terminal what costs money or deletes wants --yes", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "paused", body: BODY };
  for (const argv of [
    CREATE,
    ["endpoints", "resume", "writer"],
    ["endpoints", "delete", "writer"],
    ["endpoints", "update", "writer", "--max-replica", "3"],
    ["endpoints", "update", "writer", "--scale-to-zero-after", "never"],
    ["endpoints", "update", "writer", "--instance-size", "x4"],
    ["endpoints", "update", "writer", "--min-replica", "1"],
  ]) {
    const world = worldOf(hub);
    assert.equal(await runCli(argv, world), 2, argv.join(" "));
    assert.match(world.stderr.text, /error USAGE[^]*Nobody can be asked[^]*mend: Add --yes/);
  }
  assert.deepEqual(ordersTo(hub), []);
});

void test("create sends every option, secrets by their values, and shows none", async () => {
  await using hub = await startFakeHub();
  const world = worldOf(hub, null, { KEY: "key-canary", PASSWORD: "pw-canary" });
  const options =
    "--yes --json --namespace team --revision beef --framework custom --task text-generation " +
    "--image-url vllm/vllm-openai:v0.12.0 --health-route /health --port 8000 --registry-user ada " +
    "--registry-password ${PASSWORD} --env A=1 --env B=x=y --secret API_KEY=${KEY} --max-replica 3 " +
    "--scale-to-zero-after 1h --type private";
  const argv = [...CREATE, ...options.split(" ")];
  assert.equal(await runCli(argv, world), 0, world.stdout.text);
  assert.deepEqual(ordersTo(hub), [
    {
      order: "POST /v2/endpoint/team",
      body: {
        name: "poet",
        type: "private",
        accountId: null,
        provider: { vendor: "aws", region: "us-east-1" },
        compute: {
          accelerator: "gpu",
          instanceType: "nvidia-a10g",
          instanceSize: "x1",
          scaling: { minReplica: 0, maxReplica: 3, scaleToZeroTimeout: 60 },
        },
        model: {
          repository: "org/poet-8b",
          revision: "beef",
          framework: "custom",
          task: "text-generation",
          image: {
            custom: {
              url: "vllm/vllm-openai:v0.12.0",
              healthRoute: "/health",
              port: 8000,
              credentials: { username: "ada", password: "pw-canary" },
            },
          },
          env: { A: "1", B: "x=y" },
          secrets: { API_KEY: "key-canary" },
        },
      },
    },
  ]);
  assert.doesNotMatch(world.stdout.text + world.stderr.text, /canary/);
  const { endpoint } = JSON.parse(world.stdout.text) as { endpoint: Record<string, unknown> };
  assert.deepEqual([endpoint["namespace"], endpoint["state"]], ["team", "pending"]);
  assert.deepEqual(endpoint["price"], { perReplica: 1.25, now: 1.25, most: 3.75 });
});

void test("update leaves what is not named, variables too, and does not ask where nothing gets dearer", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "running", body: BODY };
  const world = worldOf(hub);
  assert.equal(await runCli(["endpoints", "update", "writer", "--env", "B=2", "--max-replica", "1"], world), 0);
  assert.match(world.stdout.text, /^ada\/writer is changed\.[^]*ada\/writer {2}updating/);
  const dearer = worldOf(hub, "y\n");
  assert.equal(await runCli(["endpoints", "update", "writer", "--instance-size", "x4"], dearer), 0);
  assert.match(dearer.stderr.text, /^Change ada\/writer to aws us-east-1 nvidia-a10g x4, for \$5\.00 an hour/);
  assert.deepEqual(ordersTo(hub), [
    {
      order: "PUT /v2/endpoint/ada/writer",
      body: { compute: { scaling: { maxReplica: 1 } }, model: { env: { A: "1", B: "2" } } },
    },
    { order: "PUT /v2/endpoint/ada/writer", body: { compute: { accelerator: "gpu", instanceSize: "x4" } } },
  ]);
});

void test("resume asks, starts and waits; what runs already is left as it is, unasked", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer((_request, response) => sendJson(response, {}));
  hub.endpoints["ada/writer"] = { state: "paused", wakes: ["running"], runsAt: server.url, body: BODY };
  const world = worldOf(hub, "y\n");
  assert.equal(await runCli(["endpoints", "resume", "writer", "--wait"], world), 0, world.stderr.text);
  assert.match(world.stderr.text, /^Resume ada\/writer, for \$1\.25 an hour.*writer: running, ready/s);
  assert.match(world.stdout.text, /^ada\/writer is resumed\.[^]*ada\/writer {2}running/);
  const again = worldOf(hub);
  assert.equal(await runCli(["endpoints", "resume", "writer"], again), 0);
  assert.match(again.stdout.text, /^ada\/writer runs already\./);
  assert.equal(ordersTo(hub).length, 1);
});

void test("pause and scale-to-zero are never asked about; delete is", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "running", body: BODY };
  const paused = worldOf(hub);
  assert.equal(await runCli(["endpoints", "pause", "writer"], paused), 0);
  assert.match(paused.stdout.text, /^ada\/writer is paused: it costs nothing/);
  const zero = worldOf(hub);
  assert.equal(await runCli(["endpoints", "scale-to-zero", "ada/writer", "--json"], zero), 0);
  assert.match(zero.stdout.text, /"state": "scaledToZero"/);
  const deleted = worldOf(hub, "y\n");
  assert.equal(await runCli(["endpoints", "delete", "writer"], deleted), 0);
  assert.equal(deleted.stdout.text, "ada/writer is deleted.\n");
  assert.deepEqual(
    ordersTo(hub).map(({ order }) => order),
    [
      "POST /v2/endpoint/ada/writer/pause",
      "POST /v2/endpoint/ada/writer/scale-to-zero",
      "DELETE /v2/endpoint/ada/writer",
    ],
  );
});

void test("wait ends with the endpoint, with its failure, or with its time", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer((_request, response) => sendJson(response, {}));
  hub.endpoints["ada/writer"] = { state: "running", url: server.url };
  const ready = worldOf(hub);
  assert.equal(await runCli(["endpoints", "wait", "writer", "--json"], ready), 0);
  assert.equal((JSON.parse(ready.stdout.text) as { endpoint: { url: string } }).endpoint.url, server.url);
  hub.endpoints["ada/writer"] = { state: "failed", message: "no such image" };
  const failed = worldOf(hub);
  assert.equal(await runCli(["endpoints", "wait", "writer"], failed), 1);
  assert.match(failed.stderr.text, /ENDPOINT_NOT_RUNNING[^]*no such image/);
  hub.endpoints["ada/writer"] = { state: "initializing" };
  const late = worldOf(hub);
  assert.equal(await runCli(["endpoints", "wait", "writer", "--timeout", "0s"], late), 1);
  assert.match(late.stderr.text, /writer: initializing[^]*ENDPOINT_LOADING/);
});

void test("Ctrl-C ends a wait with 130", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "initializing" };
  const world = worldOf(hub);
  const { script } = hub.server;
  hub.server.script = async (request, response) => {
    await script(request, response);
    if (request.path.startsWith("/v2/")) world.signals.emit("SIGINT");
  };
  assert.equal(await runCli(["endpoints", "wait", "writer"], world), 130);
});

void test("hardware is listed with prices, by vendor and kind", async () => {
  await using hub = await startFakeHub();
  const world = worldOf(hub);
  assert.equal(await runCli(["endpoints", "hardware", "--accelerator", "gpu"], world), 0);
  assert.deepEqual(world.stdout.text.split("\n"), [
    "VENDOR  REGION     INSTANCE TYPE  SIZE  CPUS  MEMORY  ACCELERATORS       $/H  QUOTA  STATUS",
    "aws     us-east-1  nvidia-a10g    x1       8   30 GB  1 gpu of 24 GB   $1.25    1/4  available",
    "aws     us-east-1  nvidia-a10g    x4       8   30 GB  4 gpus of 24 GB  $5.00    1/4  notAvailable",
    "",
  ]);
  const none = worldOf(hub);
  assert.equal(await runCli(["endpoints", "hardware", "--vendor", "azure", "--json"], none), 0);
  assert.deepEqual(JSON.parse(none.stdout.text), { version: 1, namespace: "ada", hardware: [] });
});

void test("what is wrong with a command is told before anything is ordered, and no secret is repeated", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "running", body: BODY };
  const yes = [...CREATE, "--yes"];
  const cases: readonly [readonly string[], number, RegExp][] = [
    [["endpoints"], 2, /^Usage: tiding endpoints/],
    [["endpoints", "create", "poet"], 2, /Required option '--model[^]*tiding endpoints create --help/],
    [
      [...yes, "--secret", "KEY=sk-canary"],
      2,
      /USAGE[^]*at: secrets\.KEY[^]*in single quotes: --secret 'KEY=\$\{KEY\}'/,
    ],
    [[...yes, "--secret", "sk-canary"], 2, /--secret has no name and value/],
    [[...yes, "--secret", "KEY=${ABSENT}"], 2, /SECRET_MISSING[^]*ABSENT/],
    [[...yes, "--registry-user", "ada"], 2, /Name it: --image-url/],
    [[...yes, "--image-url", "i", "--registry-user", "ada"], 2, /go together/],
    [[...yes, "--scale-to-zero-after", "90s"], 2, /whole minutes/],
    [[...yes, "--scale-to-zero-after", "15m", "--min-replica", "1"], 2, /USAGE[^]*never scaled to zero/],
    [[...yes, "--instance-size", "x9"], 2, /offers no aws us-east-1 nvidia-a10g x9[^]*tiding endpoints hardware/],
    [[...yes, "--type", "secret"], 2, /Allowed choices are public/],
    [["endpoints", "update", "writer"], 2, /Nothing is to be changed/],
    [["endpoints", "pause", "a/b/c"], 2, /does not name one endpoint/],
    [["endpoints", "pause", "ada/writer", "--namespace", "team"], 2, /does not name one endpoint/],
    [["endpoints", "pause", "absent"], 2, /ENDPOINT_NOT_FOUND[^]*tiding endpoints list/],
    [["endpoints", "wait", "writer", "--timeout", "soon"], 2, /a duration/],
  ];
  for (const [argv, code, message] of cases) {
    const world = worldOf(hub);
    assert.equal(await runCli(argv, world), code, `${argv.join(" ")}: ${world.stderr.text}`);
    assert.match(world.stderr.text, message);
    assert.doesNotMatch(world.stderr.text, /canary/);
  }
  assert.ok(ordersTo(hub).every(({ order }) => order === "POST /v2/endpoint/ada/absent/pause"));
  const quota = worldOf(hub);
  hub.refusals["POST /endpoint/ada"] = [403, { error: "Quota exceeded" }];
  assert.equal(await runCli([...yes, "--json"], quota), 1);
  assert.equal((JSON.parse(quota.stdout.text) as { error: { code: string } }).error.code, "QUOTA_EXHAUSTED");
  const nobody = cliWorld({ HF_HOME: "/nowhere" });
  assert.equal(await runCli(["endpoints", "list"], nobody), 2);
  assert.match(nobody.stderr.text, /SECRET_MISSING/);
});
