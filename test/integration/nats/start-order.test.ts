/** A fleet that comes up in any order, as after a power cut: who serves waits and says what for, who asks is told at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { runCli } from "../../../cli/main.ts";
import { cliWorld, type CliWorld } from "../../support/cli-world.ts";
import { startDeployedNats } from "../../support/deployed-nats.ts";
import { FleetWorld } from "../../support/fleet-world.ts";
import { freePort, freePorts } from "../../support/free-port.ts";
import { startNatsServer } from "../../support/nats-server.ts";

interface Started {
  readonly world: CliWorld;
  /** Of what was said on standard error. */
  times(what: RegExp): number;
  until(what: RegExp): Promise<void>;
  /** As SIGTERM; gives the exit code. */
  leave(): Promise<number>;
  readonly ended: Promise<number>;
}

function start(broker: string, ...argv: readonly string[]): Started {
  const world = cliWorld({ TIDING_BROKER: broker });
  const ended = runCli(argv, world);
  const times = (what: RegExp): number => world.stderr.text.split("\n").filter((line) => what.test(line)).length;
  return {
    world,
    times,
    async until(what) {
      const isOver = ended.then(() => true);
      while (times(what) === 0) {
        const over = await Promise.race([isOver, delay(20, false)]);
        assert.ok(!over || times(what) > 0, `It ended without ${String(what)}: ${world.stderr.text}`);
      }
    },
    leave() {
      world.signals.emit("SIGTERM", "SIGTERM");
      return ended;
    },
    ended,
  };
}

async function health(port: number): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  return { status: response.status, text: await response.text() };
}

async function untilHealth(port: number, status: number): Promise<string> {
  for (;;) {
    const now = await health(port);
    if (now.status === status) return now.text;
    await delay(20);
  }
}

void test("a coordinator and a worker wait for a broker that is away, and for each other; /health says so", async () => {
  // A server's port and store, and the server gone.
  await using server = await startNatsServer("newest");
  await server.stop();
  const [workerPort = 0, coordinatorPort = 0] = await freePorts(2);
  const worker = start(server.url, "worker", "--metrics", String(workerPort));
  const coordinator = start(server.url, "coordinator", "--metrics", String(coordinatorPort));
  for (const each of [worker, coordinator]) await each.until(/Waiting for the broker at nats:\/\/127\.0\.0\.1:\d+\./);
  for (const port of [workerPort, coordinatorPort]) {
    const { status, text } = await health(port);
    assert.equal(status, 503);
    assert.match(text, /No connection to the NATS broker.*ECONNREFUSED/);
  }
  const asked = start(server.url, "jobs");
  assert.equal(await asked.ended, 1);
  assert.match(asked.world.stderr.text, /BROKER_UNREACHABLE/);
  // Long enough for several tries.
  await delay(1_500);
  await server.restart();
  await coordinator.until(/is at work/);
  await worker.until(/waits for jobs/);
  for (const each of [worker, coordinator])
    assert.equal(each.times(/Waiting for the broker/), 1, each.world.stderr.text);
  for (const port of [workerPort, coordinatorPort]) assert.equal(await untilHealth(port, 200), "ok");

  await server.kill9();
  for (const each of [worker, coordinator]) await each.until(/The broker is gone/);
  for (const port of [workerPort, coordinatorPort])
    assert.equal(await untilHealth(port, 503), "The broker cannot be reached.");
  await server.restart();
  for (const port of [workerPort, coordinatorPort]) assert.equal(await untilHealth(port, 200), "ok");
  for (const each of [worker, coordinator]) await each.until(/The broker is back/);
  assert.equal(await worker.leave(), 0);
  assert.equal(await coordinator.leave(), 0);
});

void test("a worker that no coordinator has set the broker up for says once what it waits for, and works when one has", async () => {
  await using fleet = await FleetWorld.open(40, { workers: 0 });
  const url = fleet.nats.server.url;
  const port = await freePort();
  const worker = start(url, "worker", "--namespace", "other", "--metrics", String(port));
  await worker.until(/No coordinator has set this broker up yet \(nats:.*stream OTHER_LOG\)/i);
  assert.match(await untilHealth(port, 503), /No coordinator has set this broker up yet/);
  await delay(1_500);
  assert.equal(worker.times(/No coordinator/), 1);
  const coordinator = start(url, "coordinator", "--namespace", "other");
  await worker.until(/waits for jobs/);
  assert.equal(await untilHealth(port, 200), "ok");
  const submitted = await fleet.tiding("submit", await fleet.spec("answers"), "--namespace", "other", "--follow");
  assert.equal(submitted.code, 0, submitted.stderr.text);
  assert.equal(await worker.leave(), 0);
  assert.equal(await coordinator.leave(), 0);
});

void test("who waits for a broker, or for a coordinator, leaves when asked to", async () => {
  await using server = await startNatsServer("newest");
  const unset = start(server.url, "worker");
  await unset.until(/No coordinator/);
  assert.equal(await unset.leave(), 0);
  await server.stop();
  for (const command of ["worker", "coordinator"]) {
    const waiting = start(server.url, command);
    await waiting.until(/Waiting for the broker/);
    assert.equal(await waiting.leave(), 0, waiting.world.stderr.text);
    assert.match(waiting.world.stderr.text, /\nLeft/);
  }
});

void test("credentials that a broker refuses end who waited for it", async () => {
  const port = await freePort();
  const address = `nats://worker:canary-wrong@127.0.0.1:${port}`;
  const waiting = ["worker", "coordinator"].map((command) => start(address, command));
  for (const each of waiting) await each.until(/Waiting for the broker/);
  await using _nats = await startDeployedNats("newest", { config: "nats.conf", port });
  for (const each of waiting) {
    assert.equal(await each.ended, 2, each.world.stderr.text);
    assert.match(each.world.stderr.text, /BROKER_REFUSED/);
    assert.doesNotMatch(each.world.stderr.text, /canary/);
  }
});
