import type { Served } from "./check-same-job.ts";
import type { JobBroker } from "./engine.ts";
import type { PreparedJob } from "./prepare-job.ts";

const NOTICE_MS = 5_000;

/** What the job's endpoints serve, with notices of what is waited for. */
export async function probeJob(
  job: PreparedJob,
  options: {
    readonly signal: AbortSignal;
    readonly onNotice: ((notice: string) => void) | undefined;
    readonly broker?: JobBroker | undefined;
  },
): Promise<Served> {
  const { signal, onNotice = () => undefined, broker } = options;
  const waiting = setInterval(() => {
    for (const gateway of job.steps.gateways) {
      const notice = gateway.waitingFor();
      if (notice !== null) onNotice(notice);
    }
  }, NOTICE_MS);
  try {
    const served = await (broker?.probe?.(job, { signal, onNotice }) ?? job.steps.probe(signal));
    for (const advice of new Set(served.flat().flatMap((model) => model.advice ?? []))) onNotice(advice);
    return served;
  } finally {
    clearInterval(waiting);
  }
}
