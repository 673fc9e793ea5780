/** A test file whose nats-server dies under it, while its test waits for a broker for ever. Run with the server's kind. */
import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { test } from "node:test";
import { startDeployedNats } from "../../support/deployed-nats.ts";
import { holdHalfMade } from "../../support/half-made-stream.ts";
import { startNatsServer } from "../../support/nats-server.ts";

const forEver = (): Promise<void> => new Promise(() => setInterval(() => undefined, 60_000));

if (process.argv[2] === "deployed")
  void test("waits for a server of a deployment that was aborted", async () => {
    await using server = await startDeployedNats("2.9.10", { config: "nats.conf" });
    process.kill(server.pid, "SIGABRT");
    await forEver();
  });
else
  void test("waits for a server that a question about a stream half made crashed", async () => {
    await using server = await startNatsServer("2.9.10");
    // What is stopped on purpose is no surprise.
    await server.kill9();
    await server.restart();
    const stream = "HALF";
    await using held = await holdHalfMade(server.storeDir, stream);
    const connections = await Promise.all([1, 2].map(() => connect({ servers: server.url })));
    const [making, asking] = await Promise.all(connections.map((each) => jetstreamManager(each)));
    making!.streams.add({ name: stream, subjects: ["half"] }).catch(() => undefined);
    await held.begun();
    asking!.streams.getMessage(stream, { last_by_subj: "half" }).catch(() => undefined);
    await forEver();
  });
