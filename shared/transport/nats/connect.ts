/** The connections to a NATS broker: one for what is small and urgent, one for blobs, so that neither waits for the other. */
import {
  connect,
  errors,
  type Authenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from "@nats-io/transport-node";
import { messageOf, TidingError } from "../../errors.ts";
import { authenticatorOf, parseServers, type NatsCredentials, type NatsServers } from "./nats-servers.ts";
import { greetingServer } from "./greeting-server.ts";
import { isAtLeast, OLDEST_NATS_SERVER } from "./server/nats-server-version.ts";

const LEAST_PAYLOAD_BYTES = 256 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;

export interface NatsOptions {
  /** `nats://[user:password@]host[:port]` or `tls://...`; several, or one string with commas, for a cluster. */
  readonly servers: string | readonly string[];
  /** What the broker's monitoring shows. */
  readonly name: string;
  readonly credentials?: NatsCredentials;
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Keeps deployments on one account apart: 1 to 32 of `[a-z0-9_-]`; "tiding" by default. */
  readonly namespace?: string;
  /** Where answers to this user arrive, so that users cannot read each other's; "_INBOX" by default. */
  readonly inboxPrefix?: string;
  /** Stops connecting and setting up. */
  readonly signal: AbortSignal;
}

export interface NatsLinks {
  readonly control: NatsConnection;
  /** For blobs. */
  readonly bulk: NatsConnection;
  /** The addresses, without secrets, for errors. */
  readonly place: string;
  close(): Promise<void>;
}

/**
 * Connects once, and from then on again for ever. Throws BROKER_UNREACHABLE, BROKER_REFUSED (credentials, certificate)
 * or BROKER_UNFIT (no JetStream, an old server, small messages); USAGE for an address that is none.
 */
export async function connectNats(options: NatsOptions): Promise<NatsLinks> {
  const { signal } = options;
  const servers = parseServers(options.servers);
  const credentials = options.credentials ?? servers.credentials;
  const authenticator = credentials === null ? null : await authenticatorOf(credentials);
  const connections: NatsConnection[] = [];
  const close = async (): Promise<void> => void (await Promise.all(connections.map((each) => each.close())));
  try {
    const probing = greetingServer(servers.addresses, { timeoutMs: CONNECT_TIMEOUT_MS, signal });
    const first = await probing.catch((error: unknown) => {
      throw signal.aborted ? error : connectFailure(error, servers.place);
    });
    for (const role of ["control", "bulk"]) {
      signal.throwIfAborted();
      connections.push(await connectOnce(connectionOptions(options, { servers, first, authenticator, role }), servers));
    }
    signal.throwIfAborted();
    checkFit(connections[0]!, servers.place);
  } catch (error) {
    await close();
    throw error;
  }
  return { control: connections[0]!, bulk: connections[1]!, place: servers.place, close };
}

function connectionOptions(
  options: NatsOptions,
  own: {
    readonly servers: NatsServers;
    readonly first: string;
    readonly authenticator: Authenticator | null;
    readonly role: string;
  },
): NodeConnectionOptions {
  const { servers, first, authenticator, role } = own;
  const { tls, inboxPrefix } = options;
  return {
    servers: first,
    name: `${options.name} ${role}`,
    ...(authenticator === null ? {} : { authenticator }),
    ...(tls === undefined && !servers.isTls ? {} : { tls: { ...tls } }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    // An account that is gone for a moment, while a server's configuration is reloaded, must not close us for good.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    pingInterval: 10_000,
    maxPingOut: 2,
    // Else every request makes an error with its stack: twice the time of a publish.
    noAsyncTraces: true,
  };
}

async function connectOnce(options: NodeConnectionOptions, servers: NatsServers): Promise<NatsConnection> {
  try {
    const connection = await connect(options);
    // From now on any of them will do.
    connection.setServers([...servers.addresses]);
    return connection;
  } catch (error) {
    throw connectFailure(error, servers.place);
  }
}

function connectFailure(error: unknown, place: string): TidingError {
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return new TidingError("BROKER_REFUSED", `The NATS broker refused the credentials: ${error.message}.`, {
      place,
      mend: "Give the user, token, credentials file or nkey of a user that the broker knows.",
      cause: error,
    });
  }
  return new TidingError("BROKER_UNREACHABLE", `No connection to the NATS broker came about: ${messageOf(error)}.`, {
    place,
    mend: "Start the broker, or correct the address; for TLS give the certificate authority.",
    cause: error,
  });
}

function checkFit({ info }: NatsConnection, place: string): void {
  const unfit = (what: string, mend: string): TidingError => new TidingError("BROKER_UNFIT", what, { place, mend });
  if (info === undefined) throw connectFailure(new Error("the connection was lost at once"), place);
  if (!isAtLeast(info.version, OLDEST_NATS_SERVER))
    throw unfit(
      `The NATS server is ${info.version}; ${OLDEST_NATS_SERVER} is the oldest that serves.`,
      "Install a newer one.",
    );
  if (info.jetstream !== true)
    throw unfit(
      "The NATS server runs without JetStream.",
      "Start it with -js, or with a jetstream block in its configuration.",
    );
  if (info.max_payload < LEAST_PAYLOAD_BYTES) {
    const what = `The NATS server takes messages of ${info.max_payload} bytes at most; ${LEAST_PAYLOAD_BYTES} are needed.`;
    throw unfit(what, "Raise max_payload in its configuration; 1MB is its default.");
  }
}
