/**
 * A dedicated endpoint as its management API describes it, read with care: nothing but a state is sure to be there.
 *
 * Source: huggingface_hub 1.x, `_inference_endpoints.py` (`InferenceEndpoint._populate_from_raw`).
 */
import { isRecord, textOf } from "../recognise-server.ts";

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

/** What an endpoint runs on. Texts are the vendor's own: `aws`, `us-east-1`, `nvidia-a10g`, `x1`. */
export interface EndpointHardware {
  readonly vendor: string | null;
  readonly region: string | null;
  readonly accelerator: string | null;
  readonly instanceType: string | null;
  readonly instanceSize: string | null;
}

export interface EndpointRecord extends EndpointId {
  readonly state: EndpointState;
  /** What the service says of the state: why it failed, what it waits for. */
  readonly message: string | null;
  /** Absent until it was deployed for the first time. */
  readonly url: string | null;
  /** Below the URL; answers 200 once the model can be called. Null for the URL itself. */
  readonly healthRoute: string | null;
  /** `public`, `authenticated` or `private`. */
  readonly type: string | null;
  readonly repository: string | null;
  readonly revision: string | null;
  readonly task: string | null;
  readonly framework: string | null;
  /** The container: the name of its kind (`huggingface`, `custom`, `tgi`) and its address where it has one. */
  readonly image: { readonly kind: string; readonly url: string | null } | null;
  /** Never secrets: of those the names alone are kept. */
  readonly env: Readonly<Record<string, string>>;
  readonly secretNames: readonly string[];
  readonly hardware: EndpointHardware;
  readonly replicas: {
    readonly min: number | null;
    readonly max: number | null;
    readonly ready: number | null;
    readonly target: number | null;
  };
  /** Without requests for so long, it is scaled to zero; null for never. */
  readonly scaleToZeroMinutes: number | null;
  /** ISO 8601. */
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
}

/** Registry credentials and values of secrets are dropped here, so that nothing can show them or send them back. */
export function endpointRecord({ namespace, name }: EndpointId, answer: unknown): EndpointRecord {
  const raw = recordOf(answer);
  const [status, model, compute, provider] = [raw["status"], raw["model"], raw["compute"], raw["provider"]].map(
    recordOf,
  ) as [Fields, Fields, Fields, Fields];
  const scaling = recordOf(compute["scaling"]);
  return {
    namespace,
    name: textOf(raw["name"]) ?? name,
    state: textOf(status["state"]) ?? "unknown",
    message: textOf(status["message"]),
    url: textOf(status["url"]),
    healthRoute: textOf(raw["healthRoute"]),
    type: textOf(raw["type"]),
    repository: textOf(model["repository"]),
    revision: textOf(model["revision"]),
    task: textOf(model["task"]),
    framework: textOf(model["framework"]),
    image: imageOf(model["image"]),
    env: Object.fromEntries(Object.entries(recordOf(model["env"])).map(([key, value]) => [key, String(value)])),
    secretNames: Object.keys(recordOf(model["secrets"])),
    hardware: {
      vendor: textOf(provider["vendor"]),
      region: textOf(provider["region"]),
      accelerator: textOf(compute["accelerator"]),
      instanceType: textOf(compute["instanceType"]),
      instanceSize: textOf(compute["instanceSize"]),
    },
    replicas: {
      min: numberOf(scaling["minReplica"]),
      max: numberOf(scaling["maxReplica"]),
      ready: numberOf(status["readyReplica"]),
      target: numberOf(status["targetReplica"]),
    },
    scaleToZeroMinutes: numberOf(scaling["scaleToZeroTimeout"]),
    createdAt: textOf(status["createdAt"]),
    updatedAt: textOf(status["updatedAt"]),
  };
}

/** `namespace/name`, as messages and tables have it. */
export function endpointTitle({ namespace, name }: EndpointId): string {
  return `${namespace}/${name}`;
}

type Fields = Readonly<Record<string, unknown>>;

/** A union of one key (`huggingface`, `custom`, `tgi`, `vLLM` and so on). */
function imageOf(value: unknown): EndpointRecord["image"] {
  const [entry] = Object.entries(recordOf(value));
  return entry === undefined ? null : { kind: entry[0], url: textOf(recordOf(entry[1])["url"]) };
}

export function recordOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

export function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
