/** Options that say what an endpoint is: shared by `create` and `update`. */
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { TidingError } from "../../../shared/errors.ts";
import type {
  EndpointImage,
  EndpointModel,
  EndpointScaling,
  EndpointType,
} from "../../../worker/llms/hub/endpoint-settings.ts";
import { duration, positiveNumber, wholeNumber } from "../../options.ts";

export interface SettingFlags {
  readonly revision?: string;
  readonly framework?: string;
  readonly task?: string;
  readonly accelerator?: string;
  readonly imageUrl?: string;
  readonly healthRoute?: string;
  readonly port?: number;
  readonly registryUser?: string;
  readonly registryPassword?: string;
  readonly env?: readonly string[];
  readonly secret?: readonly string[];
  readonly minReplica?: number;
  readonly maxReplica?: number;
  /** Minutes. */
  readonly scaleToZeroAfter?: number | "never";
  readonly type?: EndpointType;
}

export function addSettingOptions(command: Command): Command {
  return command
    .option("--revision <name>", "branch, tag or commit of the model")
    .option("--framework <name>", "of the model; pytorch for a new endpoint")
    .option("--task <name>", "such as text-generation; told by the model's repository if absent")
    .option("--accelerator <kind>", "cpu, gpu, …; told by the list of hardware if absent")
    .option("--image-url <image>", "a container of your own, e.g. vllm/vllm-openai:v0.12.0")
    .option("--health-route <path>", "with --image-url: answers 200 once the model can be called, e.g. /health")
    .option("--port <port>", "with --image-url: on which it listens", positiveNumber)
    .option("--registry-user <name>", "with --image-url: who signs in to its registry")
    .option("--registry-password <${NAME}>", "the variable with the password, in single quotes")
    .option("--env <key=value>", "a variable of the container; repeatable", collect)
    .option(
      "--secret <key=${NAME}>",
      "a secret one, by the variable that holds it, in single quotes; repeatable",
      collect,
    )
    .option("--min-replica <number>", "fewest replicas; 0 lets it scale to zero", wholeNumber)
    .option("--max-replica <number>", "most replicas", positiveNumber)
    .option("--scale-to-zero-after <duration>", "without requests for so long, such as 15m, or never", minutes)
    .addOption(new Option("--type <type>", "who may call it").choices(["public", "authenticated", "private"]));
}

/** What the flags say of model and container. Throws `USAGE`, without repeating a value. */
export function modelFlags(flags: SettingFlags): Partial<EndpointModel> {
  const { revision, framework, task, env, secret } = flags;
  const image = imageFlags(flags);
  return {
    ...(revision === undefined ? {} : { revision }),
    ...(framework === undefined ? {} : { framework }),
    ...(task === undefined ? {} : { task }),
    ...(image === undefined ? {} : { image }),
    ...(env === undefined ? {} : { env: pairs(env, "--env", "--env KEY=VALUE") }),
    ...(secret === undefined ? {} : { secrets: pairs(secret, "--secret", "--secret 'KEY=${NAME}'") }),
  };
}

export function scalingFlags({ minReplica, maxReplica, scaleToZeroAfter }: SettingFlags): EndpointScaling {
  return {
    ...(minReplica === undefined ? {} : { minReplica }),
    ...(maxReplica === undefined ? {} : { maxReplica }),
    ...(scaleToZeroAfter === undefined
      ? {}
      : { scaleToZeroMinutes: scaleToZeroAfter === "never" ? null : scaleToZeroAfter }),
  };
}

function imageFlags(flags: SettingFlags): EndpointImage | undefined {
  const { imageUrl: url, healthRoute, port, registryUser: username, registryPassword: password } = flags;
  if (url === undefined) {
    if (healthRoute === undefined && port === undefined && username === undefined && password === undefined)
      return undefined;
    throw new TidingError("USAGE", "--health-route, --port and --registry-… describe a container of your own.", {
      mend: "Name it: --image-url IMAGE.",
    });
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new TidingError("USAGE", "--registry-user and --registry-password go together.", { mend: "Give both." });
  }
  return {
    url,
    ...(healthRoute === undefined ? {} : { healthRoute }),
    ...(port === undefined ? {} : { port }),
    ...(username === undefined || password === undefined ? {} : { credentials: { username, password } }),
  };
}

/** The values are never repeated: a shell may have put a secret in place of its name. */
function pairs(texts: readonly string[], place: string, form: string): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      throw new TidingError("USAGE", `${place} has no name and value.`, { place, mend: `Write ${form}.` });
    }),
  );
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

/** Whole minutes, as the service counts them. */
function minutes(text: string): number | "never" {
  // Not null, which commander takes for an option without a value.
  if (text === "never") return text;
  const count = duration(text) / 60_000;
  if (count < 1 || !Number.isInteger(count))
    throw new InvalidArgumentError("Expected whole minutes, such as 15m or 2h.");
  return count;
}
