/** The heads of bodies by the shape of their calls, so that each is serialised once. */
import type { StructuredOutput } from "../../../shared/task/task.ts";
import type { BodyFields, CallShape } from "./wire.ts";

/** What tells the shapes of calls apart: the same objects are the same shape. */
export interface ShapeKey {
  readonly generationKwargs: BodyFields;
  readonly structuredOutput: StructuredOutput | null;
  readonly preQuery: boolean;
}

export interface PreparedShape {
  readonly shape: CallShape;
  readonly head: string;
}

interface Entry extends PreparedShape {
  readonly key: ShapeKey;
}

/** A task has few shapes (Magpie two, for questions and answers); steps that share an LLM have theirs each. */
const CAPACITY = 8;

export class ShapeCache {
  readonly #prepare: (key: ShapeKey, stream: boolean) => PreparedShape;
  readonly #entries: Entry[] = [];
  #latest: Entry | null = null;
  #oldest = 0;

  constructor(prepare: (key: ShapeKey, stream: boolean) => PreparedShape) {
    this.#prepare = prepare;
  }

  get(key: ShapeKey, stream: boolean): PreparedShape {
    const latest = this.#latest;
    if (latest !== null && serves(latest, key, stream)) return latest;
    this.#latest = this.#entries.find((entry) => serves(entry, key, stream)) ?? this.#add(key, stream);
    return this.#latest;
  }

  #add({ generationKwargs, structuredOutput, preQuery }: ShapeKey, stream: boolean): Entry {
    const key = { generationKwargs, structuredOutput, preQuery };
    const { shape, head } = this.#prepare(key, stream);
    const entry = { key, shape, head };
    this.#entries[this.#oldest] = entry;
    this.#oldest = (this.#oldest + 1) % CAPACITY;
    return entry;
  }
}

function serves({ key, shape }: Entry, call: ShapeKey, stream: boolean): boolean {
  return (
    key.generationKwargs === call.generationKwargs &&
    key.structuredOutput === call.structuredOutput &&
    key.preQuery === call.preQuery &&
    shape.stream === stream
  );
}
