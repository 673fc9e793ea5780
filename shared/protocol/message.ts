/** Control messages as bytes: msgpack, checked against a schema where they come in. Rows travel as Arrow, never here. */
import { decode, encode } from "@msgpack/msgpack";
import type { z } from "zod";
import { TidingError, type ErrorCode } from "../errors.ts";
import { PROTOCOL_VERSION } from "./version.ts";

export function encodeMessage(message: unknown): Uint8Array {
  return encode(message);
}

/** Throws `code` for bytes that are no such message of this protocol version. */
export function decodeMessage<T>(
  schema: z.ZodType<T>,
  body: Uint8Array,
  failure: { readonly code: ErrorCode; readonly what: string; readonly mend: string },
): T {
  const { code, what, mend } = failure;
  let message: unknown = null;
  try {
    message = decode(body);
    return schema.parse(message);
  } catch (cause) {
    const version = versionOf(message);
    const wrong =
      version === null || version === PROTOCOL_VERSION
        ? `does not have the form of protocol ${PROTOCOL_VERSION}`
        : `is of protocol ${version}, and this Tiding speaks ${PROTOCOL_VERSION}`;
    throw new TidingError(code, `${what} ${wrong}.`, { cause, mend });
  }
}

/** A message that is a list begins with its version. */
function versionOf(message: unknown): number | null {
  const { version } = (Array.isArray(message) ? { version: message[0] } : (message ?? {})) as {
    readonly version?: unknown;
  };
  return typeof version === "number" ? version : null;
}
