import type { Standing } from "../shared/protocol/standing-record.ts";
import { formatCount } from "./format.ts";
import { renderProgressLine } from "./progress-view.ts";
import { plain } from "./text.ts";

const PROGRESS_MS = 10_000;

/** Turns standings into lines of a log: one when a job's state changes, and one every ten seconds while it runs. */
export class CoordinatorLog {
  readonly #say: (line: string) => void;
  readonly #now: () => number;
  readonly #shown = new Map<string, { readonly state: string; readonly atMs: number }>();

  constructor(say: (line: string) => void, now: () => number = () => performance.now()) {
    this.#say = say;
    this.#now = now;
  }

  show(standing: Standing, name: string): void {
    const { id, state, progress, waitingFor } = standing;
    const before = this.#shown.get(id);
    const told = state === "queued" ? `${state} ${waitingFor ?? ""}` : state;
    const atMs = this.#now();
    if (before?.state === told) {
      if (state !== "running" || progress === null || atMs - before.atMs < PROGRESS_MS) return;
      this.#say(`${id}: ${renderProgressLine(progress)}`);
    } else this.#say(plain(`${id}: ${describe(standing, name)}`));
    this.#shown.set(id, { state: told, atMs });
  }
}

function describe({ state, report, error, waitingFor }: Standing, name: string): string {
  const rows =
    report === null
      ? ""
      : `, ${formatCount(report.rows.accepted)} rows accepted, ${formatCount(report.rows.failed)} failed`;
  switch (state) {
    case "running":
      return `started (${name})`;
    case "queued":
      return `queued. ${waitingFor ?? ""}`;
    case "finished":
    case "finished-with-failed-rows":
      return `finished${rows}: ${report?.output ?? ""}`;
    case "paused":
    case "cancelled":
      return `${state}${rows}`;
    case "stopped":
      return `stopped${rows}. ${error?.code ?? ""} ${error?.message ?? ""} ${error?.mend ?? ""}`;
  }
}
