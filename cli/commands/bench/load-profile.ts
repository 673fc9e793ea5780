/** From the options of `tiding bench` to the stages that it runs. */
import type { BenchProfile } from "../../../bench/bench-options.ts";
import type { Arrivals, StageLoad } from "../../../bench/load/stage-load.ts";
import { TidingError } from "../../../shared/errors.ts";

export interface LoadFlags {
  readonly concurrency?: readonly number[];
  readonly rate?: readonly number[];
  readonly poisson?: readonly number[];
  readonly allAtOnce?: readonly number[];
  readonly sweep?: true;
  readonly sweepArrivals?: "constant" | "poisson";
  readonly steps?: number;
  readonly maxConcurrency?: number;
  readonly seconds?: number;
  readonly requests?: number;
  readonly warmUp?: number;
  readonly coolDown?: number;
  readonly ramp?: number;
  readonly maxInFlight: number;
  readonly grace: number;
  readonly seed: number;
}

/** Without an option that says how requests arrive: few in flight, and more. */
const DEFAULT_CONCURRENCY = [1, 8, 32];
const DEFAULT_SECONDS = 30;
const PROFILES = ["concurrency", "rate", "poisson", "allAtOnce", "sweep"] as const;
const FLAGS = {
  concurrency: "--concurrency",
  rate: "--rate",
  poisson: "--poisson",
  allAtOnce: "--all-at-once",
  sweep: "--sweep",
} as const;

/** Throws `USAGE` for options that contradict each other. */
export function loadProfile(flags: LoadFlags): BenchProfile {
  const given = PROFILES.filter((name) => flags[name] !== undefined);
  if (given.length > 1) {
    throw refused(
      `${given.map((name) => FLAGS[name]).join(" and ")} are loads of different kinds, and one run has one kind.`,
      "Give one of them; run the other for itself.",
    );
  }
  const [kind = "concurrency"] = given;
  refuseMisfits(flags, kind);
  if (kind === "sweep") {
    const { sweepArrivals: arrivals, steps, maxConcurrency = null } = flags;
    return {
      kind: "sweep",
      sweep: {
        stage: stageOf(flags),
        maxConcurrency,
        ...(arrivals === undefined ? {} : { arrivals }),
        ...(steps === undefined ? {} : { steps }),
      },
    };
  }
  if (kind === "allAtOnce") {
    const loads = (flags.allAtOnce ?? []).map((requests): StageLoad => {
      const stage = stageOf({ ...flags, requests, maxInFlight: Math.max(flags.maxInFlight, requests) });
      return { ...stage, name: `${requests} at once`, arrivals: { kind: "at-once" } };
    });
    return { kind: "stages", loads };
  }
  const loads = (flags[kind] ?? DEFAULT_CONCURRENCY).map((value): StageLoad => {
    const [name, arrivals] = arrivalsOf(kind, value);
    return { ...stageOf(flags), name, arrivals };
  });
  return { kind: "stages", loads };
}

function arrivalsOf(kind: "concurrency" | "rate" | "poisson", value: number): [name: string, arrivals: Arrivals] {
  switch (kind) {
    case "concurrency":
      return [`concurrency ${value}`, { kind: "closed", concurrency: value }];
    case "rate":
      return [`${value} req/s`, { kind: "constant", rate: value }];
    case "poisson":
      return [`Poisson ${value} req/s`, { kind: "poisson", rate: value }];
  }
}

/** A stage with nothing but requests to end it is measured as a whole. */
function stageOf(flags: LoadFlags): Omit<StageLoad, "name" | "arrivals"> {
  const { requests = null, ramp = 0, maxInFlight, grace, seed } = flags;
  const seconds = flags.seconds ?? (requests === null ? DEFAULT_SECONDS : null);
  return {
    seconds,
    requests,
    warmUpSeconds: flags.warmUp ?? (seconds === null ? 0 : Math.max(ramp, Math.min(30, seconds / 6))),
    coolDownSeconds: flags.coolDown ?? (seconds === null ? 0 : Math.min(10, seconds / 15)),
    rampSeconds: ramp,
    maxInFlight,
    graceSeconds: grace,
    seed,
  };
}

function refuseMisfits(flags: LoadFlags, kind: (typeof PROFILES)[number]): void {
  const { seconds, requests, warmUp, coolDown, ramp } = flags;
  const timed = { "--warm-up": warmUp, "--cool-down": coolDown, "--ramp": ramp };
  const extra = Object.entries(timed).find(([, value]) => value !== undefined)?.[0];
  if (kind === "allAtOnce") {
    const own = requests === undefined ? (seconds === undefined ? extra : "--seconds") : "--requests";
    if (own !== undefined)
      throw refused(`${own} has no meaning with --all-at-once, which says how many are sent.`, "Leave it out.");
  } else if (seconds === undefined && requests !== undefined && extra !== undefined) {
    throw refused(`${extra} needs --seconds: with --requests alone all of them are measured.`, "Add --seconds.");
  }
  if (kind === "sweep") return;
  const { sweepArrivals, steps, maxConcurrency } = flags;
  const sweeps = { "--sweep-arrivals": sweepArrivals, "--steps": steps, "--max-concurrency": maxConcurrency };
  const own = Object.entries(sweeps).find(([, value]) => value !== undefined)?.[0];
  if (own !== undefined) throw refused(`${own} has a meaning with --sweep alone.`, "Add --sweep, or leave it out.");
}

function refused(message: string, mend: string): TidingError {
  return new TidingError("USAGE", message, { place: "tiding bench", mend });
}
