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
import { greetingServer, type Greeting } from "./greeting-server.ts";
import { isAtLeast, OLDEST_NATS_SERVER } from "./server/nats-server-version.ts";

const LEAST_PAYLOAD_BYTES = 256 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;
/** Node's names for a server's certificate that does not stand the test. */
const CERTIFICATE_CODE = /^(ERR_TLS_CERT|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA)/;

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
 * Connects once, and from then on again for ever. Throws BROKER_UNREACHABLE, BROKER_REFUSED (credentials, certificates)
 * or BROKER_UNFIT (no JetStream, no TLS, an old server, small messages); USAGE for an address that is none.
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
    checkTls(first, options, servers);
    for (const role of ["control", "bulk"]) {
      signal.throwIfAborted();
      const own = connectionOptions(options, { servers, first, authenticator, role });
      connections.push(await connectOnce(own, { servers, first }));
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
    readonly first: Greeting;
    readonly authenticator: Authenticator | null;
    readonly role: string;
  },
): NodeConnectionOptions {
  const { servers, first, authenticator, role } = own;
  const { tls, inboxPrefix } = options;
  return {
    servers: first.address,
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

/** Before the client library is asked: where a certificate is wanted and none comes, it says no more than "timeout". */
function checkTls(
  { speaksTls, asksForCertificate }: Greeting,
  { tls }: NatsOptions,
  { isTls, place }: NatsServers,
): void {
  if (!speaksTls && (isTls || tls !== undefined)) {
    throw new TidingError("BROKER_UNFIT", "The NATS server does not speak TLS.", {
      place,
      mend: "Give it a tls block in its configuration; or write nats:// and give no certificates.",
    });
  }
  if (asksForCertificate && tls?.cert === undefined) {
    throw new TidingError("BROKER_REFUSED", "The NATS broker wants a certificate of its client, and none was given.", {
      place,
      mend: "Give a certificate that the broker's authority signed, and its key.",
    });
  }
}

async function connectOnce(
  options: NodeConnectionOptions,
  { servers, first }: { readonly servers: NatsServers; readonly first: Greeting },
): Promise<NatsConnection> {
  try {
    const connection = await connect(options);
    // From now on any of them will do.
    connection.setServers([...servers.addresses]);
    return connection;
  } catch (error) {
    if (first.asksForCertificate && error instanceof errors.TimeoutError) {
      throw new TidingError("BROKER_REFUSED", "The NATS broker did not accept the client's certificate.", {
        place: servers.place,
        mend: "Give one that the broker's authority signed, and its key.",
        cause: error,
      });
    }
    throw connectFailure(error, servers.place);
  }
}

function connectFailure(error: unknown, place: string): TidingError {
  const refused = (what: string, mend: string): TidingError =>
    new TidingError("BROKER_REFUSED", what, { place, mend, cause: error });
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return refused(
      `The NATS broker refused the credentials: ${error.message}.`,
      "Give the user, token, credentials file or nkey of a user that the broker knows.",
    );
  }
  const code = systemCode(error);
  if (CERTIFICATE_CODE.test(code)) {
    return refused(
      `The NATS broker's certificate is not trusted: ${messageOf(error)}.`,
      "Give the authority that signed it, and the broker's name as it stands in the certificate.",
    );
  }
  // What OpenSSL says of a file is no secret; the file's text is not in it.
  if (code.startsWith("ERR_OSSL_")) {
    return refused(
      `The certificate or its key cannot be used: ${messageOf(error)}.`,
      "Give PEM files that belong together.",
    );
  }
  return new TidingError("BROKER_UNREACHABLE", `No connection to the NATS broker came about: ${messageOf(error)}.`, {
    place,
    mend: "Start the broker, or correct the address.",
    cause: error,
  });
}

function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
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
