/** Connections, streams and outages for tests of the parts of the NATS transport. */
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { once } from "node:events";
import { connect as connectSocket, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Transform } from "node:stream";

import { FullStores } from "../../../../../shared/transport/nats/full-stores.ts";
import { NatsBlobs } from "../../../../../shared/transport/nats/nats-blobs.ts";
import { NatsState } from "../../../../../shared/transport/nats/nats-state.ts";
import { groupOf } from "../../../../../shared/transport/transport.ts";

export interface Disposable<T> extends AsyncDisposable {
  readonly it: T;
  readonly connection: NatsConnection;
}

export async function openConnection(url: string): Promise<NatsConnection> {
  return await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 20, reconnectJitter: 10 });
}

/** Blobs in a new stream of that budget, or in the one that is there. */
export async function openBlobs(url: string, budgetBytes: number): Promise<Disposable<NatsBlobs>> {
  const connection = await openConnection(url);
  await (
    await jetstreamManager(connection)
  ).streams.add({
    name: "BLOBS",
    subjects: ["blobs.>"],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_bytes: budgetBytes,
    allow_direct: true,
    duplicate_window: nanos(100),
  });
  const subject = (job: string, shard: number): string => `blobs.${job}.${groupOf(shard)}.${shard}`;
  const filter = (job: string, group?: number): string => `blobs.${job}.${group === undefined ? ">" : `${group}.*`}`;
  const it = new NatsBlobs({ connection, stream: "BLOBS", subject, filter, fulls: untold(url) });
  return {
    it,
    connection,
    async [Symbol.asyncDispose]() {
      it.close();
      await connection.close();
    },
  };
}

export async function openState(url: string): Promise<Disposable<NatsState>> {
  const connection = await openConnection(url);
  const it = await NatsState.open({ connection, bucket: "state", provision: true, fulls: untold(url) });
  return {
    it,
    connection,
    async [Symbol.asyncDispose]() {
      await it.close();
      await connection.close();
    },
  };
}

function untold(place: string): FullStores {
  return new FullStores({ place, mends: new Map(), now: () => performance.now(), tell: () => undefined });
}

/**
 * A way to the server that can be made to carry nothing more, with its connections left standing. What a client sends goes
 * through `alter`, as latin1.
 */
export async function openWire(
  url: string,
  alter: (sent: string) => string = (sent) => sent,
): Promise<AsyncDisposable & { readonly url: string; freeze(): void }> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connectSocket(Number(new URL(url).port), "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => socket.destroy());
    const altered = new Transform({
      transform: (chunk: Buffer, _, done) => done(null, Buffer.from(alter(chunk.toString("latin1")), "latin1")),
    });
    near.pipe(altered).pipe(far).pipe(near);
    sockets.push(near, far);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
