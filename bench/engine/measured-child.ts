/** Work in a process of its own, with what the process used from its very start: CPU time and peak memory are counted per process. */
import { serveChild, startChild, usageSoFar } from "../child-work.ts";
import type { ChildWork, StartOptions, Usage } from "../child-work.ts";

export interface Measured<Result> extends Usage {
  readonly result: Result;
  /** Milliseconds since 1970, when the work was done. */
  readonly endedAtMs: number;
}

type Entry =
  | "job-child"
  | "bare-child"
  | "half-done-child"
  | "fleet-job-child"
  | "fleet-worker-child"
  | "no-op-bare-child"
  | "no-op-load-child"
  | "awake-core-child";

/** Starts `name`, an entry beside this file, on a task. */
export function startMeasured<Task, Result, Note = never>(
  name: Entry,
  task: Task,
  options: Pick<StartOptions<Note>, "onNote"> = {},
): ChildWork<Measured<Result>> {
  return startChild(new URL(`./${name}.ts`, import.meta.url), task, options);
}

/** `startMeasured` to its end. */
export function runMeasured<Task, Result, Note = never>(
  ...child: Parameters<typeof startMeasured<Task, Result, Note>>
): Promise<Measured<Result>> {
  return startMeasured<Task, Result, Note>(...child).done;
}

/** In the child: does the task that the parent sends. `leave` is aborted when the parent asks it to end early. */
export function serveMeasured<Task, Result, Note = never>(
  work: (task: Task, note: (note: Note) => void, leave: AbortSignal) => Promise<Result>,
): void {
  serveChild<Task, Measured<Result>, Note>(async (task, { note, leave }) => {
    const result = await work(task, note, leave);
    return { result, ...usageSoFar(), endedAtMs: performance.timeOrigin + performance.now() };
  });
}
