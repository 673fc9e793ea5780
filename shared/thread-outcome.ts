/** Errors over a thread's border, where an error loses its class and its fields: threads return them as values. */
import { type ErrorCode, TidingError, isTidingError, messageOf } from "./errors.ts";

export interface ThreadFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly place: string | undefined;
  readonly mend: string | undefined;
  readonly details: Readonly<Record<string, string | number>>;
  readonly stack: string | undefined;
}

/** What a thread's task returns. */
export type ThreadOutcome<Result> =
  | { readonly type: "done"; readonly result: Result }
  | { readonly type: "failed"; readonly failure: ThreadFailure };

/** `unknown` stands for what is no `TidingError`: the code, and what was not done, as the beginning of a sentence. */
export async function outcomeOf<Result>(
  task: () => Result | Promise<Result>,
  unknown: { readonly code: ErrorCode; readonly what: string },
): Promise<ThreadOutcome<Result>> {
  try {
    return { type: "done", result: await task() };
  } catch (error) {
    const stack = error instanceof Error ? error.stack : undefined;
    if (!isTidingError(error)) {
      const message = `${unknown.what}: ${messageOf(error)}`;
      return {
        type: "failed",
        failure: { code: unknown.code, message, place: undefined, mend: undefined, details: {}, stack },
      };
    }
    const { code, message, place, mend, details } = error;
    return { type: "failed", failure: { code, message, place, mend, details, stack } };
  }
}

/** The result, or throws the error as it was thrown in the thread. */
export function resultOf<Result>(outcome: ThreadOutcome<Result>): Result {
  if (outcome.type === "done") return outcome.result;
  const { code, message, place, mend, details, stack } = outcome.failure;
  const error = new TidingError(code, message, {
    details,
    ...(place !== undefined && { place }),
    ...(mend !== undefined && { mend }),
  });
  if (stack !== undefined) error.stack = stack;
  throw error;
}
