/** Whether client and server tell the same story of a stage. */
import type { ServerDeltas } from "../report/bench-report.ts";

/** Of all that the client sent between the two snapshots, warm-up and cool-down included; null for what it does not know. */
export interface ClientSide {
  /** Mean E2E service time of the successes. */
  readonly meanE2eMs: number | null;
  readonly requestsOk: number | null;
  readonly outputTokens: number | null;
}

const SHARE = 0.1;
const SPARE_MS = 5;
/** Requests that end as a snapshot is taken count on one side alone. */
const SPARE_REQUESTS = 2;

/**
 * Sentences on where the two differ by more than a tenth and a little: times through a network, a proxy or a slow client; counts
 * through other clients of the server, or replicas of which one was asked. None where they agree, or the server does not tell.
 */
export function crossCheck(client: ClientSide, server: ServerDeltas | null): readonly string[] {
  if (server === null) return [];
  const notes: string[] = [];
  const { meanE2eMs, requestsOk, outputTokens } = client;
  if (differ(meanE2eMs, server.mean_e2e_ms, SPARE_MS)) {
    notes.push(
      `Requests took ${meanE2eMs!.toFixed(0)} ms on average here and ${server.mean_e2e_ms!.toFixed(0)} ms by the server's own count: ` +
        (meanE2eMs! > server.mean_e2e_ms!
          ? "the rest is the network, what stands between, or this client."
          : "the server counted others' requests as well, or what it sent came here in pieces."),
    );
  }
  const others =
    (server.requests_ok ?? 0) > (requestsOk ?? Infinity) || (server.output_tokens ?? 0) > (outputTokens ?? Infinity)
      ? "others used the server meanwhile."
      : "several replicas may stand behind its address, of which one was asked.";
  if (differ(requestsOk, server.requests_ok, SPARE_REQUESTS)) {
    notes.push(`${requestsOk} requests succeeded here, and ${server.requests_ok} by the server's own count: ${others}`);
  } else if (differ(outputTokens, server.output_tokens, 0)) {
    notes.push(`${outputTokens} tokens came here, and the server counted ${server.output_tokens}: ${others}`);
  }
  return notes;
}

function differ(here: number | null, there: number | undefined, spare: number): boolean {
  if (here === null || there === undefined) return false;
  return Math.abs(here - there) > SHARE * there + spare;
}
