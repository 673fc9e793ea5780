/** How far measured figures are from true ones, beside what is allowed: 2 %, or 1 ms where that is more. */
import type { Figures } from "./figures.ts";

const SHARE = 0.02;
const LEAST_MS = 1;
const IN_MS = /^(ttft|e2e|tpot|itl|icl|ntpot|client_lag)[_.]?.*\.(mean|p\d+)$/;

export interface Difference {
  readonly name: string;
  /** Null where the report, or the truth, says that it can not be told. */
  readonly measured: number | null;
  readonly truth: number | null;
  /** The difference over what is allowed: above 1 it is too large. */
  readonly share: number;
}

/** `exactCounts`: the outcomes of requests have to be the very same, as they are where a schedule says which are sent. */
export function differences(
  measured: Figures,
  truth: Figures,
  options: { readonly exactCounts: boolean },
): Difference[] {
  const names = new Set([...truth.keys(), ...measured.keys()]);
  return Array.from(names, (name) => {
    // What happened not once is not in the report by name.
    const absent = name.startsWith("counts.") ? 0 : null;
    const [here, there] = [measured.get(name) ?? absent, truth.get(name) ?? absent];
    return { name, measured: here, truth: there, share: shareOf(name, here, there, options.exactCounts) };
  });
}

export function worstOf<One extends { readonly share: number }>(all: readonly One[]): One {
  return all.reduce((worst, one) => (one.share > worst.share ? one : worst));
}

function shareOf(name: string, measured: number | null, truth: number | null, exactCounts: boolean): number {
  if (measured === null || truth === null) return measured === truth ? 0 : Infinity;
  const off = Math.abs(measured - truth);
  if (off === 0) return 0;
  return off / allowed(name, truth, exactCounts);
}

function allowed(name: string, truth: number, exactCounts: boolean): number {
  if (IN_MS.test(name)) return Math.max(SHARE * truth, LEAST_MS);
  if (name.startsWith("counts.")) return exactCounts ? 0 : Math.max(SHARE * truth, 1);
  return SHARE * truth;
}
