import { Command, Option } from "commander";
import type { EndpointRecord } from "../../../worker/llms/hub/endpoint-record.ts";
import { describeEndpointState, type PricedEndpoint } from "../../endpoints-view.ts";
import type { Finish } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import { duration } from "../../options.ts";
import type { CliContext } from "../../terminal.ts";
import { writeLines } from "../../terminal.ts";
import { plain } from "../../text.ts";
import { addNameArgument, ENDPOINT_EXIT_CODES, tellEndpoint, withEndpoints } from "./endpoint-command.ts";
import type { EndpointFlags, Session } from "./endpoint-command.ts";

export interface WaitFlags extends EndpointFlags {
  /** Milliseconds. */
  readonly timeout: number;
}

export function addTimeoutOption(command: Command): Command {
  const longest = new Option("--timeout <duration>", "longest to wait, such as 90s, 15m or 2h");
  return command.addOption(longest.argParser(duration).default(900_000, "15m"));
}

/** `tiding endpoints wait` */
export function waitCommand(context: CliContext, finish: Finish): Command {
  return addTimeoutOption(addNameArgument(new Command("wait")))
    .summary("until an endpoint can be called")
    .description(
      "Waits until the endpoint runs, has a URL, and its health route answers 200. One that failed, is paused or is " +
        "scaled to zero is not waited for: it would not start by itself.",
    )
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding endpoints wait writer", does: "at most 15 minutes" },
          { command: "tiding endpoints wait writer --timeout 1h --json | jq -r .endpoint.url", does: "its URL" },
        ],
        exitCodes: ENDPOINT_EXIT_CODES,
        next: "Next: `tiding run job.yaml` with `llm: { endpoint_name: NAME }`.",
      }),
    )
    .action(async (name: string, flags: WaitFlags) => {
      const code = await withEndpoints(context, { flags, name }, async (session) => {
        const endpoint = await waitVisibly(context, session, { timeoutMs: flags.timeout, resumed: false });
        return await tellEndpoint(context, { endpoint, json: flags.json ?? false, says: null });
      });
      finish(code);
    });
}

/** Waits, with a line on standard error for each state. Throws as `InferenceEndpoints.wait` does. */
export async function waitVisibly(
  { stderr }: CliContext,
  { service, name, signal, priced }: Session,
  options: { readonly timeoutMs: number; readonly resumed: boolean },
): Promise<PricedEndpoint> {
  const onState = (record: EndpointRecord, health: number | null): void =>
    writeLines(stderr, [plain(describeProgress(record, health))]);
  return await priced(await service.wait(name, { ...options, signal, onState }));
}

function describeProgress({ name, state, message }: EndpointRecord, health: number | null): string {
  const more = state === "running" ? (health === 200 ? "ready" : `not ready yet (${health ?? "no answer"})`) : message;
  return `${name}: ${describeEndpointState(state)}${more === null || more === "" ? "" : `, ${more}`}`;
}
