import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

import { openEmbeddedTransport } from "../../shared/transport/embedded/embedded-transport.ts";
import type { Transport } from "../../shared/transport/transport.ts";
import { faultyTransport } from "../support/faulty-transport.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { transportContract } from "./transport.contract.ts";
import type { ContractOptions, TransportHarness } from "./transport/harness.ts";

function embeddedHarness(
  wrap: (transport: Transport) => Transport,
): TransportHarness & Required<Pick<TransportHarness, "restart">> {
  const opened = new Map<Transport, { directory: string; epoch: number; options: ContractOptions }>();
  const open = async (store: { directory: string; epoch: number; options: ContractOptions }): Promise<Transport> => {
    const transport = wrap(
      await openEmbeddedTransport({ ...store.options, directory: store.directory, epoch: store.epoch }),
    );
    opened.set(transport, store);
    return transport;
  };
  after(async () => {
    for (const { directory } of opened.values()) await rm(directory, { recursive: true, force: true });
  });
  return {
    open: async (options = {}) =>
      open({ directory: await mkdtemp(join(tmpdir(), "tiding-embedded-")), epoch: 1, options }),
    restart: async (transport) => {
      await transport.close();
      const store = opened.get(transport)!;
      return await open({ ...store, epoch: store.epoch + 1 });
    },
  };
}

transportContract(
  "embedded",
  embeddedHarness((transport) => transport),
);

const random = seededRandom(20_261_121);
transportContract("embedded with faults", {
  ...embeddedHarness((transport) => faultyTransport(transport, { random })),
  duplicates: true,
});
