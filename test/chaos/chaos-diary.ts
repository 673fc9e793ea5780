/** What was planned for a chaos run, what happened, and what must not have happened. */
import { FaultMarks } from "./fault-marks.ts";

/** Whom a fault hits; `zombie` is a sleep that is longer than a lease, `drain` a worker that is asked to leave. */
export type Fault = "worker" | "coordinator" | "server" | "zombie" | "drain" | "rollback";

export class ChaosDiary {
  readonly violations: string[] = [];
  readonly happened: Record<string, number> = {};
  readonly #marks: Readonly<Record<Fault, FaultMarks>>;
  readonly #say: (line: string) => void;
  #lastFaultMs = performance.now();

  constructor(
    planned: Readonly<Record<Fault, number>>,
    options: { readonly rows: number; readonly random: () => number; readonly say: (line: string) => void },
  ) {
    const marks = (fault: Fault): FaultMarks => new FaultMarks(options.rows, planned[fault], options.random);
    this.#marks = {
      worker: marks("worker"),
      coordinator: marks("coordinator"),
      server: marks("server"),
      zombie: marks("zombie"),
      drain: marks("drain"),
      rollback: marks("rollback"),
    };
    this.#say = options.say;
  }

  get sinceLastFaultMs(): number {
    return performance.now() - this.#lastFaultMs;
  }

  due(committed: number): readonly Fault[] {
    return (Object.keys(this.#marks) as Fault[]).filter((fault) => this.#marks[fault].isDue(committed));
  }

  done(fault: Fault): number {
    return this.#marks[fault].done;
  }

  isOver(fault: Fault): boolean {
    return this.#marks[fault].isOver;
  }

  /** A fault happened. `detail` counts it under a name of its own besides. */
  note(fault: Fault, line: string, detail?: string): void {
    this.#marks[fault].note();
    this.#lastFaultMs = performance.now();
    this.count(fault);
    if (detail !== undefined) this.count(detail);
    this.say(line);
  }

  count(what: string): void {
    this.happened[what] = (this.happened[what] ?? 0) + 1;
  }

  violate(violation: string): void {
    this.violations.push(violation);
    this.say(`VIOLATION: ${violation}`);
  }

  say(line: string): void {
    this.#say(`${new Date().toISOString().slice(11, 23)} ${line}`);
  }
}
