import { Command } from "commander";
import type { EndpointRecord } from "../../../worker/llms/hub/endpoint-record.ts";
import { endpointTitle } from "../../../worker/llms/hub/endpoint-record.ts";
import type { EndpointChanges } from "../../../worker/llms/hub/endpoint-settings.ts";
import { describeInstance, describePrice, type PricedEndpoint } from "../../endpoints-view.ts";
import type { ExitCode, Finish } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import type { CliContext } from "../../terminal.ts";
import { plain } from "../../text.ts";
import { acceleratorOf } from "./create.ts";
import { addNameArgument, addYesOption, declined, ENDPOINT_EXIT_CODES } from "./endpoint-command.ts";
import { tellEndpoint, withEndpoints, type OrderFlags, type Session } from "./endpoint-command.ts";
import { addSettingOptions, modelFlags, scalingFlags, type SettingFlags } from "./setting-options.ts";

interface UpdateFlags extends OrderFlags, SettingFlags {
  readonly model?: string;
  readonly instanceType?: string;
  readonly instanceSize?: string;
}

/** `tiding endpoints update` */
export function updateEndpointCommand(context: CliContext, finish: Finish): Command {
  const command = addNameArgument(new Command("update"))
    .summary("change an endpoint; what is not named stays")
    .description(
      "Changes an endpoint. What is not named stays, variables of --env too; secrets take the place of all that " +
        "there were, for Hugging Face shows none. What may cost more is asked about first.",
    )
    .option("--model <repository>", "another model of the Hub's")
    .option("--instance-type <name>", "another instance, e.g. nvidia-a10g")
    .option("--instance-size <name>", "another size of it, e.g. x4");
  return addYesOption(addSettingOptions(command))
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding endpoints update writer --max-replica 4", does: "asks first: it may cost more" },
          { command: "tiding endpoints update writer --env MAX_BATCH_PREFILL_TOKENS=4096", does: "one variable" },
        ],
        exitCodes: ENDPOINT_EXIT_CODES,
        next: "Next: `tiding endpoints wait NAME`.",
      }),
    )
    .action(async (name: string, flags: UpdateFlags) => {
      finish(await withEndpoints(context, { flags, name }, (session) => update(context, session, flags)));
    });
}

async function update(context: CliContext, session: Session, flags: UpdateFlags): Promise<ExitCode> {
  const { service, name, priced, agree } = session;
  const before = await priced(await service.get(name, session));
  const changes = await changesOf(session, flags, before);
  const after = await priced({ ...before, ...changed(before, changes) });
  const title = plain(endpointTitle(before));
  if (mayCostMore(before, after)) {
    const question = `Change ${title} to ${describeInstance(after)}, for ${describePrice(after)}?`;
    if (!(await agree(plain(question)))) return declined(context);
  }
  const endpoint = await priced(await service.update(name, changes, session));
  return await tellEndpoint(context, { endpoint, json: flags.json ?? false, says: `${title} is changed.` });
}

async function changesOf(session: Session, flags: UpdateFlags, before: EndpointRecord): Promise<EndpointChanges> {
  const { model: repository, instanceType, instanceSize, type } = flags;
  const { env, ...model } = modelFlags(flags);
  let { accelerator } = flags;
  if (accelerator === undefined && (instanceType !== undefined || instanceSize !== undefined)) {
    accelerator = await acceleratorOf(session, {
      ...before.hardware,
      ...(instanceType === undefined ? {} : { instanceType }),
      ...(instanceSize === undefined ? {} : { instanceSize }),
    });
  }
  return {
    ...model,
    ...(env === undefined ? {} : { env: { ...before.env, ...env } }),
    ...scalingFlags(flags),
    ...(repository === undefined ? {} : { repository }),
    ...(accelerator === undefined ? {} : { accelerator }),
    ...(instanceType === undefined ? {} : { instanceType }),
    ...(instanceSize === undefined ? {} : { instanceSize }),
    ...(type === undefined ? {} : { type }),
  };
}

function changed(
  { hardware, replicas, scaleToZeroMinutes: before }: EndpointRecord,
  changes: EndpointChanges,
): Pick<EndpointRecord, "hardware" | "replicas" | "scaleToZeroMinutes"> {
  const { minReplica, maxReplica, scaleToZeroMinutes = before, instanceType, instanceSize } = changes;
  return {
    hardware: {
      ...hardware,
      ...(instanceType === undefined ? {} : { instanceType }),
      ...(instanceSize === undefined ? {} : { instanceSize }),
    },
    replicas: {
      ...replicas,
      min: minReplica ?? (changes.scaleToZeroMinutes ? 0 : replicas.min),
      max: maxReplica ?? replicas.max,
    },
    scaleToZeroMinutes,
  };
}

/** Another instance counts as more where its price is not known. */
export function mayCostMore(before: PricedEndpoint, after: PricedEndpoint): boolean {
  const isOther = describeInstance(before) !== describeInstance(after);
  const isDearer = before.price === null || after.price === null || after.price.perReplica > before.price.perReplica;
  return (
    (isOther && isDearer) ||
    (after.replicas.max ?? 0) > (before.replicas.max ?? 0) ||
    (after.replicas.min ?? 0) > (before.replicas.min ?? 0) ||
    (before.scaleToZeroMinutes !== null &&
      (after.scaleToZeroMinutes === null || after.scaleToZeroMinutes > before.scaleToZeroMinutes))
  );
}
