/** Secrets: kept as references in specs, resolved in the process that calls the endpoint, never stored or shown. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { TidingError } from "../errors.ts";
import { interpolate } from "./interpolate.ts";
import type { Environment } from "./interpolate.ts";
import type { SecretResolver } from "./loaded-spec.ts";

/**
 * Makes a resolver for `${NAME}` and for texts that hold several references. An empty variable counts as missing.
 * `HF_TOKEN` is also found where Hugging Face's tools keep it.
 */
export function secretResolver(environment: Environment): SecretResolver {
  function lookup(name: string): string | undefined {
    const value = name === "HF_TOKEN" ? huggingFaceToken(environment) : environment[name];
    return value === null || value === "" ? undefined : value;
  }
  return (reference) =>
    interpolate(reference, lookup, {
      missing: (name) => {
        throw new TidingError("SECRET_MISSING", `The environment variable ${name}, which holds a secret, is not set.`, {
          place: name,
          mend: name === "HF_TOKEN" ? "Set HF_TOKEN, or log in with `hf auth login`." : `Set ${name}.`,
        });
      },
      malformed: () => {
        throw new TidingError("SPEC_INVALID", "A secret's reference is not complete.", {
          mend: "Write it as ${NAME}.",
        });
      },
    });
}

/**
 * The Hugging Face token, or null: `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, the file at `HF_TOKEN_PATH`, or the file
 * `token` in `HF_HOME` (by default `huggingface` in `XDG_CACHE_HOME` or ~/.cache), as in huggingface_hub 1.x, `constants.py`.
 */
export function huggingFaceToken(environment: Environment): string | null {
  for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const token = environment[name]?.trim();
    if (token !== undefined && token !== "") return token;
  }
  const cache = environment["XDG_CACHE_HOME"] ?? path.join(environment["HOME"] ?? homedir(), ".cache");
  const home = environment["HF_HOME"] ?? path.join(cache, "huggingface");
  try {
    const token = readFileSync(environment["HF_TOKEN_PATH"] ?? path.join(home, "token"), "utf8").trim();
    return token === "" ? null : token;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}
