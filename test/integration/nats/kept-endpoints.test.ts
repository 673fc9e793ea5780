import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { startFakeHub, type FakeHub } from "../../support/fake-hub.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { NatsWorld } from "../../support/nats-world.ts";

function ordersTo({ server }: FakeHub): string[] {
  return server.requests
    .filter(({ method }) => method !== "GET")
    .map(({ path }) => path.replace("/v2/endpoint/ada/writer/", ""));
}

void test("over a broker the process that coordinates starts and pauses the endpoint, and without a token says that it does not", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(40);
  await using nats = await NatsWorld.open();
  const transport = await nats.connect();
  const { environment } = hub;
  await nats.work({ surroundings: { environment } });
  const llm = { endpoint_name: "writer", slots: 8, endpoint: { ensure: "running", when_done: "pause" } };
  const specTo = (limit: number): object => world.spec({ input: { limit }, step: { llm } });
  const broker = sharedBroker(transport, { works: false, environment: {} });

  hub.endpoints["ada/writer"] = { state: "paused", wakes: ["running"], runsAt: world.simulator.url };
  const first = await world.run(specTo(20), { environment, broker });
  assert.deepEqual([first.rows.accepted, first.endpoints], [20, []], JSON.stringify(first.error));
  assert.deepEqual(ordersTo(hub), ["resume", "pause"]);

  hub.endpoints["ada/writer"] = { state: "running", url: world.simulator.url };
  const notices: string[] = [];
  const keyless = { HF_HOME: "/nowhere" };
  const onNotice = (notice: string): void => void notices.push(notice);
  const second = await world.run(specTo(40), { environment: keyless, broker, onNotice });
  assert.equal(second.rows.accepted, 40, JSON.stringify(second.error));
  assert.match(notices[0] ?? "", /writer is neither started nor stopped by this job: this process has no token/);
  assert.deepEqual(ordersTo(hub), ["resume", "pause"]);
  assert.deepEqual(idsOf(await world.rows()), upTo(40));
});
