/**
 * What an endpoint is created with, and what may be changed of it: from the library's words to the management API's.
 *
 * Source: huggingface_hub 1.x, `hf_api.py` (`create_inference_endpoint`, `update_inference_endpoint`): defaults are theirs.
 * `model.task` has to be left out rather than null; the image is a union of one key, whose unknown fields are dropped in
 * silence.
 */
import { TidingError } from "../../../shared/errors.ts";
import type { SecretResolver } from "../../../shared/spec/loaded-spec.ts";

export type EndpointType = "public" | "authenticated" | "private";

/** A container of one's own, in place of Hugging Face's. */
export interface EndpointImage {
  /** As `docker pull` takes it. */
  readonly url: string;
  /** Answers 200 once the model can be called; `/health` for most servers. */
  readonly healthRoute?: string;
  readonly port?: number;
  /** For a private registry. `password` is a reference: `${NAME}`. */
  readonly credentials?: { readonly username: string; readonly password: string };
}

export interface EndpointModel {
  /** On the Hub: `org/model`. */
  readonly repository: string;
  readonly revision?: string;
  /** `pytorch` when absent; `custom` and others as the API takes them. */
  readonly framework?: string;
  /** Taken from the repository when absent. */
  readonly task?: string;
  /** Hugging Face's own container when absent. */
  readonly image?: EndpointImage;
  /** Of the container; the model is mounted at `/repository`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Each a reference, `${NAME}`, resolved when the order is sent. */
  readonly secrets?: Readonly<Record<string, string>>;
}

export interface EndpointScaling {
  /** 0 with `scaleToZeroMinutes`, which any other number forbids; 1 for a new endpoint without it. */
  readonly minReplica?: number;
  /** 1 for a new endpoint. */
  readonly maxReplica?: number;
  /** Without requests for so many minutes, it is scaled to zero; null for never. */
  readonly scaleToZeroMinutes?: number | null;
}

export interface EndpointSettings extends EndpointModel, EndpointScaling {
  readonly name: string;
  readonly vendor: string;
  readonly region: string;
  readonly accelerator: string;
  readonly instanceType: string;
  readonly instanceSize: string;
  /** `authenticated` when absent: a token of Hugging Face's is needed to call it. */
  readonly type?: EndpointType;
}

/** What is absent stays as it is. `env` and `secrets` take the place of all that there were. */
export interface EndpointChanges extends Partial<EndpointModel>, EndpointScaling {
  readonly accelerator?: string;
  readonly instanceType?: string;
  readonly instanceSize?: string;
  readonly type?: EndpointType;
}

/** A body to send, and the secrets in it. */
export interface EndpointOrder {
  readonly body: Readonly<Record<string, unknown>>;
  readonly secrets: readonly string[];
}

/** Throws `SECRET_MISSING`, and `SPEC_INVALID` for a secret that is no reference, or replicas that do not go together. */
export function createOrder(settings: EndpointSettings, secret: SecretResolver): EndpointOrder {
  const { name, vendor, region, accelerator, instanceType, instanceSize, type = "authenticated" } = settings;
  const { minReplica = 1, maxReplica = 1, scaleToZeroMinutes = null } = scalingOf(settings);
  const model = modelOf({ framework: "pytorch", ...settings }, secret);
  return {
    secrets: model.secrets,
    body: {
      name,
      type,
      accountId: null,
      provider: { vendor, region },
      compute: {
        accelerator,
        instanceType,
        instanceSize,
        scaling: { minReplica, maxReplica, scaleToZeroTimeout: scaleToZeroMinutes },
      },
      model: { revision: null, image: { huggingface: {} }, ...model.body },
    },
  };
}

/** Throws as `createOrder` does, and `SPEC_INVALID` where nothing changes. */
export function updateOrder(changes: EndpointChanges, secret: SecretResolver): EndpointOrder {
  const { accelerator, instanceType, instanceSize, type } = changes;
  const { minReplica, maxReplica, scaleToZeroMinutes } = scalingOf(changes);
  const scaling = given({ minReplica, maxReplica, scaleToZeroTimeout: scaleToZeroMinutes });
  const model = modelOf(changes, secret);
  const body = given({
    type,
    compute: filled({ ...given({ accelerator, instanceType, instanceSize }), ...given({ scaling: filled(scaling) }) }),
    model: filled(model.body),
  });
  if (Object.keys(body).length === 0) throw invalid("changes", "Nothing is to be changed.", "Say what.");
  return { body, secrets: model.secrets };
}

function modelOf(model: Partial<EndpointModel>, secret: SecretResolver): EndpointOrder {
  const { repository, revision, framework, task, image, env, secrets = {} } = model;
  const used: string[] = [];
  const resolve = (place: string, reference: string): string => {
    if (!/^\$\{[A-Za-z_]\w*\}$/.test(reference)) {
      throw invalid(
        place,
        "A secret is given as a reference to the variable that holds it.",
        "Write it as ${NAME}, and set that variable.",
      );
    }
    const value = secret(reference);
    used.push(value);
    return value;
  };
  const resolved = Object.entries(secrets).map(([name, reference]) => [name, resolve(`secrets.${name}`, reference)]);
  const { credentials, ...container } = image ?? { url: "" };
  const custom = given({
    ...container,
    credentials: credentials && {
      username: credentials.username,
      password: resolve("image.credentials.password", credentials.password),
    },
  });
  return {
    body: given({
      repository,
      revision,
      framework,
      task,
      image: image && { custom },
      env,
      secrets: model.secrets && (Object.fromEntries(resolved) as Record<string, string>),
    }),
    secrets: used,
  };
}

function scalingOf({ minReplica, maxReplica, scaleToZeroMinutes }: EndpointScaling): EndpointScaling {
  if (minReplica !== undefined && maxReplica !== undefined && minReplica > maxReplica) {
    const mend = "Raise maxReplica, or lower minReplica.";
    throw invalid("minReplica", `minReplica is ${minReplica}, above maxReplica, ${maxReplica}.`, mend);
  }
  if (typeof scaleToZeroMinutes !== "number") return given({ minReplica, maxReplica, scaleToZeroMinutes });
  if (minReplica !== undefined && minReplica > 0) {
    const mend = "Give minReplica 0, or leave scaleToZeroMinutes out.";
    throw invalid("minReplica", `An endpoint of at least ${minReplica} replicas is never scaled to zero.`, mend);
  }
  return given({ minReplica: 0, maxReplica, scaleToZeroMinutes });
}

function invalid(place: string, message: string, mend: string): TidingError {
  return new TidingError("SPEC_INVALID", message, { place, mend });
}

function given(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Undefined for a map of nothing. */
function filled(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  return Object.keys(values).length === 0 ? undefined : values;
}
