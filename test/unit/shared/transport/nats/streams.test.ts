/** The order in which a broker is set up, and what others wait for meanwhile. */
import { jetstreamManager } from "@nats-io/jetstream";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { natsNames } from "../../../../../shared/transport/nats/nats-names.ts";
import { ensureStreams } from "../../../../../shared/transport/nats/streams.ts";
import { streamFolder } from "../../../../support/half-made-stream.ts";
import { openTestTransport } from "../../../../support/nats-harness.ts";
import { NATS_SERVER_VERSIONS, startNatsServer, type NatsServer } from "../../../../support/nats-server.ts";
import { withResolvers } from "../../../../support/with-resolvers.ts";
import { openConnection, openWire } from "./nats-world.ts";

const BUCKET = "KV_tiding_state";
const STREAMS = ["TIDING_TASKS", "TIDING_RESULTS", "TIDING_INPUT", BUCKET, "TIDING_LOG"] as const;

async function setUp(url: string): Promise<void> {
  await (await openTestTransport(url)).close();
}

async function lose(server: NatsServer, streams: readonly string[]): Promise<void> {
  const connection = await openConnection(server.url);
  const manager = await jetstreamManager(connection);
  for (const stream of streams) await manager.streams.delete(stream);
  await connection.close();
}

for (const version of NATS_SERVER_VERSIONS) {
  for (const [what, lost] of [
    ["a new broker", STREAMS],
    ["a broker that lost its log and its bucket", ["TIDING_LOG", BUCKET]],
  ] as const) {
    void test(`${version}: of ${what} the bucket is whole on disk before the log is asked for`, async () => {
      await using server = await startNatsServer(version);
      await setUp(server.url);
      await lose(server, lost);
      const created: string[] = [];
      const missingAtLog: string[] = [];
      await using wire = await openWire(server.url, (sent) => {
        for (const [, stream = ""] of sent.matchAll(/PUB \$JS\.API\.STREAM\.CREATE\.(\S+)/g)) {
          created.push(stream);
          // The last file that the server writes as it makes one.
          const isThere = (each: string): boolean => existsSync(join(streamFolder(server.storeDir, each), "meta.sum"));
          if (stream === "TIDING_LOG") missingAtLog.push(...STREAMS.filter((each) => !isThere(each)));
        }
        return sent;
      });
      await setUp(wire.url);
      assert.deepEqual(missingAtLog, ["TIDING_LOG"]);
      assert.equal(created.at(-1), "TIDING_LOG");
    });
  }

  void test(`${version}: a worker waits for a bucket that was lost, and says so`, async () => {
    await using server = await startNatsServer(version);
    await setUp(server.url);
    await lose(server, [BUCKET]);
    const waits = withResolvers<string>();
    const opening = openTestTransport(server.url, { provision: false, onWait: waits.resolve });
    const ready = opening.then(() => "It was ready.");
    assert.match(
      await Promise.race([waits.promise, ready]),
      /No coordinator has set this broker up yet \(.*KV_tiding_state\)/,
    );
    await setUp(server.url);
    await using worker = await opening;
    assert.equal(await worker.state.get("job.a"), null);
  });
}

void test("a coordinator changes nothing of a stream that another is still making", async () => {
  await using server = await startNatsServer("2.9.10", { config: "jetstream: disabled" });
  const answering = await openConnection(server.url);
  const asked: string[] = [];
  // Of each stream there is one with another budget; that of the results is half made when it is first asked for.
  answering.subscribe("$JS.API.STREAM.*.*", {
    callback: (_, message) => {
      const [what = "", name = ""] = message.subject.split(".").slice(3);
      const isWhole = name !== "TIDING_RESULTS" || asked.length > 0;
      if (name === "TIDING_RESULTS") asked.push(what);
      const created = isWhole ? "2026-11-21T12:00:00Z" : "0001-01-01T00:00:00Z";
      const config = {
        ...(what === "INFO" ? {} : message.json<object>()),
        ...(what === "UPDATE" ? {} : { max_bytes: 1 }),
      };
      message.respond(JSON.stringify({ type: "", config, created, state: { bytes: 0 } }));
    },
  });
  await answering.flush();
  const control = await openConnection(server.url);
  const links = { control, bulk: control, place: server.url, close: () => control.close() };
  await ensureStreams(links, natsNames("tiding"), {
    resultsBudgetBytes: 2 ** 20,
    signal: new AbortController().signal,
    beforeLog: () => Promise.resolve(),
  });
  // The client looks once more before it updates.
  assert.deepEqual(asked, ["CREATE", "CREATE", "INFO", "UPDATE"]);
  await Promise.all([answering, control].map((each) => each.close()));
});
