import { TidingError } from "../../shared/errors.ts";

/** Where one endpoint's routes lie; paths carry the query of the base URL. */
export interface EndpointAddress {
  /** The base URL without credentials and query: safe to show. */
  readonly name: string;
  readonly origin: string;
  readonly hostname: string;
  readonly chatPath: string;
  readonly modelsPath: string;
  /** TGI's own route; it lies beside `/v1`, not under it. */
  readonly infoPath: string;
  /** `user:password` of the URL, or null. */
  readonly credentials: string | null;
}

const CHAT_ROUTE = "/chat/completions";
// A version anywhere in the path (/v1, /v3/openai, /v1beta/openai) means that the path is complete as it stands.
const VERSION = /\/v\d+[a-z]*\d*(?=\/|$)/;

/** Reads a base URL with or without `/v1`, `/v1/chat/completions`, slashes at the end, query. Throws `SPEC_INVALID`. */
export function endpointAddress(baseUrl: string): EndpointAddress {
  const url = new URL(baseUrl);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TidingError("SPEC_INVALID", `base_url starts with ${url.protocol}, expected http: or https:.`, {
      place: "base_url",
      mend: "Write the URL as http://host:port or https://host.",
    });
  }
  const path = url.pathname.replace(/\/+$/, "");
  const stem = path.endsWith(CHAT_ROUTE) ? path.slice(0, -CHAT_ROUTE.length) : path;
  const isComplete = stem !== path || VERSION.test(stem);
  const api = isComplete ? stem : `${stem}/v1`;
  return {
    name: url.origin + path,
    origin: url.origin,
    hostname: url.hostname,
    chatPath: api + CHAT_ROUTE + url.search,
    modelsPath: `${api}/models${url.search}`,
    infoPath: `${api.slice(0, VERSION.exec(api)?.index ?? api.length)}/info${url.search}`,
    credentials: url.username === "" ? null : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`,
  };
}
