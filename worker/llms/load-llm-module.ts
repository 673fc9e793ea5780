/** Custom LLM classes from modules of the user's own. */
import path from "node:path";
import { TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { SecretResolver } from "../../shared/spec/loaded-spec.ts";
import { callExport, loadModule } from "../../shared/task/module-code.ts";
import { LLM } from "./llm.ts";

/** What a custom LLM is made with, behind its `options`. */
export interface LLMContext {
  /** The step's `llm`, as validated. */
  readonly spec: LLMSpec;
  /** Resolves `api_key` and headers. */
  readonly secret: SecretResolver;
}

export interface LoadedLLMModule {
  readonly llm: LLM;
  readonly codeHash: string;
}

/**
 * Loads the module that `spec.class` names and makes its LLM: `new Class(options, context)`, or `make(options, context)`.
 * Throws `MODULE_INVALID`.
 */
export async function loadLLMModule(
  spec: LLMSpec,
  options: { readonly folder: string; readonly secret: SecretResolver },
): Promise<LoadedLLMModule> {
  const name = spec.class ?? "";
  const { exported, codeHash } = await loadModule(path.resolve(options.folder, name), { name });
  const context: LLMContext = { spec, secret: options.secret };
  const made: unknown =
    typeof exported === "function"
      ? await callExport(exported, { name, arguments: [spec.options ?? {}, context], construct: isLLMClass(exported) })
      : exported;
  if (!hasCall(made)) {
    throw new TidingError(
      "MODULE_INVALID",
      `The module ${name} exports no LLM: what it gives has no method \`call\`.`,
      {
        place: name,
        mend: "Write `export default class MyLLM extends LLM { ... }` with a method `call`, or export a function that returns one.",
      },
    );
  }
  return {
    llm: isWhole(made) ? made : new PartialLLM(made, spec.model_id ?? path.basename(name).replace(/\.[^.]+$/, "")),
    codeHash,
  };
}

/** A plain object with `call` alone is an LLM too: the rest takes the port's defaults. */
class PartialLLM extends LLM {
  readonly #made: Partial<LLM> & Pick<LLM, "call">;
  readonly #fallbackName: string;

  constructor(made: Partial<LLM> & Pick<LLM, "call">, fallbackName: string) {
    super();
    this.#made = made;
    this.#fallbackName = fallbackName;
  }

  get modelName(): string {
    return this.#made.modelName ?? this.#fallbackName;
  }
  override get endpoints(): readonly string[] {
    return this.#made.endpoints ?? super.endpoints;
  }
  override async probe(...given: Parameters<LLM["probe"]>): ReturnType<LLM["probe"]> {
    return await (this.#made.probe?.(...given) ?? super.probe(...given));
  }
  async call(...given: Parameters<LLM["call"]>): ReturnType<LLM["call"]> {
    return await this.#made.call(...given);
  }
  override async close(): Promise<void> {
    await this.#made.close?.();
  }
}

/** By shape: a class from a second copy of the package is not `instanceof LLM`, and every function has its own `call`. */
function isLLMClass(exported: unknown): boolean {
  return hasCall((exported as { readonly prototype?: unknown }).prototype);
}

function hasCall(value: unknown): value is Partial<LLM> & Pick<LLM, "call"> {
  return typeof value === "object" && value !== null && "call" in value && typeof value.call === "function";
}

function isWhole(made: Partial<LLM> & Pick<LLM, "call">): made is LLM {
  return (
    typeof made.modelName === "string" &&
    Array.isArray(made.endpoints) &&
    typeof made.probe === "function" &&
    typeof made.close === "function"
  );
}
