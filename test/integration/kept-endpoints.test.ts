/** Jobs that start the dedicated endpoint that they call, and stop it when they end, however they end. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { runCli } from "../../cli/main.ts";
import { jobStatus } from "../../jobs/job-status.ts";
import { keepingEndpoints } from "../../jobs/keep-endpoints.ts";
import { writeKeptEndpoints } from "../../jobs/kept-endpoints.ts";
import type { RunJobOptions } from "../../jobs/run-job.ts";
import { isTidingError } from "../../shared/errors.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { cliWorld, jobReport } from "../support/cli-world.ts";
import { startFakeHub, type FakeHub } from "../support/fake-hub.ts";
import { idsOf, JobWorld, upTo } from "../support/job-world.ts";

const bin = fileURLToPath(new URL("../../cli/bin.js", import.meta.url));
const BODY = {
  provider: { vendor: "aws", region: "us-east-1" },
  compute: {
    instanceType: "nvidia-a10g",
    instanceSize: "x1",
    scaling: { minReplica: 0, maxReplica: 2, scaleToZeroTimeout: 15 },
  },
};
const PAUSE = "POST /v2/endpoint/ada/writer/pause";
const RESUME = "POST /v2/endpoint/ada/writer/resume";
const COMMAND = "tiding endpoints pause writer --namespace ada";
/** Slow enough to be interrupted in the middle. */
const SLOW = { latency: { distribution: "fixed", medianMs: 150 } } as const;

/** A scaled-to-zero endpoint that leads to the world's simulator once it runs. */
function asleep(hub: FakeHub, world: JobWorld, wakes = ["running"]): void {
  hub.endpoints["ada/writer"] = { state: "scaledToZero", wakes, runsAt: world.simulator.url, body: BODY };
}

function specOf(world: JobWorld, endpoint: object, run: object = {}): object {
  return world.spec({ step: { llm: { endpoint_name: "writer", slots: 8, endpoint } }, run });
}

function ordersTo({ server }: FakeHub): string[] {
  return server.requests
    .filter(({ method }) => method !== "GET")
    .map(({ method, path: route }) => `${method} ${route}`);
}

function optionsOf(hub: FakeHub, notices: string[] = []): Partial<Omit<RunJobOptions, "loaded">> {
  return {
    environment: hub.environment,
    settings: { endpointRefreshMs: 5 },
    onNotice: (notice) => void notices.push(notice),
  };
}

const WAKES = { ensure: "running", when_done: "pause" };

function recordOf(world: JobWorld): string {
  return path.join(world.output, ".tiding", "endpoints.json");
}

void test("a job wakes the endpoint that is scaled to zero, waits, tells the price, and pauses it when it is done", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(24);
  asleep(hub, world, ["initializing", "running"]);
  const notices: string[] = [];
  const report = await world.run(specOf(world, WAKES), optionsOf(hub, notices));
  assert.deepEqual([report.outcome, report.rows.accepted, report.endpoints], ["finished", 24, []]);
  assert.deepEqual(idsOf(await world.rows()), upTo(24));
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE]);
  assert.equal(hub.endpoints["ada/writer"]?.state, "paused");
  assert.equal(notices[0], "Waking the endpoint ada/writer, which is scaled to zero: $1.25 an hour while it runs.");
  assert.equal(notices[1], "Waiting for the endpoint ada/writer (initializing): $1.25 an hour.");
  assert.equal(notices.at(-1), "The endpoint ada/writer is paused: it costs nothing now.");
  assert.ok(!existsSync(recordOf(world)));
  assert.deepEqual((await jobStatus(world.output)).endpoints, []);
});

