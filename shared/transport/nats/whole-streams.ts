/**
 * nats-server before 2.9.15 knows a stream by its name before it has a store for it, and dies of a question about a message
 * in between (v2.9.10: `addStreamWithAssignment` in server/stream.go, `jsMsgGetRequest` in server/jetstream_api.go). What it
 * tells of the stream as such is safe, and has no time of creation before the store is there. So whoever reads what another
 * may just be making, since it is missing, looks at the stream first.
 */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { TransportError } from "../transport.ts";
import { API_CODE, apiCode } from "./nats-errors.ts";
import type { NatsHealth } from "./nats-health.ts";

/**
 * Gives what it is given: of a stream that has its store, whose messages may be asked for and whose configuration may be
 * changed. Throws `unreachable` for one that is still being made.
 */
export function assertWhole(info: StreamInfo): StreamInfo {
  if (Date.parse(info.created) > 0) return info;
  throw new TransportError("unreachable", `The stream ${info.config.name} is still being made.`);
}

/**
 * Puts questions about messages to streams that were seen to be whole, since the connection stands and since they were last
 * missed. One that is deleted and made anew between two questions goes unnoticed: nobody does that to a broker at work.
 */
export class WholeStreams {
  readonly #manager: JetStreamManager;
  readonly #health: NatsHealth;
  /** In which session each was seen. */
  readonly #seen = new Map<string, AbortSignal>();

  constructor(manager: JetStreamManager, health: NatsHealth) {
    this.#manager = manager;
    this.#health = health;
  }

  /** The question's answer. Throws what it throws, and `unreachable` while the stream is being made. */
  async ask<T>(stream: string, question: () => Promise<T>): Promise<T> {
    const { session } = this.#health;
    if (this.#seen.get(stream) !== session) {
      assertWhole(await this.#manager.streams.info(stream));
      this.#seen.set(stream, session);
    }
    try {
      return await question();
    } catch (error) {
      if (apiCode(error) === API_CODE.streamNotFound) this.#seen.delete(stream);
      throw error;
    }
  }
}
