import type { EndpointProbe } from "../jobs/probe-endpoint.ts";
import { formatCount, formatCounted, formatRate } from "./format.ts";
import type { Look } from "./text.ts";
import { labelled, labelWidth, paint, plain, wrap } from "./text.ts";

const SERVER_NAMES: Readonly<Record<EndpointProbe["server"], string>> = {
  tgi: "TGI",
  tei: "Text Embeddings Inference",
  vllm: "vLLM",
  sglang: "SGLang",
  llamacpp: "llama.cpp's server",
  openai: "OpenAI-compatible server",
  container: "endpoint container",
  unknown: "server that says nothing of itself",
};

/** What an endpoint is and takes, and below it what follows for a spec. */
export function renderProbe(probe: EndpointProbe, look: Look): string[] {
  const { server, serverVersion, endpoint, model, revision, latencyMs } = probe;
  const name = serverVersion === null ? SERVER_NAMES[server] : `${SERVER_NAMES[server]} ${plain(serverVersion)}`;
  return [
    `${paint(look, { text: name, style: "bold" })} at ${plain(endpoint)}`,
    "",
    ...labelled("model", [model, ...(revision === null ? [] : [`revision ${revision}`])], look),
    ...labelled("limits", limitTexts(probe), look),
    ...probe.routes.flatMap((route, index) => {
      const forms =
        route.structuredOutput.length === 0 ? "no structured output known" : route.structuredOutput.join(", ");
      return labelled(index === 0 ? "routes" : "", [`POST ${route.path}`, `takes ${route.takes}`, forms], look);
    }),
    ...labelled("latency", [`${formatRate(latencyMs)}ms for one GET`], look),
    ...adviceLines(probe.advice, look),
  ];
}

function limitTexts({ limits }: EndpointProbe): string[] {
  const { maxConcurrentRequests, maxInputTokens, maxTotalTokens, maxStopSequences } = limits;
  const texts = [
    maxConcurrentRequests === null ? null : `${formatCounted(maxConcurrentRequests, "request")} at a time`,
    maxInputTokens === null ? null : `prompts of ${formatCount(maxInputTokens)} tokens`,
    maxTotalTokens === null ? null : `${formatCount(maxTotalTokens)} tokens with the answer`,
    maxStopSequences === null ? null : formatCounted(maxStopSequences, "stop sequence"),
  ].filter((text) => text !== null);
  return texts.length === 0 ? ["none known"] : texts;
}

function adviceLines(advice: readonly string[], look: Look): string[] {
  if (advice.length === 0) return [];
  const mark = look.unicode ? "•" : "-";
  const width = Math.max(20, Math.min(look.width, 100) - labelWidth - 2);
  return [
    "",
    ...advice.flatMap((sentence, index) =>
      wrap(plain(sentence), width).map((line, at) => {
        const label = index === 0 && at === 0 ? "advice" : "";
        return `${paint(look, { text: label.padEnd(labelWidth), style: "dim" })}${at === 0 ? mark : " "} ${line}`;
      }),
    ),
  ];
}
