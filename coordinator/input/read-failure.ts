import { isTidingError, messageOf, TidingError } from "../../shared/errors.ts";

/** An INPUT_UNREADABLE error from whatever a library or the file system threw; our own errors pass through. */
export function readFailure(error: unknown, place: string, mend: string): Error {
  if (isTidingError(error)) return error;
  return new TidingError("INPUT_UNREADABLE", `The input could not be read: ${messageOf(error)}.`, {
    place,
    mend,
    cause: error,
  });
}
