/** What the page draws, as plain data: what a plot shows can be checked without a browser. */

/** `log2` and `log10` take values above 0 alone. `nines` is −log10(1 − p) of a percentile p, so that p90, p99 and p99.9 stand apart evenly. */
export type Scale = "linear" | "log2" | "log10" | "nines";

export interface PlotAxis {
  readonly label: string;
  readonly scale: Scale;
  /** How its values read: `ms` grow into seconds, a `share` reads in percent. */
  readonly unit: "ms" | "share" | "count" | "percentile" | "s";
}

/** A place in the page's ramp of colours from 0 to 1, for what has an order; `muted` for what is only compared with. */
export type Tone = number | "muted";

export interface PlotSeries {
  readonly label: string;
  readonly tone: Tone;
  /** One for each of the plot's `xs`; null leaves a gap. */
  readonly values: readonly (number | null)[];
  readonly points: boolean;
  readonly dashed: boolean;
}

export interface Plot {
  /** Of its element in the page; unique in a page. */
  readonly id: string;
  readonly title: string;
  /** What it shows, as one or two sentences. */
  readonly caption: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  /** Ascending. */
  readonly xs: readonly number[];
  readonly series: readonly PlotSeries[];
  /** Lines across the plot, such as a limit. */
  readonly lines: readonly { readonly axis: "x" | "y"; readonly at: number; readonly label: string }[];
  /** Stretches of x that mean something else, such as a warm-up. */
  readonly shades: readonly { readonly from: number; readonly to: number; readonly label: string }[];
}

/** Plots that stand together; of several variants the reader picks one. */
export interface PlotGroup {
  readonly id: string;
  readonly title: string;
  /** What the variants differ in: `Stage`. Null with a single variant. */
  readonly picker: string | null;
  readonly variants: readonly { readonly label: string; readonly plots: readonly Plot[] }[];
  /** The variant that is shown first. */
  readonly initial: number;
}

/** A value that a logarithmic scale can show. */
export function aboveZero(value: number | null): number | null {
  return value !== null && value > 0 ? value : null;
}

/** Tones for so many series, spread over the ramp. */
export function toneOf(index: number, count: number): number {
  return count < 2 ? 0 : index / (count - 1);
}
