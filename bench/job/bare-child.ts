/**
 * The requests of a job by nothing but undici and loops, in a process of its own: what the engine is held against.
 *
 * As many loops for each endpoint as the job has slots there; each takes the next recorded body, sends it, and reads the
 * answer to its end. Nothing is tried again. Sent is what the job had an answer to, each once. Endpoints whose requests
 * look alike share their bodies, as they did in the job: a slow one is not given what a quick one could have answered.
 */
import { readBodies } from "./body-spool.ts";
import { openDispatcher } from "../../worker/llms/http-client.ts";
import { clockMs } from "../fine-timer.ts";
import { serveChild, usageSoFar } from "../child-work.ts";
import type { WorkedSpan } from "./job-child.ts";
import { RequestRecorder, type RequestShape } from "./record-requests.ts";
import { readTrace } from "./request-trace.ts";

export interface BareTask {
  /** Of the job that is repeated. */
  readonly recorded: { readonly trace: string; readonly bodies: string };
  readonly shapes: readonly RequestShape[];
  /** By origin. */
  readonly slots: ReadonlyMap<string, number>;
  readonly trace: string;
}

serveChild<BareTask, WorkedSpan>(async ({ recorded, shapes, slots, trace }, { leave }) => {
  const shapeOf = await answeredShapes(recorded.trace);
  const recorder = new RequestRecorder({ trace });
  const before = usageSoFar();
  const beganMs = clockMs();
  {
    using _recording = recorder;
    const targets = new Targets(shapes);
    const alike = targets.originsAlike();
    await Promise.all(
      alike.map((origins) => {
        const calls = callsOf(recorded.bodies, shapeOf, (shape) => origins.includes(shapes[shape]!.origin));
        return sendAll(calls, targets, { origins, slots, leave });
      }),
    );
  }
  const endedMs = clockMs();
  const { cpuMs, peakRssBytes } = usageSoFar();
  leave.throwIfAborted();
  return { beganMs, endedMs, cpuMs: cpuMs - before.cpuMs, peakRssBytes, recordingMs: recorder.spentMs };
});

interface Call {
  readonly shape: number;
  readonly body: Buffer;
}

/** The shape of each request that was answered with 200, by its number; -1 for the others. */
async function answeredShapes(trace: string): Promise<(number: number) => number> {
  let shapes = new Int16Array(1_024).fill(-1);
  const open = new Map<number, number>();
  for await (const event of readTrace(trace)) {
    if (event.kind === "began") {
      open.set(event.number, event.shape);
      continue;
    }
    while (event.number >= shapes.length) {
      const longer = new Int16Array(shapes.length * 2).fill(-1);
      longer.set(shapes);
      shapes = longer;
    }
    if (event.status === 200) shapes[event.number] = open.get(event.number) ?? -1;
    open.delete(event.number);
  }
  return (number) => shapes[number] ?? -1;
}

async function* callsOf(
  spool: string,
  shapeOf: (number: number) => number,
  isWanted: (shape: number) => boolean,
): AsyncGenerator<Call> {
  let number = 0;
  for await (const body of readBodies(spool)) {
    const shape = shapeOf(number++);
    if (shape >= 0 && isWanted(shape)) yield { shape, body };
  }
}

/** Which shapes differ in nothing but where they go and with which key: what is sent to one could go to the other. */
class Targets {
  readonly #shapes: readonly RequestShape[];
  readonly #kinds: readonly string[];

  constructor(shapes: readonly RequestShape[]) {
    this.#shapes = shapes;
    this.#kinds = shapes.map(({ path, headers }) => `${path} ${headers.filter((_, at) => at % 2 === 0).join(",")}`);
  }

  /** Origins that can take some of each other's requests, together. */
  originsAlike(): readonly (readonly string[])[] {
    const sets: Set<string>[] = [];
    for (const kind of new Set(this.#kinds)) {
      const origins = this.#shapes.filter((_, at) => this.#kinds[at] === kind).map(({ origin }) => origin);
      const [first = new Set<string>(), ...others] = sets.filter((set) => origins.some((origin) => set.has(origin)));
      if (!sets.includes(first)) sets.push(first);
      for (const origin of [...origins, ...others.flatMap((set) => [...set])]) first.add(origin);
      for (const other of others) sets.splice(sets.indexOf(other), 1);
    }
    return sets.map((set) => [...set]);
  }

  /** What a loop of an origin sends a call by: its own shape where there is one alike, or as it was recorded. */
  at(origin: string, recorded: number): RequestShape {
    const shape = this.#shapes[recorded]!;
    if (shape.origin === origin) return shape;
    const kind = this.#kinds[recorded];
    return this.#shapes.find((other, at) => other.origin === origin && this.#kinds[at] === kind) ?? shape;
  }
}

async function sendAll(
  calls: AsyncGenerator<Call>,
  targets: Targets,
  run: {
    readonly origins: readonly string[];
    readonly slots: ReadonlyMap<string, number>;
    readonly leave: AbortSignal;
  },
): Promise<void> {
  const { origins, slots, leave } = run;
  const connections = origins.reduce((sum, origin) => sum + (slots.get(origin) ?? 0), 1);
  const dispatchers = new Map(
    origins.map((origin) => [origin, openDispatcher(origin, process.env, { connections })] as const),
  );
  const destroy = (): void => void Promise.all([...dispatchers.values()].map((each) => each.destroy()));
  leave.addEventListener("abort", destroy, { once: true });
  const loop = async (at: string): Promise<void> => {
    for (let next = await calls.next(); !next.done && !leave.aborted; next = await calls.next()) {
      const { origin, path, headers } = targets.at(at, next.value.shape);
      try {
        const options = { origin, path, method: "POST" as const, headers: [...headers], body: next.value.body };
        const { body, headers: said } = await dispatchers.get(origin)!.request(options);
        if (String(said["content-type"]).includes("event-stream")) await body.dump({ limit: Infinity });
        else JSON.parse(await body.text());
      } catch {
        // The trace says how it ended; a bare loop does nothing about it.
      }
    }
  };
  await Promise.all(origins.flatMap((origin) => Array.from({ length: slots.get(origin) ?? 0 }, () => loop(origin))));
  await Promise.all([...dispatchers.values()].map((each) => each.close()));
}
