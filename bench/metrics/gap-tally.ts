/**
 * The gaps between events that carry tokens: raw (ICL), and divided over the tokens that came (ITL), a sample a token. Events
 * with one stamp came at once (a server that decodes several tokens a step sends them in a burst), and are one arrival for the
 * ITL: gaps of 0 within a burst would halve the median that a reader of the stream sees.
 */
import type { MeasuredRequest } from "../load/request-record.ts";
import { DistributionTally } from "./distribution.ts";
import type { EncodedDistribution } from "./distribution.ts";

/** Plain data, to cross threads. */
export interface EncodedGaps {
  readonly both: EncodedDistribution;
  readonly icl: EncodedDistribution;
  readonly itl: EncodedDistribution;
}

export class GapTally {
  /** Gaps before one event of one token, which are both: recorded once, as a histogram costs more than all else here. */
  #both = new DistributionTally();
  #icl = new DistributionTally();
  #itl = new DistributionTally();

  add({ record, stamps, tokensOfEvents }: MeasuredRequest): void {
    const { events, outputTokens } = record;
    if (events < 2) return;
    const each = outputTokens === 0 ? 1 : outputTokens / events;
    let event = 1;
    let arrivedMs = stamps[0]!;
    while (event < events && stamps[event] === arrivedMs) event += 1;
    if (event > 1) this.#icl.recordWeighted(0, event - 1);
    /** Since the last arrival that brought tokens. */
    let sinceMs = arrivedMs;
    while (event < events) {
      const stamp = stamps[event]!;
      const first = event;
      let tokens = 0;
      do {
        tokens += tokensOfEvents === null ? each : tokensOfEvents[event]!;
        event += 1;
      } while (event < events && stamps[event] === stamp);
      const gap = stamp - arrivedMs;
      if (tokens === 1 && event - first === 1 && sinceMs === arrivedMs) {
        this.#both.record(gap);
      } else {
        this.#icl.record(gap);
        this.#icl.recordWeighted(0, event - first - 1);
        if (tokens > 0) this.#itl.recordWeighted((stamp - sinceMs) / tokens, tokens);
      }
      arrivedMs = stamp;
      if (tokens > 0) sinceMs = stamp;
    }
  }

  itl(): DistributionTally {
    return sumOf(this.#both, this.#itl);
  }

  icl(): DistributionTally {
    return sumOf(this.#both, this.#icl);
  }

  merge(other: GapTally): void {
    this.#both.merge(other.#both);
    this.#icl.merge(other.#icl);
    this.#itl.merge(other.#itl);
  }

  encode(): EncodedGaps {
    return { both: this.#both.encode(), icl: this.#icl.encode(), itl: this.#itl.encode() };
  }

  static decode(encoded: EncodedGaps): GapTally {
    const tally = new GapTally();
    tally.#both = DistributionTally.decode(encoded.both);
    tally.#icl = DistributionTally.decode(encoded.icl);
    tally.#itl = DistributionTally.decode(encoded.itl);
    return tally;
  }
}

function sumOf(...parts: readonly DistributionTally[]): DistributionTally {
  const sum = new DistributionTally();
  for (const part of parts) sum.merge(part);
  return sum;
}
