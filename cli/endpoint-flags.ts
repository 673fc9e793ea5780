/** The flags by which a command is told of an endpoint that no spec describes. */
import type { ErrorCode } from "../shared/errors.ts";
import { isTidingError, TidingError } from "../shared/errors.ts";

/** The reference to a key in the variable of that name. Throws `USAGE` without repeating the value: it may be the key itself. */
export function keyReference(variable: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) return `\${${variable}}`;
  throw new TidingError("USAGE", "--api-key-env takes the name of an environment variable.", {
    place: "--api-key-env",
    mend: "Put the key into a variable and give its name: --api-key-env MY_KEY.",
  });
}

/** Where an error of the library speaks of a spec's keys, the flags that stand for them here. */
const MENDS: Partial<Record<ErrorCode, string>> = {
  UNAUTHORIZED: "Name the variable with a key that has access: --api-key-env HF_TOKEN.",
  MODEL_NOT_FOUND: "Name one that it lists: --model-id NAME.",
};

/** The same error with a mend in terms of the flags. */
export function inFlags(error: unknown): unknown {
  const mend = isTidingError(error) ? MENDS[error.code] : undefined;
  if (!isTidingError(error) || mend === undefined) return error;
  const place = error.place === undefined ? {} : { place: error.place };
  return new TidingError(error.code, error.message, { ...place, mend, cause: error });
}
