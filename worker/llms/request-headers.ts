import { isTidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { SecretResolver } from "../../shared/spec/loaded-spec.ts";
import type { EndpointAddress } from "./endpoint-address.ts";

/** The constant headers of an endpoint's requests, and the secrets in them, so that errors can leave those out. */
export interface RequestHeaders {
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

/** What of a spec goes into headers. */
type HeaderSpec = Pick<LLMSpec, "api_key" | "headers" | "bill_to">;

const HUGGING_FACE_HOST = /(^|\.)(huggingface\.co|huggingface\.cloud|hf\.space)$/;

/**
 * Resolves the references in `api_key` and `headers`. Without `api_key` Hugging Face's hosts are sent the user's token, and
 * so is an address that is `namedByHub`. Throws `SECRET_MISSING`.
 */
export function requestHeaders(
  spec: HeaderSpec,
  address: Pick<EndpointAddress, "origin" | "hostname" | "credentials">,
  secret: SecretResolver,
  { namedByHub = false }: { readonly namedByHub?: boolean } = {},
): RequestHeaders {
  const secrets: string[] = [];
  const resolve = (reference: string): string => {
    const value = secret(reference);
    if (value !== "") secrets.push(value);
    return value;
  };
  const headers: Record<string, string> = { accept: "application/json", "content-type": "application/json" };
  const isHub = namedByHub
    ? maySendKey(new URL(address.origin))
    : HUGGING_FACE_HOST.test(address.hostname) && address.origin.startsWith("https:");
  if (spec.api_key !== undefined) headers["authorization"] = `Bearer ${resolve(spec.api_key)}`;
  else if (address.credentials !== null) {
    const basic = Buffer.from(address.credentials).toString("base64");
    secrets.push(basic, address.credentials.slice(address.credentials.indexOf(":") + 1));
    headers["authorization"] = `Basic ${basic}`;
  } else if (isHub) {
    const token = hubToken(resolve);
    if (token !== null) headers["authorization"] = `Bearer ${token}`;
  }
  if (spec.bill_to !== undefined) headers["x-hf-bill-to"] = spec.bill_to;
  for (const [name, value] of Object.entries(spec.headers ?? {})) {
    headers[name.toLowerCase()] = value.replace(/\$\{[A-Za-z_][A-Za-z0-9_]*\}/g, resolve);
  }
  return { headers, secrets: secrets.filter((text) => text !== "") };
}

/** A key never goes over a network in the clear. */
export function maySendKey({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

/** HF_TOKEN where it is set. Public endpoints need none, so its absence is no error here: a 401 says so in time. */
function hubToken(resolve: SecretResolver): string | null {
  try {
    return resolve("${HF_TOKEN}");
  } catch (error) {
    if (isTidingError(error) && error.code === "SECRET_MISSING") return null;
    throw error;
  }
}
