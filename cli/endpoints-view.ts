/** How dedicated endpoints and their hardware look: pure functions from what the library tells to lines. */
import { describeCost, formatDollars } from "../shared/observe/money.ts";
import type { EndpointPrice, HardwareOffer } from "../worker/llms/hub/endpoint-hardware.ts";
import { endpointTitle, type EndpointRecord } from "../worker/llms/hub/endpoint-record.ts";
import type { EndpointList } from "../worker/llms/hub/inference-endpoints.ts";
import { formatCount, formatCounted, formatDuration } from "./format.ts";
import { renderTable, type TableColumn } from "./table.ts";
import { labelled, paint, plain, type Look, type Style } from "./text.ts";

/** An endpoint with what it costs, null where nobody says. */
export interface PricedEndpoint extends EndpointRecord {
  readonly price: EndpointPrice | null;
}

const stateTexts: Readonly<Record<string, string>> = { scaledToZero: "scaled to zero", updateFailed: "update failed" };
const stateStyles: Readonly<Record<string, Style>> = {
  running: "green",
  paused: "dim",
  scaledToZero: "dim",
  failed: "red",
  updateFailed: "red",
};

export function describeEndpointState(state: string): string {
  return stateTexts[state] ?? state;
}

/** Whether it is paid for as it stands. */
function isPaidFor({ state }: EndpointRecord): boolean {
  return !["paused", "scaledToZero", "failed"].includes(state);
}

const columns: readonly TableColumn<PricedEndpoint>[] = [
  { title: "NAME", text: endpointTitle },
  {
    title: "STATE",
    text: ({ state }) => describeEndpointState(state),
    style: ({ state }) => stateStyles[state] ?? "yellow",
  },
  { title: "MODEL", text: ({ repository }) => repository ?? "" },
  { title: "INSTANCE", text: describeInstance },
  { title: "REPLICAS", text: ({ replicas: { ready, max } }) => `${ready ?? 0}/${max ?? "?"}`, right: true },
  {
    title: "$/H NOW",
    text: (endpoint) => (endpoint.price !== null && isPaidFor(endpoint) ? formatDollars(endpoint.price.now) : ""),
    right: true,
  },
];

/** What `tiding endpoints list` shows. */
export function renderEndpoints(
  { endpoints, refused }: EndpointList & { readonly endpoints: readonly PricedEndpoint[] },
  look: Look,
): string[] {
  return [
    ...(endpoints.length === 0 ? ["No endpoints."] : renderTable(columns, endpoints, look)),
    ...refused.map(({ namespace, reason }) =>
      paint(look, { text: plain(`${namespace} is passed over: ${reason}`), style: "yellow" }),
    ),
  ];
}

/** What `tiding endpoints show` shows. */
export function renderEndpoint(endpoint: PricedEndpoint, look: Look): string[] {
  const { state, message, repository, revision, task, image, type, url, healthRoute, replicas } = endpoint;
  const wide = { ...look, width: Number.POSITIVE_INFINITY };
  const { min, max, ready, target } = replicas;
  const given = (...texts: readonly (string | null | undefined)[]): string[] =>
    texts.filter((text) => typeof text === "string" && text !== "") as string[];
  return [
    `${paint(look, { text: plain(endpointTitle(endpoint)), style: "bold" })}  ${paint(look, {
      text: plain(describeEndpointState(state)),
      style: stateStyles[state] ?? "yellow",
    })}`,
    ...labelled("says", given(message), wide),
    ...labelled("model", given(repository, revision && `revision ${revision}`, task), wide),
    ...labelled("image", given(image?.kind, image?.url), wide),
    ...labelled("runs on", given(describeInstance(endpoint)), wide),
    ...labelled(
      "replicas",
      given(
        `${ready ?? 0} ready of ${target ?? "?"}`,
        `between ${min ?? "?"} and ${max ?? "?"}`,
        endpoint.scaleToZeroMinutes === null
          ? null
          : `scaled to zero after ${formatDuration(endpoint.scaleToZeroMinutes * 60_000)}`,
      ),
      wide,
    ),
    ...labelled("costs", [describePrice(endpoint)], wide),
    ...labelled("url", given(url, healthRoute && `health ${healthRoute}`, type), wide),
    // Values may be secret where somebody did not mark them so; `--json` has them.
    ...labelled("env", given(Object.keys(endpoint.env).join(", ")), wide),
    ...labelled("secrets", given(endpoint.secretNames.join(", ")), wide),
    ...labelled("changed", given(endpoint.updatedAt), wide),
  ];
}

/** `aws us-east-1 nvidia-a10g x1` */
export function describeInstance({ hardware }: Pick<EndpointRecord, "hardware">): string {
  const { vendor, region, instanceType, instanceSize } = hardware;
  return [vendor, region, instanceType, instanceSize].filter((text) => text !== null).join(" ");
}

/** Its price in words, whatever its state. */
export function describePrice({ price, replicas }: Pick<PricedEndpoint, "price" | "replicas">): string {
  if (price === null) return describeCost(null);
  const { now, perReplica, most } = price;
  const first = `${describeCost(now)} while it runs`;
  return most > now
    ? `${first}, up to ${formatDollars(most)} with ${replicas.max ?? most / perReplica} replicas`
    : first;
}

const hardwareColumns: readonly TableColumn<HardwareOffer>[] = [
  { title: "VENDOR", text: ({ vendor }) => vendor },
  { title: "REGION", text: ({ region }) => region },
  { title: "INSTANCE TYPE", text: ({ instanceType }) => instanceType },
  { title: "SIZE", text: ({ instanceSize }) => instanceSize },
  { title: "CPUS", text: ({ cpus }) => shownNumber(cpus), right: true },
  { title: "MEMORY", text: ({ memoryGb }) => gigabytes(memoryGb), right: true },
  { title: "ACCELERATORS", text: describeAccelerators },
  { title: "$/H", text: ({ pricePerHour }) => (pricePerHour === null ? "" : formatDollars(pricePerHour)), right: true },
  {
    title: "QUOTA",
    text: ({ quota }) => (quota === null ? "" : `${quota.used ?? 0}/${quota.max ?? "?"}`),
    right: true,
  },
  {
    title: "STATUS",
    text: ({ status }) => status ?? "",
    style: ({ status }) => (status === "available" ? "green" : "dim"),
  },
];

/** What `tiding endpoints hardware` shows. */
export function renderHardware(offers: readonly HardwareOffer[], look: Look): string[] {
  return offers.length === 0 ? ["No hardware is offered."] : renderTable(hardwareColumns, offers, look);
}

function describeAccelerators({ accelerator, accelerators, gpuMemoryGb }: HardwareOffer): string {
  if (accelerators === null || accelerators === 0) return accelerator ?? "";
  const memory = gpuMemoryGb === null ? "" : ` of ${gigabytes(gpuMemoryGb)}`;
  return `${formatCounted(accelerators, accelerator ?? "accelerator")}${memory}`;
}

function gigabytes(amount: number | null): string {
  return amount === null ? "" : `${formatCount(amount)} GB`;
}

function shownNumber(value: number | null): string {
  return value === null ? "" : formatCount(value);
}
