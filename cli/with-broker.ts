import { openBroker } from "../jobs/open-broker.ts";
import { TidingError } from "../shared/errors.ts";
import type { Transport } from "../shared/transport/transport.ts";
import { brokerOptions, withoutSecrets, type BrokerFlags } from "./broker-options.ts";
import type { BrokerOptions } from "../jobs/open-broker.ts";
import { quoteForShell } from "./summary.ts";
import type { CliContext } from "./terminal.ts";

/** The broker that a command cannot do without. Throws `USAGE` where none is named. */
export async function requiredBroker({ environment }: CliContext, flags: BrokerFlags): Promise<BrokerOptions> {
  const broker = await brokerOptions(flags, environment);
  if (broker !== null) return broker;
  throw new TidingError("USAGE", "This command needs to know the broker.", {
    mend: "Give --broker nats://host:4222, or set TIDING_BROKER.",
  });
}

/** Connects for as long as `use` takes. */
export async function withBroker<T>(
  context: CliContext,
  flags: BrokerFlags,
  use: (transport: Transport) => Promise<T>,
): Promise<T> {
  await using transport = await openBroker(await requiredBroker(context, flags));
  return await use(transport);
}

/** What has to be added to a command for it to reach the same broker. */
export function brokerWords({ broker, namespace }: BrokerFlags): string {
  const words = broker === undefined ? [] : ["--broker", quoteForShell(withoutSecrets(broker))];
  if (namespace !== undefined) words.push("--namespace", namespace);
  return words.map((word) => ` ${word}`).join("");
}
