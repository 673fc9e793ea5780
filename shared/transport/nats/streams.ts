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
import { isDeepStrictEqual } from "node:util";
import { messageOf, TidingError } from "../../errors.ts";
import { isPassing } from "../transport.ts";
import type { NatsLinks } from "./connect.ts";
import { API_CODE, apiCode, asTransportError, ignoreCode } from "./nats-errors.ts";
import type { NatsNames } from "./nats-names.ts";
import { isAtLeast } from "./server/nats-server-version.ts";
import { assertWhole } from "./whole-streams.ts";

/** Most bytes of a task's or log entry's body; records are a few KiB. */
export const MAX_MESSAGE_BYTES = 192 * 1024;
/** With headers; the least `max_payload`. */
const MAX_WHOLE_MESSAGE_BYTES = 256 * 1024;

const MAX_TASKS = 1_000_000;
const LOOK_AGAIN_MS = 500;
/** How long a cluster may take to find its leader. */
const SETUP_PATIENCE_MS = 20_000;
const OLDEST_FOR_COPIES = "2.11.0";

const MIB = 1024 * 1024;
const RESULTS_BUDGET_BYTES = 1024 * MIB;
const INPUTS_BUDGET_BYTES = 256 * MIB;

/** What an operator may want otherwise. What is absent a stream keeps, whoever gave it that. */
export interface StreamSettings {
  /** Most bytes of result blobs; a new stream has 1 GiB by default. The server must have that much in its max_file_store. */
  readonly resultsBudgetBytes?: number;
  /** Most bytes of input blobs; a new stream has 256 MiB by default. */
  readonly inputsBudgetBytes?: number;
  /** Copies in a cluster, of all streams; new ones have 1 by default. */
  readonly replicas?: number;
}

/**
 * Creates what is missing and changes what the settings name; several may do so at once. A budget never goes below what is
 * stored, since the server would delete the oldest. Gives the log's stream. Throws BROKER_UNFIT or BROKER_REFUSED.
 */
export async function ensureStreams(
  links: NatsLinks,
  names: NatsNames,
  options: StreamSettings & { readonly signal: AbortSignal; readonly beforeLog: () => Promise<unknown> },
): Promise<StreamInfo> {
  const { resultsBudgetBytes, inputsBudgetBytes, replicas, signal } = options;
  checkCopies(links, replicas);
  const manager = await managerOf(links);
  const deadline = performance.now() + SETUP_PATIENCE_MS;
  const ensure = async (own: OwnConfig, settings: Settings = {}): Promise<StreamInfo> => {
    const wanted = { ...settings, ...(replicas === undefined ? {} : { num_replicas: replicas }) };
    for (;;) {
      try {
        return await ensureStream(manager, own, wanted);
      } catch (error) {
        if (!isAway(error) || performance.now() > deadline) throw setupFailure(error, placeOf(links, own.name));
      }
      await delay(LOOK_AGAIN_MS, undefined, { signal });
    }
  };
  const budget = (bytes: number | undefined): Settings => (bytes === undefined ? {} : { max_bytes: bytes });
  await ensure({
    name: names.tasks,
    subjects: [names.all("task")],
    retention: RetentionPolicy.Workqueue,
    max_msgs: MAX_TASKS,
    max_msg_size: MAX_WHOLE_MESSAGE_BYTES,
  });
  const results = { name: names.results, subjects: [names.all("result")], first: { max_bytes: RESULTS_BUDGET_BYTES } };
  await ensure(results, budget(resultsBudgetBytes));
  const inputs = { name: names.inputs, subjects: [names.all("input")], first: { max_bytes: INPUTS_BUDGET_BYTES } };
  await ensure(inputs, budget(inputsBudgetBytes));
  // Others look for the log first: whoever sees it finds all the rest.
  await options.beforeLog();
  // Apart from the results: a compare-and-swap loads the stream's last block, which must be small.
  return await ensure({ name: names.log, subjects: [names.all("log")], max_msg_size: MAX_WHOLE_MESSAGE_BYTES });
}

/** Gives the bucket's stream so many copies; it is made by its own client, which leaves one that is there as it is. */
export async function ensureBucketCopies(links: NatsLinks, bucket: string, replicas: number): Promise<void> {
  const manager = await managerOf(links);
  const name = `KV_${bucket}`;
  try {
    const { config } = await manager.streams.info(name);
    if (config.num_replicas !== replicas) await manager.streams.update(name, { num_replicas: replicas });
  } catch (error) {
    throw setupFailure(error, placeOf(links, name));
  }
}

/**
 * For those who may not create streams: waits for the log and the bucket up to `waitMs`, and says once what for. Gives the
 * log's stream. Throws BROKER_UNFIT.
 */
