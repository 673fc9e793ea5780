import { Command } from "commander";
import type { HardwareOffer } from "../../../worker/llms/hub/endpoint-hardware.ts";
import { EXIT, type Finish } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import type { CliContext } from "../../terminal.ts";
import { lookOf, writeJson, writeLines } from "../../terminal.ts";
import { addEndpointFlags, ENDPOINT_EXIT_CODES, withEndpoints, type EndpointFlags } from "./endpoint-command.ts";

interface HardwareFlags extends EndpointFlags {
  readonly vendor?: string;
  readonly region?: string;
  readonly accelerator?: string;
}

/** `tiding endpoints hardware` */
export function hardwareCommand(context: CliContext, finish: Finish): Command {
  return addEndpointFlags(new Command("hardware"))
    .summary("what endpoints can run on, with prices")
    .description("Lists what the namespace can run endpoints on: vendors, regions, instances, prices, what is left.")
    .option("--vendor <name>", "of this vendor alone, e.g. aws")
    .option("--region <name>", "in this region alone, e.g. us-east-1")
    .option("--accelerator <kind>", "of this kind alone, e.g. gpu")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding endpoints hardware --vendor aws --accelerator gpu", does: "GPUs of one vendor" },
          { command: "tiding endpoints hardware --namespace my-org --json", does: "with an organisation's quota" },
        ],
        exitCodes: ENDPOINT_EXIT_CODES,
        next: "Next: `tiding endpoints create NAME --vendor … --region … --instance-type … --instance-size …`.",
      }),
    )
    .action(async (flags: HardwareFlags) => {
      const code = await withEndpoints(context, { flags }, async ({ service, signal }) => {
        const { stdout, environment } = context;
        const offers = (await service.hardware({ signal })).filter((offer) => isWanted(offer, flags));
        if (flags.json)
          writeJson(stdout, { version: 1, namespace: await service.namespace({ signal }), hardware: offers });
        else {
          const { renderHardware } = await import("../../endpoints-view.ts");
          writeLines(stdout, renderHardware(offers, lookOf(stdout, environment)));
        }
        return EXIT.accepted;
      });
      finish(code);
    });
}

function isWanted(offer: HardwareOffer, { vendor, region, accelerator }: HardwareFlags): boolean {
  return (
    (vendor === undefined || offer.vendor === vendor) &&
    (region === undefined || offer.region === region) &&
    (accelerator === undefined || offer.accelerator === accelerator)
  );
}
