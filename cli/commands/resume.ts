import { Command } from "commander";
import type { BrokerFlags } from "../broker-options.ts";
import type { Finish } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { addOrderArguments, ORDER_EXIT_CODES, orderSubmitted } from "../order-submitted.ts";
import type { CliContext } from "../terminal.ts";

/** `tiding resume`: let a paused or stopped job go on. */
export function resumeCommand(context: CliContext, finish: Finish): Command {
  return addOrderArguments(new Command("resume"))
    .summary("let a paused or stopped job go on")
    .description(
      "Lets a job go on that was paused, or that an error stopped. No row is paid for again that was committed.",
    )
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding resume gsm8k-answers-3f2a --broker nats://10.0.0.1:4222", does: "go on" },
          {
            command: "tiding resume gsm8k-answers-3f2a --broker nats://10.0.0.1:4222 --namespace staging",
            does: "in a namespace of its own",
          },
        ],
        exitCodes: ORDER_EXIT_CODES,
        next: "Next: `tiding status ID --broker URL --watch` follows it.",
      }),
    )
    .action(async (id: string, flags: BrokerFlags) => {
      finish(await orderSubmitted(context, id, { wanted: "run", says: "goes on.", flags }));
    });
}
