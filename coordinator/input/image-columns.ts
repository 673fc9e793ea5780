/**
 * Which columns of a file hold images, by what `datasets` writes beside a schema (`{"info": {"features": …}}` under the key
 * `huggingface`): their type alone, a struct of bytes and a path, is that of other media as well.
 */
import { IMAGE_FIELDS } from "../../shared/rows/row-schema.ts";
import type { ColumnType } from "../../shared/rows/row-schema.ts";
import { isSameType } from "./column-types.ts";

/** Their names; none where the file says nothing of the kind. */
export function imageColumns(metadata: string | undefined): ReadonlySet<string> {
  const features: unknown = parsed(metadata ?? "")?.info?.features ?? {};
  if (typeof features !== "object" || features === null) return new Set();
  const images = Object.entries(features).filter(([, feature]: [string, { _type?: unknown } | null]) => {
    return typeof feature === "object" && feature !== null && feature._type === "Image";
  });
  return new Set(images.map(([name]) => name));
}

/** `image` for a column that is stored as one. */
export function imageOr(type: ColumnType): ColumnType {
  return isSameType(type, { struct: IMAGE_FIELDS }) ? "image" : type;
}

function parsed(text: string): { readonly info?: { readonly features?: unknown } | null } | null {
  try {
    return JSON.parse(text) as ReturnType<typeof parsed>;
  } catch {
    // Anybody may write under this key; the columns are then what their types say.
    return null;
  }
}
