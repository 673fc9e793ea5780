import { after } from "node:test";
import { faultyTransport } from "../support/faulty-transport.ts";
import { natsHarness } from "../support/nats-harness.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../support/nats-server.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { transportContract } from "./transport.contract.ts";

for (const version of NATS_SERVER_VERSIONS) {
  const server = await startNatsServer(version);
  after(() => server[Symbol.asyncDispose]());
  const name = `nats ${version}`;
  transportContract(
    name,
    natsHarness(() => server),
  );

  const random = seededRandom(20_261_121);
  transportContract(`${name} with faults`, {
    ...natsHarness(
      () => server,
      (transport) => faultyTransport(transport, { random }),
    ),
    duplicates: true,
  });
}
