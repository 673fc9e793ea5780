/** Carrying out a scheduler's steps in virtual time. */

import type { BatchRequest, Scheduler, Step } from "../../../../../bench/simulator/batching/scheduler.ts";

export interface TimedRequest extends BatchRequest {
  readonly atMs: number;
}

export interface TimedStep extends Step {
  readonly startMs: number;
  readonly endMs: number;
}

/** Submits each request when it is due (in that order) and steps until nothing is left, or until `untilMs`. */
export function runVirtually(
  engine: Scheduler,
  requests: readonly TimedRequest[],
  onStep: (step: TimedStep) => void,
  untilMs = Number.POSITIVE_INFINITY,
): void {
  let nowMs = 0;
  let next = 0;
  while (nowMs < untilMs) {
    while (next < requests.length && requests[next]!.atMs <= nowMs)
      engine.submit(requests[next]!, requests[next++]!.atMs);
    const step = engine.startStep(nowMs);
    if (step === null) {
      if (next === requests.length) return;
      nowMs = requests[next]!.atMs;
      continue;
    }
    const endMs = nowMs + step.durationMs;
    onStep({ ...step, startMs: nowMs, endMs });
    nowMs = endMs;
  }
}

export function stepsOf(engine: Scheduler, requests: readonly TimedRequest[]): TimedStep[] {
  const steps: TimedStep[] = [];
  runVirtually(engine, requests, (step) => steps.push(step));
  return steps;
}

/** When each token of each request was emitted. */
export function tokenTimes(steps: readonly TimedStep[]): Map<number, number[]> {
  const times = new Map<number, number[]>();
  for (const { emitted, endMs } of steps) {
    for (const { id, tokens } of emitted) {
      const own = times.get(id) ?? [];
      times.set(id, own);
      for (let token = 0; token < tokens; token++) own.push(endMs);
    }
  }
  return times;
}
