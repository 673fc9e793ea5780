import { setTimeout as delay } from "node:timers/promises";
import { isTidingError } from "../shared/errors.ts";
import type { NatsTransportOptions } from "../shared/transport/nats/nats-transport.ts";
import type { Transport } from "../shared/transport/transport.ts";
import type { BrokerTrouble } from "./broker-trouble.ts";
import { connectBroker, type ProvisionOptions } from "./open-broker.ts";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * For those who serve for as long as they are let: after a power cut a fleet comes up in any order. Tries until the broker
 * is there; null when `asked` to leave before. Throws what waiting does not mend: `BROKER_REFUSED`, `BROKER_UNFIT`, `USAGE`.
 */
export async function awaitBroker(
  broker: ProvisionOptions,
  role: Pick<NatsTransportOptions, "name" | "provision" | "setupWaitMs">,
  { asked, trouble }: { readonly asked: AbortSignal; readonly trouble: BrokerTrouble },
): Promise<Transport | null> {
  const onWait = (what: string): void => trouble.waitsFor(what);
  for (let pauseMs = FIRST_PAUSE_MS; !asked.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await connectBroker(broker, { ...role, signal: asked, onWait });
    } catch (error) {
      if (asked.aborted) break;
      if (!isTidingError(error) || error.code !== "BROKER_UNREACHABLE") throw error;
      onWait(`${error.message} Waiting for the broker at ${error.place ?? "its address"}.`);
    }
    // Not all at once, when a broker comes up.
    await delay(pauseMs * (0.5 + Math.random()), undefined, { signal: asked }).catch(() => undefined);
  }
  return null;
}
