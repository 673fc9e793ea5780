import { readFile } from "node:fs/promises";
import { Option, type Command } from "commander";
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
  const options = {
    "--broker <url>": `${what} (TIDING_BROKER)`,
    "--broker-creds <file>": "a .creds file to sign in to the broker with (TIDING_BROKER_CREDS)",
    "--broker-nkey <file>": "a file with an nkey seed to sign in with (TIDING_BROKER_NKEY)",
    "--broker-ca <file>": "certificate authority of the broker's TLS, PEM (TIDING_BROKER_CA)",
    "--broker-cert <file>": "own certificate, PEM, where the broker asks for one (TIDING_BROKER_CERT)",
    "--broker-key <file>": "its key, PEM (TIDING_BROKER_KEY)",
    "--broker-inbox <prefix>": "where this user may receive answers; _INBOX if absent (TIDING_BROKER_INBOX)",
    "--namespace <name>": "keeps deployments on one broker apart; tiding if absent (TIDING_NAMESPACE)",
  };
  for (const [flags, description] of Object.entries(options)) command.addOption(brokerOption(flags, description));
  return command;
}

/** An option that help lists with the broker's. */
export function brokerOption(flags: string, description: string): Option {
  return new Option(flags, description).helpGroup("Broker:");
}

/** Null where no broker is named. Throws `USAGE` for flags that do not go together, and for a file that cannot be read. */
export async function brokerOptions(flags: BrokerFlags, environment: Environment): Promise<BrokerOptions | null> {
  const given = (flag: string | undefined, variable: string): string | undefined =>
    flag ?? (environment[variable] || undefined);
  const file = async (flag: string | undefined, variable: string): Promise<string | undefined> => {
    const path = given(flag, variable);
    return path === undefined ? undefined : readText(path, variable);
  };
  const address = given(flags.broker, "TIDING_BROKER");
  if (address === undefined) {
    refuseWithoutBroker(flags);
    return null;
  }
  if (flags.brokerCreds !== undefined && flags.brokerNkey !== undefined) {
    throw new TidingError("USAGE", "--broker-creds and --broker-nkey are two ways to sign in.", { mend: "Give one." });
  }
  // A flag wins over the variable of the other way as well.
  const creds = flags.brokerNkey === undefined ? await file(flags.brokerCreds, "TIDING_BROKER_CREDS") : undefined;
  const nkey = creds === undefined ? await file(flags.brokerNkey, "TIDING_BROKER_NKEY") : undefined;
  const ca = await file(flags.brokerCa, "TIDING_BROKER_CA");
  const cert = await file(flags.brokerCert, "TIDING_BROKER_CERT");
  const key = await file(flags.brokerKey, "TIDING_BROKER_KEY");
  if ((cert === undefined) !== (key === undefined)) {
    throw new TidingError("USAGE", "A certificate of one's own takes its key, and the key its certificate.", {
      place: cert === undefined ? "--broker-key" : "--broker-cert",
      mend: "Give --broker-cert and --broker-key, or TIDING_BROKER_CERT and TIDING_BROKER_KEY, both or neither.",
    });
  }
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
            ...(cert === undefined || key === undefined ? {} : { cert, key }),
          },
        }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(namespace === undefined ? {} : { namespace }),
  };
}

/** Of a broker alone, beside `--broker`, with those of stream-options.ts and follow-run.ts. */
const ABOUT_A_BROKER = [
  "brokerCreds",
  "brokerNkey",
  "brokerCa",
  "brokerCert",
  "brokerKey",
  "brokerInbox",
  "namespace",
  "inputsBudget",
  "resultsBudget",
  "replicas",
];

/** Throws `USAGE` for flags that would do nothing, because no broker is named. */
export function refuseWithoutBroker(flags: BrokerFlags & { readonly work?: boolean }): void {
  const isGiven = (name: string): boolean => flags[name as keyof BrokerFlags] !== undefined;
  const names = ABOUT_A_BROKER.filter(isGiven).map(
    (name) => `--${name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
  );
  if (flags.work === false) names.push("--no-work");
  if (names.length === 0) return;
  const are = names.length === 1 ? "is" : "are";
  throw new TidingError("USAGE", `${names.join(", ")} ${are} about a broker, and none is named.`, {
    mend: `Name the broker with --broker or TIDING_BROKER, or leave ${names.length === 1 ? "it" : "them"} out.`,
  });
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
