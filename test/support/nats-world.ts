/** A nats-server, coordinators' and workers' connections to it, and workers, for tests of jobs over NATS in one process. */
import assert from "node:assert/strict";
import { openNatsTransport } from "../../shared/transport/nats/nats-transport.ts";
import type { Transport } from "../../shared/transport/transport.ts";
import { WorkerHost, type WorkerHostOptions } from "../../worker/worker-host.ts";
import { startNatsServer, type NatsServer, type NatsServerVersion } from "./nats-server.ts";

export const BUDGETS = { resultsBudgetBytes: 64 * 1024 * 1024, inputsBudgetBytes: 16 * 1024 * 1024 } as const;

export class NatsWorld implements AsyncDisposable {
  readonly server: NatsServer;
  readonly #open: (() => Promise<void>)[] = [];

  private constructor(server: NatsServer) {
    this.server = server;
  }

  static async open(
    version: NatsServerVersion = "2.9.10",
    options: Parameters<typeof startNatsServer>[1] = {},
  ): Promise<NatsWorld> {
    return new NatsWorld(await startNatsServer(version, options));
  }

  /** Of a coordinator, unless `provision` is false. */
  async connect(options: { readonly provision?: boolean; readonly leaseMs?: number } = {}): Promise<Transport> {
    const transport = await openNatsTransport({
      servers: this.server.url,
      name: "test",
      signal: new AbortController().signal,
      provision: options.provision ?? true,
      leaseMs: options.leaseMs ?? 3_000,
      ...BUDGETS,
    });
    this.#open.push(() => transport.close());
    return transport;
  }

  /** A worker on a connection of its own. */
  async work(options: Partial<WorkerHostOptions> = {}): Promise<WorkerHost> {
    const transport = await this.connect({ provision: false });
    const host = new WorkerHost({
      transport,
      surroundings: { environment: {} },
      leaseMs: 3_000,
      retryMs: 500,
      onFault: (error) => assert.fail(error),
      ...options,
    });
    this.#open.push(() => host.drain(AbortSignal.abort()));
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#open.toReversed()) await close();
    await this.server[Symbol.asyncDispose]();
  }
}
