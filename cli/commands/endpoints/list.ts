import { Command } from "commander";
import { EXIT, type ExitCode, type Finish } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import type { CliContext } from "../../terminal.ts";
import { lookOf, writeJson, writeLines } from "../../terminal.ts";
import { addEndpointFlags, ENDPOINT_EXIT_CODES, withEndpoints } from "./endpoint-command.ts";
import type { EndpointFlags, Session } from "./endpoint-command.ts";

/** `tiding endpoints list` */
export function listCommand(context: CliContext, finish: Finish): Command {
  return addEndpointFlags(new Command("list"), "all that there are")
    .summary("what there is, in which state, at what price")
    .description(
      "Lists dedicated endpoints: those of --namespace, or the user's and those of each organisation of the user's. " +
        "An organisation that does not let the token look is named and passed over.",
    )
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding endpoints list", does: "all that the token may see" },
          { command: "tiding endpoints list --namespace my-org --json", does: "of one owner, for a program" },
        ],
        exitCodes: ENDPOINT_EXIT_CODES,
        next: "Next: `tiding endpoints show NAME`; `pause` stops what costs money.",
      }),
    )
    .action(async (flags: EndpointFlags) => {
      finish(await withEndpoints(context, { flags }, (session) => list(context, flags, session)));
    });
}

async function list(
  { stdout, environment }: CliContext,
  { namespace, json }: EndpointFlags,
  { service, signal, priced }: Session,
): Promise<ExitCode> {
  const { endpoints, refused } = await service.list({ all: namespace === undefined, signal });
  const listed = { endpoints: await Promise.all(endpoints.map(priced)), refused };
  if (json) writeJson(stdout, { version: 1, ...listed });
  else {
    const { renderEndpoints } = await import("../../endpoints-view.ts");
    writeLines(stdout, renderEndpoints(listed, lookOf(stdout, environment)));
  }
  return EXIT.accepted;
}
