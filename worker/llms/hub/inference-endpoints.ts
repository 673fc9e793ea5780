/** Hugging Face's dedicated endpoints as a program manages them: listed, created, woken, paused, deleted. */
import { isTidingError, TidingError } from "../../../shared/errors.ts";
import { huggingFaceToken, secretResolver } from "../../../shared/spec/secret.ts";
import { awaitEndpoint } from "./await-endpoint.ts";
import { EndpointsApi } from "./endpoints-api.ts";
import type { EndpointId, EndpointRecord } from "./endpoint-record.ts";
import type { HardwareOffer } from "./endpoint-hardware.ts";
import { createOrder, updateOrder } from "./endpoint-settings.ts";
import type { EndpointChanges, EndpointSettings } from "./endpoint-settings.ts";
import { hubAddress, HubClient } from "./hub-client.ts";

export interface InferenceEndpointsOptions {
  /** For the token, `HF_ENDPOINTS_URL`, proxies, and the secrets that settings refer to; the process's own when absent. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Whose endpoints: a user or an organisation. The token's user when absent. */
  readonly namespace?: string;
}

interface Asked {
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends Asked {
  /** Also those of the user's organisations. */
  readonly all?: boolean;
}

export interface EndpointList {
  readonly endpoints: readonly EndpointRecord[];
  /** Organisations that refused to list theirs, and why. */
  readonly refused: readonly { readonly namespace: string; readonly reason: string }[];
}

export interface WaitOptions extends Asked {
  /** Milliseconds; 15 minutes when absent. */
  readonly timeoutMs?: number;
  /** Milliseconds between two looks; 5,000 when absent. */
  readonly refreshMs?: number;
  /** The endpoint was just resumed: for the first minute it may still be told to be paused. */
  readonly resumed?: boolean;
  /** Called for the first state and whenever it changes, with the status of the health route once that is asked. */
  readonly onState?: (record: EndpointRecord, health: number | null) => void;
}

const WAIT_MS = 900_000;
const REFRESH_MS = 5_000;
const SETTLE_MS = 60_000;

/**
 * Errors are `TidingError`s with the service's words in them: `UNAUTHORIZED` (401, 403), `ENDPOINT_NOT_FOUND` (404),
 * `ENDPOINT_CONFLICT` (409), `ENDPOINT_ORDER_INVALID` (400, 422), `QUOTA_EXHAUSTED` whatever its status, and those of a
 * connection. An order is sent once: one that was cut off may have been carried out.
 */
export class InferenceEndpoints {
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #api: EndpointsApi;
  readonly #given: string | null;
  #own: string | null = null;

  /** Throws `SECRET_MISSING` without a token, and `SPEC_INVALID` for an `HF_ENDPOINTS_URL` that is no URL. */
  constructor({ environment = process.env, namespace }: InferenceEndpointsOptions = {}) {
    const token = huggingFaceToken(environment);
    if (token === null) {
      throw new TidingError("SECRET_MISSING", "There is no token of Hugging Face's to manage endpoints with.", {
        place: "HF_TOKEN",
        mend: "Set HF_TOKEN, or log in with `hf auth login`.",
      });
    }
    hubAddress("endpoints", environment);
    this.#environment = environment;
    this.#given = namespace ?? null;
    this.#api = new EndpointsApi(new HubClient(token, environment));
  }

  /** Throws `SPEC_INVALID` where no namespace was given and the token is no user's. */
  async namespace({ signal = never() }: Asked = {}): Promise<string> {
    return this.#given ?? (this.#own ??= await this.#api.ownNamespace(signal));
  }

  /** Of the namespace; with `all`, of the user and each organisation of theirs, passing over those that refuse. */
  async list({ all = false, signal = never() }: ListOptions = {}): Promise<EndpointList> {
    if (!all) return { endpoints: await this.#api.list(await this.namespace({ signal }), signal), refused: [] };
    const [own, ...organisations] = await this.#api.namespaces(signal);
    const endpoints = own === undefined ? [] : [...(await this.#api.list(own, signal))];
    const refused: { namespace: string; reason: string }[] = [];
    for (const namespace of organisations) {
      try {
        endpoints.push(...(await this.#api.list(namespace, signal)));
      } catch (error) {
        if (!isTidingError(error) || !["UNAUTHORIZED", "ENDPOINT_NOT_FOUND"].includes(error.code)) throw error;
        refused.push({ namespace, reason: error.message });
      }
    }
    return { endpoints, refused };
  }

  async get(name: string, { signal = never() }: Asked = {}): Promise<EndpointRecord> {
    return await this.#api.get(await this.#idOf(name, signal), signal);
  }

  /** Costs money from the moment that it runs. Also throws `SPEC_INVALID` and `SECRET_MISSING` for what it was given. */
  async create(settings: EndpointSettings, { signal = never() }: Asked = {}): Promise<EndpointRecord> {
    const order = createOrder(settings, secretResolver(this.#environment));
    return await this.#api.create(await this.#idOf(settings.name, signal), order, signal);
  }

  /** Sends what changes, and nothing that was fetched. Throws as `create` does. */
  async update(name: string, changes: EndpointChanges, { signal = never() }: Asked = {}): Promise<EndpointRecord> {
    const order = updateOrder(changes, secretResolver(this.#environment));
    return await this.#api.update(await this.#idOf(name, signal), order, signal);
  }

  /** Costs nothing while it is paused; does not start before it is resumed. */
  async pause(name: string, { signal = never() }: Asked = {}): Promise<EndpointRecord> {
    return await this.#api.pause(await this.#idOf(name, signal), signal);
  }

  /** Starts one that is paused or scaled to zero; one that runs already is left as it is. */
  async resume(name: string, { signal = never() }: Asked = {}): Promise<EndpointRecord> {
    return await this.#api.resume(await this.#idOf(name, signal), signal);
  }

  /** Costs nothing until a request wakes it. */
  async scaleToZero(name: string, { signal = never() }: Asked = {}): Promise<EndpointRecord> {
    return await this.#api.scaleToZero(await this.#idOf(name, signal), signal);
  }

  /** Cannot be undone. */
  async delete(name: string, { signal = never() }: Asked = {}): Promise<void> {
    await this.#api.delete(await this.#idOf(name, signal), signal);
  }

  /**
   * Until the endpoint can be called: it runs, has a URL, and its health route answers 200. Also throws
   * `ENDPOINT_NOT_RUNNING` where that will never be, `ENDPOINT_LOADING` when the time is up, and the signal's reason.
   */
  async wait(name: string, options: WaitOptions = {}): Promise<EndpointRecord> {
    const { timeoutMs = WAIT_MS, refreshMs = REFRESH_MS, resumed = false, onState, signal = never() } = options;
    const settleMs = resumed ? SETTLE_MS : 0;
    const id = await this.#idOf(name, signal);
    return await awaitEndpoint(this.#api, id, { timeoutMs, refreshMs, settleMs, onState, signal });
  }

  /** What the namespace may run endpoints on, with prices where they are told. */
  async hardware({ signal = never() }: Asked = {}): Promise<readonly HardwareOffer[]> {
    return await this.#api.hardware(await this.namespace({ signal }), signal);
  }

  async #idOf(name: string, signal: AbortSignal): Promise<EndpointId> {
    return { namespace: await this.namespace({ signal }), name };
  }
}

function never(): AbortSignal {
  return new AbortController().signal;
}
