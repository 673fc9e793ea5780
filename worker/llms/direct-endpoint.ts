import { endpointAddress } from "./endpoint-address.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import type { Endpoint, FoundServer } from "./endpoint.ts";
import type { RecognisedServer } from "./recognise-server.ts";
import type { DirectWire } from "./wires/direct-wire.ts";

/** A server that calls can be sent to. */
export interface FoundDirectServer extends Omit<FoundServer, "wires"> {
  readonly wire: DirectWire;
}

/** An endpoint that is asked over one wire alone. */
export interface DirectEndpoint {
  /** Safe to show, and told apart by it. */
  readonly name: string;
  /** Asks anew each time. Throws as `Endpoint.find`. */
  find(signal: AbortSignal): Promise<FoundDirectServer>;
  /** Ends what is in flight. */
  close(): Promise<void>;
}

/** By what the server is, and whether its address names OpenAI's API. Throws `SPEC_INVALID` for a server of another kind. */
export type WireChoice = (server: RecognisedServer, address: EndpointAddress) => DirectWire;

/** The server is found as for texts, and asked over another wire. `address` is null where finding tells it. */
export function directEndpoint(
  endpoint: Endpoint,
  address: EndpointAddress | null,
  wireOf: WireChoice,
): DirectEndpoint {
  return {
    name: endpoint.name,
    async find(signal) {
      const { wires: _, ...found } = await endpoint.find({ turnEnds: [], signal });
      return { ...found, wire: wireOf(found.server, address ?? endpointAddress(found.address)) };
    },
    close: () => endpoint.close(),
  };
}
