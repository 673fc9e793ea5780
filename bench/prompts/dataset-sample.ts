/** A bounded sample of a dataset's prompts, drawn by seed in one pass. */
import { openRowSource } from "../../coordinator/input/open-row-source.ts";
import type { RowSource } from "../../coordinator/input/row-source.ts";
import { TidingError } from "../../shared/errors.ts";
import { InputSpec } from "../../shared/spec/job-spec.ts";
import { draw, hashText } from "../simulator/hash.ts";
import type { DatasetSource } from "./prompt-options.ts";
import { readConversation } from "./read-conversation.ts";
import type { BenchMessage } from "./read-conversation.ts";

export interface DatasetSample {
  readonly conversations: readonly (readonly BenchMessage[])[];
  /** False where every row is a text. */
  readonly areConversations: boolean;
  /** What it is a sample of, the same on every machine: names, columns and a hash of the files, not their folders. */
  readonly described: string;
}

/** Columns that are taken for the prompts' when none is named, the first that is there. */
const USUAL_COLUMNS = ["messages", "conversations", "conversation", "prompt", "instruction", "question", "text"];

/**
 * Reads at most `scanRows` rows and keeps at most `sampleRows` of those with a prompt. Throws what the input's reader throws,
 * `COLUMN_MISSING`, and `INPUT_UNREADABLE` where no row has a prompt.
 */
export async function sampleDataset(
  source: DatasetSource,
  { folder, seed }: { readonly folder: string; readonly seed: number },
): Promise<DatasetSample> {
  const { path, format, csv } = source;
  const described = { path, format, csv };
  const column = source.column ?? (await usualColumn(InputSpec.parse(described), { folder }));
  const rows = await openRowSource(InputSpec.parse({ ...described, columns: [column] }), { folder });
  const { kept, areConversations, read, empty } = await draws(rows, { ...source, column, seed });
  if (kept.length === 0) {
    throw new TidingError("INPUT_UNREADABLE", `None of ${read} rows has a prompt in column "${column}".`, {
      place: "prompts.source.column",
      mend: "Name a column of texts, or of conversations with a message of the user's; images are not sent.",
    });
  }
  const names = rows.files.map(({ path: file, sample }) => `${fileName(file)}#${sample.slice(0, 8)}`);
  const shown = names.length > 3 ? [...names.slice(0, 3), `${names.length - 3} more`] : names;
  const passedOver = empty === 0 ? "" : `, ${empty} without a prompt passed over`;
  const how = source.order === "file" ? "the first" : "drawn from the first";
  return {
    conversations: kept,
    areConversations,
    described: `dataset ${shown.join(", ")}, column ${column}: ${kept.length} rows, ${how} ${read}${passedOver}`,
  };
}

function fileName(file: string): string {
  return file.split(/[\\/]/).at(-1) ?? file;
}

async function usualColumn(input: InputSpec, { folder }: { readonly folder: string }): Promise<string> {
  const names = (await openRowSource(input, { folder })).schema.map(({ name }) => name);
  const found = USUAL_COLUMNS.find((name) => names.includes(name)) ?? (names.length === 1 ? names[0] : undefined);
  if (found !== undefined) return found;
  const listed = names.length > 30 ? [...names.slice(0, 30), "others"] : names;
  throw new TidingError(
    "COLUMN_MISSING",
    `None of the dataset's columns is known for prompts; it has ${listed.join(", ")}.`,
    {
      place: "prompts.source.column",
      mend: "Name the column that holds the prompts.",
    },
  );
}

interface Drawn {
  readonly kept: readonly (readonly BenchMessage[])[];
  readonly areConversations: boolean;
  /** Rows that were looked at. */
  readonly read: number;
  /** Of these, rows without a prompt. */
  readonly empty: number;
}

/** Vitter's reservoir: every row with a prompt has the same chance, and no more than the sample is in memory. */
async function draws(
  rows: RowSource,
  { column, sampleRows, scanRows, order, seed }: DatasetSource & { readonly column: string; readonly seed: number },
): Promise<Drawn> {
  const key = hashText(`rows ${seed}`);
  const kept: (readonly BenchMessage[])[] = [];
  const reading = new AbortController();
  let read = 0;
  let empty = 0;
  let areConversations = false;
  scan: for await (const chunk of rows.rows(null, reading.signal)) {
    for (const { values, fault } of chunk) {
      const isFull = order === "file" && kept.length === sampleRows;
      if (read === scanRows || isFull) break scan;
      read++;
      const conversation = fault === null ? readConversation(values[column]) : null;
      if (conversation === null) {
        empty++;
        continue;
      }
      areConversations ||= typeof values[column] !== "string";
      const place = kept.length < sampleRows ? kept.length : Math.floor(draw(key, 0, read) * (read - empty));
      if (place < sampleRows) kept[place] = conversation;
    }
  }
  if (order === "seeded") shuffle(kept, (place) => draw(key, 1, place));
  return { kept, areConversations, read, empty };
}

function shuffle<T>(values: T[], random: (place: number) => number): void {
  for (let place = values.length - 1; place > 0; place--) {
    const other = Math.floor(random(place) * (place + 1));
    [values[place], values[other]] = [values[other]!, values[place]!];
  }
}
