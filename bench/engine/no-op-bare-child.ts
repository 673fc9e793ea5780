/** Nothing but undici and a count: what the load generator is held against. Counts the events of streams, by their ends. */
import { Pool } from "undici";
import type { Dispatcher } from "undici";
import { serveMeasured } from "./measured-child.ts";
import type { NoOpCounts, NoOpTask } from "./no-op-ceiling.ts";

serveMeasured<NoOpTask, NoOpCounts>(async ({ url, path, streams, warmUp, requests, tokens }) => {
  const pool = new Pool(url, { connections: streams, pipelining: 1 });
  await countEvents(pool, { path, streams, requests: warmUp });
  const before = process.cpuUsage();
  const startedAt = performance.now();
  const events = await countEvents(pool, { path, streams, requests });
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - startedAt) / 1_000;
  await pool.close();
  if (events < requests * tokens) throw new Error(`${events} events came of ${requests * tokens}.`);
  return { cpuSeconds: (user + system) / 1e6, seconds };
});

interface Counting {
  readonly path: string;
  readonly streams: number;
  readonly requests: number;
}

async function countEvents(pool: Pool, { path, streams, requests }: Counting): Promise<number> {
  let left = requests;
  let events = 0;
  const headers = { "content-type": "application/json" };
  const count = (bytes: Buffer): void => {
    for (let at = bytes.indexOf("\n\n"); at !== -1; at = bytes.indexOf("\n\n", at + 2)) events++;
  };
  const send = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const handler: Dispatcher.DispatchHandler = {
        onConnect: () => undefined,
        onHeaders: () => true,
        onData: (bytes) => {
          count(bytes);
          return true;
        },
        onComplete: () => resolve(),
        onError: reject,
      };
      pool.dispatch({ method: "POST", path, headers, body: '{"stream":true}' }, handler);
    });
  const loop = async (): Promise<void> => {
    while (left-- > 0) await send();
  };
  await Promise.all(Array.from({ length: streams }, loop));
  return events;
}
