/**
 * A core for the simulator and the others for the client, as two machines would have them, and before what else runs there.
 * Both nap and turn until shortly before a deadline (fine-timer.ts); where the kernel wakes both on one core while another is
 * free, as it does with processes that talk to each other, one waits for a slice of the other's, some 3 ms.
 *
 * Who comes first is asked for thread by thread: the simulator's main thread and the client's load threads, so that neither
 * waits for a collector or a compiler of V8 on its core, nor the load for the client's main thread, which writes the report.
 */
import { beforeAllOthers, CORES, ownThreads, pin } from "./scheduling.ts";

/** Until it is disposed of, which gives this process all of its cores back: what it starts next would have only those. */
export interface CoresApart extends AsyncDisposable {
  /** Whether they have cores of their own: on Linux with two cores and `taskset`. */
  readonly isDone: boolean;
  /** Puts the threads that this process has started since before all others, where that is permitted: once they are there. */
  putLoadFirst(): void;
}

const TOGETHER: CoresApart = { isDone: false, putLoadFirst() {}, async [Symbol.asyncDispose]() {} };

/** `simulator` is the core that it is kept to; null: they share what there is. */
export async function keepCoresApart(simulatorPid: number, simulator: number | null): Promise<CoresApart> {
  const client = CORES.filter((core) => core !== simulator);
  if (simulator === null || client.length === 0) return TOGETHER;
  try {
    await Promise.all([pin([simulator], simulatorPid), pin(client, process.pid)]);
  } catch (error) {
    process.stderr.write(`Simulator and client share their cores: ${String(error)}\n`);
    return TOGETHER;
  }
  await putFirst([simulatorPid]);
  const before = new Set(await ownThreads());
  let loadIsFirst: Promise<void> | null = null;
  return {
    isDone: true,
    putLoadFirst() {
      loadIsFirst ??= ownThreads().then((all) => putFirst(all.filter((thread) => !before.has(thread))));
    },
    async [Symbol.asyncDispose]() {
      await loadIsFirst;
      await pin(CORES, process.pid);
    },
  };
}

async function putFirst(threads: readonly number[]): Promise<void> {
  try {
    await Promise.all(threads.map((thread) => beforeAllOthers(thread)));
  } catch (error) {
    process.stderr.write(`Others may come before simulator and client: ${String(error)}\n`);
  }
}
