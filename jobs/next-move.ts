/** What the coordinator does next about a submitted job: a pure function of what is wanted, what was told and what runs. */
import type { Standing } from "../shared/protocol/standing-record.ts";
import type { Submission } from "../shared/protocol/submission-record.ts";

/** How far a run was asked to end: not at all, with its rows finished, or now. */
export type Asked = "nothing" | "drain" | "stop";

export type Move = "nothing" | "start" | "drain" | "stop" | "pause" | "cancel";

/** Nothing is left to be done about it, unless a client gives a new order. */
export function hasEnded(state: Standing["state"]): boolean {
  return state !== "queued" && state !== "running" && state !== "paused";
}

/** `run` is null while the job does not run here. */
export function nextMove(
  { wanted, order }: Pick<Submission, "wanted" | "order">,
  { standing, run }: { readonly standing: Pick<Standing, "state" | "order"> | null; readonly run: Asked | null },
): Move {
  // A run that was asked to end cannot be called back: once it has ended, it is looked at anew.
  if (run !== null) {
    if (wanted === "run" || run === "stop") return "nothing";
    if (wanted === "cancel-now") return "stop";
    return run === "drain" ? "nothing" : "drain";
  }
  const isAnswered = standing !== null && standing.order >= order;
  const state = standing?.state ?? "queued";
  if (isAnswered && (hasEnded(state) || state === "paused")) return "nothing";
  if (wanted === "run") return "start";
  return wanted === "pause" ? "pause" : "cancel";
}
