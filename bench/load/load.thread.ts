/** What a load thread does. Its state lives as long as the thread. */
import { TidingError } from "../../shared/errors.ts";
import { type ThreadOutcome, outcomeOf } from "../../shared/thread-outcome.ts";
import { ThreadLoad } from "./thread-load.ts";
import type { LoadTask } from "./thread-messages.ts";

const UNKNOWN = { code: "INTERNAL", what: "The load could not be made" } as const;

let opened: ThreadLoad | null = null;

export default function makeLoad(task: LoadTask): Promise<ThreadOutcome<void>> {
  return outcomeOf(async () => {
    if (task.type === "open") {
      opened = await ThreadLoad.open(task.target, task.prompts);
      return;
    }
    if (task.type === "close") {
      // One that did not open has nothing to close.
      await opened?.close();
      opened = null;
      return;
    }
    if (opened === null) throw new TidingError("INTERNAL", "A load thread was given work before it was opened.");
    return opened.runStage(task);
  }, UNKNOWN);
}
