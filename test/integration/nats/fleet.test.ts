/** Coordinators, workers and clients of a real broker: what is submitted runs, whoever comes and goes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BrokerJobs, BrokerWorkers, SubmittedJob } from "../../../jobs/broker-view.ts";
import { jobStatus } from "../../../jobs/job-status.ts";
import { jobRecordKey } from "../../../shared/protocol/job-record.ts";
import { encodeMessage } from "../../../shared/protocol/message.ts";
import { submissionKey } from "../../../shared/protocol/submission-record.ts";
import { workerRecordKey } from "../../../shared/protocol/worker-record.ts";
import { encodeLease } from "../../../shared/transport/nats/nats-lease.ts";
import { TransportError } from "../../../shared/transport/transport.ts";
import { spawnCoordinator } from "../../support/coordinator-child.ts";
import { FleetWorld } from "../../support/fleet-world.ts";

const bin = fileURLToPath(new URL("../../../cli/bin.js", import.meta.url));

const isIn =
  (state: SubmittedJob["state"]) =>
  (job: SubmittedJob): boolean =>
    job.state === state;

void test("a submitted job is run by two workers and followed to its end; lists show it and them", async () => {
  await using fleet = await FleetWorld.open(600, { workers: 2, latency: { distribution: "fixed", medianMs: 80 } });
  fleet.coordinate();
  const followed = fleet.tiding("submit", await fleet.spec("answers"), "--follow");
  const list = async (): Promise<BrokerJobs> =>
    JSON.parse((await fleet.tiding("jobs", "--json")).stdout.text) as BrokerJobs;
  let jobs = await list();
  while ((jobs.jobs[0]?.rows.accepted ?? 0) < 50) {
    await delay(100);
    jobs = await list();
  }
  assert.equal(jobs.version, 1);
  assert.equal(jobs.coordinator?.pid, process.pid);
  const [running] = jobs.jobs;
  assert.match(running?.id ?? "", /^answers-[0-9a-f]{4}$/);
  assert.equal(running?.output, path.join(fleet.world.folder, "answers"));
  assert.equal(running.workers, 2);
  assert.ok(running.rowsPerSecond > 0);
  const workers = JSON.parse((await fleet.tiding("workers", "--json")).stdout.text) as BrokerWorkers;
  assert.deepEqual(
    workers.workers.map(({ pid, jobs: count, slots, state }) => ({ pid, count, slots, state })),
    [1, 2].map(() => ({ pid: process.pid, count: 1, slots: 8, state: "working" })),
  );

  const { code, stdout, stderr } = await followed;
  assert.equal(code, 0, stderr.text);
  assert.match(
    stdout.text,
    /Submitted answers-[0-9a-f]{4}, output .*answers\n[^]*answers {2}finished\nrows +600 accepted/,
  );
  assert.match(stderr.text, /is running[^]*rows \d+/);
  assert.deepEqual((await jobStatus(running.output)).rows.accepted, 600);
  assert.equal(fleet.world.simulator.stats().answers, 600);
  const table = await fleet.tiding("jobs");
  assert.match(table.stdout.text, /^ID +NAME +STATE[^]*finished +600\/600 +100\.0%[^]*Coordinator: pid/);
  const people = await fleet.tiding("workers");
  assert.match(people.stdout.text, /^ID +HOST +PID[^]*working\n/);
  const status = await fleet.tiding("status", running.id);
  assert.match(status.stdout.text, /answers {2}finished\nrows +600 accepted/);
});

void test("jobs run at once up to the limit, and those beyond it wait their turn", async () => {
  await using fleet = await FleetWorld.open(200, { workers: 2 });
  fleet.coordinate({ maxJobs: 2 });
  const ids = [await fleet.submit("one"), await fleet.submit("two"), await fleet.submit("three")];
  const waiting = await fleet.until(ids[2] ?? "", ({ waitingFor }) => waitingFor !== null);
  assert.equal(waiting.state, "queued");
  assert.match(waiting.waitingFor ?? "", /^2 other jobs run/);
  for (const id of ids) assert.equal((await fleet.until(id, isIn("finished"))).report?.rows.accepted, 200);
  assert.equal(fleet.world.simulator.stats().answers, 600);
});

void test("a paused job sends nothing until it is resumed, and no row is paid for twice", async () => {
  await using fleet = await FleetWorld.open(600);
  fleet.coordinate();
  const id = await fleet.submit("answers");
  await fleet.untilRequests(50);
  assert.equal((await fleet.tiding("pause", id)).code, 0);
  await fleet.until(id, isIn("paused"));
  const { requests } = fleet;
  assert.ok(requests < 600);
  await fleet.untilStill();
  assert.equal(fleet.requests, requests);
  assert.equal((await fleet.tiding("resume", id)).code, 0);
  assert.equal((await fleet.until(id, isIn("finished"))).report?.rows.accepted, 600);
  assert.equal(fleet.requests, 600);
});

void test("a cancelled job ends with what landed, and submitted again it goes on from there", async () => {
  await using fleet = await FleetWorld.open(600, { version: "newest" });
  fleet.coordinate();
  const id = await fleet.submit("answers", { output: { path: "answers", part_age: "100ms" } });
  await fleet.untilRequests(50);
  const refused = await fleet.tiding("submit", await fleet.spec("answers"));
  assert.equal(refused.code, 2);
  assert.match(refused.stderr.text, new RegExp(`${id} \\(running\\) writes to this output already`));
  assert.equal((await fleet.tiding("cancel", id)).code, 0);
  const cancelled = await fleet.until(id, isIn("cancelled"));
  const { requests } = fleet;
  assert.ok(requests < 600);
  assert.ok((await jobStatus(cancelled.output)).rows.accepted > 0);
  assert.match((await fleet.tiding("resume", id)).stderr.text, /is cancelled[^]*Submit it again/);
  const again = await fleet.submit("answers", { output: { path: "answers", part_age: "100ms" } });
  assert.equal((await fleet.until(again, isIn("finished"))).report?.rows.accepted, 600);
  assert.equal(fleet.requests, 600);
});

void test("cancelled now, running requests are given up", async () => {
  await using fleet = await FleetWorld.open(600, {
    latency: { distribution: "fixed", medianMs: 20, stragglers: { share: 0.05, factor: 3_000 } },
  });
  fleet.coordinate();
  const id = await fleet.submit("answers");
  await fleet.untilRequests(50);
  // Every slot is taken by one that hangs for a minute.
  await fleet.untilStill();
  assert.equal((await fleet.tiding("cancel", id, "--now")).code, 0);
  await fleet.until(id, isIn("cancelled"));
});

void test("a coordinator that is killed is followed by another, which finishes its jobs", async () => {
  await using fleet = await FleetWorld.open(1_000);
  const child = spawnCoordinator({ address: fleet.nats.server.url, leaseMs: 1_500 });
  const id = await fleet.submit("answers");
  await fleet.untilRequests(50);
  child.kill("SIGKILL");
  await once(child, "exit");
  fleet.coordinate();
  const { report } = await fleet.until(id, isIn("finished"));
  assert.deepEqual(report?.rows, { accepted: 1_000, failed: 0, total: 1_000 });
  assert.equal(fleet.world.simulator.stats().answers, 1_000);
});

void test("a job that lost its coordinator is cancelled by the next one, and its workers stop", async () => {
  await using fleet = await FleetWorld.open(2_000);
  const child = spawnCoordinator({ address: fleet.nats.server.url, leaseMs: 1_500 });
  const id = await fleet.submit("answers", { run: { shard_rows: 500 } });
  await fleet.untilRequests(50);
  child.kill("SIGKILL");
  await once(child, "exit");
  const order = await fleet.tiding("cancel", id);
  assert.equal(order.code, 0);
  fleet.coordinate();
  await fleet.until(id, isIn("cancelled"));
  await fleet.untilStill();
  assert.ok(fleet.requests < 2_000, `${fleet.requests} requests`);
});

void test("a second coordinator says who is at work, and takes over when that one is ended", async () => {
  await using fleet = await FleetWorld.open(800);
  const argv = [bin, "coordinator", "--broker", fleet.nats.server.url];
  const first = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "pipe"] });
  const said = text(first.stderr);
  const id = await fleet.submit("answers");
  await fleet.untilRequests(50);
  const second = fleet.coordinate();
  while (!second.notices.some((notice) => notice.includes("already"))) await delay(50);
  assert.match(second.notices.join("\n"), new RegExp(`at work already: pid ${first.pid} on .*, since 20.*Standing by`));
  first.kill("SIGTERM");
  assert.deepEqual(await once(first, "exit"), [0, null]);
  assert.match(await said, new RegExp(`${id}: started \\(answers\\)[^]*Leaving[^]*${id}: queued[^]*Left; jobs`));
  assert.equal((await fleet.until(id, isIn("finished"))).report?.rows.accepted, 800);
  assert.ok(second.notices.some((notice) => notice.includes("is at work: it takes jobs")));
  assert.equal(fleet.requests, 800);
});

void test("a coordinator whose lease ran out while the broker was away takes it again, and its job goes on", async () => {
  await using fleet = await FleetWorld.open(600);
  const coordinator = fleet.coordinate();
  const id = await fleet.submit("answers");
  await fleet.untilRequests(50);
  await fleet.nats.server.kill9();
  await delay(1_500);
  await fleet.nats.server.restart();
  assert.equal((await fleet.until(id, isIn("finished"))).report?.rows.accepted, 600);
  assert.equal(coordinator.notices.filter((notice) => notice.includes("is at work")).length, 1);
});

void test("a coordinator that lost its lease to another hands its jobs over", async () => {
  await using fleet = await FleetWorld.open(600);
  const { state } = fleet.transport;
  const coordinator = fleet.coordinate();
  const id = await fleet.submit("answers");
  await fleet.untilRequests(50);
  const lease = encodeLease({ holder: "another", ttlMs: 60_000, beat: 0, released: false });
  // The holder's own beat may come between.
  for (let taken = false; !taken;) {
    const version = (await state.get("lease/coordinator"))?.version ?? null;
    taken = await state.swap("lease/coordinator", lease, version).then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof TransportError) || error.fault !== "conflict") throw error;
        return false;
      },
    );
  }
  await fleet.until(id, isIn("queued"));
  assert.ok(coordinator.notices.some((notice) => notice.startsWith("Another coordinator has taken over")));
  await fleet.untilStill();
  assert.ok(fleet.requests < 600);
});

void test("who follows a job may leave it, and the job goes on", async () => {
  await using fleet = await FleetWorld.open(300);
  fleet.coordinate();
  const id = await fleet.submit("answers");
  const following = fleet.start("status", id, "--watch");
  while (!following.world.stderr.text.includes("is running")) await delay(50);
  following.world.signals.emit("SIGINT");
  assert.equal(await following.ended, 130);
  assert.match(following.world.stderr.text, /Following ends here; the job goes on/);
  await fleet.until(id, isIn("finished"));
});

void test("a job that cannot begin is stopped with its reason, and resumed once that is mended", async () => {
  await using fleet = await FleetWorld.open(10);
  fleet.coordinate();
  const file = await fleet.spec("answers", { input: { path: "nowhere.jsonl" } });
  const followed = await fleet.tiding("submit", file, "--follow");
  assert.equal(followed.code, 2);
  assert.match(followed.stdout.text, /INPUT_MISSING/);
  const [, id = ""] = /Submitted (\S+),/.exec(followed.stdout.text) ?? [];
  assert.match((await fleet.tiding("pause", id)).stderr.text, /is stopped: there is nothing to pause/);
  const listed = await fleet.tiding("jobs");
  assert.match(listed.stdout.text, /stopped[^]*INPUT_MISSING/);
  await copyFile(path.join(fleet.world.folder, "rows.jsonl"), path.join(fleet.world.folder, "nowhere.jsonl"));
  assert.equal((await fleet.tiding("resume", id)).code, 0);
  assert.equal((await fleet.until(id, isIn("finished"))).report?.rows.accepted, 10);
});

void test("what a client gets wrong is said before anything is sent", async () => {
  await using fleet = await FleetWorld.open(10, { workers: 0 });
  const id = await fleet.submit("answers");
  const lines = await fleet.tiding("jobs");
  assert.match(lines.stdout.text, /queued[^]*No coordinator is at work/);
  const unknown = await fleet.tiding("status", `${id.slice(0, -1)}z`, "--broker", fleet.nats.server.url);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr.text, new RegExp(`No job .* is known[^]*Did you mean ${id}\\?`));
  const header = await fleet.spec("headers", { llm: { headers: { "X-Team": "canary-4711" } } });
  const refused = await fleet.tiding("submit", header);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr.text, /steps\.0\.llm\.headers\.X-Team/);
  assert.doesNotMatch(refused.stderr.text, /canary/);
  const spec = await fleet.tiding("submit", header, "--set", "run.seed=many", "--set", "steps.0.llm.slots=few");
  assert.match(spec.stderr.text, /The spec has 2 errors/);
  const jobs = JSON.parse((await fleet.tiding("jobs", "--json", "--all")).stdout.text) as BrokerJobs;
  assert.deepEqual(
    jobs.jobs.map((job) => job.id),
    [id],
  );
});

void test("records of another protocol version are named, with what to do", async () => {
  await using fleet = await FleetWorld.open(400, { workers: 0 });
  const { state } = fleet.transport;
  const notices: string[] = [];
  const record = encodeMessage({ version: 99, worker: "strange" });
  for (const key of [workerRecordKey("strange"), jobRecordKey("strange"), submissionKey("strange-1a2b")])
    await state.swap(key, record, null);
  await fleet.nats.work({ onNotice: (notice) => notices.push(notice) });
  const coordinator = fleet.coordinate();
  const id = await fleet.submit("answers");
  await fleet.until(id, isIn("finished"));
  const said =
    /strange.* is of protocol 99, and this Tiding speaks \d+\. Let the coordinator and its .* run the same version/;
  assert.ok(
    notices.some((notice) => said.test(notice)),
    notices.join("\n"),
  );
  assert.ok(coordinator.notices.filter((notice) => said.test(notice)).length >= 2, coordinator.notices.join("\n"));
  assert.match((await fleet.tiding("workers")).stdout.text, said);
  assert.match((await fleet.tiding("jobs")).stdout.text, said);
});
