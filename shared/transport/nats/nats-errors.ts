/** What NATS says went wrong, in the port's words. */
import { errors } from "@nats-io/transport-node";
import { JetStreamApiError } from "@nats-io/jetstream";
import { messageOf, TidingError } from "../../errors.ts";
import { TransportError } from "../transport.ts";

/** API error codes that nats-server answers with (`server/errors.json`, 2.9 to 2.15). */
export const API_CODE = {
  accountResourcesExceeded: 10002,
  /** "no suitable peers for placement" */
  clusterNoPeers: 10005,
  clusterUnavailable: 10008,
  consumerNotFound: 10014,
  insufficientResources: 10023,
  memoryResourcesExceeded: 10028,
  messageNotFound: 10037,
  notEnabledForAccount: 10039,
  storageResourcesExceeded: 10047,
  /** Such as "maximum replicas is 5". */
  streamInvalidConfig: 10052,
  messageTooLarge: 10054,
  deleteFailed: 10057,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  subjectOverlap: 10065,
  wrongLastSequence: 10071,
  /** "replicas > 1 not supported in non-clustered mode" */
  replicasNotSupported: 10074,
  notEnabled: 10076,
  storeFailed: 10077,
  /** Wrong last sequence too, while another message of the subject is on its way. */
  wrongLastSequenceUnknown: 10164,
} as const;

/** What a server, an account or a stream answers that stores nothing more. Nothing was done. */
const FULL_CODES: readonly number[] = [
  API_CODE.accountResourcesExceeded,
  API_CODE.insufficientResources,
  API_CODE.memoryResourcesExceeded,
  API_CODE.storageResourcesExceeded,
  API_CODE.storeFailed,
];

/** The code of an answer that JetStream gave; null for anything else. */
export function apiCode(error: unknown): number | null {
  if (error instanceof JetStreamApiError) return error.code;
  // "Not enabled for account" comes as an error of its own around the answer.
  return error instanceof Error && error.cause instanceof JetStreamApiError ? error.cause.code : null;
}

/** For `catch`: null for an answer with that code; throws anything else on. */
export function ignoreCode(code: number): (error: unknown) => null {
  return (error) => {
    if (apiCode(error) === code) return null;
    throw error;
  };
}

/** Throws `too-large`. */
export function assertFits(body: Uint8Array, limit: number): void {
  if (body.byteLength <= limit) return;
  throw new TransportError("too-large", `A body has ${limit} bytes at most, this one has ${body.byteLength}.`);
}

/** Throws `closed` once the transport is being closed. */
export function assertOpen(closing: AbortSignal): void {
  if (closing.aborted) throw new TransportError("closed", "The transport was closed.");
}

/**
 * The fault of a call that failed. A time-out is `unknown`: the server may have done it. No responders, a lost
 * connection and a stream without a leader are `unreachable`: it was not done. No room is `full`. What the user may not
 * do is no fault of the transport but BROKER_REFUSED.
 */
export function asTransportError(error: unknown, what: string): TransportError | TidingError {
  if (error instanceof TransportError || error instanceof TidingError) return error;
  const text = `${what}: ${messageOf(error)}`;
  for (const each of causesOf(error)) {
    if (each instanceof errors.PermissionViolationError) return refused(each.operation, each.subject, what);
    if (each instanceof errors.ClosedConnectionError || each instanceof errors.DrainingConnectionError)
      return new TransportError("closed", text, { cause: error });
    if (each instanceof errors.NoRespondersError) return new TransportError("unreachable", text, { cause: error });
  }
  const code = apiCode(error);
  if (code === null) return new TransportError("unknown", text, { cause: error });
  if (FULL_CODES.includes(code)) return new TransportError("full", text, { cause: error });
  if (code === API_CODE.messageTooLarge) return new TransportError("too-large", text, { cause: error });
  return new TransportError("unreachable", text, { cause: error });
}

function* causesOf(error: unknown): Generator {
  for (let each = error; each instanceof Error; each = each.cause) yield each;
}

function refused(operation: string, subject: string, what: string): TidingError {
  return new TidingError(
    "BROKER_REFUSED",
    `${what}: the broker does not allow this user a ${operation} to ${subject}.`,
    {
      place: subject,
      mend: subject.startsWith("_INBOX")
        ? "Name the inbox that this user may have (--broker-inbox, TIDING_BROKER_INBOX), or allow this one."
        : "Allow it in the user's permissions.",
    },
  );
}
