/** The streams of a namespace (ARCHITECTURE.md, "Transport"). Nothing of a job is in their configuration. */
import {
  DiscardPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, TidingError } from "../../errors.ts";
import type { NatsLinks } from "./connect.ts";
import { API_CODE, apiCode, asTransportError } from "./nats-errors.ts";
import { isPassing } from "./nats-calls.ts";
import type { NatsNames } from "./nats-names.ts";

/** Most bytes of a task's or log entry's body; records are a few KiB. */
export const MAX_MESSAGE_BYTES = 192 * 1024;
/** With headers; the least `max_payload`. */
const MAX_WHOLE_MESSAGE_BYTES = 256 * 1024;

const MAX_TASKS = 1_000_000;
const LOOK_AGAIN_MS = 500;
/** How long a cluster may take to find its leader. */
const SETUP_PATIENCE_MS = 20_000;

export interface StreamBudgets {
  readonly resultsBudgetBytes: number;
  readonly inputsBudgetBytes: number;
  /** Copies in a cluster. */
  readonly replicas: number;
  readonly signal: AbortSignal;
}

/**
 * Creates what is missing and brings budgets up to date; several may do so at once. A budget never goes below what is
 * stored, since the server would delete the oldest. Gives the log's stream. Throws BROKER_UNFIT or BROKER_REFUSED.
 */
export async function ensureStreams(links: NatsLinks, names: NatsNames, budgets: StreamBudgets): Promise<StreamInfo> {
  const manager = await managerOf(links);
  const fail = (error: unknown, stream: string): TidingError => setupFailure(error, `${links.place}, stream ${stream}`);
  const { resultsBudgetBytes, inputsBudgetBytes, replicas, signal } = budgets;
  const deadline = performance.now() + SETUP_PATIENCE_MS;
  const ensure = async (config: OwnConfig): Promise<StreamInfo> => {
    for (;;) {
      try {
        return await ensureStream(manager, { ...COMMON, num_replicas: replicas, ...config });
      } catch (error) {
        if (!isAway(error) || performance.now() > deadline) throw fail(error, config.name);
      }
      await delay(LOOK_AGAIN_MS, undefined, { signal });
    }
  };
  await ensure({
    name: names.tasks,
    subjects: [names.all("task")],
    retention: RetentionPolicy.Workqueue,
    max_msgs: MAX_TASKS,
    max_msg_size: MAX_WHOLE_MESSAGE_BYTES,
  });
  await ensure({ name: names.results, subjects: [names.all("result")], max_bytes: resultsBudgetBytes });
  await ensure({ name: names.inputs, subjects: [names.all("input")], max_bytes: inputsBudgetBytes });
  // Apart from the results: a compare-and-swap loads the stream's last block, which must be small.
  return await ensure({ name: names.log, subjects: [names.all("log")], max_msg_size: MAX_WHOLE_MESSAGE_BYTES });
}

/** For those who may not create streams: waits for them up to `waitMs`. Gives the log's stream. Throws BROKER_UNFIT. */
export async function findStreams(
  links: NatsLinks,
  names: NatsNames,
  options: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<StreamInfo> {
  const manager = await managerOf(links);
  const deadline = performance.now() + options.waitMs;
  for (;;) {
    try {
      return await manager.streams.info(names.log);
    } catch (error) {
      const failure = asTransportError(error, `The stream ${names.log}`);
      if (!isPassing(failure)) throw failure;
      if (performance.now() > deadline) {
        throw new TidingError("BROKER_UNFIT", "No coordinator has set this broker up yet.", {
          place: `${links.place}, stream ${names.log}`,
          mend: "Start the coordinator first, and give both the same namespace.",
          cause: error,
        });
      }
    }
    await delay(LOOK_AGAIN_MS, undefined, { signal: options.signal });
  }
}

type OwnConfig = Partial<StreamConfig> & Pick<StreamConfig, "name" | "subjects">;

const COMMON = {
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  allow_direct: true,
  // The least there is: no message ids are used.
  duplicate_window: nanos(100),
} as const;

async function managerOf({ control }: NatsLinks): Promise<JetStreamManager> {
  // A user without the right to ask about the account may still have all others.
  return await jetstreamManager(control, { checkAPI: false });
}

async function ensureStream(manager: JetStreamManager, config: OwnConfig): Promise<StreamInfo> {
  try {
    return await manager.streams.add(config);
  } catch (error) {
    if (apiCode(error) !== API_CODE.streamNameInUse) throw error;
  }
  const { state } = await manager.streams.info(config.name);
  const budget = config.max_bytes === undefined ? {} : { max_bytes: Math.max(config.max_bytes, state.bytes) };
  return await manager.streams.update(config.name, { ...config, ...budget });
}

/** No answer, or from a cluster that has no leader yet. */
function isAway(error: unknown): boolean {
  const code = apiCode(error);
  return code === null ? isPassing(asTransportError(error, "")) : code === API_CODE.clusterUnavailable;
}

function setupFailure(error: unknown, place: string): TidingError {
  const code = apiCode(error);
  const unfit = (mend: string): TidingError =>
    new TidingError("BROKER_UNFIT", `The broker could not be set up: ${messageOf(error)}.`, {
      place,
      mend,
      cause: error,
    });
  if (code === API_CODE.notEnabledForAccount || code === API_CODE.notEnabled)
    return unfit("Enable JetStream for the account.");
  if (code === API_CODE.storageResourcesExceeded || code === API_CODE.accountResourcesExceeded)
    return unfit(
      "Lower the budgets of results and inputs, or raise the server's max_file_store or the account's limit.",
    );
  if (code === API_CODE.subjectOverlap) return unfit("Choose another namespace.");
  const failure = asTransportError(error, "Setting the broker up");
  if (failure instanceof TidingError) return failure;
  return unfit("Look at the server's log.");
}