void test("what runs already is not resumed; scale_to_zero is what becomes of it; the rest is nobody's business", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  hub.endpoints["ada/writer"] = { state: "running", url: world.simulator.url };
  const report = await world.run(specOf(world, { ensure: "running", when_done: "scale_to_zero" }), optionsOf(hub));
  assert.equal(report.outcome, "finished");
  assert.deepEqual(ordersTo(hub), ["POST /v2/endpoint/ada/writer/scale-to-zero"]);
  // Done before: nothing is started for a job that has nothing to do.
  await world.run(specOf(world, WAKES), optionsOf(hub));
  assert.equal(ordersTo(hub).length, 1);
});

void test("left as it is, an endpoint that the job woke runs on, and the report says so", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  asleep(hub, world);
  const report = await world.run(specOf(world, { ensure: "running" }), optionsOf(hub));
  assert.deepEqual(ordersTo(hub), [RESUME]);
  const [left] = report.endpoints;
  assert.deepEqual(
    [left?.endpoint, left?.pricePerHour, left?.problem, left?.command],
    ["ada/writer", 1.25, null, COMMAND],
  );
  assert.ok(!existsSync(recordOf(world)));
});

void test("an endpoint that fails to start ends the job before its first row, and is paused all the same", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  asleep(hub, world, ["initializing", "failed"]);
  await assert.rejects(world.run(specOf(world, WAKES), optionsOf(hub)), { code: "ENDPOINT_NOT_RUNNING" });
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE]);
  assert.ok(!existsSync(recordOf(world)));
  asleep(hub, world, ["initializing"]);
  const impatient = specOf(world, WAKES, { endpoint_wait: "30ms" });
  await assert.rejects(world.run(impatient, optionsOf(hub)), { code: "ENDPOINT_LOADING" });
  assert.deepEqual(ordersTo(hub).slice(2), [RESUME, PAUSE]);
});

void test("a job that is stopped by an error pauses the endpoint", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(8, { failPrompts: ["question"] });
  asleep(hub, world);
  const report = await world.run(specOf(world, WAKES, { stop_after_alike: 4 }), optionsOf(hub));
  assert.deepEqual([report.outcome, report.error?.code], ["stopped", "ROWS_FAIL_ALIKE"]);
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE]);
});

void test("an interrupt while the endpoint wakes pauses it again", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  asleep(hub, world, ["initializing"]);
  const drain = new AbortController();
  const onNotice = (notice: string): void => {
    if (notice.startsWith("Waiting")) drain.abort();
  };
  const options = { ...optionsOf(hub), onNotice, drain: drain.signal };
  await assert.rejects(world.run(specOf(world, WAKES), options), { name: "AbortError" });
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE]);
});

void test("an order to pause that fails for a moment is given again; one that is refused is in the report", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  asleep(hub, world);
  hub.refusals["POST /endpoint/ada/writer/pause"] = [503, {}];
  const { script } = hub.server;
  hub.server.script = (request, response) => {
    if (ordersTo(hub).filter((order) => order === PAUSE).length === 3)
      delete hub.refusals["POST /endpoint/ada/writer/pause"];
    return script(request, response);
  };
  const report = await world.run(specOf(world, WAKES), optionsOf(hub));
  assert.deepEqual([report.endpoints, ordersTo(hub)], [[], [RESUME, PAUSE, PAUSE, PAUSE]]);

  hub.server.script = script;
  hub.refusals["POST /endpoint/ada/writer/pause"] = [403, { error: "read-only token" }];
  await using other = await JobWorld.open(4);
  asleep(hub, other);
  const notices: string[] = [];
  const refused = await other.run(specOf(other, WAKES), optionsOf(hub, notices));
  assert.equal(refused.outcome, "finished");
  assert.match(refused.endpoints[0]?.problem ?? "", /\(403\): read-only token/);
  assert.match(
    notices.at(-1) ?? "",
    /could not be paused and may run on for \$1\.25 an hour: .*read-only token.*writer --namespace ada$/,
  );
  assert.equal((await jobStatus(other.output)).endpoints[0]?.command, COMMAND);
});

