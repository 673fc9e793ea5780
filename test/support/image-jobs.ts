/** Jobs that make images on the simulated endpoint, and what their rows must hold. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { imageFor } from "../../bench/simulator/image.ts";
import type { SimulatorInput } from "../../bench/simulator/options.ts";
import { JobWorld, questionOf } from "./job-world.ts";

export interface ImageRow {
  readonly question: string;
  readonly image: { readonly bytes: Uint8Array; readonly path: string | null };
  readonly model_name: string;
  readonly tiding: { readonly row_id: bigint; readonly seed: bigint; readonly finish_reason: string };
}

export function openImageWorld(rows: number, options: SimulatorInput = {}): Promise<JobWorld> {
  return JobWorld.open(rows, { serves: "images", ...options });
}

/** A spec with one image-generation step; `route` is what the base URL ends with. */
export function imageSpec(
  world: JobWorld,
  changes: { step?: object; llm?: object; output?: object; run?: object; input?: object; route?: string } = {},
): object {
  const { route = "", llm, step, ...others } = changes;
  const base_url = world.simulator.url + route;
  const prompts = { task: "image-generation", columns: { prompt: "question" }, ...step };
  return world.spec({ ...others, step: { ...prompts, llm: { base_url, slots: 8, model_id: "painter", ...llm } } });
}

/** Rows of Parquet with bytes as bytes, and the features that the files name; in the order of the files' names. */
export async function readImages(
  output: string,
): Promise<{ readonly rows: readonly ImageRow[]; readonly features: readonly unknown[] }> {
  const folder = path.join(output, "data");
  const rows: ImageRow[] = [];
  const features: unknown[] = [];
  for (const name of (await readdir(folder)).toSorted()) {
    const file = await asyncBufferFromFile(path.join(folder, name));
    // Bytes that are no text by their type would be decoded as one.
    rows.push(...((await parquetReadObjects({ file, compressors, utf8: false })) as unknown as ImageRow[]));
    const { key_value_metadata: pairs = [] } = await parquetMetadataAsync(file);
    const [pair] = pairs.filter(({ key }) => key === "huggingface");
    features.push((JSON.parse(pair?.value ?? "{}") as { info?: { features?: unknown } }).info?.features);
  }
  return { rows, features };
}

/** Each row, in order, has the image of its own prompt and seed. */
export function assertImages(rows: readonly ImageRow[], count: number, leastBytes = 0): void {
  assert.equal(rows.length, count);
  for (const [index, { question, image, tiding }] of rows.entries()) {
    assert.equal(Number(tiding.row_id), index);
    assert.equal(question, questionOf(index));
    const expected = imageFor(question, Number(tiding.seed), leastBytes);
    assert.ok(expected.equals(image.bytes), `row ${index} has another image`);
    assert.equal(image.path, null);
  }
}
