import { Command } from "commander";
import { TidingError } from "../../../shared/errors.ts";
import type { EndpointHardware } from "../../../worker/llms/hub/endpoint-record.ts";
import type { EndpointSettings } from "../../../worker/llms/hub/endpoint-settings.ts";
import { describeInstance, describePrice } from "../../endpoints-view.ts";
import type { ExitCode, Finish } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import type { CliContext } from "../../terminal.ts";
import { plain } from "../../text.ts";
import { addNameArgument, addYesOption, declined, ENDPOINT_EXIT_CODES } from "./endpoint-command.ts";
import { tellEndpoint, withEndpoints, type OrderFlags, type Session } from "./endpoint-command.ts";
import { addSettingOptions, modelFlags, scalingFlags, type SettingFlags } from "./setting-options.ts";
import { addTimeoutOption, waitVisibly, type WaitFlags } from "./wait.ts";

interface CreateFlags extends OrderFlags, WaitFlags, SettingFlags {
  readonly model: string;
  readonly vendor: string;
  readonly region: string;
  readonly instanceType: string;
  readonly instanceSize: string;
  readonly wait?: true;
}

/** `tiding endpoints create` */
export function createEndpointCommand(context: CliContext, finish: Finish): Command {
  const command = addNameArgument(new Command("create"))
    .summary("create an endpoint; it starts at once")
    .description(
      "Creates a dedicated endpoint, after asking: it starts at once, and costs money from then on. " +
        "Secrets are named by the variables that hold them, and never shown.",
    )
    .requiredOption("--model <repository>", "on the Hub, e.g. meta-llama/Llama-3.1-8B-Instruct")
    .requiredOption("--vendor <name>", "e.g. aws")
    .requiredOption("--region <name>", "e.g. us-east-1")
    .requiredOption("--instance-type <name>", "e.g. nvidia-a10g")
    .requiredOption("--instance-size <name>", "e.g. x1");
  return addTimeoutOption(addYesOption(addSettingOptions(command)))
    .option("--wait", "until it can be called, or --timeout has passed")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          {
            command:
              "tiding endpoints create writer --model meta-llama/Llama-3.1-8B-Instruct \\\n" +
              "      --vendor aws --region us-east-1 --instance-type nvidia-a10g --instance-size x1 \\\n" +
              "      --scale-to-zero-after 15m --secret 'HF_TOKEN=${HF_TOKEN}' --wait",
            does: "scaled to zero when nobody calls it",
          },
        ],
        exitCodes: ENDPOINT_EXIT_CODES,
        next: "Next: `llm: { endpoint_name: NAME }` in a spec; `tiding endpoints hardware` lists instances.",
      }),
    )
    .action(async (name: string, flags: CreateFlags) => {
      finish(await withEndpoints(context, { flags, name }, (session) => create(context, session, flags)));
    });
}

async function create(context: CliContext, session: Session, flags: CreateFlags): Promise<ExitCode> {
  const { service, name, signal, offers, priced, agree } = session;
  const { model: repository, vendor, region, instanceType, instanceSize, type } = flags;
  const accelerator =
    flags.accelerator ?? (await acceleratorOf(session, { vendor, region, instanceType, instanceSize }));
  const hardware = { vendor, region, instanceType, instanceSize, accelerator };
  const scaling = scalingFlags(flags);
  const settings: EndpointSettings = {
    ...modelFlags(flags),
    ...scaling,
    name,
    repository,
    ...hardware,
    ...(type === undefined ? {} : { type }),
  };
  const { createOrder } = await import("../../../worker/llms/hub/endpoint-settings.ts");
  const { secretResolver } = await import("../../../shared/spec/secret.ts");
  // What is wrong with it is better said before the question.
  createOrder(settings, secretResolver(context.environment));
  const { endpointPrice } = await import("../../../worker/llms/hub/endpoint-hardware.ts");
  const replicas = { min: scaling.minReplica ?? null, max: scaling.maxReplica ?? 1, ready: null, target: null };
  const price = endpointPrice({ hardware, replicas }, await offers());
  const owner = await service.namespace({ signal });
  const question = `Create ${owner}/${name} on ${describeInstance({ hardware })}, for ${describePrice({ price, replicas })}?`;
  if (!(await agree(plain(question)))) return declined(context);
  const created = await service.create(settings, session);
  const endpoint = flags.wait
    ? await waitVisibly(context, session, { timeoutMs: flags.timeout, resumed: false })
    : await priced(created);
  return await tellEndpoint(context, {
    endpoint,
    json: flags.json ?? false,
    says: plain(`${owner}/${name} is created.`),
  });
}

/** Looked up, so that nobody has to write it. Throws `USAGE` for an instance that is not offered. */
export async function acceleratorOf(
  { offers }: Pick<Session, "offers">,
  hardware: Omit<EndpointHardware, "accelerator">,
): Promise<string> {
  const { offerOf } = await import("../../../worker/llms/hub/endpoint-hardware.ts");
  const accelerator = offerOf(hardware, await offers())?.accelerator ?? null;
  if (accelerator !== null) return accelerator;
  const instance = describeInstance({ hardware: { ...hardware, accelerator } });
  throw new TidingError("USAGE", `Hugging Face offers no ${instance}.`, {
    place: "--instance-type",
    mend: "`tiding endpoints hardware` lists what there is; --accelerator orders one that is not listed.",
  });
}
