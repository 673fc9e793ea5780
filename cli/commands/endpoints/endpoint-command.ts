/** What the commands below `tiding endpoints` share: whose endpoints, who is asked, how the result is shown. */
import type { Command } from "commander";
import { isTidingError, TidingError } from "../../../shared/errors.ts";
import type { EndpointRecord } from "../../../worker/llms/hub/endpoint-record.ts";
import type { HardwareOffer } from "../../../worker/llms/hub/endpoint-hardware.ts";
import type { InferenceEndpoints } from "../../../worker/llms/hub/inference-endpoints.ts";
import { confirm } from "../../confirm.ts";
import type { PricedEndpoint } from "../../endpoints-view.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { watchInterrupts } from "../../interrupts.ts";
import type { CliContext } from "../../terminal.ts";
import { lookOf, writeJson, writeLines } from "../../terminal.ts";

export interface EndpointFlags {
  readonly namespace?: string;
  readonly json?: true;
}

export interface OrderFlags extends EndpointFlags {
  readonly yes?: true;
}

export const ENDPOINT_EXIT_CODES = `Exit codes:
  0    done
  1    Hugging Face refused or could not be reached; the endpoint failed, or was not ready in time
  2    the command or the name is wrong, no token, or no --yes where nobody can be asked
  130  interrupted, or answered with no`;

export function addEndpointFlags(command: Command, otherwise = "the token's user"): Command {
  return command
    .option("--namespace <name>", `whose: a user or an organisation; ${otherwise} if absent`)
    .option("--json", "print one JSON document on standard output");
}

export function addNameArgument(command: Command): Command {
  return addEndpointFlags(command.argument("<name>", "the endpoint, as `list` shows it, with or without its owner"));
}

export function addYesOption(command: Command): Command {
  return command.option("-y, --yes", "do not ask; needed where there is no terminal to ask at");
}

/** The endpoints of one namespace, for as long as a command takes. */
export interface Session {
  readonly service: InferenceEndpoints;
  /** The endpoint's name without its owner; empty for commands about none. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** What the namespace may order; empty, with a word on standard error, where that is not told. */
  readonly offers: () => Promise<readonly HardwareOffer[]>;
  /** By what its own namespace is offered. */
  readonly priced: (record: EndpointRecord) => Promise<PricedEndpoint>;
  readonly agree: (question: string) => Promise<boolean>;
}

/** Runs what a command does. Throws what it throws, with the flags that help in place of a spec's keys. */
export async function withEndpoints(
  context: CliContext,
  { flags, name = "" }: { readonly flags: OrderFlags; readonly name?: string },
  act: (session: Session) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { environment, signals } = context;
  const { InferenceEndpoints: Service } = await import("../../../worker/llms/hub/inference-endpoints.ts");
  const { endpointPrice } = await import("../../../worker/llms/hub/endpoint-hardware.ts");
  const stop = new AbortController();
  using _interrupts = watchInterrupts(signals, () => stop.abort());
  const { signal } = stop;
  const id = parsedName(name, flags.namespace);
  const namespace = id.namespace === undefined ? {} : { namespace: id.namespace };
  try {
    const service = new Service({ environment, ...namespace });
    const asked = new Map<string, Promise<readonly HardwareOffer[]>>();
    const offersTo = (owner: string): Promise<readonly HardwareOffer[]> => {
      const known = asked.get(owner) ?? offersOf(new Service({ environment, namespace: owner }), { context, signal });
      asked.set(owner, known);
      return known;
    };
    return await act({
      service,
      name: id.name,
      signal,
      offers: async () => offersTo(await service.namespace({ signal })),
      priced: async (record) => ({ ...record, price: endpointPrice(record, await offersTo(record.namespace)) }),
      agree: (question) => confirm(context, question, { yes: flags.yes ?? false, signal }),
    });
  } catch (error) {
    throw inFlags(error);
  }
}

/** The one way in which a command ends that looked at an endpoint or changed it. */
export async function tellEndpoint(
  { stdout, environment }: CliContext,
  { endpoint, json, says }: { readonly endpoint: PricedEndpoint; readonly json: boolean; readonly says: string | null },
): Promise<ExitCode> {
  const { renderEndpoint } = await import("../../endpoints-view.ts");
  if (json) writeJson(stdout, { version: 1, endpoint });
  else
    writeLines(stdout, [
      ...(says === null ? [] : [says, ""]),
      ...renderEndpoint(endpoint, lookOf(stdout, environment)),
    ]);
  return EXIT.accepted;
}

/** For a question that was answered with no. */
export function declined({ stderr }: CliContext): ExitCode {
  writeLines(stderr, ["Nothing was ordered."]);
  return EXIT.interrupted;
}

function parsedName(
  text: string,
  namespace: string | undefined,
): { readonly name: string; readonly namespace?: string } {
  const [owner, name, ...more] = text.split("/");
  if (name === undefined) return { name: text, ...(namespace === undefined ? {} : { namespace }) };
  if (owner === undefined || owner === "" || name === "" || more.length > 0 || (namespace ?? owner) !== owner) {
    throw new TidingError("USAGE", `${text} does not name one endpoint.`, {
      place: text,
      mend: "Write NAME, or OWNER/NAME without another --namespace.",
    });
  }
  return { name, namespace: owner };
}

/** Prices are good to have, and no reason to stop. */
async function offersOf(
  service: InferenceEndpoints,
  { context, signal }: { readonly context: CliContext; readonly signal: AbortSignal },
): Promise<readonly HardwareOffer[]> {
  try {
    return await service.hardware({ signal });
  } catch (error) {
    if (!isTidingError(error)) throw error;
    writeLines(context.stderr, [`Prices are not known: ${error.message}`]);
    return [];
  }
}

/** Where an error of the library speaks of options in a program or a spec, the flags that stand for them here. */
const MENDS: Readonly<Record<string, string>> = {
  endpoint_namespace: "Say whose endpoint it is: --namespace NAME.",
  minReplica: "Change --min-replica, --max-replica or --scale-to-zero-after.",
  "image.credentials.password": "Name its variable, in single quotes: --registry-password '${PASSWORD}'.",
  changes: "Name what is to change, such as --max-replica 2.",
};

function inFlags(error: unknown): unknown {
  if (!isTidingError(error) || error.code !== "SPEC_INVALID" || error.place === undefined) return error;
  const { place } = error;
  const secret = /^secrets\.(.*)$/.exec(place)?.[1];
  const mend =
    secret === undefined ? MENDS[place] : `Name its variable, in single quotes: --secret '${secret}=\${${secret}}'.`;
  return mend === undefined ? error : new TidingError("USAGE", error.message, { place, mend, cause: error });
}
