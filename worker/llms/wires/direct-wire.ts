import type { WireService } from "../classify-response.ts";
import type { BodyFields } from "./wire.ts";

/** A wire that takes one text, and whose answer is no text: an image, an embedding. */
export interface DirectWire {
  readonly service: WireService;
  /** With the query of the base URL. */
  readonly path: string;
  /** Laid over those of any request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body. A parameter that is null is left out, so that a spec can take out what a server does not know. */
  body(text: string, parameters: BodyFields): string;
}

export function withoutNulls(fields: BodyFields): BodyFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
