/** What a plan knows of an endpoint, with how sure it is: one likely model, and as many possible ones as are asked for. */
import type { EndpointModel } from "./endpoint-model.ts";

/** One possible world. Its numbers are drawn in a fixed order, so that a plan depends on its seed alone. */
export interface Chance {
  /** From 0 to 1, 1 excluded. */
  readonly uniform: () => number;
  /** Standard normal. */
  readonly normal: () => number;
  /** Which of the sampled rows this world knows, by position, some several times. */
  readonly rows: readonly number[];
}

export interface EndpointBelief {
  /** The likely one for null. */
  model(chance: Chance | null): EndpointModel;
  /** Most requests at a time that what is known of it covers; infinite where that is no question. */
  readonly knownUpTo: number;
}

/** A factor around 1 with this relative spread. */
export function spreadFactor(chance: Chance | null, spread: number): number {
  return chance === null ? 1 : Math.exp(chance.normal() * spread);
}

export function chanceOf(random: () => number, rows: readonly number[]): Chance {
  // Box and Muller's transform.
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return { uniform: random, normal, rows };
}
