/**
 * One distribution of a stage, as it grows: exact count, mean, standard deviation and extremes, and an HDR histogram for the
 * percentiles. Merges, so that threads and runs can each keep their own.
 */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import type { Distribution } from "../report/bench-report.ts";

/** The histogram counts whole numbers: thousandths, which of milliseconds are microseconds. */
const PER_UNIT = 1000;
const DIGITS = 3;
/** Counts of a bucket go to 2³². */
const BITS = 32;

/** Fewer samples than this say nothing about that percentile, which then is null. */
const CARRIED_FROM = { p50: 5, p90: 20, p95: 50, p99: 1_000, p999: 10_000 } as const;

/** Plain data, to cross threads. */
export interface EncodedDistribution {
  readonly weight: number;
  readonly mean: number;
  /** Weighted sum of squared distances from the mean. */
  readonly squares: number;
  readonly min: number;
  readonly max: number;
  readonly hdr: string;
}

function emptyHistogram(): Histogram {
  return build({
    bitBucketSize: BITS,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2,
    numberOfSignificantValueDigits: DIGITS,
  });
}

export class DistributionTally {
  readonly #histogram: Histogram;
  #weight = 0;
  /** What the histogram's whole counts have left over of fractional weights: less than one sample, so it is not merged. */
  #carry = 0;
  /** Sums are of distances from here, near the values, so that squares of large values do not cancel out their spread. */
  #origin = 0;
  #sum = 0;
  #squares = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(histogram: Histogram = emptyHistogram()) {
    this.#histogram = histogram;
  }

  get n(): number {
    return Math.round(this.#weight);
  }

  /** Null while there is nothing. */
  get mean(): number | null {
    return this.#weight === 0 ? null : this.#origin + this.#sum / this.#weight;
  }

  record(value: number): void {
    this.#note(value, 1);
    this.#histogram.recordValue(inThousandths(value));
  }

  /** Records a value that stands for `weight` samples, which need not be whole. */
  recordWeighted(value: number, weight: number): void {
    if (weight <= 0) return;
    this.#note(value, weight);
    const owed = this.#carry + weight;
    const counts = Math.floor(owed + 1e-9);
    this.#carry = owed - counts;
    if (counts > 0) this.#histogram.recordValueWithCount(inThousandths(value), counts);
  }

  merge(other: DistributionTally): void {
    if (other.#weight === 0) return;
    const [here, there] = [this.#moments(), other.#moments()];
    const weight = here.weight + there.weight;
    const apart = there.mean - here.mean;
    this.#weight = weight;
    this.#origin = here.mean + (apart * there.weight) / weight;
    this.#sum = 0;
    this.#squares = here.squares + there.squares + (apart * apart * here.weight * there.weight) / weight;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    this.#histogram.add(other.#histogram);
  }

  /** 0 to 100; null where the number of samples does not carry it. Exact at the ends, else the histogram's three digits. */
  percentile(percentile: number, carriedFrom: number): number | null {
    if (this.n < carriedFrom) return null;
    const value = this.#histogram.getValueAtPercentile(percentile) / PER_UNIT;
    return Math.min(Math.max(value, this.#min), this.#max);
  }

  p50(): number | null {
    return this.percentile(50, CARRIED_FROM.p50);
  }

  p99(): number | null {
    return this.percentile(99, CARRIED_FROM.p99);
  }

  report(): Distribution {
    const some = this.#weight > 0;
    const { squares, weight } = this.#moments();
    return {
      n: this.n,
      mean: this.mean,
      std: this.n < 2 ? null : Math.sqrt(squares / weight),
      min: some ? this.#min : null,
      max: some ? this.#max : null,
      p50: this.p50(),
      p90: this.percentile(90, CARRIED_FROM.p90),
      p95: this.percentile(95, CARRIED_FROM.p95),
      p99: this.p99(),
      p999: this.percentile(99.9, CARRIED_FROM.p999),
      hdr: encodeIntoCompressedBase64(this.#histogram),
    };
  }

  encode(): EncodedDistribution {
    return {
      ...this.#moments(),
      min: this.#min,
      max: this.#max,
      hdr: encodeIntoCompressedBase64(this.#histogram),
    };
  }

  static decode(encoded: EncodedDistribution): DistributionTally {
    const histogram = decodeFromCompressedBase64(encoded.hdr, BITS);
    histogram.autoResize = true;
    const tally = new DistributionTally(histogram);
    tally.#weight = encoded.weight;
    tally.#origin = encoded.mean;
    tally.#squares = encoded.squares;
    tally.#min = encoded.min;
    tally.#max = encoded.max;
    return tally;
  }

  #note(value: number, weight: number): void {
    if (this.#weight === 0) this.#origin = value;
    const apart = value - this.#origin;
    this.#weight += weight;
    this.#sum += apart * weight;
    this.#squares += apart * apart * weight;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  #moments(): { weight: number; mean: number; squares: number } {
    const weight = this.#weight;
    if (weight === 0) return { weight, mean: 0, squares: 0 };
    return {
      weight,
      mean: this.#origin + this.#sum / weight,
      squares: Math.max(0, this.#squares - (this.#sum * this.#sum) / weight),
    };
  }
}

/** Nothing measured is below 0; two stamps of one instant may differ by a rounding, which the exact minimum still shows. */
function inThousandths(value: number): number {
  return value <= 0 ? 0 : Math.round(value * PER_UNIT);
}
