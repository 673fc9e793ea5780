/** guidellm, told to make the load that `tiding bench` makes. Definitions were read in the sources of the pinned version. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { mean } from "./agreement.ts";
import type { BenchTask, BenchTool, ToolReport, ToolRun } from "./bench-tool.ts";
import { preparePeer } from "./peer-environment.ts";
import type { PeerEnvironment } from "./peer-environment.ts";
import { runTree } from "./process-tree.ts";

export async function openGuidellm(say: (line: string) => void): Promise<BenchTool> {
  const environment = await preparePeer(say, { name: "guidellm", gigabytes: "6" });
  return {
    name: "guidellm",
    version: environment.version,
    definitions: {
      ttft: "time_to_first_token_ms: first token − first header written",
      tpot: "inter_token_latency_ms of each request: (last − first) / (N − 1)",
      itl: "inter_token_latency_ms: the same, weighted by N − 1",
      e2e: "last_token_iteration − request_start",
      ntpot: "time_per_output_token_ms: (last token − start) / N, weighted by N",
      out_tok_s: "output_tokens_per_second: tokens / duration",
    },
    run: (task) => run(task, environment),
  };
}

async function run(task: BenchTask, { python, program }: PeerEnvironment): Promise<ToolRun> {
  const { url, model, prompts, tokens, concurrency, tokenizer, folder } = task;
  await mkdir(folder, { recursive: true });
  const data = join(folder, "prompts.jsonl");
  // By this column it asks for so many tokens with `ignore_eos`.
  const rows = prompts.map((prompt) => `${JSON.stringify({ prompt, output_tokens_count: tokens })}\n`);
  await writeFile(data, rows.join(""));
  const out = join(folder, "report.json");
  const options: Readonly<Record<string, string>> = {
    "--backend": `kind=openai_http,target=${url},model=${model},request_format=/v1/chat/completions,stream=true`,
    "--profile": `kind=concurrent,streams=${concurrency}`,
    "--constraint": `kind=max_requests,count=${prompts.length}`,
    "--tokenizer": `kind=huggingface_auto,model=${tokenizer}`,
    "--data": `kind=json_file,path=${data}`,
    "--output": `kind=json,path=${out}`,
  };
  const usage = await runTree({
    command: [python, program, "run", ...Object.entries(options).flat(), "--disable-console"],
    python,
    folder,
    // One process that sends: a second would take a core from the server and be idle half of the time.
    environment: { HF_HUB_OFFLINE: "1", TOKENIZERS_PARALLELISM: "false", GUIDELLM__MAX_WORKER_PROCESSES: "1" },
  });
  return { ...readReport(JSON.parse(await readFile(out, "utf8"))), ...usage };
}

const Summary = z.object({ successful: z.object({ mean: z.number() }) });
const Report = z.object({
  benchmarks: z.tuple([
    z.object({
      metrics: z.object({
        time_to_first_token_ms: Summary,
        inter_token_latency_ms: Summary,
        time_per_output_token_ms: Summary,
        output_tokens_per_second: Summary,
      }),
      requests: z.object({
        successful: z.array(
          z.object({
            inter_token_latency_ms: z.number(),
            prompt_tokens: z.number(),
            cached_tokens: z.number().nullable(),
            output_tokens: z.number(),
            info: z.object({
              timings: z.object({
                request_start: z.number(),
                last_token_iteration: z.number(),
                token_iterations: z.number(),
              }),
            }),
          }),
        ),
      }),
    }),
  ]),
});

function readReport(json: unknown): ToolReport {
  const { metrics, requests } = Report.parse(json).benchmarks[0];
  const { successful } = requests;
  const timings = successful.map(({ info }) => info.timings);
  return {
    metrics: {
      ttft: metrics.time_to_first_token_ms.successful.mean,
      tpot: mean(successful.map(({ inter_token_latency_ms }) => inter_token_latency_ms)),
      itl: metrics.inter_token_latency_ms.successful.mean,
      e2e: mean(timings.map((timing) => (timing.last_token_iteration - timing.request_start) * 1_000)),
      ntpot: metrics.time_per_output_token_ms.successful.mean,
      out_tok_s: metrics.output_tokens_per_second.successful.mean,
    },
    beforeSocketMs: 0,
    requests: successful.length,
    promptTokens: mean(successful.map(({ prompt_tokens }) => prompt_tokens)),
    cachedTokens: mean(successful.map(({ cached_tokens }) => cached_tokens ?? 0)),
    outputTokens: mean(successful.map(({ output_tokens }) => output_tokens)),
    events: timings.reduce((sum, { token_iterations }) => sum + token_iterations, 0),
  };
}
