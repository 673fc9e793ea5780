/** Where brokers are, and who we are to them. */
import { readFile } from "node:fs/promises";
import {
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
} from "@nats-io/transport-node";
import { messageOf, TidingError } from "../../errors.ts";

export type NatsCredentials =
  | { readonly user: string; readonly password: string }
  | { readonly token: string }
  /** A path, or the file's text. */
  | { readonly credsFile: string }
  /** A user's seed, "SU...". */
  | { readonly nkeySeed: string };

export interface NatsServers {
  /** `host:port`, without credentials. */
  readonly addresses: readonly string[];
  /** What errors may show. */
  readonly place: string;
  /** Some address begins with `tls://`. */
  readonly isTls: boolean;
  /** What the first address that has some says before its `@`. */
  readonly credentials: NatsCredentials | null;
}

/** Takes `nats://[user:password@]host[:port]`, `tls://...` or `host[:port]`. Throws USAGE. */
export function parseServers(servers: string | readonly string[]): NatsServers {
  const urls = (typeof servers === "string" ? servers.split(",") : servers).map((server) => parseServer(server.trim()));
  if (urls.length === 0) throw invalidServer("");
  const withUser = urls.find(({ username }) => username !== "");
  return {
    addresses: urls.map(({ hostname, port }) => `${hostname}:${port === "" ? "4222" : port}`),
    place: urls
      .map(({ protocol, hostname, port }) => `${protocol}//${hostname}:${port === "" ? "4222" : port}`)
      .join(","),
    isTls: urls.some(({ protocol }) => protocol === "tls:"),
    credentials: withUser === undefined ? null : credentialsOf(withUser),
  };
}

/** Throws BROKER_REFUSED for credentials that cannot be read or used. */
export async function authenticatorOf(credentials: NatsCredentials): Promise<Authenticator> {
  if ("user" in credentials) return usernamePasswordAuthenticator(credentials.user, credentials.password);
  if ("token" in credentials) return tokenAuthenticator(credentials.token);
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  if ("nkeySeed" in credentials) return tried(nkeyAuthenticator(encode(credentials.nkeySeed)), "The nkey seed");
  const { credsFile } = credentials;
  if (credsFile.includes("-----BEGIN")) return tried(credsAuthenticator(encode(credsFile)), "The credentials text");
  const text = await readFile(credsFile).catch((error: unknown) => {
    throw unusable(`The credentials file cannot be read: ${messageOf(error)}`, credsFile);
  });
  return tried(credsAuthenticator(text), "The credentials file", credsFile);
}

/** Signs something, which fails only at the first connection otherwise. What failed is not told: it may quote a secret. */
function tried(authenticator: Authenticator, what: string, place?: string): Authenticator {
  try {
    authenticator("nonce");
    return authenticator;
  } catch {
    throw unusable(`${what} is not of the form that NATS tools write`, place);
  }
}

function unusable(what: string, place: string | undefined): TidingError {
  const mend = "Check the path and its permissions, and that it is a user's and not an account's.";
  return new TidingError("BROKER_REFUSED", `${what}.`, { ...(place === undefined ? {} : { place }), mend });
}

function parseServer(server: string): URL {
  const address = server.includes("://") ? server : `nats://${server}`;
  if (!URL.canParse(address)) throw invalidServer(server);
  const url = new URL(address);
  if (!["nats:", "tls:"].includes(url.protocol) || url.hostname === "") throw invalidServer(server);
  return url;
}

function credentialsOf({ username, password }: URL): NatsCredentials {
  const user = decodeURIComponent(username);
  return password === "" ? { token: user } : { user, password: decodeURIComponent(password) };
}

function invalidServer(server: string): TidingError {
  const shown = server.slice(server.lastIndexOf("@") + 1);
  return new TidingError("USAGE", `"${shown}" is not the address of a NATS server.`, {
    place: shown,
    mend: "Write nats://host:4222, or tls://host:4222.",
  });
}
