import { nanos, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { isPassing, TransportError, type Claim } from "../transport.ts";
import type { NatsCalls } from "./nats-calls.ts";
import { shardOf } from "./nats-names.ts";

const CONFIRM_TIMEOUT_MS = 3_000;
const CONFIRM_ATTEMPTS = 3;
const REPEAT_AFTER_MS = 500;

/** A claimed task. The library's own message cannot repeat an acknowledgement whose answer was lost. */
export class NatsClaim implements Claim {
  readonly shard: number;
  readonly body: Uint8Array;
  readonly #control: NatsConnection;
  readonly #reply: string;
  readonly #calls: NatsCalls;
  readonly #isGone: () => Promise<boolean>;
  readonly #onBeat: () => void;
  #isSettled = false;

  /** `isGone` says whether the job's queue was dropped; `onBeat` tells others that the shard is being worked on. */
  constructor(
    message: Msg,
    options: {
      readonly control: NatsConnection;
      readonly calls: NatsCalls;
      readonly isGone: () => Promise<boolean>;
      readonly onBeat: (shard: number) => void;
    },
  ) {
    this.shard = shardOf(message.subject);
    this.body = new Uint8Array(message.data);
    this.#control = options.control;
    this.#reply = message.reply ?? "";
    this.#calls = options.calls;
    this.#isGone = options.isGone;
    this.#onBeat = () => options.onBeat(this.shard);
    this.#onBeat();
  }

  async beat(): Promise<void> {
    if (this.#isSettled) return;
    this.#onBeat();
    await this.#confirm("+WPI", "A beat");
  }

  async done(): Promise<void> {
    if (this.#isSettled) return;
    await this.#confirm("+ACK", "Finishing a task");
    this.#isSettled = true;
  }

  async retry(delayMs: number): Promise<void> {
    if (this.#isSettled) return;
    await this.#confirm(`-NAK ${JSON.stringify({ delay: nanos(Math.ceil(delayMs)) })}`, "Giving a task back");
    this.#isSettled = true;
  }

  async #confirm(verdict: string, what: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#calls.once(what, () =>
          this.#control.request(this.#reply, verdict, { timeout: CONFIRM_TIMEOUT_MS }),
        );
        return;
      } catch (error) {
        // Nobody listens: the server is about to come back, or the job was dropped and nothing is left to be done.
        const isUnheard = error instanceof TransportError && error.fault === "unreachable";
        if (isUnheard && this.#calls.health.isUp && (await this.#isGone())) return;
        if (!isPassing(error) || attempt === CONFIRM_ATTEMPTS) throw error;
      }
      await this.#calls.pause(REPEAT_AFTER_MS);
    }
  }
}
