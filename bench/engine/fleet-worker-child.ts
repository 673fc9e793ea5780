/** A worker in a process of its own, as `tiding worker` is, until it is asked to leave. */
import { workForBroker } from "../../jobs/work-for-broker.ts";
import { growHeapSparingly } from "../../jobs/sparing-heap.ts";
import { serveMeasured } from "./measured-child.ts";

export interface FleetWorkerTask {
  readonly broker: string;
}

growHeapSparingly();
/** The first note says that it looks for the broker. */
serveMeasured<FleetWorkerTask, { readonly rows: number }, true>(({ broker }, note, leave) => {
  note(true);
  return workForBroker({
    broker: { address: broker },
    environment: {},
    drain: leave,
    stop: new AbortController().signal,
    onNotice: () => undefined,
  });
});
