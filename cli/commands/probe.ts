import { Command } from "commander";
import { inFlags, keyReference } from "../endpoint-flags.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { watchInterrupts } from "../interrupts.ts";
import type { CliContext } from "../terminal.ts";
import { lookOf, writeJson, writeLines } from "../terminal.ts";

interface ProbeFlags {
  readonly apiKeyEnv?: string;
  readonly modelId?: string;
  readonly json?: true;
}

/** `tiding probe`: what an endpoint is, and what to write into a spec for it. */
export function probeCommand(context: CliContext, finish: Finish): Command {
  return new Command("probe")
    .summary("ask an endpoint what it is, serves and takes; nothing is generated")
    .description(
      "Asks an endpoint which server it is, in which version, which model it serves, its limits, its routes and the " +
        "structured output that they take, and says what to set in a spec. Nothing is generated, so nothing is paid.",
    )
    .argument("<url>", "the endpoint, as a spec's base_url: with or without /v1")
    .option("--api-key-env <name>", "variable that holds the key; HF_TOKEN is taken by itself for Hugging Face")
    .option("--model-id <name>", "the model that a job would ask for, where several are served")
    .option("--json", "print one JSON document on standard output")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding probe http://127.0.0.1:8080", does: "a server of your own" },
          {
            command: "tiding probe https://api.example.com/v1 --api-key-env MY_KEY --model-id my-model",
            does: "a gateway with many models",
          },
          { command: "tiding probe http://10.0.0.7:8000 --json | jq .limits", does: "for a program" },
        ],
        exitCodes: `Exit codes:
  0    the endpoint answered, and serves a model
  1    it cannot be reached, is still loading, refuses the key, or is no model server
  2    the URL or an option is wrong, or the variable with the key is not set
  130  interrupted`,
        next: "Next: write it into a spec as base_url, then `tiding preview job.yaml`.",
      }),
    )
    .action(async (url: string, flags: ProbeFlags) => {
      finish(await probe(context, url, flags));
    });
}

async function probe(context: CliContext, url: string, { apiKeyEnv, modelId, json }: ProbeFlags): Promise<ExitCode> {
  const { stdout, environment, signals } = context;
  const { probeEndpoint } = await import("../../jobs/probe-endpoint.ts");
  const stop = new AbortController();
  using _interrupts = watchInterrupts(signals, () => stop.abort());
  const llm = {
    base_url: url,
    ...(apiKeyEnv === undefined ? {} : { api_key: keyReference(apiKeyEnv) }),
    ...(modelId === undefined ? {} : { model_id: modelId }),
  };
  const probed = await probeEndpoint({ llm, environment, signal: stop.signal }).catch((error: unknown) => {
    throw inFlags(error);
  });
  if (json) writeJson(stdout, probed);
  else {
    const { renderProbe } = await import("../probe-view.ts");
    writeLines(stdout, renderProbe(probed, lookOf(stdout, environment)));
  }
  return EXIT.accepted;
}
