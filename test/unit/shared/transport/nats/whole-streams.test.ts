/** What nobody asks of a stream that is being made: a server of 2.9.10 is there that would die of it. */
import { JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { NatsHealth } from "../../../../../shared/transport/nats/nats-health.ts";
import { WholeStreams } from "../../../../../shared/transport/nats/whole-streams.ts";
import type { Transport } from "../../../../../shared/transport/transport.ts";
import { isFault, JOB } from "../../../../contract/transport/harness.ts";
import { holdHalfMade } from "../../../../support/half-made-stream.ts";
import { openTestTransport } from "../../../../support/nats-harness.ts";
import { startNatsServer, type NatsServer } from "../../../../support/nats-server.ts";
import { openConnection } from "./nats-world.ts";

const TRACED = { config: "trace: true" };
const BUCKET = "KV_tiding_state";

async function lose(server: NatsServer, stream: string): Promise<void> {
  const connection = await openConnection(server.url);
  await (await jetstreamManager(connection)).streams.delete(stream);
  await connection.close();
}

/** Begins to look at what the server is asked now; gives what waits for a question about a stream, or its messages. */
async function follow(server: NatsServer): Promise<(stream: string) => Promise<void>> {
  const read = (): Promise<string> => readFile(join(server.storeDir, "nats-server.log"), "latin1");
  const from = (await read()).length;
  return async (stream) => {
    const question = new RegExp(`<<- \\[PUB \\$JS\\.API\\.STREAM\\.\\S*\\.${stream} `);
    while (!question.test((await read()).slice(from))) await delay(5);
  };
}

void test("a worker that starts while a lost bucket is made anew leaves the server alive", async () => {
  await using server = await startNatsServer("2.9.10", TRACED);
  await (await openTestTransport(server.url)).close();
  await lose(server, BUCKET);
  await using held = await holdHalfMade(server.storeDir, BUCKET);
  const making = openTestTransport(server.url);
  await held.begun();
  const untilAsked = await follow(server);
  const starting = openTestTransport(server.url, { provision: false });
  const asking = starting.then((worker) => worker.state.get("job.a"));
  await untilAsked(BUCKET);
  await held.release();
  assert.equal(await asking, null);
  await using _coordinator = await making;
  await using _worker = await starting;
});

for (const [stream, ask] of [
  [BUCKET, ({ state }) => state.get("job.a")],
  ["TIDING_LOG", ({ log }) => log.tail(JOB, 0)],
] as readonly (readonly [string, (worker: Transport) => Promise<unknown>])[]) {
  void test(`a worker at work while a lost ${stream} is made anew leaves the server alive`, async () => {
    await using server = await startNatsServer("2.9.10", TRACED);
    await using _coordinator = await openTestTransport(server.url);
    await using worker = await openTestTransport(server.url, { provision: false });
    assert.equal(await ask(worker), null);
    await lose(server, stream);
    const untilMissed = await follow(server);
    const asking = ask(worker);
    await untilMissed(stream);
    await using held = await holdHalfMade(server.storeDir, stream);
    const making = openTestTransport(server.url);
    await held.begun();
    const untilAsked = await follow(server);
    await untilAsked(stream);
    await held.release();
    assert.equal(await asking, null);
    await using _another = await making;
  });
}

void test("a stream is looked at once in a connection's life, and again when it was missed", async (t) => {
  await using server = await startNatsServer("2.9.10");
  const answering = await openConnection(server.url);
  t.after(() => answering.close());
  let created = "0001-01-01T00:00:00Z";
  let looks = 0;
  answering.subscribe("ANSWERS.STREAM.INFO.HALF", {
    callback: (_, message) => {
      looks += 1;
      message.respond(JSON.stringify({ type: "", config: { name: "HALF" }, created, state: {} }));
    },
  });
  const connection = await openConnection(server.url);
  t.after(() => connection.close());
  const health = new NatsHealth([connection]);
  const answeringHealth = new NatsHealth([answering]);
  const manager = await jetstreamManager(connection, { apiPrefix: "ANSWERS", checkAPI: false });
  const streams = new WholeStreams(manager, health);
  const answer = (): Promise<string> => streams.ask("HALF", async () => "answer");

  await assert.rejects(
    streams.ask("HALF", () => assert.fail("It was asked.")),
    isFault("unreachable"),
  );
  created = "2026-11-21T12:00:00.123456789Z";
  for (let time = 0; time < 3; time++) assert.equal(await answer(), "answer");
  assert.equal(looks, 2);

  const missed = new JetStreamApiError({ code: 404, err_code: 10059, description: "stream not found" });
  await assert.rejects(
    streams.ask("HALF", () => Promise.reject(missed)),
    missed,
  );
  assert.equal(await answer(), "answer");
  assert.equal(looks, 3);

  const sessions = [health.session, answeringHealth.session];
  await server.kill9();
  await server.restart();
  for (const [index, each] of [health, answeringHealth].entries()) {
    while (each.session === sessions[index] || !each.isUp) await delay(5);
  }
  await answering.flush();
  assert.equal(await answer(), "answer");
  assert.equal(looks, 4);
});
