import type { Command } from "commander";
import type { BrokerJobs } from "../jobs/broker-view.ts";
import type { Submission } from "../shared/protocol/submission-record.ts";
import { addBrokerOptions, type BrokerFlags } from "./broker-options.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { describeCoordinator } from "./fleet-view.ts";
import type { CliContext } from "./terminal.ts";
import { writeLines } from "./terminal.ts";
import { brokerWords, withBroker } from "./with-broker.ts";

/** What `pause`, `resume` and `cancel` have in common. */
export function addOrderArguments(command: Command): Command {
  return addBrokerOptions(
    command.argument("<id>", "the job's id, as `tiding jobs` lists it"),
    "the broker, e.g. nats://host:4222",
  );
}

export const ORDER_EXIT_CODES =
  "Exit codes:\n  0    what is wanted is recorded\n  1    the broker could not be reached\n  2    the id is not known, or it cannot be done";

/** Records what is wanted of a job; `says` is told when it was not so already. */
export async function orderSubmitted(
  context: CliContext,
  id: string,
  {
    wanted,
    says,
    flags,
  }: { readonly wanted: Submission["wanted"]; readonly says: string; readonly flags: BrokerFlags },
): Promise<ExitCode> {
  const { orderJob } = await import("../jobs/order-job.ts");
  const { coordinatorAtWork } = await import("../jobs/broker-view.ts");
  return withBroker(context, flags, async (transport) => {
    await orderJob(transport, id, wanted);
    const coordinator: BrokerJobs["coordinator"] = await coordinatorAtWork(transport);
    writeLines(context.stdout, [
      `${id} ${says}`,
      ...(coordinator === null ? [describeCoordinator(null)] : []),
      `See it:  tiding status ${id}${brokerWords(flags)}`,
    ]);
    return EXIT.accepted;
  });
}
