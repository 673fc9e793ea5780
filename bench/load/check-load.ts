/** What a stage must be for the load generator, and what of it is measured. */
import { TidingError } from "../../shared/errors.ts";
import type { MeasuredWindow, StageLoad } from "./stage-load.ts";

/** Each takes a connection, and a client has no more ports towards one address. */
const MOST_PLACES = 65_535;

/** Throws `USAGE` for a stage that would never end, never measure, or cannot be scheduled. */
export function checkLoad(load: StageLoad): void {
  const { arrivals, seconds, requests, warmUpSeconds, coolDownSeconds, rampSeconds } = load;
  if (seconds === null && requests === null)
    throw refused(load, "has no end", "Give it seconds or a number of requests.");
  if (arrivals.kind === "at-once" && requests === null) {
    throw refused(load, "sends all requests at once and does not say how many", "Give it a number of requests.");
  }
  if ("rate" in arrivals && !(arrivals.rate > 0)) throw refused(load, "has no rate", "Give it a rate above 0.");
  if (arrivals.kind === "closed" && !isCount(arrivals.concurrency)) {
    throw refused(load, `has a concurrency of ${arrivals.concurrency}`, "Give it a whole number from 1 on.");
  }
  if (arrivals.kind !== "closed" && !isCount(load.maxInFlight)) {
    throw refused(load, `allows ${load.maxInFlight} requests in flight`, "Allow a whole number from 1 on.");
  }
  if (requests !== null && !isCount(requests)) {
    throw refused(load, `has ${requests} requests`, "Give it a whole number from 1 on.");
  }
  if (placesOf(load) > MOST_PLACES) {
    const mend = `Take at most ${MOST_PLACES}: each takes a connection of this client.`;
    throw refused(load, `would have ${placesOf(load)} requests in flight`, mend);
  }
  const cut = Math.max(warmUpSeconds, rampSeconds) + coolDownSeconds;
  if (seconds !== null && cut >= seconds) {
    throw refused(load, `lasts ${seconds} s, and ${cut} s of them are not measured`, "Make it longer.");
  }
  if (seconds === null && warmUpSeconds + coolDownSeconds > 0) {
    throw refused(load, "has a warm-up or a cool-down and no seconds", "Give it seconds, or measure all of it.");
  }
}

/** As planned: a stage that its requests may end has no end yet. */
export function plannedWindow(load: StageLoad): MeasuredWindow {
  const { seconds, warmUpSeconds, coolDownSeconds, rampSeconds } = load;
  return {
    startMs: seconds === null ? 0 : Math.max(warmUpSeconds, rampSeconds) * 1_000,
    endMs: seconds === null ? Number.POSITIVE_INFINITY : (seconds - coolDownSeconds) * 1_000,
  };
}

/** Most requests that the load has in flight. */
export function placesOf({ arrivals, maxInFlight, requests }: StageLoad): number {
  const places = arrivals.kind === "closed" ? arrivals.concurrency : maxInFlight;
  return Math.min(places, requests ?? places);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function refused({ name }: StageLoad, what: string, mend: string): TidingError {
  return new TidingError("USAGE", `The stage "${name}" ${what}.`, { place: name, mend });
}
