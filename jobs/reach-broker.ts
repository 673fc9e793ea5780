import { TidingError } from "../shared/errors.ts";
import { TransportError } from "../shared/transport/transport.ts";

/**
 * For those who wait for no broker: what the transport says of it, as an error for people. Throws `BROKER_UNREACHABLE` when
 * it is away, `BROKER_FULL` when it stores nothing more.
 */
export async function reachBroker<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    if (error.full !== null) {
      const { message, place, mend } = error.full;
      throw new TidingError("BROKER_FULL", message, { place, mend, cause: error });
    }
    throw new TidingError("BROKER_UNREACHABLE", `The broker did not answer: ${error.message}`, {
      mend: "See that it runs, and give the command again.",
      cause: error,
    });
  }
}
