import { TidingError } from "../../shared/errors.ts";

/** Codes of Node and undici that mean that no connection came about. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host's name could not be resolved",
  EHOSTUNREACH: "no route to the host",
  EHOSTDOWN: "the host is down",
  ENETUNREACH: "no route to the network",
  ENETDOWN: "the network is down",
  EADDRNOTAVAIL: "no local address for the connection",
  ETIMEDOUT: "no answer to the attempt to connect",
  UND_ERR_CONNECT_TIMEOUT: "no answer to the attempt to connect",
  UND_ERR_PRX_TLS: "no secure connection to the proxy",
  EPROTO: "no TLS on that port, or a different version of it",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate chain holds a self-signed one",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate cannot be verified",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate's issuer is unknown",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate's issuer is unknown",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
};

/** An error of the connection as the `TidingError` that the engine acts on. */
export function classifyConnection(error: unknown, endpoint: string): TidingError {
  const code = codeOf(error);
  const options = { place: endpoint, cause: error };
  const reason = UNREACHABLE[code] ?? proxyRefusal(error) ?? (/^ERR_(TLS|SSL)_/.test(code) ? "TLS failed" : null);
  if (reason !== null) {
    return new TidingError("ENDPOINT_UNREACHABLE", `${endpoint} cannot be reached: ${reason} (${code}).`, {
      ...options,
      mend: "See that the server runs and that base_url names its host, port and http or https.",
    });
  }
  if (error instanceof Error && error.name === "HTTPParserError") {
    // Without its cause: undici's error carries the bytes that it could not read.
    return new TidingError("RESPONSE_INVALID", `What ${endpoint} sent is not HTTP.`, {
      place: endpoint,
      mend: "See whether the port is right, and whether base_url should start with https.",
    });
  }
  return new TidingError("CONNECTION_LOST", `The connection to ${endpoint} broke off (${code}).`, options);
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "unknown";
  if ("code" in error && typeof error.code === "string") return error.code;
  // `localhost` is tried by IPv6 and IPv4; some Node versions leave the code on the single errors alone.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return "unknown";
}

/** undici rejects a CONNECT that the proxy refused as an abort, told apart by its message alone (7.30, proxy-agent.js). */
function proxyRefusal(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const status = /^Proxy response \((\d+)\)/.exec(error.message)?.[1];
  return status === undefined ? null : `the proxy answered ${status}`;
}
