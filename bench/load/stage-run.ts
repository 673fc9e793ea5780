/**
 * One thread's part of one stage.
 *
 *   sending ──(schedule used up, or its time, or stopped)──► draining ──(nothing in flight, or grace over: cut)──► over
 *
 * Every request that was due ends in exactly one record: ok, error, incomplete or never-sent.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { clockMs } from "../fine-timer.ts";
import type { LiveRequests, StageTally } from "../metrics/stage-tally.ts";
import type { LiveCounts } from "../metrics/stage-progress.ts";
import { Answer } from "./answer.ts";
import { Exchange } from "./exchange.ts";
import type { Pacer, Sender, Sending } from "./pacers.ts";
import type { Place } from "./place.ts";
import { recordNeverSent, recordOf } from "./record-request.ts";
import type { RecordContext } from "./record-request.ts";
import type { ReadStamp } from "./read-stamp.ts";
import type { RequestRecord } from "./request-record.ts";
import type { SelfTimes } from "./self-times.ts";
import type { BenchWire, WirePrompt } from "./wires/bench-wire.ts";

export interface StageRunOptions {
  readonly wire: BenchWire;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestTimeoutMs: number;
  readonly prompt: (index: number) => WirePrompt;
  /** The run's prompt for the stage's request 0. */
  readonly firstPrompt: number;
  readonly context: RecordContext;
  readonly stamp: ReadStamp;
  /** The stage's start by `clockMs`. */
  readonly originMs: number;
  /** From the start; infinite where requests alone end the stage. */
  readonly sendForMs: number;
  readonly graceMs: number;
  readonly tally: StageTally;
  readonly times: SelfTimes;
  /** A line of JSON without its line end. */
  readonly onRecord: (line: string) => void;
}

export interface StageRunEnd {
  /** When sending ended, and the last request was over; milliseconds since the stage's start. */
  readonly sentUntilMs: number;
  readonly endMs: number;
  readonly events: number;
  /** Requests that were sent a second time, because the server had closed their connection meanwhile. */
  readonly resent: number;
}

export class StageRun implements Sender {
  readonly #options: StageRunOptions;
  readonly #inFlight = new Set<Place>();
  readonly #answers: Answer[] = [];
  /** Their records are not made yet. */
  readonly #ended: { readonly exchange: Exchange; readonly sending: Sending }[] = [];
  #tellOver: (() => void) | null = null;
  #pacer: Pacer | null = null;
  #prepared: { readonly index: number; readonly body: string } | null = null;
  #sendEnd: NodeJS.Timeout | null = null;
  #grace: NodeJS.Timeout | null = null;
  #sweep: NodeJS.Timeout | null = null;
  #sentUntilMs: number | null = null;
  #endMs = 0;
  #sent = 0;
  #neverSent = 0;
  #events = 0;
  #resent = 0;

  constructor(options: StageRunOptions) {
    this.#options = options;
  }

