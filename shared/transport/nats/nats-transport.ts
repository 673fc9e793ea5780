import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { setMaxListeners } from "node:events";
import { TidingError } from "../../errors.ts";
import { TransportError, type Transport } from "../transport.ts";
import { FullStores } from "./full-stores.ts";
import { connectNats, type NatsLinks, type NatsOptions } from "./connect.ts";
import { MAX_BLOB_BYTES, NatsBlobs } from "./nats-blobs.ts";
import { NatsCalls } from "./nats-calls.ts";
import { NatsHealth } from "./nats-health.ts";
import { NatsLog } from "./nats-log.ts";
import { natsNames, type NatsNames } from "./nats-names.ts";
import { makeBucket, NatsState } from "./nats-state.ts";
import { NatsTasks } from "./nats-tasks.ts";
import { ensureBucketCopies, ensureStreams, findStreams, type StreamSettings } from "./streams.ts";

/** `StreamSettings` are for who sets the broker up, and of no effect otherwise. */
export interface NatsTransportOptions extends NatsOptions, StreamSettings {
  /** The coordinator sets the broker up; a worker, which may not, waits until it is. */
  readonly provision: boolean;
  /** How long a worker waits for that; 30,000 ms by default. */
  readonly setupWaitMs?: number;
  /** Told in a sentence what a worker waits for, once for each thing. */
  readonly onWait?: ((waitingFor: string) => void) | undefined;
  /** How long a claim lasts without a beat; 30,000 by default. The putter's counts. */
  readonly leaseMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/**
 * Opens a transport over JetStream. Throws as `connectNats` does, and BROKER_UNFIT when the streams cannot be set up or are
 * not there. From then on the broker may go and come back: health tells, and calls that may be repeated wait for it.
 */
export async function openNatsTransport(options: NatsTransportOptions): Promise<Transport> {
  const names = natsNames(options.namespace ?? "tiding");
  const links = await connectNats(options);
  try {
    return await openOver(links, names, options);
  } catch (error) {
    await links.close();
    throw error instanceof TransportError ? lostAgain(error, links.place) : error;
  }
}

/** Who makes room where a stream has a budget of its own. */
function mendsOf({ results, inputs }: NatsNames): ReadonlyMap<string, string> {
  return new Map([
    [
      results,
      "The coordinator makes room as it lands rows: see that it runs and that its output has space, or give it a larger --results-budget.",
    ],
    [
      inputs,
      "Workers make room as they take rows: see that some run, or give the coordinator a larger --inputs-budget.",
    ],
  ]);
}

/** It was there a moment ago. */
function lostAgain(error: TransportError, place: string): TidingError {
  return new TidingError("BROKER_UNREACHABLE", `The NATS broker was lost while it was set up: ${error.message}.`, {
    place,
    mend: "Start the broker, and run the same command again.",
    cause: error,
  });
}

async function openOver(links: NatsLinks, names: NatsNames, options: NatsTransportOptions): Promise<Transport> {
  const { control, bulk } = links;
  const { provision, signal, setupWaitMs = 30_000, leaseMs = 30_000, replicas, onWait } = options;
  const { now = () => performance.now(), random = Math.random } = options;
  const { created } = provision
    ? await ensureStreams(links, names, {
        ...options,
        beforeLog: () => makeBucket(control, names.state, replicas ?? 1),
      })
    : await findStreams(links, names, { waitMs: setupWaitMs, signal, onWait });

  const closer = new AbortController();
  setMaxListeners(0, closer.signal);
  const health = new NatsHealth([control, bulk]);
  const fulls = new FullStores({
    place: links.place,
    mends: mendsOf(names),
    now,
    tell: (full) => health.tell(full === null ? "room" : "full", full),
  });
  const stateOptions = { connection: control, bucket: names.state, provision, replicas: replicas ?? 1, fulls };
  const state = await NatsState.open(stateOptions);
  if (provision && replicas !== undefined) await ensureBucketCopies(links, names.state, replicas);
  const calls = new NatsCalls({ closing: closer.signal, health, fulls, now, random });
  const client = jetstream(control);
  const manager = await jetstreamManager(control, { checkAPI: false });
  const common = { control, client, manager, names, calls };
  const blobs = (kind: "input" | "result", stream: string): NatsBlobs =>
    new NatsBlobs({
      connection: bulk,
      stream,
      subject: (job, shard) => names.blobs(kind, job, shard),
      filter: (job, group) => names.groupOfBlobs(kind, job, group),
      fulls,
    });
  const inputs = blobs("input", names.inputs);
  const results = blobs("result", names.results);

  const close = async (): Promise<void> => {
    if (closer.signal.aborted) return;
    closer.abort();
    inputs.close();
    results.close();
    await state.close();
    await links.close();
    health.tell("closed");
  };
  return {
    capabilities: { durable: true, multiProcess: true, maxBodyBytes: MAX_BLOB_BYTES },
    tasks: new NatsTasks({ ...common, leaseMs }),
    log: new NatsLog({ ...common, created }),
    inputs,
    results,
    state,
    onHealth(listener) {
      if (fulls.now !== null) listener("full", fulls.now);
      return health.listen(listener);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
