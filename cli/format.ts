/** Numbers, bytes and durations as the command line shows them: in English, like the words around them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDigits = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const shares = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function formatCount(count: number): string {
  return whole.format(count);
}

/** A count with its noun: `1 row`, `2 rows`. */
export function formatCounted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A rate, without its unit, with as many digits as are worth reading: `0.25`, `7.5`, `1,234`. */
export function formatRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 1) return twoDigits.format(perSecond);
  return perSecond > 0 && perSecond < 100 ? oneDigit.format(perSecond) : whole.format(perSecond);
}

/** A share of 1, rounded down, so that 100.0% means all. */
export function formatShare(share: number): string {
  return shares.format(Math.floor(share * 1_000) / 1_000);
}

const byteUnits = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];

/** Bytes in powers of 1,000: `12.3 MB`. */
export function formatBytes(bytes: number): string {
  let power = 0;
  let scaled = bytes;
  // 999.95 would be shown as 1,000.0 of the smaller unit.
  while (scaled >= (power === 0 ? 1_000 : 999.95) && power < byteUnits.length - 1) {
    scaled /= 1_000;
    power++;
  }
  return new Intl.NumberFormat("en", {
    style: "unit",
    unit: byteUnits[power] ?? "byte",
    unitDisplay: power === 0 ? "long" : "short",
    maximumFractionDigits: 1,
  }).format(scaled);
}

const durationUnits = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
] as const;

/** A duration by its two largest units: `2m 5s`, `3h 20m`; below a second in milliseconds. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return formatUnit(Math.round(milliseconds), "millisecond");
  if (milliseconds < 9_950) return formatUnit(milliseconds / 1_000, "second");
  const first = durationUnits.findIndex(([, length]) => Math.round(milliseconds / 1_000) * 1_000 >= length);
  const shown = durationUnits.slice(first, first + 2);
  const smallest = shown.at(-1)?.[1] ?? 1_000;
  let left = Math.round(milliseconds / smallest) * smallest;
  const texts: string[] = [];
  for (const [unit, length] of shown) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0) texts.push(formatUnit(count, unit));
  }
  return texts.join(" ");
}

function formatUnit(count: number, unit: string): string {
  return new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "narrow", maximumFractionDigits: 1 }).format(
    count,
  );
}
