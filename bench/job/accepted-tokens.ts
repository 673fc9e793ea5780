/** Output tokens that are in a dataset: of the answers that its rows were made of, each counted once. */
import path from "node:path";
import { openRowSource } from "../../coordinator/input/open-row-source.ts";
import { InputSpec } from "../../shared/spec/job-spec.ts";
import type { JobSpec } from "../../shared/spec/job-spec.ts";

/** The `tiding` column of an output row, as far as tokens go. */
export interface TokensOfRow {
  readonly row_id: bigint | number | null;
  readonly output_tokens: bigint | number | null;
  /** JSON text, or what it says; null for a row of one plain call. */
  readonly calls: unknown;
}

interface CallTokens {
  readonly step: string;
  readonly generation: number;
  readonly call: number;
  readonly output_tokens: number | null;
  readonly asking?: number;
}

/** The input's formats by the output's names. */
const FORMATS = { parquet: "parquet", jsonl: "jsonl", arrow: "arrow" } as const;

/** Reads the parts of a finished job whose spec keeps `output.metadata`. Null where no answer said its tokens. */
export async function acceptedTokens(root: string, format: JobSpec["output"]["format"]): Promise<number | null> {
  const input = InputSpec.parse({ path: "data/*", format: FORMATS[format], columns: ["tiding"] });
  const source = await openRowSource(input, { folder: path.resolve(root) });
  const sum = new TokenSum();
  for await (const rows of source.rows(null, new AbortController().signal))
    for (const { values } of rows) sum.add(values["tiding"] as TokensOfRow);
  return sum.tokens;
}

/**
 * Adds rows up in the order of the dataset, where the variants of one row are neighbours. A call that several variants came
 * from counts once; of a call that was asked again for its form only the last answer, which the row was made of.
 */
export class TokenSum {
  #row: string | null = null;
  #seen = new Map<string, { readonly asking: number; readonly tokens: number }>();
  #tokens: number | null = null;

  /** Of all rows so far; null while none had a count. */
  get tokens(): number | null {
    const held = [...this.#seen.values()].reduce((sum, { tokens }) => sum + tokens, 0);
    return this.#seen.size === 0 ? this.#tokens : (this.#tokens ?? 0) + held;
  }

  add({ row_id, output_tokens, calls }: TokensOfRow): void {
    const row = String(row_id);
    if (row !== this.#row) {
      this.#tokens = this.tokens;
      this.#seen.clear();
      this.#row = row;
    }
    if (calls === null || calls === undefined) {
      if (output_tokens !== null) this.#tokens = (this.#tokens ?? 0) + Number(output_tokens);
      return;
    }
    for (const call of parsed(calls)) {
      if (call.output_tokens === null) continue;
      const key = `${call.step} ${call.generation} ${call.call}`;
      const asking = call.asking ?? 0;
      if (asking < (this.#seen.get(key)?.asking ?? 0)) continue;
      this.#seen.set(key, { asking, tokens: call.output_tokens });
    }
  }
}

function parsed(calls: unknown): readonly CallTokens[] {
  return (typeof calls === "string" ? JSON.parse(calls) : calls) as readonly CallTokens[];
}
