/** Whether table, manifest and parts agree with each other: before a run, and at its end. */
import { TidingError } from "../shared/errors.ts";
import type { OwnedOutput } from "./output/output-directory.ts";
import type { ShardTable } from "./shard-table.ts";

/** What is landed must be in the table: without it, rows would count that nobody knows. Throws `STORE_DAMAGED`. */
export function checkTable(output: OwnedOutput, table: ShardTable): void {
  const last = output.manifest.landed.at(-1)?.[1] ?? -1;
  if (last < table.length) return;
  throw new TidingError(
    "STORE_DAMAGED",
    `Shard ${last} is landed, but the shard table ends before shard ${table.length}.`,
    {
      place: output.paths.private,
      mend: "Put the shards.<n>.jsonl file back that was there, or run the job into another output.path.",
    },
  );
}

/** No row is lost in silence: what was planned is in a part or among the failed rows. Throws `INTERNAL`. */
export function checkRows(output: OwnedOutput, total: number | null): void {
  const { parts, failed } = output.manifest;
  const found = [...parts, ...failed].reduce((sum, part) => sum + part.rowIds, 0);
  if (total === null || found >= total) return;
  throw new TidingError("INTERNAL", `Of ${total} rows, ${found} are in the parts: this is a defect of Tiding.`, {
    place: output.paths.root,
    mend: "Keep the output as it is and report this.",
  });
}
