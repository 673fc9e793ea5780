/** Starts the dedicated endpoints that a job's spec says it is to start, and stops them when the job ends, however it does. */
import { setTimeout as delay } from "node:timers/promises";
import { isTidingError, messageOf, TidingError } from "../shared/errors.ts";
import { describeCost } from "../shared/observe/money.ts";
import type { EndpointLeft, JobReport } from "../shared/observe/job-report.ts";
import type { EndpointUse } from "../shared/spec/endpoint-keys.ts";
import type { LLMSpec } from "../shared/spec/job-spec.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { secretResolver } from "../shared/spec/secret.ts";
import { awaitEndpoint } from "../worker/llms/hub/await-endpoint.ts";
import { endpointPrice } from "../worker/llms/hub/endpoint-hardware.ts";
import { endpointTitle, type EndpointId, type EndpointRecord } from "../worker/llms/hub/endpoint-record.ts";
import { EndpointsApi } from "../worker/llms/hub/endpoints-api.ts";
import { HubClient, hubKey } from "../worker/llms/hub/hub-client.ts";
import type { EngineSettings } from "./engine-settings.ts";
import { endpointLeft, readKeptEndpoints, writeKeptEndpoints, type KeptEndpoint } from "./kept-endpoints.ts";

const REFRESH_MS = 5_000;
/** A resumed endpoint may be told to be paused for so long. */
const SETTLE_MS = 60_000;
/** Tries of the order to stop, whose failure costs money. */
const STOP_ATTEMPTS = 5;
/** Stopping holds up the end of a run no longer than this. */
const STOP_MS = 120_000;

export interface KeepOptions {
  /** The output's folder, absolute. */
  readonly root: string;
  readonly loaded: LoadedSpec;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends the waiting for an endpoint; stopping them is not ended by it. */
  readonly signal: AbortSignal;
  readonly onNotice: ((notice: string) => void) | undefined;
  /** Others call the endpoints: a process without a token can still coordinate. */
  readonly overBroker: boolean;
  readonly settings: EngineSettings | undefined;
}

/**
 * Starts what is to be started, runs the job, and stops what is to be stopped, whether the job finished, failed or was
 * interrupted. What could not be stopped is in the report; where the job throws, in the error's mend.
 *
 * Throws what the service refuses, `ENDPOINT_NOT_RUNNING`, `ENDPOINT_LOADING` and `SECRET_MISSING` before the job runs, and
 * what the job throws.
 */
export async function keepingEndpoints(options: KeepOptions, run: () => Promise<JobReport>): Promise<JobReport> {
  const keeper = await EndpointKeeper.open(options);
  let report: JobReport;
  try {
    await keeper.wake();
    report = await run();
  } catch (error) {
    throw besides(error, await keeper.letGo(error));
  }
  return withEndpoints(report, await keeper.letGo(report.error));
}

/** As `keepingEndpoints` for a job that has nothing to do: stops what a run before this one did not come to stop. */
export async function settlingEndpoints(options: KeepOptions, report: JobReport): Promise<JobReport> {
  if ((await readKeptEndpoints(options.root)).length === 0) return report;
  return withEndpoints(report, await (await EndpointKeeper.open(options)).letGo(null));
}

interface Used {
  readonly id: EndpointId;
  readonly use: EndpointUse;
  readonly api: EndpointsApi;
}

class EndpointKeeper {
  readonly #options: KeepOptions;
  readonly #used: readonly Used[];
  /** As on disk. */
  #kept: readonly KeptEndpoint[];

  private constructor(options: KeepOptions, used: readonly Used[], kept: readonly KeptEndpoint[]) {
    this.#options = options;
    this.#used = used;
    this.#kept = kept;
  }

  /** Tells of what a run before this one left. */
  static async open(options: KeepOptions): Promise<EndpointKeeper> {
    const kept = await readKeptEndpoints(options.root);
    const used = await usedBy(options);
    for (const each of kept) {
      const { endpoint, command } = endpointLeft(each, null);
      const does = used.some(({ id }) => endpointTitle(id) === endpoint)
        ? "It is dealt with at the end of this run."
        : `This run does nothing about it; stop it with: ${command}`;
      const what = each.woken ? "was woken" : "was to be stopped";
      options.onNotice?.(
        `The endpoint ${endpoint} ${what} by a run that ended without stopping it: since ${each.since} it may have cost ` +
          `${describeCost(each.pricePerHour)}. ${does}`,
      );
    }
    return new EndpointKeeper(options, used, kept);
  }

