/**
 * Who is here right now, where thousands come and go each second; both are O(1).
 *
 * A Set would do, but for its tables: each rehash leaves one behind that still points at all who were in it, and once V8
 * has moved such a table to its old generation, they and whatever they hold follow it there, to wait for a full collection.
 */
export class Roster<T> {
  /** Its neighbours are the first place and the last one; it stands for none itself. */
  readonly #ring = new Place<T>(null);

  add(member: T): Place<T> {
    return new Place<T>(member, this.#ring);
  }

  /** Takes out who came first; null when nobody is left. */
  take(): T | null {
    const first = this.#ring.next;
    const { member } = first;
    first.leave();
    return member;
  }

  /** As they are now; O(n). */
  members(): readonly T[] {
    const members: T[] = [];
    for (let place = this.#ring.next; place.member !== null; place = place.next) members.push(place.member);
    return members;
  }
}

/** One member's place, for it to leave. */
export class Place<T> {
  member: T | null;
  next: Place<T> = this;
  #previous: Place<T> = this;

  /** Only a roster makes places. */
  constructor(member: T | null, ring: Place<T> | null = null) {
    this.member = member;
    if (ring === null) return;
    this.next = ring;
    this.#previous = ring.#previous;
    this.#previous.next = this;
    ring.#previous = this;
  }

  /** Does nothing where it was left already. */
  leave(): void {
    this.#previous.next = this.next;
    this.next.#previous = this.#previous;
    // So that a place that grew old holds on to nothing.
    this.member = null;
    this.next = this.#previous = this;
  }
}