export async function findStreams(
  links: NatsLinks,
  names: NatsNames,
  options: {
    readonly waitMs: number;
    readonly signal: AbortSignal;
    readonly onWait?: ((waitingFor: string) => void) | undefined;
  },
): Promise<StreamInfo> {
  const manager = await managerOf(links);
  const deadline = performance.now() + options.waitMs;
  const told = new Set<string>();
  const find = async (stream: string): Promise<StreamInfo> => {
    const place = placeOf(links, stream);
    for (;;) {
      try {
        return assertWhole(await manager.streams.info(stream));
      } catch (error) {
        const failure = asTransportError(error, `The stream ${stream}`);
        if (!isPassing(failure)) throw failure;
        if (performance.now() > deadline) {
          throw new TidingError("BROKER_UNFIT", "No coordinator has set this broker up yet.", {
            place,
            mend: "Start the coordinator first, and give both the same namespace.",
            cause: error,
          });
        }
        const waitingFor =
          apiCode(error) === API_CODE.streamNotFound
            ? `No coordinator has set this broker up yet (${place}). Waiting for one, of the same namespace.`
            : `${failure.message} (${place}). Waiting for it.`;
        if (!told.has(waitingFor)) options.onWait?.(waitingFor);
        told.add(waitingFor);
      }
      await delay(LOOK_AGAIN_MS, undefined, { signal: options.signal });
    }
  };
  const log = await find(names.log);
  // Made before the log; but a broker may lose it alone.
  await find(`KV_${names.state}`);
  return log;
}

/** What a stream must have, but for `first`: what it has until somebody wants it otherwise. */
type OwnConfig = Partial<StreamConfig> & Pick<StreamConfig, "name" | "subjects"> & { readonly first?: Settings };
type Settings = Partial<Pick<StreamConfig, "max_bytes" | "num_replicas">>;

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

async function ensureStream(
  manager: JetStreamManager,
  { first, ...own }: OwnConfig,
  settings: Settings,
): Promise<StreamInfo> {
  // Of another coordinator, it may still be half made.
  const found = assertWhole(await addOrFind(manager, { ...COMMON, num_replicas: 1, ...own, ...first, ...settings }));
  const { max_bytes } = settings;
  const budget = max_bytes === undefined ? {} : { max_bytes: Math.max(max_bytes, found.state.bytes) };
  const config = { ...COMMON, ...own, ...settings, ...budget };
  return isDeepStrictEqual({ ...found.config, ...config }, found.config)
    ? found
    : await manager.streams.update(own.name, config);
}

async function addOrFind(manager: JetStreamManager, config: OwnConfig): Promise<StreamInfo> {
  try {
    return await manager.streams.add(config);
  } catch (error) {
    // A server that is full says so before it says that the stream is there.
    const code = apiCode(error);
    if (code === null || ![API_CODE.streamNameInUse, ...NO_ROOM].includes(code)) throw error;
    const found = await manager.streams.info(config.name).catch(ignoreCode(API_CODE.streamNotFound));
    if (found === null) throw error;
    return found;
  }
}

/**
 * Servers without a cluster before 2.10 take any number of copies, and keep one. Before 2.11 compare-and-swap is not sound
 * on several copies (shared/research/nats.md). Throws BROKER_UNFIT.
 */
function checkCopies({ control, place }: NatsLinks, replicas: number | undefined): void {
  if (replicas === undefined || replicas === 1) return;
  const { cluster, version = "" } = control.info ?? {};
  if (cluster === undefined) throw tooManyCopies(place, "it is one server, not a cluster.");
  if (isAtLeast(version, OLDEST_FOR_COPIES)) return;
  throw new TidingError("BROKER_UNFIT", `Streams with ${replicas} copies do not hold on nats-server ${version}.`, {
    place,
    mend: `Upgrade the cluster to nats-server ${OLDEST_FOR_COPIES} or later, or leave --replicas out.`,
  });
}

function isAboutCopies(error: unknown): boolean {
  const code = apiCode(error);
  if (code === API_CODE.streamInvalidConfig) return /replicas/.test(messageOf(error));
  return code === API_CODE.clusterNoPeers || code === API_CODE.replicasNotSupported;
}

function tooManyCopies(place: string, why: string, cause?: unknown): TidingError {
  return new TidingError("BROKER_UNFIT", `The broker cannot keep that many copies: ${why}`, {
    place,
    mend: "Give --replicas no more than the cluster has servers, 1 to 5; 1 where there is no cluster.",
    cause,
  });
}

function placeOf({ place }: NatsLinks, stream: string): string {
  return `${place}, stream ${stream}`;
}

/** No answer, or from a cluster that has no leader yet. */
function isAway(error: unknown): boolean {
  const code = apiCode(error);
  return code === null ? isPassing(asTransportError(error, "")) : code === API_CODE.clusterUnavailable;
}

const NO_ROOM: readonly number[] = [
  API_CODE.storageResourcesExceeded,
  API_CODE.accountResourcesExceeded,
  API_CODE.insufficientResources,
];

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
  if (code !== null && NO_ROOM.includes(code))
    return unfit(
      "Lower the budgets (--results-budget, --inputs-budget), or raise the server's max_file_store or the account's limit.",
    );
  if (isAboutCopies(error)) return tooManyCopies(place, `${messageOf(error)}.`, error);
  if (code === API_CODE.subjectOverlap) return unfit("Choose another namespace.");
  const failure = asTransportError(error, "Setting the broker up");
  if (failure instanceof TidingError) return failure;
  return unfit("Look at the server's log.");
}