  async wake(): Promise<void> {
    for (const used of this.#used) await this.#wakeOne(used);
  }

  async #wakeOne({ id, use, api }: Used): Promise<void> {
    const { signal, loaded, settings, onNotice } = this.#options;
    const record = await api.get(id, signal);
    const title = endpointTitle(id);
    const price = await this.#priceOf(api, record);
    const isStopped = record.state === "paused" || record.state === "scaledToZero";
    const wakes = use.ensure === "running" && isStopped;
    const before = this.#kept.find((each) => endpointTitle(each) === title);
    const kept: KeptEndpoint = {
      ...id,
      since: before?.since ?? new Date().toISOString(),
      woken: wakes || (before?.woken ?? false),
      whenDone: use.when_done,
      pricePerHour: price,
    };
    if (kept.woken || kept.whenDone !== "leave") await this.#keep([...this.#others(title), kept]);
    if (use.ensure !== "running") return;
    if (wakes) {
      const state = record.state === "paused" ? "paused" : "scaled to zero";
      onNotice?.(`Waking the endpoint ${title}, which is ${state}: ${describeCost(price)} while it runs.`);
      await api.resume(id, signal);
    }
    await awaitEndpoint(api, id, {
      signal,
      timeoutMs: loaded.spec.run.endpoint_wait,
      refreshMs: settings?.endpointRefreshMs ?? REFRESH_MS,
      settleMs: wakes ? SETTLE_MS : 0,
      onState: ({ state }, health) => {
        if (health !== 200) onNotice?.(`Waiting for the endpoint ${title} (${state}): ${describeCost(price)}.`);
      },
    });
  }

  /** Stops what is to be stopped; gives what may run on. `cause` is why the job ended, where something went wrong. */
  async letGo(cause: unknown): Promise<readonly EndpointLeft[]> {
    const { onNotice } = this.#options;
    if (isAnothersRun(cause)) {
      for (const { namespace, name } of this.#kept)
        onNotice?.(`The endpoint ${namespace}/${name} is left to the run that has this output.`);
      return [];
    }
    const left: EndpointLeft[] = [];
    for (const kept of this.#kept) {
      const title = endpointTitle(kept);
      const used = this.#used.find(({ id }) => endpointTitle(id) === title);
      if (used === undefined) {
        left.push(endpointLeft(kept, "the spec no longer says what is to become of it"));
        continue;
      }
      const problem = used.use.when_done === "leave" ? null : await this.#stop(used);
      // One that was meant to run on is no longer this job's.
      if (problem === null) await this.#keep(this.#others(title));
      if (problem !== null || used.use.when_done === "leave") left.push(endpointLeft(kept, problem));
    }
    return left;
  }

  /** Null once it is done, else why it could not be. */
  async #stop({ id, use, api }: Used): Promise<string | null> {
    const { onNotice, settings } = this.#options;
    const title = endpointTitle(id);
    const isPause = use.when_done === "pause";
    // Whoever interrupted the job wants it stopped all the more.
    const signal = AbortSignal.timeout(STOP_MS);
    for (let attempt = 1; ; attempt++) {
      try {
        await (isPause ? api.pause(id, signal) : api.scaleToZero(id, signal));
        onNotice?.(`The endpoint ${title} is ${isPause ? "paused" : "scaled to zero"}: it costs nothing now.`);
        return null;
      } catch (error) {
        if (await isOver(error, { id, api, signal })) return null;
        if (signal.aborted || attempt === STOP_ATTEMPTS || !mayPass(error)) {
          const { command, pricePerHour } = endpointLeft(this.#keptOf(title), null);
          onNotice?.(
            `The endpoint ${title} could not be ${isPause ? "paused" : "scaled to zero"} and may run on for ` +
              `${describeCost(pricePerHour)}: ${messageOf(error)} Stop it with: ${command}`,
          );
          return messageOf(error);
        }
        await delay((settings?.endpointRefreshMs ?? 1_000) * 2 ** (attempt - 1));
      }
    }
  }

  /** Prices are good to have, and no reason not to run. */
  async #priceOf(api: EndpointsApi, record: EndpointRecord): Promise<number | null> {
    const { signal, onNotice } = this.#options;
    try {
      return endpointPrice(record, await api.hardware(record.namespace, signal))?.now ?? null;
    } catch (error) {
      if (!isTidingError(error)) throw error;
      onNotice?.(`What the endpoint ${endpointTitle(record)} costs is not known: ${error.message}`);
      return null;
    }
  }

