import { isPassing, TransportError } from "../transport.ts";
import { Wakeup } from "../../wakeup.ts";
import type { FullStores } from "./full-stores.ts";
import { asTransportError, assertOpen } from "./nats-errors.ts";
import type { NatsHealth } from "./nats-health.ts";

/** How long a call that may be repeated waits for a broker that is away: a restart. Who has more patience calls again. */
const PATIENCE_MS = 5_000;
const REPEAT_AFTER_MS = 250;

/** Calls to the broker, with failures as the port names them. */
export class NatsCalls {
  readonly closing: AbortSignal;
  readonly health: NatsHealth;
  readonly now: () => number;
  readonly random: () => number;
  readonly #fulls: FullStores;

  constructor(options: {
    readonly closing: AbortSignal;
    readonly health: NatsHealth;
    readonly fulls: FullStores;
    readonly now: () => number;
    readonly random: () => number;
  }) {
    this.closing = options.closing;
    this.health = options.health;
    this.now = options.now;
    this.random = options.random;
    this.#fulls = options.fulls;
  }

  /** One try. Rejects at once while the broker is away, and when the connection breaks meanwhile. */
  async once<T>(what: string, call: () => Promise<T>): Promise<T> {
    assertOpen(this.closing);
    if (!this.health.isUp) throw new TransportError("unreachable", `${what}: the broker is away.`);
    const { session } = this.health;
    const broken = new Wakeup();
    try {
      const answered = call().then((value) => ({ value }));
      const answer = await Promise.race([answered, broken.wait({ signals: [session, this.closing] })]);
      if (answer !== undefined) return answer.value;
      throw new TransportError("unknown", `${what}: the connection broke.`);
    } catch (error) {
      assertOpen(this.closing);
      throw asTransportError(error, what);
    } finally {
      broken.notify();
    }
  }

  /** One try to store something in that stream, watched. */
  write<T>(stream: string, what: string, call: () => Promise<T>): Promise<T> {
    return this.watched(stream, () => this.once(what, call));
  }

  /** Notes whether the stream took what the call stores: what it refuses for want of room is told once that lasts. */
  async watched<T>(stream: string, call: () => Promise<T>): Promise<T> {
    try {
      const answer = await call();
      this.#fulls.accepted(stream);
      return answer;
    } catch (error) {
      // Whether it is away is told elsewhere.
      throw this.health.isUp ? this.#fulls.refused(stream, error) : error;
    }
  }

  /** For calls that may happen twice: tried again while the broker is away, for five seconds. */
  async repeat<T>(what: string, call: () => Promise<T>): Promise<T> {
    const deadline = this.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.once(what, call);
      } catch (error) {
        if (!isPassing(error) || this.now() >= deadline) throw error;
        await this.pause(REPEAT_AFTER_MS);
      }
    }
  }

  /** Ends early when the transport is closed or a signal is aborted. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Wakeup().wait({ ms, signals: signal === undefined ? [this.closing] : [this.closing, signal] });
  }
}
