/** The spec as the manifest keeps it for `tiding retry`: without secrets, and so that loading it again changes nothing. */
import { TidingError } from "../shared/errors.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { applyOverrides } from "../shared/spec/overrides.ts";

const REFERENCES_ALONE = /^(\w+ )?\$\{\w+\}$/;

/**
 * `${` of resolved texts is escaped, so that it is not taken for a variable again; references to secrets stay; headers
 * that hold anything but a reference are left out.
 */
export function storedSpec(written: unknown): Record<string, unknown> {
  return keep(written, []) as Record<string, unknown>;
}

/** Without those that set headers to anything but references, as the stored spec is. */
export function storedOverrides(overrides: readonly string[]): string[] {
  const setBy = (override: string): unknown =>
    applyOverrides({ value: undefined, placeOf: () => "" }, [override]).value;
  return overrides.filter((override) => leftOutOf(setBy(override)).length === 0);
}

function keep(value: unknown, path: readonly string[]): unknown {
  const isSecret = (path.at(-1) === "api_key" && !path.includes("structured_output")) || isHeaders(path.slice(0, -1));
  if (typeof value === "string") return isSecret ? value : value.replaceAll(/\$(?=\{[A-Za-z_])/g, "$$$$");
  if (Array.isArray(value)) return value.map((item: unknown, index) => keep(item, [...path, String(index)]));
  if (typeof value !== "object" || value === null) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (isHeaders(path) && !(typeof item === "string" && REFERENCES_ALONE.test(item))) continue;
    kept[key] = keep(item, [...path, key]);
  }
  return kept;
}

/** The schema of an answer may have a property of that name. */
function isHeaders(path: readonly string[]): boolean {
  return path.at(-1) === "headers" && !path.includes("structured_output");
}

/** Keys of the headers that the stored form leaves out. */
function leftOutOf(written: unknown, path: readonly string[] = []): readonly string[] {
  if (typeof written !== "object" || written === null) return [];
  return Object.entries(written).flatMap(([key, item]: [string, unknown]) => {
    const isLeftOut = isHeaders(path) && !(typeof item === "string" && REFERENCES_ALONE.test(item));
    return isLeftOut ? [[...path, key].join(".")] : leftOutOf(item, [...path, key]);
  });
}

/** Headers may be secrets, which are never sent: given as references, they are resolved at the workers. Throws `USAGE`. */
export function refuseLiteralHeaders({ written }: LoadedSpec): void {
  const literal = leftOutOf(written);
  if (literal.length === 0) return;
  throw new TidingError("USAGE", `Values of headers are not sent to other machines: ${literal.join(", ")}.`, {
    ...(literal[0] === undefined ? {} : { place: literal[0] }),
    mend: "Write each as a reference, such as ${TEAM}, and set that variable where the workers run.",
  });
}