  #keptOf(title: string): KeptEndpoint {
    const kept = this.#kept.find((each) => endpointTitle(each) === title);
    if (kept === undefined) throw new TidingError("INTERNAL", `${title} is not kept.`);
    return kept;
  }

  #others(title: string): KeptEndpoint[] {
    return this.#kept.filter((each) => endpointTitle(each) !== title);
  }

  async #keep(kept: readonly KeptEndpoint[]): Promise<void> {
    await writeKeptEndpoints(this.#options.root, kept);
    this.#kept = kept;
  }
}

/** Each endpoint once, with the user's name where the spec leaves it out. */
async function usedBy(options: KeepOptions): Promise<readonly Used[]> {
  const { loaded, environment, overBroker, onNotice, signal } = options;
  const used = new Map<string, Used>();
  for (const { llm } of loaded.spec.steps) {
    if (llm?.endpoint === undefined || llm.endpoint_name === undefined) continue;
    const key = keyOf(llm, environment, overBroker);
    if (key === null) {
      onNotice?.(
        `The endpoint ${llm.endpoint_name} is neither started nor stopped by this job: this process has no token for it, ` +
          "and workers do not do it. Set HF_TOKEN here, or use `tiding endpoints`.",
      );
      continue;
    }
    const api = new EndpointsApi(new HubClient(key, environment));
    const id = { namespace: llm.endpoint_namespace ?? (await api.ownNamespace(signal)), name: llm.endpoint_name };
    used.set(endpointTitle(id), { id, use: llm.endpoint, api });
  }
  return [...used.values()];
}

function keyOf(llm: LLMSpec, environment: KeepOptions["environment"], overBroker: boolean): string | null {
  try {
    return hubKey(llm, { secret: secretResolver(environment) });
  } catch (error) {
    if (overBroker && isTidingError(error) && error.code === "SECRET_MISSING") return null;
    throw error;
  }
}

/** Another process runs this job on these endpoints. */
function isAnothersRun(cause: unknown): boolean {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  return code === "OUTPUT_IN_USE" || code === "OWNERSHIP_LOST";
}

/** Whether an order to stop was refused because there is nothing to be stopped. */
async function isOver(
  error: unknown,
  { id, api, signal }: { readonly id: EndpointId; readonly api: EndpointsApi; readonly signal: AbortSignal },
): Promise<boolean> {
  if (!isTidingError(error)) return false;
  if (error.code === "ENDPOINT_NOT_FOUND") return true;
  if (error.code !== "ENDPOINT_ORDER_INVALID" && error.code !== "ENDPOINT_CONFLICT") return false;
  // That it cannot be learnt leaves the order's own refusal to be told.
  const record = await api.getEndpoint(id, signal).catch(() => undefined);
  return record === null || ["paused", "scaledToZero", "failed"].includes(record?.state ?? "");
}

/** A conflict is with what the service is just doing to the endpoint. */
function mayPass(error: unknown): boolean {
  if (!isTidingError(error)) return false;
  return error.code === "ENDPOINT_CONFLICT" || ["transient", "endpoint-down", "back-pressure"].includes(error.class);
}

function withEndpoints(report: JobReport, left: readonly EndpointLeft[]): JobReport {
  return left.length === 0 ? report : { ...report, endpoints: left };
}

/** The job's own error stays the error. */
function besides(error: unknown, left: readonly EndpointLeft[]): Error {
  if (left.length === 0 || !isTidingError(error)) return error instanceof Error ? error : new Error(String(error));
  const runsOn = left.map(
    ({ endpoint, pricePerHour, command }) =>
      `The endpoint ${endpoint} may run on for ${describeCost(pricePerHour)}; stop it with: ${command}`,
  );
  const { code, message, place, mend, details } = error;
  return new TidingError(code, message, {
    ...(place === undefined ? {} : { place }),
    mend: [...(mend === undefined ? [] : [mend]), ...runsOn].join("\n"),
    details,
    cause: error,
  });
}
