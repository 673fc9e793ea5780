/** Where a model's tokenizer files come from: a folder, a tokenizer.json, or a repository of the Hugging Face Hub. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { TidingError } from "../../../shared/errors.ts";
import type { Environment } from "../../../shared/spec/interpolate.ts";
import { openHubSource } from "./hub-source.ts";
import type { TokenizerSource } from "./tokenizer-source.ts";
import { isAbsence, readIfThere } from "./read-if-there.ts";

export interface TokenizerSourceOptions {
  /** What relative paths are relative to. */
  readonly folder: string;
  /** HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE and their like, and proxies. */
  readonly environment: Environment;
  readonly signal?: AbortSignal;
}

const HUB_ID = /^(?<repository>[\w.-]+(?:\/[\w.-]+)?)(?:@(?<revision>(?!.*\.\.)[\w./-]+))?$/;

/**
 * Opens what `tokenizer_id` names. As in transformers, a folder that exists comes before a repository of the same name.
 * Throws `TOKENIZER_UNUSABLE`, `SPEC_INVALID` for an HF_ENDPOINT that is no URL, or the signal's reason.
 */
export async function openTokenizerSource(id: string, options: TokenizerSourceOptions): Promise<TokenizerSource> {
  const location = path.resolve(options.folder, id);
  const found = await kindOf(location);
  if (found === "folder") return localSource(id, location, "tokenizer.json");
  if (found === "file") return localSource(id, path.dirname(location), path.basename(location));
  const hub = HUB_ID.exec(id)?.groups;
  if (hub === undefined || path.isAbsolute(id) || id.startsWith(".") || id.endsWith(".json")) {
    throw new TidingError("TOKENIZER_UNUSABLE", `${id} is neither a folder nor a file.`, {
      place: "tokenizer_id",
      mend: "Give a folder with tokenizer.json and tokenizer_config.json, or a Hub id such as org/name.",
    });
  }
  const { repository = id, revision = "main" } = hub;
  return openHubSource(repository, revision, options);
}

function localSource(name: string, folder: string, tokenizerFile: string): TokenizerSource {
  return {
    name,
    read: (file) => readIfThere(path.join(folder, file === "tokenizer.json" ? tokenizerFile : file)),
  };
}

async function kindOf(location: string): Promise<"folder" | "file" | null> {
  try {
    return (await stat(location)).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (isAbsence(error)) return null;
    throw error;
  }
}
