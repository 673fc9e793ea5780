/** First in, first out, with calls that come back ahead of new ones; adding, taking and leaving are O(1). */
export class WaitingLine<T extends LinePlace<T>> {
  readonly #back: Lane<T> = { first: null, last: null };
  readonly #new: Lane<T> = { first: null, last: null };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `isBack`: it had its turn once, and stands behind others that came back but ahead of the new. */
  add(entry: T, isBack: boolean): void {
    const lane = isBack ? this.#back : this.#new;
    entry.lane = lane;
    entry.previous = lane.last;
    if (lane.last === null) lane.first = entry;
    else lane.last.next = entry;
    lane.last = entry;
    this.#size++;
  }

  take(): T | null {
    const entry = this.#back.first ?? this.#new.first;
    if (entry !== null) this.leave(entry);
    return entry;
  }

  /** Does nothing for an entry that stands in no line. */
  leave(entry: T): void {
    const { lane, previous, next } = entry;
    if (lane === null) return;
    if (previous === null) lane.first = next;
    else previous.next = next;
    if (next === null) lane.last = previous;
    else next.previous = previous;
    entry.lane = entry.previous = entry.next = null;
    this.#size--;
  }
}

export interface Lane<T> {
  first: T | null;
  last: T | null;
}

/** What an entry carries so that it can leave from the middle; the line alone writes it. */
export interface LinePlace<T> {
  lane: Lane<T> | null;
  previous: T | null;
  next: T | null;
}
