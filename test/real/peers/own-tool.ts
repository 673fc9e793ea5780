/** `tiding bench` as its users run it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RequestRecord } from "../../../bench/load/request-record.ts";
import { BenchReport } from "../../../bench/report/bench-report.ts";
import { mean } from "./agreement.ts";
import type { BenchTask, BenchTool, ToolReport, ToolRun } from "./bench-tool.ts";
import { runTree } from "./process-tree.ts";

const bin = fileURLToPath(new URL("../../../cli/bin.js", import.meta.url));

/** @param python that counts its CPU time. */
export function ownTool(python: string, version: string): BenchTool {
  return {
    name: "tiding bench",
    version,
    definitions: {
      ttft: "first token − handed to the socket",
      tpot: "(last token − first token) / (N − 1), a request each",
      itl: "gap of events / tokens of the later, a token each",
      icl: "gaps between events with content, pooled",
      e2e: "last token − handed to the socket",
      ntpot: "E2E / N, a request each",
      out_tok_s: "tokens of completed requests / window",
    },
    run: (task) => run(task, python),
  };
}

async function run({ url, model, prompts, tokens, concurrency, folder }: BenchTask, python: string): Promise<ToolRun> {
  await mkdir(folder, { recursive: true });
  const data = join(folder, "prompts.jsonl");
  await writeFile(data, prompts.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(""));
  const out = join(folder, "report");
  const load = ["--concurrency", `${concurrency}`, "--requests", `${prompts.length}`];
  const texts = ["--data", data, "--column", "prompt", "--no-nonce", "--max-tokens", `${tokens}`];
  const usage = await runTree({
    command: [
      process.execPath,
      bin,
      "bench",
      url,
      ...load,
      ...texts,
      "--route",
      "chat",
      "--model-id",
      model,
      "-q",
      "--out",
      out,
    ],
    python,
    folder,
  });
  const report = BenchReport.parse(JSON.parse(await readFile(join(out, "report.json"), "utf8")));
  const lines = (await readFile(join(out, "requests.jsonl"), "utf8")).trimEnd().split("\n");
  return {
    ...ownReport(
      report,
      lines.map((line) => JSON.parse(line) as RequestRecord),
    ),
    ...usage,
  };
}

function ownReport({ stages }: BenchReport, records: readonly RequestRecord[]): ToolReport {
  const [stage] = stages;
  if (stage === undefined) throw new Error("The report of tiding bench has no stage.");
  const { metrics, throughput, counts } = stage;
  const meanOf = (name: keyof typeof metrics): number => metrics[name].mean ?? NaN;
  return {
    metrics: {
      ttft: meanOf("ttft_service"),
      tpot: meanOf("tpot"),
      itl: meanOf("itl"),
      icl: meanOf("icl"),
      e2e: meanOf("e2e_service"),
      ntpot: meanOf("ntpot"),
      out_tok_s: throughput.out_tok_s_done,
    },
    beforeSocketMs: 0,
    requests: counts.ok,
    promptTokens: meanOf("prompt_tokens"),
    cachedTokens: mean(records.map(({ cachedTokens }) => cachedTokens ?? 0)),
    outputTokens: meanOf("output_tokens"),
    events: records.reduce((sum, { events }) => sum + events, 0),
  };
}
