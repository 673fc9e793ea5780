/**
 * Requests too large for their server fail here, where it costs nothing and can be said.
 *
 * TGI refuses a body of more than 2,000,000 bytes (`--payload-limit`, router v3.3) in plain text, and `/info` does not tell
 * its limit. Of other servers none is known.
 */
import { TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { RecognisedServer } from "./recognise-server.ts";

const TGI_PAYLOAD_LIMIT = 2_000_000;

/** Throws `ROW_INVALID`. */
export function checkBody(
  body: string,
  { isTgi }: Pick<RecognisedServer, "isTgi">,
  { payload_limit: own }: Pick<LLMSpec, "payload_limit">,
): void {
  const limit = own ?? (isTgi ? TGI_PAYLOAD_LIMIT : null);
  // Three bytes at most for each unit: most bodies need no count.
  if (limit === null || body.length * 3 <= limit) return;
  const bytes = Buffer.byteLength(body);
  if (bytes <= limit) return;
  throw new TidingError("ROW_INVALID", `The request would take ${bytes} bytes, and the server takes ${limit}.`, {
    place: "payload_limit",
    mend: "Make the image smaller or give its address; or start TGI with a higher --payload-limit, and set payload_limit to it.",
    details: { bytes, limit },
  });
}