void test("an endpoint that somebody stopped or deleted meanwhile is stopped enough", async () => {
  for (const [state, status] of [
    ["paused", 400],
    ["scaledToZero", 409],
    [null, 404],
  ] as const) {
    await using hub = await startFakeHub();
    await using world = await JobWorld.open(4);
    asleep(hub, world);
    const { script } = hub.server;
    hub.server.script = (request, response) => {
      if (request.path.endsWith("/pause")) {
        if (state === null) delete hub.endpoints["ada/writer"];
        else hub.endpoints["ada/writer"] = { state };
        hub.refusals["POST /endpoint/ada/writer/pause"] = [status, { error: "it does not run" }];
      }
      return script(request, response);
    };
    const report = await world.run(specOf(world, WAKES), optionsOf(hub));
    assert.deepEqual([report.endpoints, ordersTo(hub)], [[], [RESUME, PAUSE]], String(state));
    assert.ok(!existsSync(recordOf(world)));
  }
});

void test("the job's own error stays the error where the endpoint could not be paused either", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  asleep(hub, world, ["failed"]);
  hub.refusals["POST /endpoint/ada/writer/pause"] = [403, {}];
  await assert.rejects(world.run(specOf(world, WAKES), optionsOf(hub)), (error: unknown) => {
    assert.ok(isTidingError(error));
    assert.equal(error.code, "ENDPOINT_NOT_RUNNING");
    assert.match(error.message, /failed to start/);
    assert.match(
      error.mend ?? "",
      /^See its log.*\nThe endpoint ada\/writer may run on for \$1\.25 an hour; stop it with: tiding/s,
    );
    return true;
  });
});

void test("a second run of a job that runs leaves the endpoint to the first", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(5_000, SLOW);
  asleep(hub, world);
  const drain = new AbortController();
  const first = world.run(specOf(world, WAKES), { ...optionsOf(hub), drain: drain.signal });
  while (world.simulator.stats().answers === 0) await delay(10);
  const notices: string[] = [];
  await assert.rejects(world.run(specOf(world, WAKES), optionsOf(hub, notices)), { code: "OUTPUT_IN_USE" });
  assert.match(notices.at(-1) ?? "", /is left to the run that has this output/);
  assert.deepEqual(ordersTo(hub), [RESUME]);
  drain.abort();
  assert.equal((await first).outcome, "interrupted");
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE]);
});

void test("a job that finished, and was killed before it paused the endpoint, pauses it when it is run again", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  hub.endpoints["ada/writer"] = { state: "running", url: world.simulator.url };
  await world.run(specOf(world, {}), optionsOf(hub));
  assert.deepEqual(ordersTo(hub), []);
  const since = "2026-11-20T08:00:00.000Z";
  const kept = { namespace: "ada", name: "writer", since, woken: true, whenDone: "pause", pricePerHour: 1.25 } as const;
  await writeKeptEndpoints(world.output, [kept]);
  const notices: string[] = [];
  const untouched = await world.run(
    world.spec({ step: { llm: { endpoint_name: "writer" } } }),
    optionsOf(hub, notices),
  );
  assert.match(
    notices[0] ?? "",
    /was woken by a run that ended without stopping it: since 2026-11-20.*stop it with: tiding/,
  );
  assert.equal(untouched.endpoints[0]?.command, COMMAND);
  await world.run(specOf(world, WAKES), optionsOf(hub));
  assert.deepEqual(ordersTo(hub), [PAUSE]);
  assert.ok(!existsSync(recordOf(world)));
});

void test("a retry of failed rows starts the endpoint and pauses it", async () => {
  const { retryJob } = await import("../../jobs/retry-job.ts");
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(8, { failPrompts: ["question 3."] });
  asleep(hub, world);
  const report = await world.run(specOf(world, WAKES), optionsOf(hub));
  assert.equal(report.rows.failed, 1);
  const again = await retryJob({ output: world.output, overrides: [], environment: {}, ...optionsOf(hub) });
  assert.equal(again.rows.failed, 1);
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE, RESUME, PAUSE]);
});

