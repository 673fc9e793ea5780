/**
 * Gives a file of requests to the server, once.
 *
 *   recorded here ──► uploaded ──► created ──► its id recorded here
 *
 * A batch is paid for when it is created, and the answer to that may be lost with the connection or the process. Each carries
 * its submission's random name, so that one that was created before is found among the server's batches and not made again.
 * Not guaranteed: that a server shows a batch in its list at once; OpenAI's does.
 */
import { SUBMISSION_KEY, type BatchApi, type RemoteBatch } from "../../worker/llms/batches/batch-api.ts";
import type { BatchEntry } from "./batch-state.ts";
import type { BatchStep } from "./batch-step.ts";
import type { BatchStore } from "./batch-store.ts";
import { patiently, type Patience } from "./patience.ts";

export async function submitBatch(
  entry: BatchEntry,
  options: {
    readonly store: BatchStore;
    readonly api: BatchApi;
    readonly patience: Patience;
    /** Written by this process a moment ago: the server cannot have it. */
    readonly isNew: boolean;
    readonly onStep: (step: BatchStep) => void;
  },
): Promise<RemoteBatch> {
  const { store, api, patience, onStep } = options;
  const { submission, number, url, content } = entry;
  const { signal } = patience;
  const find = (): Promise<RemoteBatch | null> => api.find(submission, { since: entry.recordedAt, signal });
  if (!options.isNew) {
    const found = await patiently(find, patience);
    if (found !== null) return found;
  }
  const file = { path: store.path("requests", submission), name: `tiding-${submission}.jsonl` };
  const fileId = await patiently(() => api.upload(file, signal), patience);
  onStep("file-uploaded");
  const metadata = {
    [SUBMISSION_KEY]: submission,
    tiding_job: store.job,
    tiding_batch: String(number),
    tiding_content: content,
  };
  let mayExist = false;
  const created = await patiently(async () => {
    const found = mayExist ? await find() : null;
    if (found !== null) return found;
    // A sleeper that wakes must not pay for what its successor has submitted.
    await store.assertOwned();
    mayExist = true;
    return await api.create({ fileId, url, metadata }, signal);
  }, patience);
  onStep("batch-created");
  return created;
}
