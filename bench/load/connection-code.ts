/** Short stable codes for what went wrong with a connection. */

const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  UND_ERR_SOCKET: "reset",
  ENOTFOUND: "no-host",
  EAI_AGAIN: "no-host",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ETIMEDOUT: "connect-timeout",
  UND_ERR_CONNECT_TIMEOUT: "connect-timeout",
  // The client's own limits: ports and file descriptors.
  EADDRNOTAVAIL: "no-port",
  EMFILE: "no-file",
  ENFILE: "no-file",
};

/** Codes that say something of this machine and nothing of the server. */
export const OWN_LIMITS = ["no-port", "no-file"] as const;

/** The code of an error of Node or undici. */
export function connectionCode(error: unknown): string {
  const code = codeOf(error);
  const known = CODES[code];
  if (known !== undefined) return known;
  if (error instanceof Error && error.name === "HTTPParserError") return "not-http";
  if (/^(ERR_(TLS|SSL)_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/.test(code)) return "tls";
  return code
    .toLowerCase()
    .replace(/^und_err_/, "")
    .replaceAll("_", "-");
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "unknown";
  if ("code" in error && typeof error.code === "string") return error.code;
  // `localhost` is tried by IPv6 and IPv4; some Node versions leave the code on the single errors alone.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return "unknown";
}