void test("over a broker a process without a token says that it does nothing; any other refuses", async () => {
  await using world = await JobWorld.open(0);
  const loaded = specFromObject(specOf(world, WAKES), { folder: world.folder, environment: {} });
  const notices: string[] = [];
  const options = {
    root: world.output,
    loaded,
    environment: { HF_HOME: "/nowhere" },
    signal: new AbortController().signal,
    onNotice: (notice: string) => void notices.push(notice),
    settings: undefined,
  };
  const run = () => Promise.resolve(jobReport());
  assert.deepEqual((await keepingEndpoints({ ...options, overBroker: true }, run)).endpoints, []);
  assert.match(notices.join(), /writer is neither started nor stopped by this job: this process has no token/);
  await assert.rejects(keepingEndpoints({ ...options, overBroker: false }, run), { code: "SECRET_MISSING" });
});

async function writeSpec(world: JobWorld): Promise<string> {
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(specOf(world, WAKES)));
  return file;
}

void test("Ctrl-C in `tiding run` finishes what runs, then pauses the endpoint; the same command carries on", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(64, SLOW);
  asleep(hub, world);
  const file = await writeSpec(world);
  const terminal = cliWorld(hub.environment);
  const running = runCli(["run", file], terminal);
  while (world.simulator.stats().answers === 0) await delay(10);
  terminal.signals.emit("SIGINT");
  assert.equal(await running, 130);
  assert.match(terminal.stderr.text, /Interrupted[^]*The endpoint ada\/writer is paused: it costs nothing now\./);
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE]);
  const again = cliWorld(hub.environment);
  hub.endpoints["ada/writer"] = { ...hub.endpoints["ada/writer"], state: "paused", wakes: ["running"] };
  assert.equal(await runCli(["run", file], again), 0);
  assert.deepEqual(idsOf(await world.rows()), upTo(64));
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE, RESUME, PAUSE]);
});

void test("after kill -9 `tiding status` says what may still run and what it costs, and the next run pauses it", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(64, SLOW);
  asleep(hub, world);
  const file = await writeSpec(world);
  const child = spawn(process.execPath, [bin, "run", file], {
    env: { ...process.env, ...hub.environment },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  while (world.simulator.stats().answers === 0 && child.exitCode === null) await delay(10);
  const during = cliWorld();
  assert.equal(await runCli(["status", world.output], during), 0);
  assert.doesNotMatch(during.stdout.text, /may still run/);
  child.kill("SIGKILL");
  await ended;
  assert.deepEqual(ordersTo(hub), [RESUME]);

  const status = cliWorld();
  assert.equal(await runCli(["status", world.output], status), 0);
  assert.match(
    status.stdout.text,
    /The endpoint ada\/writer may still run, in use since 20.*, for \$1\.25 an hour\.\nStop it, if nobody else needs it:\n {2}tiding endpoints pause writer --namespace ada/,
  );
  const json = cliWorld();
  await runCli(["status", world.output, "--json"], json);
  const { endpoints } = JSON.parse(json.stdout.text) as { endpoints: { endpoint: string }[] };
  assert.deepEqual(
    endpoints.map(({ endpoint }) => endpoint),
    ["ada/writer"],
  );

  const again = cliWorld(hub.environment);
  assert.equal(await runCli(["run", file], again), 0);
  assert.match(
    again.stderr.text,
    /was woken by a run that ended without stopping it.*dealt with at the end of this run/,
  );
  assert.deepEqual(ordersTo(hub), [RESUME, PAUSE]);
  assert.deepEqual(idsOf(await world.rows()), upTo(64));
  const after = cliWorld();
  await runCli(["status", world.output], after);
  assert.doesNotMatch(after.stdout.text, /may still run/);
});
