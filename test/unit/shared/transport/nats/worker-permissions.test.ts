import assert from "node:assert/strict";
import { test } from "node:test";
import type { TidingError } from "../../../../../shared/errors.ts";
import type { NatsTransportOptions } from "../../../../../shared/transport/nats/nats-transport.ts";
import { bytes, claim, JOB, text } from "../../../../contract/transport/harness.ts";
import { openTestTransport } from "../../../../support/nats-harness.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../../../../support/nats-server.ts";

/** What a worker's user needs in the namespace "tiding", and no more: docs tell the same. */
const WORKER_MAY_PUBLISH = [
  "$JS.API.STREAM.INFO.TIDING_LOG",
  "$JS.API.CONSUMER.INFO.TIDING_TASKS.*",
  "$JS.API.CONSUMER.MSG.NEXT.TIDING_TASKS.*",
  "$JS.ACK.TIDING_TASKS.>",
  "$JS.ACK.*.*.TIDING_TASKS.>",
  "$JS.API.STREAM.MSG.GET.TIDING_LOG",
  "$JS.API.DIRECT.GET.TIDING_INPUT",
  "$JS.API.STREAM.MSG.GET.TIDING_INPUT",
  "$JS.API.STREAM.MSG.DELETE.TIDING_RESULTS",
  "tiding.log.>",
  "tiding.result.>",
  "tiding.beat.>",
  "$KV.tiding_state.>",
  "$JS.API.STREAM.INFO.KV_tiding_state",
  "$JS.API.STREAM.MSG.GET.KV_tiding_state",
  "$JS.API.CONSUMER.CREATE.KV_tiding_state.>",
  "$JS.API.CONSUMER.INFO.KV_tiding_state.>",
  "$JS.API.CONSUMER.DELETE.KV_tiding_state.>",
  "$JS.FC.KV_tiding_state.>",
];

const CONFIG = `accounts { A { jetstream: enabled, users: [
  { user: "coordinator", password: "c" }
  { user: "worker", password: "w", permissions: {
    publish: { allow: ${JSON.stringify(WORKER_MAY_PUBLISH)} }
    subscribe: { allow: ["_INBOX_worker.>"] }
  } }
] } }`;

const WORKER: Partial<NatsTransportOptions> = {
  credentials: { user: "worker", password: "w" },
  inboxPrefix: "_INBOX_worker",
  provision: false,
};

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: a worker's user needs just these permissions`, async () => {
    await using server = await startNatsServer(version, { config: CONFIG });
    const credentials = { user: "coordinator", password: "c" };
    await using coordinator = await openTestTransport(server.url, { credentials });
    await using worker = await openTestTransport(server.url, WORKER);
    const input = await coordinator.inputs.put(JOB, 3, bytes("rows"));
    await coordinator.tasks.put(JOB, 3, bytes(input));
    await coordinator.state.swap("job.a", bytes("running"), null);

    const task = await claim(worker);
    await task.beat();
    assert.equal(text(await worker.inputs.get(input)), "rows");
    assert.equal(await worker.log.tail(JOB, 3), null);
    const position = await worker.log.append(JOB, 3, null, bytes("open"));
    const result = await worker.results.put(JOB, 3, bytes("answers"));
    assert.equal((await worker.log.tail(JOB, 3))!.position, position);
    for await (const { value } of worker.state.watch("job.", new AbortController().signal)) {
      assert.equal(text(value), "running");
      break;
    }
    const version1 = await worker.state.swap("worker.1", bytes("here"), null);
    assert.equal((await worker.state.get("worker.1"))!.version, version1);
    await task.retry(0);
    await (await claim(worker)).done();
    assert.equal(text(await coordinator.results.get(result)), "answers");

    await assert.rejects(worker.tasks.put(JOB, 4, bytes("x")), (error: TidingError) => error.code === "BROKER_REFUSED");
    await assert.rejects(worker.log.drop(JOB), (error: TidingError) => error.code === "BROKER_REFUSED");
  });
}
