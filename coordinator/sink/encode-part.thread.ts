/** What `PartEncoder` has done in its thread. Several tasks share the thread: a landing waits for its shards meanwhile. */
import { on } from "node:events";
import type { MessagePort } from "node:worker_threads";
import { loadZstd } from "../../shared/rows/zstd.ts";
import { type ThreadOutcome, outcomeOf } from "../../shared/thread-outcome.ts";
import { Landing } from "./landing.ts";
import { mergeParts } from "./merge-parts.ts";
import type { LandingRequest, LandingResult, MergeRequest, PartFile } from "./part-file.ts";

export type EncodeTask =
  | { readonly type: "warm" }
  | { readonly type: "land"; readonly request: LandingRequest; readonly port: MessagePort }
  | { readonly type: "merge"; readonly request: MergeRequest };

/** From the writer to its landing; each shard is answered by a message when it was taken in. */
export type LandingMessage =
  | { readonly type: "shard"; readonly batches: readonly Uint8Array[]; readonly skips: readonly (Uint8Array | null)[] }
  | { readonly type: "finish" }
  | { readonly type: "abort" };

/** Null for an aborted landing. */
type EncodeResult = LandingResult | readonly PartFile[] | null;

const UNKNOWN = { code: "INTERNAL", what: "A part could not be encoded" } as const;

export default function encodePart(task: EncodeTask): Promise<ThreadOutcome<EncodeResult>> {
  return outcomeOf(async () => {
    const zstd = await loadZstd();
    switch (task.type) {
      case "warm":
        return null;
      case "land":
        return land(() => new Landing(task.request, zstd), task.port);
      case "merge":
        return mergeParts(task.request, zstd);
    }
  }, UNKNOWN);
}

async function land(begin: () => Landing, port: MessagePort): Promise<LandingResult | null> {
  let landing: Landing | null = null;
  try {
    const messages = on(port, "message", { close: ["close"] }) as AsyncIterable<[LandingMessage]>;
    for await (const [message] of messages) {
      landing ??= begin();
      if (message.type === "finish") return landing.finish();
      if (message.type === "abort") break;
      landing.addShard(message.batches, message.skips);
      port.postMessage("taken");
    }
    landing?.discard();
    return null;
  } catch (error) {
    landing?.discard();
    throw error;
  } finally {
    port.close();
  }
}
