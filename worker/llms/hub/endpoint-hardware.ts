/** What dedicated endpoints can run on, and what it costs. Source: huggingface_hub 1.x, `hf_api.py`; prices in US dollars. */
import { textOf } from "../recognise-server.ts";
import { numberOf, recordOf } from "./endpoint-record.ts";
import type { EndpointHardware, EndpointRecord } from "./endpoint-record.ts";

export interface HardwareOffer {
  readonly vendor: string;
  readonly region: string;
  readonly instanceType: string;
  readonly instanceSize: string;
  /** `cpu`, `gpu`, `neuron` and so on. */
  readonly accelerator: string | null;
  readonly accelerators: number | null;
  readonly cpus: number | null;
  readonly memoryGb: number | null;
  readonly gpuMemoryGb: number | null;
  /** US dollars for one replica. */
  readonly pricePerHour: number | null;
  /** `available`, or why not. */
  readonly status: string | null;
  /** Of the namespace, in accelerators. */
  readonly quota: { readonly max: number | null; readonly used: number | null } | null;
}

/** The offers of `GET /provider/{namespace}`; what lacks a name is passed over, for it could not be ordered. */
export function hardwareOffers(answer: Readonly<Record<string, unknown>>): readonly HardwareOffer[] {
  return listOf(answer["vendors"]).flatMap((vendor) =>
    listOf(vendor["regions"]).flatMap((region) =>
      listOf(region["computes"]).flatMap((compute): HardwareOffer[] => {
        const names = [vendor["name"], region["name"], compute["instanceType"], compute["instanceSize"]].map(textOf);
        const [vendorName, regionName, instanceType, instanceSize] = names;
        if (!vendorName || !regionName || !instanceType || !instanceSize) return [];
        const quota = recordOf(compute["quota"]);
        return [
          {
            vendor: vendorName,
            region: regionName,
            instanceType,
            instanceSize,
            accelerator: textOf(compute["accelerator"]),
            accelerators: numberOf(compute["numAccelerators"]),
            cpus: numberOf(compute["numCpus"]),
            memoryGb: numberOf(compute["memoryGb"]),
            gpuMemoryGb: numberOf(compute["gpuMemoryGb"]),
            pricePerHour: numberOf(compute["pricePerHour"]),
            status: textOf(compute["status"]),
            quota:
              compute["quota"] === undefined
                ? null
                : { max: numberOf(quota["maxAccelerators"]), used: numberOf(quota["usedAccelerators"]) },
          },
        ];
      }),
    ),
  );
}

/** Null where it is not offered, or no longer. */
export function offerOf(
  { vendor, region, instanceType, instanceSize }: Omit<EndpointHardware, "accelerator">,
  offers: readonly HardwareOffer[],
): HardwareOffer | null {
  const isIt = (offer: HardwareOffer): boolean =>
    offer.vendor === vendor &&
    offer.region === region &&
    offer.instanceType === instanceType &&
    offer.instanceSize === instanceSize;
  return offers.find(isIt) ?? null;
}

/** What an endpoint costs while it runs; null where nobody says. */
export interface EndpointPrice {
  /** US dollars an hour for one replica. */
  readonly perReplica: number;
  /** With as many replicas as it has now, or will have at first. */
  readonly now: number;
  /** With as many as it may grow to. */
  readonly most: number;
}

export function endpointPrice(
  { hardware, replicas }: Pick<EndpointRecord, "hardware" | "replicas">,
  offers: readonly HardwareOffer[],
): EndpointPrice | null {
  const perReplica = offerOf(hardware, offers)?.pricePerHour ?? null;
  if (perReplica === null) return null;
  const now = Math.max(1, replicas.target ?? 0, replicas.ready ?? 0, replicas.min ?? 0);
  return { perReplica, now: perReplica * now, most: perReplica * Math.max(now, replicas.max ?? 1) };
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
}
