/** The tokenizer files of a Hub repository: asked for once, pinned to one commit, kept in the Hub's own cache folder. */
import { TidingError } from "../../../shared/errors.ts";
import type { Environment } from "../../../shared/spec/interpolate.ts";
import { huggingFaceToken } from "../../../shared/spec/secret.ts";
import { hubAddress } from "../hub/hub-client.ts";
import { HttpClient } from "../http-client.ts";
import type { HttpAnswer } from "../http-client.ts";
import { maySendKey } from "../request-headers.ts";
import { HubCache } from "./hub-cache.ts";
import type { TokenizerSource } from "./tokenizer-source.ts";

export interface HubSourceOptions {
  readonly environment: Environment;
  readonly signal?: AbortSignal;
}

const DOWNLOAD_TIMEOUT_MS = 300_000;
const REDIRECTS = 5;
const COMMIT = /^[0-9a-f]{40}$/;
/** The file that is asked for first: small, kept as it is in git, and there in every tokenizer's repository. */
const FIRST_FILE = "tokenizer_config.json";

/**
 * Opens a model repository at a branch, tag or commit. Asks the Hub which commit that is, unless it is one, or
 * HF_HUB_OFFLINE forbids; then every file comes from that commit, from the cache where it is there.
 * Throws `TOKENIZER_UNUSABLE`, `SPEC_INVALID` for an HF_ENDPOINT that is no URL, or the signal's reason.
 */
export async function openHubSource(
  repository: string,
  revision: string,
  options: HubSourceOptions,
): Promise<TokenizerSource> {
  const cache = new HubCache(repository, options.environment);
  const name = revision === "main" ? repository : `${repository}@${revision}`;
  if (isOffline(options.environment)) {
    const commit = COMMIT.test(revision) ? revision : await cache.commitOf(revision);
    const isThere = commit !== null && (await cache.read(commit, FIRST_FILE)) !== null;
    requireReadable(cache);
    if (!isThere) {
      throw unusable(`HF_HUB_OFFLINE is set, and the tokenizer of ${name} is not in the Hub's cache.`, {
        mend: `Fetch it once: unset HF_HUB_OFFLINE, or run \`hf download ${repository}\`.`,
      });
    }
    return {
      name,
      async read(file) {
        const text = await cache.read(commit, file);
        requireReadable(cache);
        return text;
      },
    };
  }
  const hub = new HubRepository(repository, name, options);
  const commit = COMMIT.test(revision) ? revision : await hub.pin(revision, cache);
  return {
    name,
    async read(file) {
      const kept = await cache.read(commit, file);
      if (kept !== null || (await cache.lacks(commit, file))) return kept;
      const { text } = await hub.fetch(commit, file);
      if (text === null) await cache.markLacking(commit, file);
      else await cache.keep(commit, file, text);
      return text;
    },
    advice: () =>
      cache.fault === null
        ? []
        : [
            `The Hub's cache ${cache.root} cannot be used (${cache.fault}): the tokenizer of ${name} is downloaded anew by each run. Make room in it, give yourself the right to write there, or set HF_HOME to another folder.`,
          ],
  };
}

/** Throws `TOKENIZER_UNUSABLE` where there is nothing to take the place of a cache that cannot be read. */
function requireReadable({ root, fault }: HubCache): void {
  if (fault === null) return;
  throw unusable(`HF_HUB_OFFLINE is set, and the Hub's cache ${root} cannot be read (${fault}).`, {
    mend: "Give yourself the right to read it, set HF_HOME to another folder, or unset HF_HUB_OFFLINE.",
  });
}

class HubRepository {
  readonly #repository: string;
  readonly #name: string;
  readonly #options: HubSourceOptions;
  readonly #base: URL;
  readonly #token: string | null;

  constructor(repository: string, name: string, options: HubSourceOptions) {
    this.#repository = repository;
    this.#name = name;
    this.#options = options;
    this.#base = new URL(hubAddress("hub", options.environment));
    this.#token = maySendKey(this.#base) ? huggingFaceToken(options.environment) : null;
  }

  /** The commit that a branch or tag is at now. */
  async pin(revision: string, cache: HubCache): Promise<string> {
    const { text, commit } = await this.fetch(revision, FIRST_FILE);
    if (commit === null) {
      throw unusable(`What answers at ${this.#base.origin} does not say which commit of ${this.#name} it sends.`, {
        mend: "Set HF_ENDPOINT to the Hub or a mirror that sends X-Repo-Commit, or give a local folder.",
      });
    }
    if (text !== null) await cache.keep(commit, FIRST_FILE, text);
    await cache.pin(revision, commit);
    return commit;
  }

