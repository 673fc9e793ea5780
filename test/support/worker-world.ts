/** One worker on one shard of a real embedded transport, whose broker a test takes away and whose clock it sets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { decodeCommitRecord, type CommitRecord } from "../../shared/protocol/commit-record.ts";
import { encodeShardMessage } from "../../shared/protocol/shard-message.ts";
import { encodeRowBatch } from "../../shared/rows/row-batch.ts";
import type { TaskRun } from "../../shared/task/task.ts";
import { openEmbeddedTransport } from "../../shared/transport/embedded/embedded-transport.ts";
import { TransportError, type Claim, type Transport } from "../../shared/transport/transport.ts";
import { AlikeGuard } from "../../worker/alike-guard.ts";
import { resultSchema } from "../../worker/commit-rows.ts";
import type { LLMGateway } from "../../worker/endpoints/llm-gateway.ts";
import { ShardOwner } from "../../worker/shard-owner.ts";
import { StepForms } from "../../worker/structured/step-forms.ts";
import { Worker } from "../../worker/worker.ts";
import { alteredTransport } from "./altered-transport.ts";

export const JOB = "job";
export const SHARD = 0;
const COLUMNS = [{ name: "number", type: "int64" }] as const;

type Answer = "claim" | "input" | "tail";

export interface WorkerWorldOptions {
  readonly rows: number;
  readonly leaseMs: number;
  /** What becomes of a row's only column. */
  readonly answer: (number: number, signal: AbortSignal) => Promise<unknown> | void;
  /** Where each row asks once, behind `answer`. */
  readonly gateway?: LLMGateway;
}

export class WorkerWorld implements AsyncDisposable {
  readonly transport: Transport;
  readonly faults: Error[] = [];
  /** Calls of the task, by row. */
  readonly calls: number[];
  /** While true the worker's calls are not answered. */
  isAway = false;
  /** Added to the worker's clock. */
  sleptMs = 0;
  /** Called behind each answer that the worker gets about a claim, with what it asked for. */
  onAnswer: (what: Answer) => void = () => undefined;
  #worker: Worker | null = null;
  readonly #folder: string;
  readonly #options: WorkerWorldOptions;

  private constructor(transport: Transport, folder: string, options: WorkerWorldOptions) {
    this.transport = transport;
    this.#folder = folder;
    this.#options = options;
    this.calls = Array.from({ length: options.rows }, () => 0);
  }

  static async open(options: WorkerWorldOptions): Promise<WorkerWorld> {
    const folder = await mkdtemp(path.join(tmpdir(), "tiding-worker-"));
    const transport = await openEmbeddedTransport({ directory: folder, epoch: 1, leaseMs: options.leaseMs });
    return new WorkerWorld(transport, folder, options);
  }

  /** Hands the shard out, once more. */
  async dispatch(): Promise<void> {
    const { rows } = this.#options;
    const numbers = Array.from({ length: rows }, (_, number) => number);
    const input = await this.transport.inputs.put(JOB, SHARD, encodeRowBatch([...COLUMNS], [numbers], rows));
    const message = encodeShardMessage({ shard: SHARD, firstRow: 0, rows, input, only: null });
    await this.transport.tasks.put(JOB, SHARD, message);
  }

  /** Another worker takes the shard. */
  other(): Promise<ShardOwner | null> {
    const { signal } = new AbortController();
    const place = { job: JOB, shard: SHARD, size: this.#options.rows, only: null, runsForeignCode: false, signal };
    return ShardOwner.open(this.transport.log, { ...place, worker: "other" });
  }

  work(options: { readonly runsForeignCode?: boolean } = {}): Worker {
    const { gateway = null } = this.#options;
    const run = async ({ row, signal, llm }: TaskRun): Promise<Record<string, unknown>> => {
      const number = Number(row["number"]);
      this.calls[number] = (this.calls[number] ?? 0) + 1;
      await this.#options.answer(number, signal);
      if (gateway !== null) await llm.generate([{ role: "user", content: `${number}` }]);
      return { double: 2 * number };
    };
    const step = {
      name: "double",
      index: 0,
      task: { inputs: ["number"], outputs: { double: "int64" }, usesLLM: gateway !== null, run },
      gateway,
      modelName: "none",
      forms: new StepForms(null, 0),
      inputs: {},
      outputs: [{ from: "double", to: "double", type: "int64" }],
      numGenerations: 1,
      groupGenerations: false,
      keepPartial: false,
    } as const;
    this.#worker = new Worker({
      id: "this",
      transport: this.#fragile(),
      job: JOB,
      pipeline: { seed: 1, round: 0, steps: [step] },
      schema: resultSchema([...COLUMNS, { name: "double", type: "int64" }]),
      runsForeignCode: options.runsForeignCode ?? false,
      flushIntervalMs: 10,
      leaseMs: this.#options.leaseMs,
      guard: new AlikeGuard(0, { settled: true }),
      onFault: (error) => void this.faults.push(error),
      now: () => performance.now() + this.sleptMs,
    });
    return this.#worker;
  }

  /** The shard's records, oldest first, up to one that `isLast`. */
  async recordsUntil(isLast: (record: CommitRecord) => boolean): Promise<readonly CommitRecord[]> {
    const records: CommitRecord[] = [];
    const enough = new AbortController();
    for await (const { body } of this.transport.log.read(JOB, null, enough.signal)) {
      const record = decodeCommitRecord(body);
      records.push(record);
      if (isLast(record)) break;
    }
    enough.abort();
    return records;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isAway = false;
    await this.#worker?.drain(0, AbortSignal.abort());
    await this.transport.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** As a worker sees a broker that comes and goes; without patience, so that every try is the worker's own. */
  #fragile(): Transport {
    const reach = async <T>(call: () => Promise<T>): Promise<T> => {
      if (this.isAway) throw new TransportError("unreachable", "The broker is away.");
      return call();
    };
    const answered = <T>(what: Answer, answer: T): T => {
      if (answer !== null) this.onAnswer(what);
      return answer;
    };
    const fragile = (claim: Claim): Claim => ({
      shard: claim.shard,
      body: claim.body,
      beat: () => reach(() => claim.beat()),
      done: () => reach(() => claim.done()),
      retry: (delayMs) => reach(() => claim.retry(delayMs)),
    });
    return alteredTransport(this.transport, {
      tasks: (tasks) => ({
        claim: async (job, options) => {
          const claim = answered("claim", await tasks.claim(job, options));
          return claim === null ? null : fragile(claim);
        },
      }),
      inputs: (inputs) => ({ get: async (ref) => answered("input", await inputs.get(ref)) }),
      log: (log) => ({
        tail: async (job, shard) => answered("tail", await log.tail(job, shard)),
        append: (job, shard, after, body) => reach(() => log.append(job, shard, after, body)),
      }),
      results: (results) => ({ put: (job, shard, bytes) => reach(() => results.put(job, shard, bytes)) }),
    });
  }
}
