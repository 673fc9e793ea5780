/** What endpoints cost, in words; Hugging Face's prices are in US dollars. */

const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumFractionDigits: 3 });

/** `$1.25`, `$0.033`. */
export function formatDollars(amount: number): string {
  return dollars.format(amount);
}

/** `$1.25 an hour`, or that nobody says. */
export function describeCost(pricePerHour: number | null): string {
  return pricePerHour === null ? "a price that is not known" : `${formatDollars(pricePerHour)} an hour`;
}