  /** One file; its text is null where the commit lacks it. */
  async fetch(
    revision: string,
    file: string,
  ): Promise<{ readonly text: string | null; readonly commit: string | null }> {
    const prefix = this.#base.pathname.replace(/\/$/, "");
    let url = new URL(`${prefix}/${this.#repository}/resolve/${encodeURIComponent(revision)}/${file}`, this.#base);
    let commit: string | null = null;
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const answer = await this.#get(url);
      commit ??= commitOf(answer);
      if (answer.status === 200) return { text: answer.text, commit };
      const target = header(answer, "location");
      if (answer.status < 300 || answer.status >= 400 || target === null) {
        if (answer.status === 404 && header(answer, "x-error-code") === "EntryNotFound") return { text: null, commit };
        throw this.#refusal(answer, file);
      }
      url = new URL(target, url);
    }
    throw unusable(`${this.#base.origin} sends ${file} of ${this.#name} from one address to the next without end.`, {
      mend: "See whether HF_ENDPOINT is right.",
    });
  }

  async #get(url: URL): Promise<HttpAnswer> {
    const { environment, signal } = this.#options;
    const client = new HttpClient({
      endpoint: url.host,
      origin: url.origin,
      connections: 1,
      idleTimeoutMs: DOWNLOAD_TIMEOUT_MS,
      shortestTimeoutMs: DOWNLOAD_TIMEOUT_MS,
      environment,
    });
    // Large files come by redirect from other hosts, which must not see the token.
    const isHub = url.origin === this.#base.origin;
    const headers = isHub && this.#token !== null ? { authorization: `Bearer ${this.#token}` } : {};
    try {
      return await client.send({
        method: "GET",
        path: url.pathname + url.search,
        headers,
        body: null,
        signal: signal ?? new AbortController().signal,
        timeoutMs: DOWNLOAD_TIMEOUT_MS,
        reader: null,
      });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw unusable(`The tokenizer of ${this.#name} cannot be fetched: ${url.host} did not answer.`, {
        mend: "Try again later, set HF_HUB_OFFLINE=1 to use the copy in the Hub's cache, or give a local folder.",
        cause: error,
      });
    } finally {
      await client.close();
    }
  }

  #refusal(answer: HttpAnswer, file: string): TidingError {
    const { status } = answer;
    const code = header(answer, "x-error-code");
    const page = `${this.#base.origin}/${this.#repository}`;
    if (code === "GatedRepo" || status === 403) {
      return unusable(`The Hub gives ${this.#name} only to those who accepted its conditions (${status}).`, {
        mend: `Accept them at ${page}, and set HF_TOKEN to a token of that account, or run \`hf auth login\`.`,
      });
    }
    if (code === "RevisionNotFound") {
      return unusable(`${this.#repository} has no such revision: ${this.#name}.`, {
        mend: `See ${page} for its branches.`,
      });
    }
    // The Hub answers 401 for what a visitor may not see, whether it exists or not.
    if (status === 401 || status === 404) {
      const mend =
        this.#token === null ? ", and set HF_TOKEN where it is private." : ", and that HF_TOKEN may read it.";
      return unusable(`The Hub shows no model ${this.#repository} (${status}).`, { mend: `Check the name${mend}` });
    }
    return unusable(`The Hub did not send ${file} of ${this.#name} (${status}).`, {
      mend: "Try again later, or set HF_HUB_OFFLINE=1 to use the copy in the Hub's cache.",
    });
  }
}

/** As huggingface_hub reads it. */
function isOffline(environment: Environment): boolean {
  return ["1", "ON", "YES", "TRUE"].includes((environment["HF_HUB_OFFLINE"] ?? "").toUpperCase());
}

/** Null where it is none: it becomes part of paths. */
function commitOf(answer: HttpAnswer): string | null {
  const commit = header(answer, "x-repo-commit");
  return commit !== null && COMMIT.test(commit) ? commit : null;
}

function header({ headers }: HttpAnswer, name: string): string | null {
  const value = [headers[name]].flat()[0];
  return value === undefined || value === "" ? null : value;
}

function unusable(message: string, options: { readonly mend: string; readonly cause?: unknown }): TidingError {
  return new TidingError("TOKENIZER_UNUSABLE", message, { place: "tokenizer_id", ...options });
}
