/** Prometheus' histograms with TGI's buckets (router v3.3, `server.rs`). */

const DURATION_BOUNDS = Array.from({ length: 35 }, (_, index) => 0.0001 * 1.5 ** (index + 1));
const DURATION_STEP = 1 / Math.log(1.5);

/** Seconds, from 0.15 ms to 146 s. */
export class DurationHistogram {
  readonly #histogram = new Histogram(DURATION_BOUNDS);

  add(seconds: number): void {
    const bucket = Math.ceil(Math.log(seconds / DURATION_BOUNDS[0]!) * DURATION_STEP);
    this.#histogram.add(seconds, Math.max(0, bucket));
  }

  render(name: string, labels = ""): string {
    return this.#histogram.render(name, labels);
  }
}

/** Counts in a hundred equally wide buckets up to `most`. */
export class CountHistogram {
  readonly #histogram: Histogram;
  readonly #width: number;

  constructor(most: number) {
    this.#width = most / 100;
    this.#histogram = new Histogram(Array.from({ length: 100 }, (_, index) => this.#width * (index + 1)));
  }

  add(value: number): void {
    this.#histogram.add(value, Math.max(0, Math.ceil(value / this.#width) - 1));
  }

  render(name: string): string {
    return this.#histogram.render(name, "");
  }
}

class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Uint32Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Uint32Array(bounds.length + 1);
  }

  add(value: number, bucket: number): void {
    this.#sum += value;
    const index = Math.min(bucket, this.#bounds.length);
    this.#counts[index] = this.#counts[index]! + 1;
  }

  /** `labels` as `method="decode"`. */
  render(name: string, labels: string): string {
    const lines: string[] = [];
    const others = labels === "" ? "" : `${labels},`;
    const own = labels === "" ? "" : `{${labels}}`;
    let below = 0;
    for (const [index, bound] of this.#bounds.entries()) {
      below += this.#counts[index]!;
      lines.push(`${name}_bucket{${others}le="${bound}"} ${below}`);
    }
    below += this.#counts[this.#bounds.length]!;
    lines.push(
      `${name}_bucket{${others}le="+Inf"} ${below}`,
      `${name}_sum${own} ${this.#sum}`,
      `${name}_count${own} ${below}`,
    );
    return lines.join("\n");
  }
}
