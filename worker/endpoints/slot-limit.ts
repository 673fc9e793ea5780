/**
 * How many of an endpoint's slots may be used right now: all of them, fewer for a while after back-pressure.
 *
 * Pure. One cut halves the requests that were in flight; what is refused out of the same burst, or within a second, cuts no
 * further. Each answer gives back up to one slot, so that a round of answers restores about an eighth of all slots.
 */
export interface SlotLimit {
  readonly slots: number;
  /** Between 1 and `slots`; its whole part is what may be used. */
  readonly current: number;
  readonly cutAtMs: number;
}

export interface BackPressure {
  /** Requests in flight, the refused one included. */
  readonly inUse: number;
  readonly sentAtMs: number;
  readonly nowMs: number;
}

const ONE_CUT_PER_MS = 1_000;
const ROUNDS_TO_RECOVER = 8;

export function fullLimit(slots: number): SlotLimit {
  return { slots, current: slots, cutAtMs: Number.NEGATIVE_INFINITY };
}

export function limitAfterAnswer(limit: SlotLimit): SlotLimit {
  const { slots, current } = limit;
  if (current === slots) return limit;
  return { ...limit, current: Math.min(slots, current + Math.min(1, slots / (ROUNDS_TO_RECOVER * current))) };
}

export function limitAfterBackPressure(limit: SlotLimit, { inUse, sentAtMs, nowMs }: BackPressure): SlotLimit {
  if (sentAtMs <= limit.cutAtMs || nowMs - limit.cutAtMs < ONE_CUT_PER_MS) return limit;
  return { ...limit, current: Math.max(1, Math.floor(Math.min(limit.current, inUse) / 2)), cutAtMs: nowMs };
}

/** The same limit over fewer slots, for a server that says it takes no more. */
export function cappedLimit(limit: SlotLimit, slots: number): SlotLimit {
  return slots >= limit.slots ? limit : { ...limit, slots, current: Math.min(limit.current, slots) };
}
