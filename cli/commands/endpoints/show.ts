import { Command } from "commander";
import type { Finish } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import type { CliContext } from "../../terminal.ts";
import { addNameArgument, ENDPOINT_EXIT_CODES, tellEndpoint, withEndpoints } from "./endpoint-command.ts";
import type { EndpointFlags } from "./endpoint-command.ts";

/** `tiding endpoints show` */
export function showCommand(context: CliContext, finish: Finish): Command {
  return addNameArgument(new Command("show"))
    .summary("one endpoint: its state, model, hardware and price")
    .description("Shows one dedicated endpoint. Of its secrets the names alone; values of its environment with --json.")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding endpoints show writer", does: "one of your own" },
          { command: "tiding endpoints show my-org/writer --json", does: "an organisation's, for a program" },
        ],
        exitCodes: ENDPOINT_EXIT_CODES,
        next: "Next: `tiding endpoints resume NAME --wait`, or `tiding probe URL` for what the server takes.",
      }),
    )
    .action(async (name: string, flags: EndpointFlags) => {
      const code = await withEndpoints(context, { flags, name }, async (session) => {
        const endpoint = await session.priced(await session.service.get(session.name, session));
        return await tellEndpoint(context, { endpoint, json: flags.json ?? false, says: null });
      });
      finish(code);
    });
}