  /** Resolves when every request that was due has its record. */
  async run(pacer: Pacer): Promise<StageRunEnd> {
    const { sendForMs, requestTimeoutMs } = this.#options;
    this.#pacer = pacer;
    if (sendForMs < Number.POSITIVE_INFINITY) this.#endSendingAt(sendForMs);
    this.#sweep = setInterval(() => this.#cutOverdue(), Math.min(250, Math.max(5, requestTimeoutMs / 20)));
    await new Promise<void>((resolve) => {
      this.#tellOver = resolve;
      pacer.begin();
    });
    for (const timer of [this.#sendEnd, this.#grace, this.#sweep]) if (timer !== null) clearTimeout(timer);
    // What was cut closes its connections.
    await nextTurn();
    return { sentUntilMs: this.#sentUntilMs ?? 0, endMs: this.#endMs, events: this.#events, resent: this.#resent };
  }

  /** Sends nothing from now on; what is in flight has its grace. */
  stop(): void {
    this.#endSending(this.nowMs(), this.#options.graceMs);
  }

  /** Ends the stage now: what is in flight is incomplete. */
  abort(): void {
    this.#endSending(this.nowMs(), 0);
    this.#cutAll();
  }

  live(): LiveCounts {
    this.#recordEnded();
    const { waiting = 0 } = this.#pacer ?? {};
    const scheduled = this.#sent + this.#neverSent + waiting;
    return {
      elapsedMs: Math.max(0, this.nowMs()),
      scheduled,
      sent: this.#sent,
      inFlight: this.#inFlight.size,
      events: this.#events + this.#eventsInFlight(),
    };
  }

  /** What was due and is not over. */
  open(): LiveRequests {
    this.#recordEnded();
    return { nowMs: this.nowMs(), open: this.#open() };
  }

  nowMs(): number {
    return clockMs() - this.#options.originMs;
  }

  prepare(index: number): void {
    this.#prepared = { index, body: this.#bodyOf(index) };
  }

  send(place: Place, sending: Sending): void {
    const { wire, stamp, originMs, path, headers, requestTimeoutMs } = this.#options;
    const prepared = this.#prepared;
    const body = prepared?.index === sending.index ? prepared.body : this.#bodyOf(sending.index);
    const answer = this.#answers.pop() ?? new Answer();
    answer.reset();
    const settled = (settling: Exchange): void => this.#settled(place, settling, sending);
    const request = { method: "POST", path, headers, body } as const;
    // RFC 9112, 9.3: a server may close a kept connection at any time, and llama.cpp's does after each stream, for all that it
    // says `Keep-Alive: timeout=5`. The request that crosses that is nobody's failure, and once on a new connection it shows.
    const sendAgain = (): boolean => {
      if (!place.isKept) return false;
      place.isKept = false;
      this.#resent++;
      place.connection.send(request, exchange);
      return true;
    };
    const exchange = new Exchange({ wire, answer, stamp, originMs, sendAgain, settled });
    place.exchange = exchange;
    place.dueMs = sending.dueMs;
    place.deadlineMs = this.nowMs() + requestTimeoutMs;
    this.#inFlight.add(place);
    this.#sent++;
    place.connection.send(request, exchange);
  }

  neverSent({ index, dueMs }: Sending): void {
    this.#neverSent++;
    const { context, firstPrompt } = this.#options;
    const record = recordNeverSent({ index, prompt: firstPrompt + index, dueMs }, context);
    this.#keep(record, null);
  }

  late(lateMs: number): void {
    this.#options.times.late(lateMs);
  }

  waited(waitMs: number): void {
    this.#options.times.waited(waitMs);
  }

  exhausted(): void {
    this.#endSending(this.nowMs(), this.#options.graceMs);
  }

  #settled(place: Place, exchange: Exchange, sending: Sending): void {
    place.exchange = null;
    place.isKept = exchange.isWhole;
    this.#inFlight.delete(place);
    this.#endMs = Math.max(this.#endMs, exchange.endMs ?? 0);
    this.#events += exchange.answer.events;
    // The connection is in the middle of an answer that nobody reads on.
    if (exchange.isCut) void place.connection.close();
    const { answer } = exchange;
    this.#ended.push({ exchange, sending });
    if (this.#ended.length === 1) void this.#recordLater();
    this.#pacer!.freed(place, answer.error !== null && answer.events === 0);
  }

  /** The next request first: what this one adds up to shall not make it late, and undici writes it in the turn after this. */
  async #recordLater(): Promise<void> {
    await nextTurn();
    await nextTurn();
    this.#recordEnded();
    this.#tellWhenOver();
  }

  #recordEnded(): void {
    const { context, firstPrompt } = this.#options;
    for (const { exchange, sending } of this.#ended.splice(0)) {
      const request = { index: sending.index, prompt: firstPrompt + sending.index, dueMs: sending.dueMs };
      this.#keep(recordOf(request, exchange, context), exchange.answer);
      this.#answers.push(exchange.answer);
    }
  }

  #keep(record: RequestRecord, answer: Answer | null): void {
    const stamps = answer?.stamps ?? NO_STAMPS;
    const tokensOfEvents = answer !== null && answer.countsKnown ? answer.tokens : null;
    this.#options.tally.add({ record, stamps, tokensOfEvents });
    this.#options.onRecord(JSON.stringify(record));
  }

  #endSendingAt(ms: number): void {
    // A longer delay than Node's 2^31-1 ms would fire at once.
    const waitMs = Math.min(Math.max(0, ms - this.nowMs()), 2 ** 31 - 1);
    this.#sendEnd = setTimeout(() => {
      if (this.nowMs() < ms) this.#endSendingAt(ms);
      else this.#endSending(ms, this.#options.graceMs);
    }, waitMs);
  }

  #endSending(ms: number, graceMs: number): void {
    if (this.#sentUntilMs !== null) return;
    this.#sentUntilMs = ms;
    this.#pacer!.end(ms);
    if (this.#inFlight.size > 0) this.#grace = setTimeout(() => this.#cutAll(), Math.min(graceMs, 2 ** 31 - 1));
    this.#tellWhenOver();
  }

  #tellWhenOver(): void {
    if (this.#sentUntilMs !== null && this.#inFlight.size + this.#ended.length === 0) this.#tellOver!();
  }

  #cutAll(): void {
    for (const place of this.#inFlight) place.exchange?.cut(null);
  }

  #cutOverdue(): void {
    const nowMs = this.nowMs();
    for (const place of this.#inFlight) if (nowMs >= place.deadlineMs) place.exchange?.cut("timeout");
  }

  *#open(): LiveRequests["open"] {
    for (const { dueMs, exchange } of this.#inFlight) yield { scheduledMs: dueMs, sentMs: exchange?.sentMs ?? null };
    for (const scheduledMs of this.#pacer?.waitingSince() ?? []) yield { scheduledMs, sentMs: null };
  }

  #eventsInFlight(): number {
    let events = 0;
    for (const { exchange } of this.#inFlight) events += exchange?.answer.events ?? 0;
    return events;
  }

  #bodyOf(index: number): string {
    return this.#options.wire.body(this.#options.prompt(this.#options.firstPrompt + index));
  }
}

const NO_STAMPS = new Float64Array(0);
