/**
 * The management API of dedicated endpoints as huggingface_hub 1.x speaks to it (`_inference_endpoints.py`, `hf_api.py`):
 * endpoints whose states go on from one look to the next, and orders that are refused as the service refuses them.
 */
import type { ServerResponse } from "node:http";
import { sendJson } from "./scripted-server.ts";
import type { ReceivedRequest } from "./scripted-server.ts";

/** A dedicated endpoint as the API describes it. */
export interface FakeEndpoint {
  state: string;
  url?: string;
  repository?: string;
  revision?: string;
  /** Of the state. */
  message?: string;
  healthRoute?: string;
  /** What it becomes, one state at each look. */
  coming?: string[];
  /** Where it is once it runs. */
  runsAt?: string;
  /** What it goes through once it is resumed. */
  wakes?: string[];
  /** Laid over what it was created with. */
  body?: Record<string, unknown>;
}

export interface EndpointsService {
  /** By `namespace/name`. */
  readonly endpoints: Record<string, FakeEndpoint>;
  /** By method and path behind `/v2`; answered in place of what would be. */
  readonly refusals: Record<string, readonly [status: number, body: unknown]>;
  /** The value of `vendors`. */
  vendors: unknown;
}

const A10G = {
  id: "aws-us-east-1-nvidia-a10g-x1",
  accelerator: "gpu",
  instanceType: "nvidia-a10g",
  instanceSize: "x1",
  architecture: "NVIDIA A10G",
  numAccelerators: 1,
  numCpus: 8,
  memoryGb: 30,
  gpuMemoryGb: 24,
  pricePerHour: 1.25,
  status: "available",
  quota: { maxAccelerators: 4, usedAccelerators: 1 },
};
const X4 = { ...A10G, instanceSize: "x4", numAccelerators: 4, pricePerHour: 5, status: "notAvailable" };
const CPU = { accelerator: "cpu", instanceType: "intel-spr", instanceSize: "x2", numCpus: 2, memoryGb: 4 };

export function endpointsService(): EndpointsService {
  const regions = [{ name: "us-east-1", label: "US East", computes: [A10G, X4, CPU, { instanceType: "nameless" }] }];
  return { endpoints: {}, refusals: {}, vendors: [{ name: "aws", status: "available", regions }] };
}

/** Answers what comes to `/v2`. */
export function answerEndpoints(service: EndpointsService, request: ReceivedRequest, response: ServerResponse): void {
  const path = (request.path.split("?")[0] ?? "").replace(/^\/v2/, "");
  const refused = service.refusals[`${request.method} ${path}`];
  if (refused !== undefined) return sendJson(response, refused[1], { status: refused[0] });
  const [, kind, namespace = "", name, action] = path.split("/").map(decodeURIComponent);
  if (kind === "provider") return sendJson(response, { vendors: service.vendors });
  if (kind !== "endpoint") return notFound(response);
  if (name === undefined) return answerNamespace(service, { namespace, request }, response);
  const id = `${namespace}/${name}`;
  const endpoint = service.endpoints[id];
  if (endpoint === undefined) return notFound(response);
  switch (`${request.method} ${action ?? ""}`.trim()) {
    case "GET":
      break;
    case "PUT":
      endpoint.body = merged(endpoint.body ?? {}, request.body as Record<string, unknown>);
      if (endpoint.state === "running") {
        endpoint.coming = ["running"];
        endpoint.state = "updating";
      }
      return sendJson(response, described(id, endpoint));
    case "DELETE":
      delete service.endpoints[id];
      response.writeHead(200).end();
      return;
    case "POST pause":
      endpoint.state = "paused";
      endpoint.coming = [];
      return sendJson(response, described(id, endpoint));
    case "POST scale-to-zero":
      endpoint.state = "scaledToZero";
      endpoint.coming = [];
      return sendJson(response, described(id, endpoint));
    case "POST resume":
      if (endpoint.state === "running") {
        return sendJson(response, { error: "Bad Request: Endpoint is already running" }, { status: 400 });
      }
      endpoint.state = "pending";
      endpoint.coming = [...(endpoint.wakes ?? ["initializing", "running"])];
      return sendJson(response, described(id, endpoint));
    default:
      return sendJson(response, { error: "Method Not Allowed" }, { status: 405 });
  }
  // Each look finds it one state further.
  const next = endpoint.coming?.shift();
  if (next !== undefined) endpoint.state = next;
  if (endpoint.state === "running" && endpoint.runsAt !== undefined) endpoint.url = endpoint.runsAt;
  sendJson(response, described(id, endpoint));
}

function answerNamespace(
  service: EndpointsService,
  { namespace, request }: { readonly namespace: string; readonly request: ReceivedRequest },
  response: ServerResponse,
): void {
  if (request.method === "GET") {
    const own = Object.entries(service.endpoints).filter(([id]) => id.startsWith(`${namespace}/`));
    return sendJson(response, { items: own.map(([id, endpoint]) => described(id, endpoint)) });
  }
  const body = request.body as Record<string, unknown>;
  const id = `${namespace}/${String(body["name"])}`;
  if (service.endpoints[id] !== undefined) {
    return sendJson(response, { error: "Conflict: endpoint with this name already exists" }, { status: 409 });
  }
  service.endpoints[id] = { state: "pending", coming: ["initializing", "running"], body };
  sendJson(response, described(id, service.endpoints[id]), { status: 202 });
}

function described(id: string, endpoint: FakeEndpoint): Record<string, unknown> {
  const { state, url, message, repository = "org/model", revision, healthRoute, body = {} } = endpoint;
  const model = { repository, revision, task: "text-generation", ...(body["model"] as object | undefined) };
  return {
    ...body,
    name: id.split("/")[1],
    healthRoute,
    model: redacted(model),
    status: {
      state,
      message,
      ...(url === undefined ? {} : { url }),
      createdAt: "2026-11-01T08:00:00Z",
      updatedAt: "2026-11-20T08:00:00Z",
      readyReplica: state === "running" ? 1 : 0,
      targetReplica: state === "paused" || state === "scaledToZero" ? 0 : 1,
    },
  };
}

/** Registry passwords and secrets come back unreadable; whoever sends them again has lost them. */
function redacted(model: Record<string, unknown>): Record<string, unknown> {
  const { secrets, image } = model as { secrets?: object; image?: { custom?: Record<string, unknown> } };
  const hidden = image?.custom?.["credentials"] === undefined ? {} : { credentials: { password: "REDACTED" } };
  return {
    ...model,
    ...(secrets === undefined
      ? {}
      : { secrets: Object.fromEntries(Object.keys(secrets).map((key) => [key, "REDACTED"])) }),
    ...(image?.custom === undefined ? {} : { image: { custom: { ...image.custom, ...hidden } } }),
  };
}

function merged(into: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  const next = { ...into };
  for (const [key, value] of Object.entries(changes)) {
    const before = next[key];
    const isMap = typeof before === "object" && before !== null && typeof value === "object" && value !== null;
    // The image and maps of the user's are replaced, all else is laid over.
    next[key] =
      isMap && !["image", "env", "secrets"].includes(key)
        ? merged(before as Record<string, unknown>, value as Record<string, unknown>)
        : value;
  }
  return next;
}

function notFound(response: ServerResponse): void {
  sendJson(response, { error: "Not Found" }, { status: 404 });
}
