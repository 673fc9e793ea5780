/** Numbers of a report as people read them, alike in the terminal and in the page. */

/** As many digits as are worth reading: `0.256`, `9.24`, `62.1`, `1,234`; a dash for what is not known. */
export function shownNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const digits = size === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A count: `41`, `1,220`. */
export function shownWhole(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en");
}

/** Milliseconds as a duration of one unit: `9.24 ms`, `1.35 s`. */
export function shownMs(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return Math.abs(value) >= 999.5 ? `${shownNumber(value / 1_000)} s` : `${shownNumber(value)} ms`;
}

/** A share of 1 in percent. Never `0 %` for more than nothing, nor `100 %` for less than all. */
export function shownShare(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value > 0 && value < 0.001) return "<0.1 %";
  if (value < 1 && value > 0.999) return ">99.9 %";
  const percent = value * 100;
  return `${percent.toLocaleString("en", { maximumFractionDigits: percent >= 10 ? 1 : 2 })} %`;
}

/** A count with its noun: `1 request`, `2 requests`. */
export function shownCount(count: number, noun: string): string {
  return `${shownWhole(count)} ${noun}${count === 1 ? "" : "s"}`;
}
