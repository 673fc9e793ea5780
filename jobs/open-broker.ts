/** From the address of a broker to a transport over it. */
import path from "node:path";
import { TidingError } from "../shared/errors.ts";
import { openNatsTransport, type NatsTransportOptions } from "../shared/transport/nats/nats-transport.ts";
import { findNatsServer } from "../shared/transport/nats/server/find-nats-server.ts";
import { keepNatsServer } from "../shared/transport/nats/server/keep-nats-server.ts";
import type { StreamSettings } from "../shared/transport/nats/streams.ts";
import type { Transport } from "../shared/transport/transport.ts";
import { askWorkers } from "./ask-workers.ts";
import { BrokerTrouble } from "./broker-trouble.ts";
import type { JobBroker, OpenBroker } from "./engine.ts";

/** In place of an address: a nats-server of the job's own, on this machine. */
const SPAWN = "nats:spawn";

export type BrokerOptions = Pick<NatsTransportOptions, "credentials" | "tls" | "namespace" | "inboxPrefix"> & {
  /** `nats://host:port`, several with commas, or `nats:spawn`. */
  readonly address: string;
};

/** For who sets the broker up. */
export type ProvisionOptions = BrokerOptions & {
  /** What its streams are to have, in place of what they have. */
  readonly streams?: StreamSettings;
};

/** Throws as `openNatsTransport` does; `USAGE` for `nats:spawn`. */
export async function connectBroker(
  { address, streams, ...options }: ProvisionOptions,
  role: Pick<NatsTransportOptions, "name" | "provision" | "setupWaitMs" | "signal" | "onWait">,
): Promise<Transport> {
  if (address === SPAWN) {
    throw new TidingError("USAGE", `${SPAWN} starts a server for one \`tiding run\`, and it ends with that job.`, {
      mend: "Name a broker that runs: nats://host:4222.",
    });
  }
  return await openNatsTransport({ servers: address, ...options, ...streams, ...role });
}

/** For who submits jobs and looks at them. Throws as `openNatsTransport` does; `USAGE` for `nats:spawn`. */
export function openBroker(
  options: BrokerOptions,
  { signal = new AbortController().signal }: { readonly signal?: AbortSignal } = {},
): Promise<Transport> {
  return connectBroker(options, { name: "tiding client", provision: false, setupWaitMs: 0, signal });
}

/** For one job: connected before anything is written, or spawned once the output is owned. */
export async function openJobBroker(
  options: ProvisionOptions,
  job: Pick<JobBroker, "works" | "environment"> & {
    readonly stop: AbortSignal;
    readonly onNotice: (notice: string) => void;
  },
): Promise<AsyncDisposable & { readonly broker: JobBroker }> {
  const { works, environment, stop, onNotice } = job;
  if (options.address === SPAWN) {
    const broker = spawnedBroker(options.streams ?? {}, { works, environment, signal: stop, onNotice });
    return { broker, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const transport = await connectBroker(options, { name: "tiding run", provision: true, signal: stop });
  new BrokerTrouble({ onNotice }).follow(transport);
  return { broker: sharedBroker(transport, { works, environment }), [Symbol.asyncDispose]: () => transport.close() };
}

/** A connection that is open already; it stays open when the job ends. Who opened it tells of its troubles. */
export function sharedBroker(transport: Transport, options: Pick<JobBroker, "works" | "environment">): JobBroker {
  return {
    ...options,
    ...(options.works ? {} : { probe: (job, asked) => askWorkers(transport, job, asked) }),
    open: () => Promise.resolve({ transport, [Symbol.asyncDispose]: () => Promise.resolve() }),
  };
}

/** A nats-server that runs while the job does, and keeps what it holds in the output's private folder. */
function spawnedBroker(
  streams: StreamSettings,
  options: Pick<JobBroker, "works" | "environment"> & {
    readonly signal: AbortSignal;
    readonly onNotice: (notice: string) => void;
  },
): JobBroker {
  const { signal, onNotice } = options;
  return {
    ...options,
    async open(privateFolder): Promise<OpenBroker> {
      const binary = await findNatsServer({ signal });
      const storeDir = path.join(privateFolder, "nats");
      const server = await keepNatsServer({ binary, storeDir, signal }, onNotice);
      onNotice(`A nats-server ${server.version} runs at ${server.url}: tiding worker --broker ${server.url}`);
      try {
        const own = { address: server.url, streams };
        const transport = await connectBroker(own, { name: "tiding run", provision: true, signal });
        new BrokerTrouble({ onNotice }).follow(transport);
        return {
          transport,
          async [Symbol.asyncDispose]() {
            await transport.close();
            await server[Symbol.asyncDispose]();
          },
        };
      } catch (error) {
        await server[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}
