/** Waiting for an endpoint until it can be called. Source: huggingface_hub 1.x, `InferenceEndpoint.wait`. */
import { setTimeout as delay } from "node:timers/promises";
import { isTidingError, TidingError } from "../../../shared/errors.ts";
import type { ErrorClass } from "../../../shared/errors.ts";
import { CONSOLE } from "./endpoint-errors.ts";
import { endpointTitle } from "./endpoint-record.ts";
import type { EndpointId, EndpointRecord } from "./endpoint-record.ts";
import type { EndpointsApi } from "./endpoints-api.ts";

export interface AwaitEndpointOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly refreshMs: number;
  /** For so long a state may still be told that is older than an order just given. */
  readonly settleMs: number;
  /** Called for the first state, and whenever it changes; `health` is the health route's status once it is asked. */
  readonly onState?: ((record: EndpointRecord, health: number | null) => void) | undefined;
}

const NEVER_ENDS: readonly string[] = ["paused", "scaledToZero"];
const PASSES: ReadonlySet<ErrorClass> = new Set(["transient", "endpoint-down", "back-pressure"]);

/**
 * Resolves once the endpoint runs, has a URL, and its health route answers 200 to the token. Throws `ENDPOINT_NOT_RUNNING`
 * where that will never be (failed; paused or scaled to zero, unless within `settleMs`), `ENDPOINT_LOADING` when the time is
 * up, what the service refuses with, and the signal's reason. Failures that pass are waited out.
 */
export async function awaitEndpoint(
  api: EndpointsApi,
  id: EndpointId,
  options: AwaitEndpointOptions,
): Promise<EndpointRecord> {
  const { signal, timeoutMs, refreshMs, settleMs, onState } = options;
  const startedMs = performance.now();
  let said = "";
  let latest = "its state was never learnt";
  for (;;) {
    try {
      const record = await api.get(id, signal);
      const mayBeOld = performance.now() - startedMs < settleMs;
      if (!(mayBeOld && NEVER_ENDS.includes(record.state))) refuseStopped(record);
      const health = record.state === "running" ? await healthOf(api, record, signal) : null;
      const now = `${record.state} ${health}`;
      if (now !== said) onState?.(record, health);
      said = now;
      if (health === 200) return record;
      latest = record.state === "running" ? `running, its health route ${answers(health)}` : record.state;
    } catch (error) {
      latest = passing(error).message;
    }
    const leftMs = startedMs + timeoutMs - performance.now();
    if (leftMs <= 0) throw late(id, timeoutMs, latest);
    await delay(Math.min(refreshMs, leftMs), undefined, { signal });
  }
}

/** Null where nothing answers yet. */
async function healthOf(api: EndpointsApi, record: EndpointRecord, signal: AbortSignal): Promise<number | null> {
  try {
    return await api.health(record, signal);
  } catch (error) {
    passing(error);
    return null;
  }
}

function answers(health: number | null): string {
  return health === null ? "does not answer" : `answers ${health}`;
}

function refuseStopped(record: EndpointRecord): void {
  const { state, message, namespace, name } = record;
  const title = endpointTitle(record);
  const said = message === null ? "." : `: ${message}`;
  const error = (what: string, mend: string): TidingError =>
    new TidingError("ENDPOINT_NOT_RUNNING", `The endpoint ${title} ${what}`, { place: title, mend });
  if (state === "failed" || state === "updateFailed") {
    const what = state === "failed" ? "failed to start" : "could not be updated";
    throw error(`${what}${said}`, `See its log at ${CONSOLE}/${namespace}/endpoints/${name}, and correct it there.`);
  }
  if (NEVER_ENDS.includes(state)) {
    const what = state === "paused" ? "is paused" : "is scaled to zero";
    throw error(
      `${what}, and does not start by itself.`,
      `Resume it: tiding endpoints resume ${name} --namespace ${namespace}`,
    );
  }
}

function late(id: EndpointId, timeoutMs: number, latest: string): TidingError {
  const title = endpointTitle(id);
  const message = `The endpoint ${title} was not ready within ${timeoutMs / 1_000} s: ${latest.replace(/\.$/, "")}.`;
  return new TidingError("ENDPOINT_LOADING", message, {
    place: title,
    mend: `Wait longer, or see its log at ${CONSOLE}/${id.namespace}/endpoints/${id.name}.`,
  });
}

/** The error where it is one that passes; throws any other. */
function passing(error: unknown): TidingError {
  if (isTidingError(error) && PASSES.has(error.class)) return error;
  throw error;
}
