/** From a refusal of the management API to what it means for who gave the order: in the service's own words. */
import { TidingError } from "../../../shared/errors.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { HubAnswer } from "./hub-client.ts";

/** Where endpoints are looked at and changed by hand. */
export const CONSOLE = "https://endpoints.huggingface.co";

/** Quotas are refused under 400, 402, 403 and 409 alike, and told by words alone. */
const QUOTA = /\bquota\b|insufficient (credit|fund|balance)|payment (method|required)|billing/i;

/**
 * @param what the order as a past participle: `paused`, `created`
 * @param place of the endpoint, `namespace/name`, or of the namespace
 */
export function refusal(answer: HubAnswer, what: string, place: string): TidingError {
  const { status, words } = answer;
  const said = words === "" || status === 401 ? "." : `: ${words}`;
  const error = (code: ErrorCode, message: string, mend: string): TidingError =>
    new TidingError(code, `${message} (${status})${said}`, { place, mend, details: { status } });
  if (status === 402 || (status >= 400 && status < 500 && status !== 401 && QUOTA.test(words))) {
    return error(
      "QUOTA_EXHAUSTED",
      `${place} cannot be ${what}: quota or credit is used up`,
      "Pause or delete other endpoints, take a smaller instance, or ask Hugging Face for more quota.",
    );
  }
  switch (status) {
    case 401:
    case 403:
      return error(
        "UNAUTHORIZED",
        `The token may not have ${place} ${what}`,
        "Set HF_TOKEN to a token of the owner's, with write access to Inference Endpoints.",
      );
    case 404:
      return error(
        "ENDPOINT_NOT_FOUND",
        `Hugging Face knows no endpoint ${place} that this token may see`,
        "`tiding endpoints list` shows the names; --namespace says whose it is.",
      );
    case 409:
      return error(
        "ENDPOINT_CONFLICT",
        `${place} cannot be ${what} now`,
        "Choose another name for a new endpoint; for one that is there, wait until it is no longer changing.",
      );
    case 400:
    case 422:
      return error("ENDPOINT_ORDER_INVALID", `${place} cannot be ${what}`, "Correct what the message names.");
    default:
      return answer.failure();
  }
}
