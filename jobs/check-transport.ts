/** A job's committed rows lie where it ran: going on elsewhere would pay for them again. */
import type { Manifest } from "../coordinator/output/manifest.ts";
import { TidingError } from "../shared/errors.ts";
import { unlandedRows } from "./job-status.ts";

export type TransportKind = Manifest["transport"];

/** Throws `USAGE` for an unfinished job, or an unfinished retry, whose rows lie with the other transport. */
export async function checkTransport(root: string, manifest: Manifest, now: TransportKind): Promise<void> {
  if (manifest.transport === now || manifest.state === "finished") return;
  if (manifest.transport === "broker") {
    throw new TidingError("USAGE", "This job runs over a broker, which holds rows that are paid for and not landed.", {
      place: root,
      mend: "Go on with --broker. Should that broker's store be gone, any other will do: those rows are run again.",
    });
  }
  const rows = await unlandedRows(root, manifest);
  if (rows === 0) return;
  throw new TidingError(
    "USAGE",
    `${rows} rows that are paid for lie in this output's own log; a broker has not got them.`,
    {
      place: root,
      mend:
        manifest.retry === null
          ? "Run the job to its end without --broker, or go on over the broker in another output.path."
          : `Finish the retry without --broker: tiding retry ${root}`,
    },
  );
}
