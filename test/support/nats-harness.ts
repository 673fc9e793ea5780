/** Transports over a server of their own namespace each, for the contract and for tests beyond it. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { natsNames } from "../../shared/transport/nats/nats-names.ts";
import { openNatsTransport, type NatsTransportOptions } from "../../shared/transport/nats/nats-transport.ts";
import type { Transport } from "../../shared/transport/transport.ts";
import type { ContractOptions, TransportHarness } from "../contract/transport/harness.ts";
import type { NatsServer } from "./nats-server.ts";

const MIB = 1024 * 1024;
const UNREACHED = { resultsBudgetBytes: 64 * MIB, inputsBudgetBytes: 64 * MIB };

export interface NatsHarness extends TransportHarness {
  restart(transport: Transport): Promise<Transport>;
}

/** Closing a transport drops its streams; a restart kills the server with what it had in memory. */
export function natsHarness(
  server: () => NatsServer,
  wrap: (transport: Transport) => Transport = (transport) => transport,
): NatsHarness {
  const opened = new Map<Transport, { inner: Transport; namespace: string; options: ContractOptions }>();
  const open = async (namespace: string, options: ContractOptions): Promise<Transport> => {
    const inner = await openTestTransport(server().url, { namespace, ...options });
    const closing = async (): Promise<void> => {
      await inner.close();
      // Of a transport that was opened again meanwhile the streams are still needed.
      if (opened.delete(transport)) await dropNamespace(server().url, namespace);
    };
    const transport = wrap({ ...inner, close: closing, [Symbol.asyncDispose]: closing });
    opened.set(transport, { inner, namespace, options });
    return transport;
  };
  return {
    open: (options = {}) => open(freshNamespace(), options),
    restart: async (transport) => {
      const { inner, namespace, options } = opened.get(transport)!;
      opened.delete(transport);
      await inner.close();
      await server().kill9();
      await server().restart();
      return await open(namespace, options);
    },
  };
}

export function openTestTransport(url: string, options: Partial<NatsTransportOptions> = {}): Promise<Transport> {
  const signal = new AbortController().signal;
  return openNatsTransport({ servers: url, name: "test", provision: true, signal, ...UNREACHED, ...options });
}

let namespaces = 0;

export function freshNamespace(): string {
  namespaces += 1;
  return `test_${process.pid}_${namespaces}`;
}

export async function dropNamespace(url: string, namespace: string): Promise<void> {
  const connection = await connect({ servers: url });
  try {
    const { streams } = await jetstreamManager(connection);
    const { tasks, log, inputs, results, state } = natsNames(namespace);
    for (const stream of [tasks, log, inputs, results, `KV_${state}`]) await streams.delete(stream);
  } finally {
    await connection.close();
  }
}
