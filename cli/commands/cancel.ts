import { Command } from "commander";
import type { BrokerFlags } from "../broker-options.ts";
import type { Finish } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { addOrderArguments, ORDER_EXIT_CODES, orderSubmitted } from "../order-submitted.ts";
import type { CliContext } from "../terminal.ts";

interface CancelFlags extends BrokerFlags {
  readonly now?: true;
}

/** `tiding cancel`: end a submitted job. */
export function cancelCommand(context: CliContext, finish: Finish): Command {
  return addOrderArguments(new Command("cancel"))
    .summary("end a submitted job")
    .description(
      "Ends a job: rows that run are finished within the job's grace, or given up with --now. What landed stays a dataset " +
        "that can be loaded; the same spec, submitted again over this broker, goes on from there.",
    )
    .option("--now", "give running requests up; what is committed is kept")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          {
            command: "tiding cancel gsm8k-answers-3f2a --broker nats://10.0.0.1:4222",
            does: "finish what runs, and end it",
          },
          {
            command: "tiding cancel gsm8k-answers-3f2a --broker nats://10.0.0.1:4222 --now",
            does: "give up what runs",
          },
        ],
        exitCodes: ORDER_EXIT_CODES,
        next: "Next: `tiding jobs --broker URL` shows when it has ended.",
      }),
    )
    .action(async (id: string, { now, ...flags }: CancelFlags) => {
      const wanted = now ? "cancel-now" : "cancel";
      const says = now ? "ends now." : "ends: rows that run are finished first.";
      finish(await orderSubmitted(context, id, { wanted, says, flags }));
    });
}
