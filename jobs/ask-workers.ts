/** What a job's endpoints serve, asked of those who have the keys. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { TidingError } from "../shared/errors.ts";
import {
  decodeProbeAnswer,
  encodeProbe,
  PROBE_ANSWERS,
  PROBES,
  type ProbeAnswer,
} from "../shared/protocol/probe-record.ts";
import { isPassing, TransportError, type StateStore, type Transport } from "../shared/transport/transport.ts";
import type { PreparedJob } from "./prepare-job.ts";
import { storedSpec } from "./stored-spec.ts";

const SILENCE_MS = 3_000;
const AGAIN_MS = 250;

/** Waits for the first worker that can tell, however long that takes. Rejects when `signal` is aborted. */
export async function askWorkers(
  transport: Transport,
  { loaded, steps }: PreparedJob,
  { signal, onNotice }: { readonly signal: AbortSignal; readonly onNotice: (notice: string) => void },
): Promise<NonNullable<ProbeAnswer["served"]>> {
  const id = randomBytes(6).toString("hex");
  const { name, written, folder } = loaded;
  const inputColumns = steps.inputColumns.map((column) => ({ ...column }));
  const probe = encodeProbe({ name, spec: storedSpec(written), folder, inputColumns, code: [...steps.code] });
  await ask(transport.state, `${PROBES}${id}`, { probe, signal });
  const answered = new AbortController();
  delay(SILENCE_MS, undefined, { signal: answered.signal }).then(
    () => onNotice("No worker has answered yet. Start one with: tiding worker --broker URL"),
    () => undefined,
  );
  try {
    for await (const { value } of transport.state.watch(`${PROBE_ANSWERS}${id}.`, signal)) {
      const { worker, served, error } = decodeProbeAnswer(value);
      if (served !== null) return served;
      onNotice(`Worker ${worker} cannot take the job: ${error ?? "it does not say why."}`);
    }
    signal.throwIfAborted();
    throw new TidingError("BROKER_UNREACHABLE", "The broker was closed while a worker was waited for.");
  } finally {
    answered.abort();
    // With a broker that is gone again it stays, and nobody reads what it may still be answered.
    await transport.state.drop(`${PROBES}${id}`).catch((error: unknown) => {
      if (!(error instanceof TransportError)) throw error;
    });
  }
}

/** Tries until it is there: nobody else writes under this key, so that a conflict is with a try whose answer was lost. */
async function ask(
  state: StateStore,
  key: string,
  { probe, signal }: { readonly probe: Uint8Array; readonly signal: AbortSignal },
): Promise<void> {
  for (;;) {
    try {
      await state.swap(key, probe, null);
      return;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      if (error.fault === "conflict") return;
      if (!isPassing(error)) throw error;
    }
    await delay(AGAIN_MS, undefined, { signal });
  }
}
