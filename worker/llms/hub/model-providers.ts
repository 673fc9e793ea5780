/** Which of the Hub's inference providers serve a model. */
import { TidingError } from "../../../shared/errors.ts";
import { isRecord, textOf } from "../recognise-server.ts";
import type { HubClient } from "./hub-client.ts";

export interface ModelProvider {
  readonly provider: string;
  /** The provider's own name for the model. */
  readonly providerId: string;
  /** `live`, `staging` or `error`. */
  readonly status: string;
  /** Of the Hub's tasks: `conversational` for chat, `text-to-image`. */
  readonly task: string;
}

/** Those for chat. `auto` is the router's own choice among them. Throws as `providersFor`. */
export function chatProviders(hub: HubClient, modelId: string, signal: AbortSignal): Promise<ModelProvider[]> {
  return providersFor(hub, modelId, { task: "conversational", called: "chat", signal });
}

/**
 * Those that the Hub lists for one of its tasks, the first one first. A model's name may end in `:provider` or a policy of
 * the router's. Throws `MODEL_NOT_FOUND`, and errors of the service.
 */
export async function providersFor(
  hub: HubClient,
  modelId: string,
  wanted: { readonly task: string; readonly called: string; readonly signal: AbortSignal },
): Promise<ModelProvider[]> {
  const { task: wantedTask, called, signal } = wanted;
  const repository = modelId.replace(/:[^:/]*$/, "");
  const path = repository.split("/").map(encodeURIComponent).join("/");
  const answer = await hub.get("hub", `/api/models/${path}?expand[]=inferenceProviderMapping`, signal);
  // The Hub answers 401 for what a visitor may not see, whether it exists or not.
  if (answer.status === 401 || answer.status === 404) {
    throw new TidingError("MODEL_NOT_FOUND", `The Hub shows no model ${repository} (${answer.status}).`, {
      place: "model_id",
      mend: "Check the name; for a private model, that the token may read it; for a server of your own, give base_url.",
    });
  }
  const providers = entriesOf(answer.object()["inferenceProviderMapping"]).filter(
    ({ task, status }) => task === wantedTask && status !== "error",
  );
  if (providers.length > 0) return providers;
  throw new TidingError("MODEL_NOT_FOUND", `No inference provider of the Hub serves ${repository} for ${called}.`, {
    place: "model_id",
    mend: `See https://huggingface.co/${repository} for its providers, or serve it on an endpoint of your own.`,
  });
}

/** The Hub writes a map of providers or, in newer forms, a list. */
function entriesOf(mapping: unknown): ModelProvider[] {
  const entries = Array.isArray(mapping)
    ? mapping
    : Object.entries(isRecord(mapping) ? mapping : {}).map(([provider, entry]) =>
        isRecord(entry) ? { provider, ...entry } : null,
      );
  return entries.filter(isRecord).flatMap((entry) => {
    const [provider, providerId] = [textOf(entry["provider"]), textOf(entry["providerId"])];
    if (provider === null || providerId === null) return [];
    return { provider, providerId, status: textOf(entry["status"]) ?? "live", task: textOf(entry["task"]) ?? "" };
  });
}
