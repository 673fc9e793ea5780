/**
 * Many abortable things behind one AbortSignal, at the price of a roster's place each.
 *
 * `addEventListener` walks the signal's listeners for duplicates, so that a thousand requests on one job-wide signal
 * would cost a thousand steps each; here each signal gets one listener for all.
 */
import { Roster, type Place } from "../roster.ts";

export interface Abortable {
  abort(reason: unknown): void;
}

const rosters = new WeakMap<AbortSignal, Roster<Abortable>>();

/** Calls `target.abort(signal.reason)` once when the signal fires, which it must not have yet; until the place is left. */
export function onAbort(signal: AbortSignal, target: Abortable): Place<Abortable> {
  const roster = rosters.get(signal) ?? listenTo(signal);
  return roster.add(target);
}

function listenTo(signal: AbortSignal): Roster<Abortable> {
  const roster = new Roster<Abortable>();
  rosters.set(signal, roster);
  const fire = (): void => {
    for (let target = roster.take(); target !== null; target = roster.take()) target.abort(signal.reason);
  };
  signal.addEventListener("abort", fire, { once: true });
  return roster;
}
