/** aiperf, told to make the load that `tiding bench` makes. Definitions were read in the sources of the pinned version. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { mean } from "./agreement.ts";
import type { BenchTask, BenchTool, ToolReport, ToolRun } from "./bench-tool.ts";
import { preparePeer } from "./peer-environment.ts";
import type { PeerEnvironment } from "./peer-environment.ts";
import { runTree } from "./process-tree.ts";

export async function openAiperf(say: (line: string) => void): Promise<BenchTool> {
  const environment = await preparePeer(say, { name: "aiperf", gigabytes: "1.2" });
  return {
    name: "aiperf",
    version: environment.version,
    definitions: {
      ttft: "time_to_first_token: first content − before it connects",
      tpot: "inter_token_latency: (latency − TTFT) / (N − 1), a request each",
      icl: "inter_chunk_latency: gaps between contents, pooled",
      e2e: "request_latency: last content − before it connects",
      out_tok_s: "output_token_throughput: tokens / benchmark_duration",
    },
    run: (task) => run(task, environment),
  };
}

async function run(task: BenchTask, { python, program }: PeerEnvironment): Promise<ToolRun> {
  const { url, model, prompts, tokens, concurrency, tokenizer, folder } = task;
  await mkdir(folder, { recursive: true });
  const data = join(folder, "prompts.jsonl");
  await writeFile(data, prompts.map((text) => `${JSON.stringify({ text })}\n`).join(""));
  const out = join(folder, "report");
  const options: Readonly<Record<string, string>> = {
    "--model": model,
    "--url": url,
    "--endpoint-type": "chat",
    "--concurrency": `${concurrency}`,
    "--request-count": `${prompts.length}`,
    "--input-file": data,
    "--custom-dataset-type": "single_turn",
    "--dataset-sampling-strategy": "sequential",
    "--extra-inputs": JSON.stringify({ max_tokens: tokens, ignore_eos: true }),
    "--tokenizer": tokenizer,
    // Of its nine processes; more of them would take a core from the server.
    "--workers-max": "1",
    "--record-processor-service-count": "1",
    // llama.cpp's server closes each connection that it said to keep, and aiperf fails requests that cross that.
    "--connection-reuse-strategy": "never",
    "--ui": "none",
    "--output-artifact-dir": out,
  };
  const flags = ["--streaming", "--use-server-token-count", "--no-server-metrics", "--no-gpu-telemetry"];
  const usage = await runTree({
    command: [python, program, "profile", ...Object.entries(options).flat(), ...flags],
    python,
    folder,
    // Offline it takes the tokenizer's folder for a repository's name. Nothing is fetched.
    environment: { HF_HUB_OFFLINE: undefined, TOKENIZERS_PARALLELISM: "false" },
  });
  const summary: unknown = JSON.parse(await readFile(join(out, "profile_export_aiperf.json"), "utf8"));
  const lines = (await readFile(join(out, "profile_export.jsonl"), "utf8")).trimEnd().split("\n");
  // A request that failed has no metrics; it is missed in the count.
  const answered = lines.map((line) => JSON.parse(line) as object).filter((line) => !("error" in line));
  return { ...readReport(summary, answered), ...usage };
}

const Average = z.object({ avg: z.number() });
const Report = z.object({
  time_to_first_token: Average,
  inter_token_latency: Average,
  inter_chunk_latency: Average,
  request_latency: Average,
  output_token_throughput: Average,
  usage_prompt_tokens: Average,
  usage_prompt_cache_read_tokens: Average.optional(),
  usage_completion_tokens: Average,
});
const value = z.object({ value: z.number() });
const Line = z.object({
  metrics: z.object({
    /** From before it connects to the request's last byte. */
    http_req_sending: value,
    inter_chunk_latency: z.object({ value: z.array(z.number()) }),
  }),
});

function readReport(summary: unknown, lines: readonly unknown[]): ToolReport {
  const report = Report.parse(summary);
  const requests = lines.map((line) => Line.parse(line).metrics);
  return {
    metrics: {
      ttft: report.time_to_first_token.avg,
      tpot: report.inter_token_latency.avg,
      icl: report.inter_chunk_latency.avg,
      e2e: report.request_latency.avg,
      out_tok_s: report.output_token_throughput.avg,
    },
    beforeSocketMs: mean(requests.map(({ http_req_sending }) => http_req_sending.value)),
    requests: requests.length,
    promptTokens: report.usage_prompt_tokens.avg,
    cachedTokens: report.usage_prompt_cache_read_tokens?.avg ?? 0,
    outputTokens: report.usage_completion_tokens.avg,
    // A gap less than contents, of each request.
    events: requests.reduce((sum, { inter_chunk_latency }) => sum + inter_chunk_latency.value.length + 1, 0),
  };
}
