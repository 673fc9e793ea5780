/** The parameters of calls: a call's own `generation_kwargs` over the LLM's, and apart from them the seed that the user fixed. */
export interface CallParameters {
  /** Without a seed: that of each call is given beside them. */
  readonly generationKwargs: Readonly<Record<string, unknown>>;
  /** Null where seeds are derived. */
  readonly fixedSeed: number | null;
}

type GenerationKwargs = Readonly<Record<string, unknown>>;

export class CallParameterSets {
  readonly #base: GenerationKwargs;
  readonly #ofBase: CallParameters;
  readonly #byOwn = new WeakMap<GenerationKwargs, CallParameters>();

  constructor(base: GenerationKwargs) {
    this.#base = base;
    this.#ofBase = withoutSeed(base);
  }

  /** The same object for the same `own`: wires keep what they make of parameters by their identity. */
  under(own: GenerationKwargs | undefined): CallParameters {
    if (own === undefined) return this.#ofBase;
    const known = this.#byOwn.get(own);
    if (known !== undefined) return known;
    const whole = withoutSeed({ ...this.#base, ...own });
    this.#byOwn.set(own, whole);
    return whole;
  }
}

function withoutSeed({ seed, ...generationKwargs }: GenerationKwargs): CallParameters {
  return { generationKwargs, fixedSeed: typeof seed === "number" ? seed : null };
}
