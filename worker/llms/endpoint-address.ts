import { TidingError } from "../../shared/errors.ts";

/** Where one endpoint's routes lie; paths carry the query of the base URL. */
export interface EndpointAddress {
  /** The base URL without credentials and query: safe to show. */
  readonly name: string;
  readonly origin: string;
  readonly hostname: string;
  readonly chatPath: string;
  readonly completionsPath: string;
  readonly modelsPath: string;
  /** TGI's own route; it lies beside `/v1`, not under it. */
  readonly infoPath: string;
  /** The base URL names an API's version or one of OpenAI's routes, so that the server must be meant to speak OpenAI's API. */
  readonly namesOpenAI: boolean;
  /** `user:password` of the URL, or null. */
  readonly credentials: string | null;
}

const OPENAI_ROUTE = /\/(chat\/)?completions$/;
const TGI_ROUTE = /\/generate(_stream)?$/;
// A version anywhere in the path (/v1, /v3/openai, /v1beta/openai) means that the path is complete as it stands.
const VERSION = /\/v\d+[a-z]*\d*(?=\/|$)/;

/**
 * Reads a base URL with or without `/v1`, one of the routes after it, `/generate`, slashes at the end, query. Throws
 * `SPEC_INVALID`.
 */
export function endpointAddress(baseUrl: string): EndpointAddress {
  const url = new URL(baseUrl);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TidingError("SPEC_INVALID", `base_url starts with ${url.protocol}, expected http: or https:.`, {
      place: "base_url",
      mend: "Write the URL as http://host:port or https://host.",
    });
  }
  const path = url.pathname.replace(/\/+$/, "");
  const stem = path.replace(OPENAI_ROUTE, "").replace(TGI_ROUTE, "");
  const namesOpenAI = OPENAI_ROUTE.test(path) || VERSION.test(stem);
  const api = namesOpenAI ? stem : `${stem}/v1`;
  const root = api.slice(0, VERSION.exec(api)?.index ?? api.length);
  const { search } = url;
  return {
    name: url.origin + path,
    origin: url.origin,
    hostname: url.hostname,
    chatPath: `${api}/chat/completions${search}`,
    completionsPath: `${api}/completions${search}`,
    modelsPath: `${api}/models${search}`,
    infoPath: `${root}/info${search}`,
    namesOpenAI,
    credentials: url.username === "" ? null : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`,
  };
}

/** A route of the server's own, such as `/version`: like `/info` it lies beside `/v1`. Keeps the query of the base URL. */
export function ownRoute({ infoPath }: EndpointAddress, route: string): string {
  return infoPath.replace(/\/info(?=\?|$)/, () => route);
}

/** Another of OpenAI's routes, such as `/embeddings`. Keeps the query of the base URL. */
export function openAIRoute({ chatPath }: Pick<EndpointAddress, "chatPath">, route: string): string {
  return chatPath.replace(/\/chat\/completions(?=\?|$)/, () => route);
}

/** The base URL's own path, where endpoint containers take prompts. */
export function rootPath(address: EndpointAddress): string {
  const path = ownRoute(address, "");
  return path.startsWith("/") ? path : `/${path}`;
}

/** A path that is safe to show: the query of a base URL may hold a key. */
export function withoutQuery(path: string): string {
  return path.replace(/\?.*$/s, "");
}
