import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { BrokerOptions } from "../jobs/open-broker.ts";
import { messageOf, TidingError } from "../shared/errors.ts";
import type { Environment } from "./terminal.ts";

export interface BrokerFlags {
  readonly broker?: string;
  readonly brokerCreds?: string;
  readonly brokerNkey?: string;
  readonly brokerCa?: string;
  readonly brokerCert?: string;
  readonly brokerKey?: string;
  readonly brokerInbox?: string;
  readonly namespace?: string;
}

/** Adds `--broker` and what goes with it; each has a variable of the environment, which the flag wins over. */
export function addBrokerOptions(command: Command, what: string): Command {
  return command
    .option("--broker <url>", `${what} (TIDING_BROKER)`)
    .option("--broker-creds <file>", "a .creds file to sign in to the broker with (TIDING_BROKER_CREDS)")
    .option("--broker-nkey <file>", "a file with an nkey seed to sign in with (TIDING_BROKER_NKEY)")
    .option("--broker-ca <file>", "certificate authority of the broker's TLS, PEM (TIDING_BROKER_CA)")
    .option("--broker-cert <file>", "own certificate, PEM, where the broker asks for one (TIDING_BROKER_CERT)")
    .option("--broker-key <file>", "its key, PEM (TIDING_BROKER_KEY)")
    .option("--broker-inbox <prefix>", "where this user may receive answers; _INBOX if absent (TIDING_BROKER_INBOX)")
    .option("--namespace <name>", "keeps deployments on one broker apart; tiding if absent (TIDING_NAMESPACE)");
}

/** Null where no broker is named. Throws `USAGE` for a file that cannot be read. */
export async function brokerOptions(flags: BrokerFlags, environment: Environment): Promise<BrokerOptions | null> {
  const given = (flag: string | undefined, variable: string): string | undefined =>
    flag ?? (environment[variable] || undefined);
  const file = async (flag: string | undefined, variable: string): Promise<string | undefined> => {
    const path = given(flag, variable);
    return path === undefined ? undefined : readText(path, variable);
  };
  const address = given(flags.broker, "TIDING_BROKER");
  if (address === undefined) return null;
  const creds = await file(flags.brokerCreds, "TIDING_BROKER_CREDS");
  const nkey = await file(flags.brokerNkey, "TIDING_BROKER_NKEY");
  const ca = await file(flags.brokerCa, "TIDING_BROKER_CA");
  const cert = await file(flags.brokerCert, "TIDING_BROKER_CERT");
  const key = await file(flags.brokerKey, "TIDING_BROKER_KEY");
  const inboxPrefix = given(flags.brokerInbox, "TIDING_BROKER_INBOX");
  const namespace = given(flags.namespace, "TIDING_NAMESPACE");
  return {
    address,
    ...(creds === undefined ? {} : { credentials: { credsFile: creds } }),
    ...(nkey === undefined ? {} : { credentials: { nkeySeed: nkey.trim() } }),
    ...(ca === undefined && cert === undefined
      ? {}
      : {
          tls: {
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
          },
        }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(namespace === undefined ? {} : { namespace }),
  };
}

/** The address as it may be shown: what signs in is left out. */
export function withoutSecrets(address: string): string {
  return address.replaceAll(/[^,/]*@/g, "...@");
}

async function readText(path: string, variable: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new TidingError("USAGE", `A file that signs in to the broker cannot be read: ${messageOf(error)}`, {
      place: path,
      mend: `Correct the path, or the variable ${variable}.`,
      cause: error,
    });
  }
}
