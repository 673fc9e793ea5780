/** vLLM's own server on CPUs with the small model, behind a key. */
import { availableParallelism } from "node:os";
import { freePort } from "../support/free-port.ts";
import { VLLM_NAMES } from "../support/vllm-calls.ts";
import { CONTEXT_TOKENS, PARALLEL } from "./model-server.ts";
import { pythonProgram } from "./python-environment.ts";
import { ServerProcess } from "./server-process.ts";
import type { ServerAccess } from "./server-process.ts";
import type { VllmEnvironment } from "./vllm-environment.ts";

/** The variable that jobs take the key from. */
const KEY_VARIABLE = "TIDING_REAL_VLLM_KEY";
const KEY = "key-of-the-real-vllm";

export class VllmServer extends ServerProcess {
  readonly key = KEY;

  static async create({ python, folder, modelFolder }: VllmEnvironment): Promise<VllmServer> {
    const port = await freePort();
    const options = { model: modelFolder, names: VLLM_NAMES, port, parallel: PARALLEL, contextTokens: CONTEXT_TOKENS };
    const server = new VllmServer({
      command: [python, pythonProgram("serve_vllm.py"), JSON.stringify(options)],
      port,
      // The model's name for its root is then no path of this machine.
      folder,
      environment: {
        VLLM_API_KEY: KEY,
        VLLM_CPU_KVCACHE_SPACE: "1",
        VLLM_CPU_OMP_THREADS_BIND: "nobind",
        OMP_NUM_THREADS: String(Math.max(1, Math.min(4, availableParallelism() - 1))),
        // Nothing is looked up, and nothing told.
        HF_HUB_OFFLINE: "1",
        VLLM_NO_USAGE_STATS: "1",
        CUDA_VISIBLE_DEVICES: "",
      },
    });
    process.env[KEY_VARIABLE] = KEY;
    return server;
  }

  /** By its second name: a job that names none takes the first. */
  override get access(): ServerAccess {
    return { base_url: this.url, model_id: VLLM_NAMES[1], api_key: `\${${KEY_VARIABLE}}` };
  }
}
