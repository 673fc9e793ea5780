/** A worker's answer to a coordinator that has no keys of its own. */
import { messageOf } from "../shared/errors.ts";
import type { Probe, ProbeAnswer } from "../shared/protocol/probe-record.ts";
import { openRecorded, type Surroundings } from "./open-recorded.ts";

/** Asks the endpoints of a job what they serve, with this worker's keys. Rejects only when `signal` was aborted. */
export async function answerProbe(
  probe: Probe,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Pick<ProbeAnswer, "served" | "error">> {
  try {
    const { steps } = await openRecorded(probe, surroundings);
    try {
      const served = await steps.probe(signal);
      return {
        served: served.map((models) =>
          models.map(({ model, revision, advice = [] }) => ({ model, revision, advice: [...advice] })),
        ),
        error: null,
      };
    } finally {
      await steps[Symbol.asyncDispose]();
    }
  } catch (error) {
    signal.throwIfAborted();
    return { served: null, error: messageOf(error) };
  }
}
