import { TidingError } from "../shared/errors.ts";
import type { InputFault } from "../shared/rows/input-batch.ts";

/** The error of a row that the coordinator could not read. */
export function readFault(text: string): TidingError {
  const fault = JSON.parse(text) as InputFault;
  return new TidingError("ROW_INVALID", fault.message, { place: fault.place, rawResponse: fault.raw });
}
