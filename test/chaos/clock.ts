/** Milliseconds since 1970 that never go back, as in the endpoint's request log. */
export function clock(): number {
  return performance.timeOrigin + performance.now();
}
