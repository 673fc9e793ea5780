/** `tiding endpoints pause`, `resume`, `scale-to-zero` and `delete`: orders that need nothing but a name. */
import { Command } from "commander";
import { endpointTitle, type EndpointRecord } from "../../../worker/llms/hub/endpoint-record.ts";
import { describePrice } from "../../endpoints-view.ts";
import { EXIT, type ExitCode, type Finish } from "../../exit-codes.ts";
import { helpEnd, type Example } from "../../help.ts";
import type { CliContext } from "../../terminal.ts";
import { writeJson, writeLines } from "../../terminal.ts";
import { plain } from "../../text.ts";
import { addNameArgument, addYesOption, declined, ENDPOINT_EXIT_CODES } from "./endpoint-command.ts";
import { tellEndpoint, withEndpoints, type OrderFlags, type Session } from "./endpoint-command.ts";
import { addTimeoutOption, waitVisibly, type WaitFlags } from "./wait.ts";

export function orderCommands(context: CliContext, finish: Finish): readonly Command[] {
  const stopping = (word: "pause" | "scale-to-zero", texts: Texts & { readonly now: string }): Command =>
    order(new Command(word), texts).action(async (name: string, flags: OrderFlags) => {
      const code = await withEndpoints(context, { flags, name }, async (session) => {
        const { service } = session;
        const record = await (word === "pause"
          ? service.pause(session.name, session)
          : service.scaleToZero(session.name, session));
        const says = plain(`${endpointTitle(record)} ${texts.now}`);
        return await tellEndpoint(context, {
          endpoint: await session.priced(record),
          json: flags.json ?? false,
          says,
        });
      });
      finish(code);
    });
  return [
    stopping("pause", {
      summary: "stop an endpoint, and what it costs, until it is resumed",
      description: "Pauses an endpoint: it costs nothing, and starts again when it is resumed and not before.",
      examples: [
        { command: "tiding endpoints pause writer", does: "one of your own" },
        { command: "tiding endpoints pause my-org/writer --json", does: "an organisation's, for a program" },
      ],
      next: "Next: `tiding endpoints resume NAME --wait` starts it again.",
      now: "is paused: it costs nothing until it is resumed.",
    }),
    order(addTimeoutOption(addYesOption(new Command("resume"))), {
      summary: "start an endpoint that is paused or scaled to zero",
      description: "Resumes an endpoint, after asking: from then on it costs money. One that runs is left as it is.",
      examples: [
        { command: "tiding endpoints resume writer --wait", does: "and wait until it can be called" },
        { command: "tiding endpoints resume my-org/writer --yes", does: "unasked, as in a script" },
      ],
      next: "Next: `tiding endpoints wait NAME`; `tiding endpoints pause NAME` when it is no longer needed.",
    })
      .option("--wait", "until it can be called, or --timeout has passed")
      .action(async (name: string, flags: OrderFlags & WaitFlags & { readonly wait?: true }) => {
        finish(await withEndpoints(context, { flags, name }, (session) => resume(context, session, flags)));
      }),
    stopping("scale-to-zero", {
      summary: "stop an endpoint until a request wakes it",
      description: "Scales an endpoint to zero: it costs nothing until the next request to its URL, which starts it.",
      examples: [
        { command: "tiding endpoints scale-to-zero writer", does: "one of your own" },
        { command: "tiding endpoints scale-to-zero my-org/writer --json", does: "for a program" },
      ],
      next: "Next: `tiding endpoints pause NAME` stops it for requests too.",
      now: "is scaled to zero: it costs nothing until a request wakes it.",
    }),
    order(addYesOption(new Command("delete")), {
      summary: "delete an endpoint for good",
      description: "Deletes an endpoint with its settings and logs, after asking. It cannot be undone.",
      examples: [
        { command: "tiding endpoints delete writer", does: "asks first" },
        { command: "tiding endpoints delete my-org/writer --yes", does: "unasked, as in a script" },
      ],
      next: "Next: `tiding endpoints list` shows what is left. `pause` keeps an endpoint at no cost.",
    }).action(async (name: string, flags: OrderFlags) => {
      finish(await withEndpoints(context, { flags, name }, (session) => remove(context, session, flags)));
    }),
  ];
}

interface Texts {
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly Example[];
  readonly next: string;
}

function order(command: Command, { summary, description, examples, next }: Texts): Command {
  return addNameArgument(command)
    .summary(summary)
    .description(description)
    .addHelpText("after", helpEnd({ examples, exitCodes: ENDPOINT_EXIT_CODES, next }));
}

async function resume(
  context: CliContext,
  session: Session,
  { wait, timeout, json }: OrderFlags & WaitFlags & { readonly wait?: true },
): Promise<ExitCode> {
  const { service, name, priced, agree } = session;
  const before = await priced(await service.get(name, session));
  const title = plain(endpointTitle(before));
  let record: EndpointRecord = before;
  if (before.state !== "running") {
    if (!(await agree(`Resume ${title}, for ${describePrice(before)}?`))) return declined(context);
    record = await service.resume(name, session);
  }
  const endpoint = wait
    ? await waitVisibly(context, session, { timeoutMs: timeout, resumed: true })
    : await priced(record);
  const says = before.state === "running" ? `${title} runs already.` : `${title} is resumed.`;
  return await tellEndpoint(context, { endpoint, json: json ?? false, says });
}

async function remove(context: CliContext, session: Session, { json }: OrderFlags): Promise<ExitCode> {
  const { service, name, signal, agree } = session;
  const title = `${await service.namespace({ signal })}/${name}`;
  if (!(await agree(`Delete ${plain(title)} for good?`))) return declined(context);
  await service.delete(name, { signal });
  if (json) writeJson(context.stdout, { version: 1, deleted: title });
  else writeLines(context.stdout, [`${plain(title)} is deleted.`]);
  return EXIT.accepted;
}
