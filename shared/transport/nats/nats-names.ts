/** Names of streams and the subjects of a shard. `namespace` keeps deployments on one account apart. */
import { TidingError } from "../../errors.ts";
import { groupOf, type JobKey } from "../transport.ts";

type Kind = "task" | "log" | "beat";
type BlobKind = "input" | "result";

export interface NatsNames {
  readonly tasks: string;
  readonly log: string;
  readonly inputs: string;
  readonly results: string;
  /** A key-value bucket. */
  readonly state: string;
  /** Subject of a shard's messages: `<namespace>.task.<job>.<shard>`; without a shard, of all of the job's. */
  subject(kind: Kind, job: JobKey, shard?: number): string;
  /** Subject of a shard's blobs: `<namespace>.result.<job>.<group>.<shard>`. */
  blobs(kind: BlobKind, job: JobKey, shard: number): string;
  /** Of the blobs of a group of shards; without a group, of all of the job's. */
  groupOfBlobs(kind: BlobKind, job: JobKey, group?: number): string;
  /** Every job's. */
  all(kind: Kind | BlobKind): string;
}

/** `tiding` gives `TIDING_TASKS` and `tiding.task.<job>.<shard>`. Throws USAGE for what is not 1 to 32 of `[a-z0-9_-]`. */
export function natsNames(namespace: string): NatsNames {
  if (!/^[a-z0-9_-]{1,32}$/.test(namespace)) {
    throw new TidingError("USAGE", `The namespace "${namespace}" is not made of 1 to 32 of a-z, 0-9, _ and -.`, {
      mend: "Choose another one.",
    });
  }
  const upper = namespace.toUpperCase();
  return {
    tasks: `${upper}_TASKS`,
    log: `${upper}_LOG`,
    inputs: `${upper}_INPUT`,
    results: `${upper}_RESULTS`,
    state: `${namespace}_state`,
    all: (kind) => `${namespace}.${kind}.>`,
    subject: (kind, job, shard) => `${namespace}.${kind}.${job}.${shard ?? ">"}`,
    blobs: (kind, job, shard) => `${namespace}.${kind}.${job}.${groupOf(shard)}.${shard}`,
    groupOfBlobs: (kind, job, group) => `${namespace}.${kind}.${job}.${group === undefined ? ">" : `${group}.*`}`,
  };
}

/** The shard that a subject ends with. */
export function shardOf(subject: string): number {
  return Number(subject.slice(subject.lastIndexOf(".") + 1));
}
