/**
 * The management API of Hugging Face's dedicated endpoints, as far as it is used.
 *
 * Source: huggingface_hub 1.x, `_inference_endpoints.py` and `hf_api.py` (`get_inference_endpoint`, `whoami`).
 */
import { TidingError } from "../../../shared/errors.ts";
import { isRecord, textOf } from "../recognise-server.ts";
import type { HubClient } from "./hub-client.ts";

/** A state that is not known here counts as one that passes. */
export type EndpointState =
  | "pending"
  | "initializing"
  | "updating"
  | "updateFailed"
  | "running"
  | "paused"
  | "failed"
  | "scaledToZero"
  | (string & {});

export interface EndpointId {
  readonly namespace: string;
  readonly name: string;
}

export interface EndpointRecord extends EndpointId {
  readonly state: EndpointState;
  /** Absent until it was deployed for the first time. */
  readonly url: string | null;
  readonly repository: string | null;
  readonly revision: string | null;
}

export class EndpointsApi {
  readonly #hub: HubClient;

  constructor(hub: HubClient) {
    this.#hub = hub;
  }

  /** Null where there is none of that name, or none that the token may see. Throws errors of the service. */
  async getEndpoint({ namespace, name }: EndpointId, signal: AbortSignal): Promise<EndpointRecord | null> {
    const answer = await this.#hub.get("endpoints", `/endpoint/${namespace}/${name}`, signal);
    if (answer.status === 404) return null;
    const { status, model } = answer.object();
    const [state, served] = [recordOf(status), recordOf(model)];
    return {
      namespace,
      name,
      state: textOf(state["state"]) ?? "unknown",
      url: textOf(state["url"]),
      repository: textOf(served["repository"]),
      revision: textOf(served["revision"]),
    };
  }

  /** The user whose token it is. Throws `SPEC_INVALID` for a token that is nobody's, and errors of the service. */
  async ownNamespace(signal: AbortSignal): Promise<string> {
    const { type, name } = (await this.#hub.get("hub", "/api/whoami-v2", signal)).object();
    if (type === "user" && typeof name === "string") return name;
    throw new TidingError("SPEC_INVALID", "The token is no user's, so that it does not say whose endpoint is meant.", {
      place: "endpoint_namespace",
      mend: "Set endpoint_namespace to the user or organisation that owns the endpoint.",
    });
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}
