/** llama.cpp's server with the small model. */
import { availableParallelism } from "node:os";
import { freePort } from "../support/free-port.ts";
import { pythonProgram } from "./python-environment.ts";
import type { PythonEnvironment } from "./python-environment.ts";
import { ServerProcess } from "./server-process.ts";

/** Both are aliases; the server calls itself by the first, in the order of the alphabet. */
export const MODEL_NAMES = ["smollm2", "smollm2-135m-instruct"] as const;
/** Requests that it works on at a time, each with a context of its own. */
export const PARALLEL = 4;
export const CONTEXT_TOKENS = 1_024;

export class ModelServer extends ServerProcess {
  /** Where another program takes its port meanwhile, the server says so and ends. */
  static async create(
    { python, model }: PythonEnvironment,
    { parallel = PARALLEL }: { readonly parallel?: number } = {},
  ): Promise<ModelServer> {
    const port = await freePort();
    // One core is left to those who ask.
    const threads = Math.max(1, Math.min(4, availableParallelism() - 1));
    const options = { model, names: MODEL_NAMES, port, parallel, contextTokens: CONTEXT_TOKENS, threads };
    return new ModelServer({
      command: [python, pythonProgram("serve_model.py"), JSON.stringify(options)],
      port,
      // Threads that wait for one another give up the core, which matters wherever something else runs too.
      environment: { GOMP_SPINCOUNT: "0" },
    });
  }
}
