/** A coordinator in a process of its own, for tests that kill it. Its only argument: a `CoordinatorOrder` as JSON. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { coordinate } from "../../jobs/coordinate.ts";

interface CoordinatorOrder {
  readonly address: string;
  readonly leaseMs: number;
}

/** Ends with the test's own process at the latest, when its standard input closes. */
export function spawnCoordinator(order: CoordinatorOrder): ChildProcess {
  const entry = fileURLToPath(import.meta.url);
  return spawn(process.execPath, [entry, JSON.stringify(order)], { stdio: ["pipe", "inherit", "inherit"] });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { address, leaseMs } = JSON.parse(process.argv[2] ?? "") as CoordinatorOrder;
  const drain = new AbortController();
  const stop = new AbortController();
  process.on("SIGTERM", () => drain.abort());
  process.stdin.on("close", () => stop.abort()).resume();
  await coordinate({
    broker: { address },
    environment: {},
    drain: drain.signal,
    stop: stop.signal,
    leaseMs,
    settings: { leaseMs: 3_000, reconcileMs: 200 },
  });
  process.exit();
}
