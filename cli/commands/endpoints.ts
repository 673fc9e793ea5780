import { Command } from "commander";
import type { Finish } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import type { CliContext } from "../terminal.ts";
import { createEndpointCommand } from "./endpoints/create.ts";
import { ENDPOINT_EXIT_CODES } from "./endpoints/endpoint-command.ts";
import { hardwareCommand } from "./endpoints/hardware.ts";
import { listCommand } from "./endpoints/list.ts";
import { orderCommands } from "./endpoints/orders.ts";
import { showCommand } from "./endpoints/show.ts";
import { updateEndpointCommand } from "./endpoints/update.ts";
import { waitCommand } from "./endpoints/wait.ts";

/** `tiding endpoints`: the dedicated endpoints of Hugging Face that the token may manage. */
export function endpointsCommand(context: CliContext, finish: Finish): Command {
  const command = new Command("endpoints")
    .summary("list, start, pause, create and delete dedicated endpoints on Hugging Face")
    .description(
      "Manages dedicated Inference Endpoints of Hugging Face with the token of HF_TOKEN or `hf auth login`. " +
        "What costs money or deletes is asked about first; --yes answers it.",
    )
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding endpoints list", does: "yours and your organisations', with what each costs now" },
          { command: "tiding endpoints resume writer --wait", does: "start one, and wait until it can be called" },
          { command: "tiding endpoints pause my-org/writer", does: "stop paying for one" },
        ],
        exitCodes: ENDPOINT_EXIT_CODES,
        next: "Next: `tiding endpoints create --help`; in a spec, `llm: { endpoint_name: writer }` calls one.",
      }),
    );
  for (const create of [listCommand, showCommand, createEndpointCommand, updateEndpointCommand])
    command.addCommand(create(context, finish));
  for (const order of orderCommands(context, finish)) command.addCommand(order);
  return command.addCommand(waitCommand(context, finish)).addCommand(hardwareCommand(context, finish));
}
