/** What a plan takes each endpoint's speed from: a bench run of it, a preset, or the sample itself. */
import { isTidingError } from "../../shared/errors.ts";
import { endpointAddress } from "../../worker/llms/endpoint-address.ts";
import type { BenchReport } from "../report/bench-report.ts";
import type { PresetName } from "../simulator/batching/presets.ts";
import type { EndpointBelief } from "./endpoint-belief.ts";
import { fitBench } from "./fit-bench.ts";
import { fitSample, type ServedCall } from "./fit-sample.ts";
import { describePreset, presetBelief } from "./preset-belief.ts";

export interface EndpointBasis {
  readonly endpoint: string;
  readonly basis: "preset" | "bench" | "sample" | "none";
  /** The preset's name, or the bench run's id. */
  readonly name: string | null;
  /** Null for `none`. */
  readonly belief: EndpointBelief | null;
  readonly report: BenchReport | null;
  /** A sentence. */
  readonly restsOn: string;
  readonly warnings: readonly string[];
}

export interface BasisOptions {
  readonly benches: readonly BenchReport[];
  readonly preset: PresetName | null;
  /** What the sample's calls to the endpoint took; null without a sample. */
  readonly served: readonly ServedCall[] | null;
}

/** Throws `USAGE` for a bench run that tells no speed. */
export function basisOf(endpoint: string, options: BasisOptions): EndpointBasis {
  const { benches, preset, served } = options;
  const own = benches.filter(({ endpoint: { url } }) => isSameServer(url, endpoint));
  // A server has many names; where there is but one run, it is meant.
  const [other] = own.length === 0 && preset === null && benches.length === 1 ? benches : [];
  const report = newest(own) ?? other;
  if (report !== undefined) return fromBench(endpoint, report, own.length === 0);
  if (preset !== null) {
    const warnings = [
      `${endpoint} is taken to be the preset ${preset}: ${describePreset(preset)}. Another model, server or card is not.`,
    ];
    const restsOn = `Time at ${endpoint}: the preset ${preset}, simulated.`;
    return { endpoint, basis: "preset", name: preset, belief: presetBelief(preset), report: null, restsOn, warnings };
  }
  const nothing = { endpoint, name: null, belief: null, report: null };
  if (served !== null && served.length > 0) {
    const restsOn = `Time at ${endpoint}: what the sample's own ${served.length} calls took, one row alone and the others together.`;
    return { ...nothing, basis: "sample", belief: fitSample(served), restsOn, warnings: [] };
  }
  const restsOn = `Time at ${endpoint}: nothing is known of it.`;
  return { ...nothing, basis: "none", restsOn, warnings: [] };
}

function fromBench(endpoint: string, report: BenchReport, isAnother: boolean): EndpointBasis {
  const { id, started_at: startedAt, endpoint: measured, stages, prompts } = report;
  const restsOn =
    `Time at ${endpoint}: the bench run ${id} of ${startedAt.slice(0, 10)} (${measured.server}, ${measured.model}, ` +
    `${stages.length} stages), simulated.`;
  const warnings: string[] = [];
  const limited = stages.filter(({ client }) => client.limited).map(({ name }) => name);
  if (limited.length > 0)
    warnings.push(
      `The client limited the bench run ${id} at ${limited.join(", ")}: the endpoint may be faster than it looks.`,
    );
  if (isAnother) warnings.push(`The bench run ${id} was of ${measured.url}; it is taken for ${endpoint} all the same.`);
  if (prompts.shared_prefix > 0)
    warnings.push(`In the bench run ${id} prompts began alike: their prefill looks cheaper than it is.`);
  return { endpoint, basis: "bench", name: id, belief: fitBench(report), report, restsOn, warnings };
}

function newest(reports: readonly BenchReport[]): BenchReport | undefined {
  return reports.toSorted((a, b) => (a.started_at < b.started_at ? 1 : -1))[0];
}

/** The same host, port and path before the version; 127.0.0.1 and localhost are one. */
function isSameServer(a: string, b: string): boolean {
  const [one, other] = [serverOf(a), serverOf(b)];
  return one !== null && one === other;
}

function serverOf(url: string): string | null {
  if (!URL.canParse(url)) return null;
  try {
    const { origin, infoPath } = endpointAddress(url);
    return `${origin.replace(/\/\/(127\.0\.0\.1|\[::1\])(?=:|$)/, "//localhost")}${infoPath}`;
  } catch (error) {
    if (isTidingError(error)) return null;
    throw error;
  }
}
