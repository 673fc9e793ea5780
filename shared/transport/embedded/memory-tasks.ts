/**
 * The task queue, in memory alone: after a restart the planner puts again what is left.
 *
 *   put ──► ready ──claim──► hidden until its lease ends ──done──► gone
 *             ▲                 │  beat moves the end, retry sets it to the delay
 *             └─────────────────┘  when its time has come, before all that was never claimed
 *
 * Every put is a task of its own, so that the late `done` of an older claim cannot take a newer put with it. A claim whose
 * task went to another since has no effect at all.
 */

import type { Claim, JobKey, TaskQueue } from "../transport.ts";
import { assertFits, assertOpen } from "./store-errors.ts";
import { Wakeup } from "../../wakeup.ts";

interface Task {
  readonly shard: number;
  readonly body: Uint8Array;
  /** How often it was claimed; names the claim that owns it. */
  deliveries: number;
  hiddenUntil: number;
  gone: boolean;
}

/** The tasks of one job; all times in monotonic milliseconds. */
class JobTasks {
  readonly changed = new Wakeup();
  readonly #byShard = new Map<number, Set<Task>>();
  readonly #hidden = new Set<Task>();
  #ready: Task[] = [];
  #first = 0;
  #returned: Task[] = [];
  /** When the next hidden task may come back; never too late. */
  nextReturn = Infinity;

  add(task: Task): void {
    const tasks = this.#byShard.get(task.shard) ?? new Set();
    this.#byShard.set(task.shard, tasks.add(task));
    this.#ready.push(task);
    this.changed.notify();
  }

  remove(task: Task): void {
    task.gone = true;
    this.#hidden.delete(task);
    const tasks = this.#byShard.get(task.shard);
    tasks?.delete(task);
    if (tasks?.size === 0) this.#byShard.delete(task.shard);
  }

  removeShard(shard: number): void {
    for (const task of this.#byShard.get(shard) ?? []) this.remove(task);
  }

  removeAll(): void {
    for (const shard of this.#byShard.keys()) this.removeShard(shard);
    this.#ready = [];
    this.#first = 0;
    this.#returned = [];
  }

  has(shard: number): boolean {
    return this.#byShard.has(shard);
  }

  counts(): { readonly ready: number; readonly inFlight: number } {
    let all = 0;
    for (const tasks of this.#byShard.values()) all += tasks.size;
    return { ready: all - this.#hidden.size, inFlight: this.#hidden.size };
  }

  hide(task: Task, until: number): void {
    task.hiddenUntil = until;
    this.#hidden.add(task);
    if (until >= this.nextReturn) return;
    this.nextReturn = until;
    this.changed.notify();
  }

  isHidden(task: Task): boolean {
    return this.#hidden.has(task);
  }

  take(now: number): Task | undefined {
    this.#bringBack(now);
    for (;;) {
      const task = this.#returned.shift() ?? this.#shiftReady();
      if (task === undefined || !task.gone) return task;
    }
  }

  #bringBack(now: number): void {
    if (now < this.nextReturn) return;
    this.nextReturn = Infinity;
    for (const task of this.#hidden) {
      if (task.hiddenUntil <= now) {
        this.#hidden.delete(task);
        this.#returned.push(task);
      } else {
        this.nextReturn = Math.min(this.nextReturn, task.hiddenUntil);
      }
    }
  }

  #shiftReady(): Task | undefined {
    const task = this.#ready[this.#first];
    if (task === undefined) return undefined;
    if (++this.#first * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#first);
      this.#first = 0;
    }
    return task;
  }
}

export class MemoryTasks implements TaskQueue {
  readonly #jobs = new Map<JobKey, JobTasks>();
  readonly #closing: AbortSignal;
  readonly #leaseMs: number;
  readonly #now: () => number;

  constructor(options: { readonly closing: AbortSignal; readonly leaseMs: number; readonly now: () => number }) {
    this.#closing = options.closing;
    this.#leaseMs = options.leaseMs;
    this.#now = options.now;
  }

  async put(job: JobKey, shard: number, body: Uint8Array): Promise<void> {
    assertOpen(this.#closing);
    assertFits(body);
    const task = { shard, body: new Uint8Array(body), deliveries: 0, hiddenUntil: 0, gone: false };
    this.#tasksOf(job).add(task);
  }

  async claim(job: JobKey, options: { readonly waitMs: number; readonly signal?: AbortSignal }): Promise<Claim | null> {
    assertOpen(this.#closing);
    const tasks = this.#tasksOf(job);
    const deadline = this.#now() + options.waitMs;
    const signals = options.signal === undefined ? [this.#closing] : [this.#closing, options.signal];
    while (!signals.some((signal) => signal.aborted)) {
      const now = this.#now();
      const task = tasks.take(now);
      if (task !== undefined) return this.#claimOf(tasks, task);
      if (now >= deadline) return null;
      await tasks.changed.wait({ ms: Math.ceil(Math.min(deadline, tasks.nextReturn) - now), signals });
    }
    return null;
  }

  async counts(job: JobKey): Promise<{ readonly ready: number; readonly inFlight: number }> {
    assertOpen(this.#closing);
    return this.#jobs.get(job)?.counts() ?? { ready: 0, inFlight: 0 };
  }

  async isPending(job: JobKey, shard: number): Promise<boolean> {
    assertOpen(this.#closing);
    return this.#jobs.get(job)?.has(shard) ?? false;
  }

  async replace(job: JobKey, shard: number, body: Uint8Array): Promise<void> {
    assertOpen(this.#closing);
    assertFits(body);
    this.#tasksOf(job).removeShard(shard);
    await this.put(job, shard, body);
  }

  async drop(job: JobKey): Promise<void> {
    assertOpen(this.#closing);
    // The object stays, for claims that wait on it.
    this.#jobs.get(job)?.removeAll();
  }

  #tasksOf(job: JobKey): JobTasks {
    let tasks = this.#jobs.get(job);
    if (tasks === undefined) this.#jobs.set(job, (tasks = new JobTasks()));
    return tasks;
  }

  #claimOf(tasks: JobTasks, task: Task): Claim {
    const delivery = ++task.deliveries;
    tasks.hide(task, this.#now() + this.#leaseMs);
    const owns = (): boolean => {
      assertOpen(this.#closing);
      return task.deliveries === delivery && !task.gone;
    };
    return {
      shard: task.shard,
      body: new Uint8Array(task.body),
      beat: async () => {
        if (owns() && tasks.isHidden(task)) tasks.hide(task, this.#now() + this.#leaseMs);
      },
      done: async () => {
        if (owns()) tasks.remove(task);
      },
      retry: async (delayMs) => {
        if (owns() && tasks.isHidden(task)) tasks.hide(task, this.#now() + delayMs);
      },
    };
  }
}
