import { Command } from "commander";
import type { BrokerFlags } from "../broker-options.ts";
import type { Finish } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { addOrderArguments, ORDER_EXIT_CODES, orderSubmitted } from "../order-submitted.ts";
import type { CliContext } from "../terminal.ts";

/** `tiding pause`: let a submitted job rest. */
export function pauseCommand(context: CliContext, finish: Finish): Command {
  return addOrderArguments(new Command("pause"))
    .summary("let a submitted job rest")
    .description(
      "Workers finish the rows that run, within the job's grace, and hand back the rest; nothing is sent to the endpoints " +
        "after that. The job keeps what it has, also over restarts of everything, until it is resumed.",
    )
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          {
            command: "tiding pause gsm8k-answers-3f2a --broker nats://10.0.0.1:4222",
            does: "give the endpoints to somebody else",
          },
          {
            command: "tiding pause gsm8k-answers-3f2a --broker nats://10.0.0.1:4222 --namespace staging",
            does: "in a namespace of its own",
          },
        ],
        exitCodes: ORDER_EXIT_CODES,
        next: "Next: `tiding resume ID --broker URL` goes on; `tiding cancel ID` ends the job.",
      }),
    )
    .action(async (id: string, flags: BrokerFlags) => {
      finish(
        await orderSubmitted(context, id, {
          wanted: "pause",
          says: "pauses: rows that run are finished, then nothing is sent any more.",
          flags,
        }),
      );
    });
}
