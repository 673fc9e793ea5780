/** A worker in a process of its own, which may be told to die at a step of the commit protocol. */
import { messageOf, isTidingError } from "../../shared/errors.ts";
import type { ProtocolStep } from "../../shared/protocol/protocol-step.ts";
import { workForBroker } from "../../jobs/work-for-broker.ts";
import { dieWithParent } from "./die-with-parent.ts";

/** What the child is told, as JSON in its first argument. */
export interface WorkerOrder {
  readonly address: string;
  readonly leaseMs: number;
  readonly crash: { readonly step: ProtocolStep; readonly count: number } | null;
}

/** What it prints on standard output, as one line of JSON, where it lives to its end. */
export interface WorkerEnd {
  readonly rows: number;
  readonly error: { readonly code: string; readonly message: string } | null;
}

dieWithParent();
const order = JSON.parse(process.argv[2] ?? "") as WorkerOrder;
const drain = new AbortController();
process.on("SIGTERM", () => drain.abort());
let left = order.crash?.count ?? 0;

async function work(): Promise<WorkerEnd> {
  try {
    const { rows } = await workForBroker({
      broker: { address: order.address },
      environment: {},
      drain: drain.signal,
      stop: new AbortController().signal,
      onNotice: (notice) => void process.stderr.write(`${notice}\n`),
      onStep(step) {
        if (step === order.crash?.step && --left === 0) process.kill(process.pid, "SIGKILL");
      },
      leaseMs: order.leaseMs,
    });
    return { rows, error: null };
  } catch (error) {
    return { rows: 0, error: { code: isTidingError(error) ? error.code : "OTHER", message: messageOf(error) } };
  }
}

process.stdout.write(`${JSON.stringify(await work())}\n`);
