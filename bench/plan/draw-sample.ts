/** Which of the rows that a survey drew are paid for: one from each of as many layers, from the shortest texts to the longest. */
import type { DrawnRow } from "./input-survey.ts";

/**
 * At most `count`, in a random order that begins with one of middling length, which will run alone. Layers make twenty rows
 * stand for the input's lengths as evenly as twenty rows can.
 */
export function drawSample(drawn: readonly DrawnRow[], count: number, random: () => number): readonly DrawnRow[] {
  const byLength = drawn
    .map((row) => ({ row, tie: random() }))
    .toSorted((a, b) => a.row.textBytes - b.row.textBytes || a.tie - b.tie)
    .map(({ row }) => row);
  const layers = Math.min(count, byLength.length);
  const chosen = Array.from({ length: layers }, (_, layer) => {
    const [from, to] = [
      Math.floor((layer * byLength.length) / layers),
      Math.floor(((layer + 1) * byLength.length) / layers),
    ];
    return byLength[from + Math.floor(random() * (to - from))]!;
  });
  const [middle] = chosen.splice(layers >> 1, 1);
  const others = chosen.map((row) => ({ row, place: random() })).toSorted((a, b) => a.place - b.place);
  return middle === undefined ? [] : [middle, ...others.map(({ row }) => row)];
}
