/** A worker as `tiding worker` is, in a process of its own that may be killed, with its requests recorded. */
import { growHeapSparingly } from "../../jobs/sparing-heap.ts";
import { workForBroker } from "../../jobs/work-for-broker.ts";
import { serveChild } from "../child-work.ts";
import { RequestRecorder } from "./record-requests.ts";

export interface WorkerTask {
  readonly broker: string;
  readonly trace: string;
  /** Where the spec's modules lie. */
  readonly folder: string;
}

/** It looks for the broker. */
export type WorkerNote = "started";

growHeapSparingly();
serveChild<WorkerTask, { readonly rows: number }, WorkerNote>(async ({ broker, trace, folder }, { leave, note }) => {
  using _recording = new RequestRecorder({ trace, unbuffered: true });
  note("started");
  return await workForBroker({
    broker: { address: broker },
    environment: process.env,
    folder,
    drain: leave,
    stop: new AbortController().signal,
    onNotice: () => undefined,
  });
});
