/**
 * A nats-server of our own for as long as it is wanted: one that ends by itself, out of memory or killed, is started again on
 * its port and its store, where whoever was connected finds it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../../../errors.ts";
import { spawnNatsServer, type SpawnedNatsServer, type SpawnNatsServerOptions } from "./spawn-nats-server.ts";

/** Before each start but the first, so that one that cannot run is not started in a circle. */
const PAUSE_MS = 1_000;

export interface KeptNatsServer extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>`, the same after each start. */
  readonly url: string;
  readonly version: string;
}

/**
 * Disposing stops it for good. `onNotice` is told of each end and once of a start that fails, in sentences for people. Throws
 * as `spawnNatsServer` does, for the first start alone.
 */
export async function keepNatsServer(
  options: SpawnNatsServerOptions,
  onNotice: (notice: string) => void,
): Promise<KeptNatsServer> {
  const first = await spawnNatsServer(options);
  const { url, version } = first;
  const unwanted = new AbortController();
  const { signal } = unwanted;
  const again = { ...options, port: Number(new URL(url).port), signal };
  let server: SpawnedNatsServer = first;
  const keeping = (async () => {
    for (;;) {
      const how = await server.ended;
      if (signal.aborted) return;
      onNotice(`The nats-server of this job ended (${how}) and is started again. What it said: ${server.logFile}`);
      const next = await startUntilItRuns(again, onNotice);
      if (next === null) return;
      server = next;
      if (signal.aborted) await server.stop();
    }
  })();
  return {
    url,
    version,
    async [Symbol.asyncDispose]() {
      unwanted.abort();
      await server.stop();
      await keeping;
    },
  };
}

/** Null when it is not wanted any more. */
async function startUntilItRuns(
  options: SpawnNatsServerOptions & { readonly signal: AbortSignal },
  onNotice: (notice: string) => void,
): Promise<SpawnedNatsServer | null> {
  let told = "";
  for (;;) {
    try {
      await delay(PAUSE_MS, undefined, { signal: options.signal });
      return await spawnNatsServer(options);
    } catch (error) {
      if (options.signal.aborted) return null;
      const [what = ""] = messageOf(error).split("\n");
      if (what !== told) onNotice(`${what} It is tried again every second or so.`);
      told = what;
    }
  }
}
