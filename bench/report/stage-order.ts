import type { BenchReport, StageReport } from "./bench-report.ts";

/** For reading: a sweep's stages by their rates, behind those without one; others as they were run. */
export function stagesInOrder({ profile, stages }: Pick<BenchReport, "profile" | "stages">): readonly StageReport[] {
  if (profile !== "sweep") return stages;
  return stages.toSorted((one, other) => (one.load.rate ?? 0) - (other.load.rate ?? 0));
}
