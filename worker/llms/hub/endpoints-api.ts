/**
 * The management API of Hugging Face's dedicated endpoints.
 *
 * Source: huggingface_hub 1.x, `_inference_endpoints.py` and `hf_api.py`. Lists have no pages.
 */
import { TidingError } from "../../../shared/errors.ts";
import { textOf } from "../recognise-server.ts";
import { refusal } from "./endpoint-errors.ts";
import { hardwareOffers } from "./endpoint-hardware.ts";
import type { HardwareOffer } from "./endpoint-hardware.ts";
import { endpointRecord, endpointTitle, recordOf } from "./endpoint-record.ts";
import type { EndpointId, EndpointRecord } from "./endpoint-record.ts";
import type { EndpointOrder } from "./endpoint-settings.ts";
import type { HubAnswer, HubClient } from "./hub-client.ts";

export type { EndpointId, EndpointRecord } from "./endpoint-record.ts";

/** Every call throws errors of the connection and of the service, and those of `endpoint-errors.ts`. */
export class EndpointsApi {
  readonly #hub: HubClient;

  constructor(hub: HubClient) {
    this.#hub = hub;
  }

  /** Null where there is none of that name, or none that the token may see. Throws errors of the service. */
  async getEndpoint(id: EndpointId, signal: AbortSignal): Promise<EndpointRecord | null> {
    const answer = await this.#hub.get("endpoints", pathOf(id), signal);
    if (answer.status === 404) return null;
    return endpointRecord(id, answer.object());
  }

  /** As `getEndpoint`; throws `ENDPOINT_NOT_FOUND` in place of null, and `UNAUTHORIZED` with what to do. */
  async get(id: EndpointId, signal: AbortSignal): Promise<EndpointRecord> {
    const answer = await this.#hub.get("endpoints", pathOf(id), signal);
    return endpointRecord(id, accepted(answer, "looked at", endpointTitle(id)).object());
  }

  /** All of one namespace, in the service's order. */
  async list(namespace: string, signal: AbortSignal): Promise<readonly EndpointRecord[]> {
    const answer = await this.#hub.get("endpoints", namespacePath("endpoint", namespace), signal);
    const { items } = accepted(answer, "listed", namespace).object();
    return Array.isArray(items) ? items.map((item: unknown) => endpointRecord({ namespace, name: "" }, item)) : [];
  }

  async create(id: EndpointId, { body, secrets }: EndpointOrder, signal: AbortSignal): Promise<EndpointRecord> {
    const path = namespacePath("endpoint", id.namespace);
    const answer = await this.#hub.order("endpoints", { method: "POST", path, body, secrets, signal });
    return endpointRecord(id, accepted(answer, "created", endpointTitle(id)).object());
  }

  async update(id: EndpointId, { body, secrets }: EndpointOrder, signal: AbortSignal): Promise<EndpointRecord> {
    const answer = await this.#hub.order("endpoints", { method: "PUT", path: pathOf(id), body, secrets, signal });
    return endpointRecord(id, accepted(answer, "updated", endpointTitle(id)).object());
  }

  async delete(id: EndpointId, signal: AbortSignal): Promise<void> {
    const answer = await this.#hub.order("endpoints", { method: "DELETE", path: pathOf(id), signal });
    accepted(answer, "deleted", endpointTitle(id));
  }

  pause(id: EndpointId, signal: AbortSignal): Promise<EndpointRecord> {
    return this.#change(id, { route: "pause", what: "paused" }, signal);
  }

  scaleToZero(id: EndpointId, signal: AbortSignal): Promise<EndpointRecord> {
    return this.#change(id, { route: "scale-to-zero", what: "scaled to zero" }, signal);
  }

  /** One that runs already is left as it is. */
  async resume(id: EndpointId, signal: AbortSignal): Promise<EndpointRecord> {
    const answer = await this.#hub.order("endpoints", { method: "POST", path: `${pathOf(id)}/resume`, signal });
    if (answer.status === 400 && /already running/i.test(answer.words)) return await this.get(id, signal);
    return endpointRecord(id, accepted(answer, "resumed", endpointTitle(id)).object());
  }

  /** What the namespace may order, with prices. */
  async hardware(namespace: string, signal: AbortSignal): Promise<readonly HardwareOffer[]> {
    const answer = await this.#hub.get("endpoints", namespacePath("provider", namespace), signal);
    return hardwareOffers(accepted(answer, "asked for its hardware", namespace).object());
  }

  /** The status of the health route, asked with the token; null for an endpoint without a URL. */
  async health({ url, healthRoute }: EndpointRecord, signal: AbortSignal): Promise<number | null> {
    if (url === null || !URL.canParse(url)) return null;
    const address = `${url.replace(/\/+$/, "")}/${(healthRoute ?? "").replace(/^\/+/, "")}`;
    return await this.#hub.statusOf(new URL(address), signal);
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

  /** Whom the token may act for: its user, or itself an organisation, then the user's organisations. */
  async namespaces(signal: AbortSignal): Promise<readonly string[]> {
    const { name, orgs } = (await this.#hub.get("hub", "/api/whoami-v2", signal)).object();
    const organisations = Array.isArray(orgs) ? orgs.map((each: unknown) => textOf(recordOf(each)["name"])) : [];
    return [textOf(name), ...organisations].filter((each) => each !== null);
  }

  async #change(
    id: EndpointId,
    { route, what }: { readonly route: string; readonly what: string },
    signal: AbortSignal,
  ): Promise<EndpointRecord> {
    const answer = await this.#hub.order("endpoints", { method: "POST", path: `${pathOf(id)}/${route}`, signal });
    return endpointRecord(id, accepted(answer, what, endpointTitle(id)).object());
  }
}

function pathOf({ namespace, name }: EndpointId): string {
  return `${namespacePath("endpoint", namespace)}/${encodeURIComponent(name)}`;
}

function namespacePath(what: "endpoint" | "provider", namespace: string): string {
  return `/${what}/${encodeURIComponent(namespace)}`;
}

function accepted(answer: HubAnswer, what: string, place: string): HubAnswer {
  if (answer.isOk) return answer;
  throw refusal(answer, what, place);
}
