import type { BenchReport, Distribution, StageMetrics, StageReport } from "../bench-report.ts";
import { shownCount, shownNumber, shownShare, shownWhole } from "../numbers.ts";
import { htmlPairs, htmlTable } from "./html.ts";
import type { Html, HtmlColumn } from "./html.ts";

type Quantile = "p50" | "p90" | "p99";

/** The stages with the figures that one looks for first. */
export function stageTable({ stages, slo }: BenchReport): Html {
  const latency = (group: string, of: (stage: StageReport) => Distribution, quantiles: readonly Quantile[]) =>
    quantiles.map((key): HtmlColumn<StageReport> => ({
      group,
      title: key,
      text: (stage) => shownNumber(of(stage)[key]),
    }));
  const columns: HtmlColumn<StageReport>[] = [
    { title: "Stage", text: ({ name }) => name },
    { group: "req/s", title: "due", text: ({ throughput }) => shownNumber(throughput.offered_req_s) },
    { group: "req/s", title: "finished", text: ({ throughput }) => shownNumber(throughput.req_s) },
    { title: "in flight", text: ({ throughput }) => shownNumber(throughput.concurrency) },
    { title: "ok", text: ({ counts }) => shownWhole(counts.ok) },
    {
      title: "failed",
      text: ({ throughput }) => shownShare(throughput.error_rate),
      isBad: ({ throughput }) => throughput.error_rate > 0,
    },
    ...latency("TTFT, ms", ({ metrics }) => metrics.ttft_response, ["p50", "p90", "p99"]),
    ...latency("ITL, ms", ({ metrics }) => metrics.itl, ["p50", "p99"]),
    ...latency("E2E, ms", ({ metrics }) => metrics.e2e_response, ["p50", "p99"]),
    { title: "output tok/s", text: ({ throughput }) => shownNumber(throughput.out_tok_s) },
  ];
  if (slo !== null) {
    columns.push({
      title: "in the SLO",
      text: (stage) => shownShare(stage.slo?.attainment),
      isBad: (stage) => stage.slo !== null && stage.slo.attainment < slo.attainment,
    });
  }
  return htmlTable(
    columns,
    stages,
    "Latencies are response times: from when a request was due. A dash: too few requests.",
  );
}

const METRICS = [
  ["TTFT, response, ms", "ttft_response"],
  ["TTFT, service, ms", "ttft_service"],
  ["E2E, response, ms", "e2e_response"],
  ["E2E, service, ms", "e2e_service"],
  ["ITL, ms", "itl"],
  ["ICL, ms", "icl"],
  ["TPOT, ms", "tpot"],
  ["NTPOT, ms", "ntpot"],
  ["Client's lag, ms", "client_lag"],
  ["Prompt tokens", "prompt_tokens"],
  ["Output tokens", "output_tokens"],
] as const satisfies readonly (readonly [string, keyof StageMetrics])[];

const DISTRIBUTION_KEYS = [
  ["n", "n"],
  ["mean", "mean"],
  ["std", "std"],
  ["min", "min"],
  ["p50", "p50"],
  ["p90", "p90"],
  ["p95", "p95"],
  ["p99", "p99"],
  ["p99.9", "p999"],
  ["max", "max"],
] as const satisfies readonly (readonly [string, keyof Distribution])[];

/** All that was measured of one stage. */
export function stageDetails(stage: StageReport): Html {
  const columns: HtmlColumn<(typeof METRICS)[number]>[] = [
    { title: "", text: ([title]) => title },
    ...DISTRIBUTION_KEYS.map(([title, key]) => ({
      title,
      text: ([, metric]: (typeof METRICS)[number]) =>
        (key === "n" ? shownWhole : shownNumber)(stage.metrics[metric][key]),
    })),
  ];
  const { counts, throughput, client, window } = stage;
  const facts = [
    htmlPairs([
      ["measured", `${shownNumber((window.end_ms - window.start_ms) / 1_000)} s`],
      ["due", shownCount(counts.scheduled, "request")],
      ["ok", shownWhole(counts.ok)],
      ["failed", listed(counts.by_error) ?? shownWhole(counts.errors)],
      ["cut at the end", shownWhole(counts.incomplete)],
      ["never sent", shownWhole(counts.never_sent)],
      ["finish reasons", listed(counts.finish_reasons)],
      ["tokens counted by", listed(counts.token_sources)],
    ]),
    htmlPairs([
      ["in flight, mean", shownNumber(throughput.concurrency)],
      ["Little", shownNumber(throughput.little)],
      ["input tok/s", shownNumber(throughput.in_tok_s)],
      ["output tok/s, finished", shownNumber(throughput.out_tok_s_done)],
      ["goodput, req/s", stage.slo === null ? null : shownNumber(stage.slo.goodput_req_s)],
      ["over-saturated", stage.over_saturated === null ? null : stage.over_saturated ? "yes" : "no"],
      ["client's event loop", `${shownShare(client.event_loop_utilisation)} busy`],
      ["client's CPU", shownShare(client.cpu_share)],
      ["token events/s", shownNumber(client.events_per_second)],
      [
        "client's ceiling, events/s",
        client.no_op_events_per_second === null ? null : shownNumber(client.no_op_events_per_second),
      ],
      ["client limited it", client.limited ? client.why.join(" ") : null],
    ]),
    ...(stage.server === null ? [] : [serverPairs(stage.server)]),
  ];
  return `${htmlTable(columns, METRICS, "")}<div class="facts">${facts.join("")}</div>`;
}

const SERVER_FIGURES = [
  ["requests", "requests_ok", shownWhole],
  ["failed requests", "requests_failed", shownWhole],
  ["prompt tokens", "prompt_tokens", shownWhole],
  ["output tokens", "output_tokens", shownWhole],
  ["mean queue, ms", "mean_queue_ms", shownNumber],
  ["mean TTFT, ms", "mean_ttft_ms", shownNumber],
  ["mean ITL, ms", "mean_itl_ms", shownNumber],
  ["mean E2E, ms", "mean_e2e_ms", shownNumber],
  ["mean step, ms", "mean_step_ms", shownNumber],
  ["mean batch", "mean_batch", shownNumber],
  ["prefix cache hits", "prefix_cache_hit_rate", shownShare],
  ["queue at the end", "queue_size", shownNumber],
  ["KV cache in use", "kv_cache_usage", shownShare],
] as const;

function serverPairs(server: NonNullable<StageReport["server"]>): Html {
  return htmlPairs(
    SERVER_FIGURES.map(([name, key, shown]) => {
      const value = server[key];
      return [`server: ${name}`, value === undefined ? null : shown(value)];
    }),
  );
}

/** What was measured, how, and from where. */
export function setupFacts(report: BenchReport): Html {
  const { endpoint, client, prompts, slo, sweep } = report;
  return [
    htmlPairs([
      ["endpoint", endpoint.url],
      ["server", [endpoint.server, endpoint.server_version].filter((text) => text !== null).join(" ")],
      ["model", endpoint.model],
      ["revision", endpoint.revision],
      ["route", endpoint.route],
      ...Object.entries(endpoint.info)
        .filter(([, value]) => value !== null && typeof value !== "object")
        .map(([name, value]) => [name, String(value)] as const),
    ]),
    htmlPairs([
      ["prompts", prompts.source],
      ["seed", String(prompts.seed)],
      ["different prompts", shownWhole(prompts.count)],
      ["nonce", prompts.nonce ? "each prompt starts with a text of its own" : "none"],
      ["shared prefix", prompts.shared_prefix === 0 ? null : shownShare(prompts.shared_prefix)],
      ["most output tokens", shownWhole(prompts.max_tokens)],
      ["end of sequence", prompts.ignore_eos ? "ignored" : "the model's choice"],
      ["generation", Object.keys(prompts.generation).length === 0 ? null : JSON.stringify(prompts.generation)],
      ["SLO", slo === null ? null : describeSlo(slo)],
      ["one at a time", sweep === null ? null : `${shownNumber(sweep.synchronous_req_s)} req/s`],
      ["throughput", sweep === null ? null : `${shownNumber(sweep.throughput_req_s)} req/s`],
      ["sweep ended", sweep?.stopped ?? null],
    ]),
    htmlPairs([
      ["client", client.host],
      ["CPU", `${client.cpu}, ${shownCount(client.cores, "core")}`],
      ["governor", client.governor],
      ["threads", String(client.threads)],
      ["Node", `${client.node}, ${client.platform}`],
      ["Tiding", report.tiding],
      ["started", report.started_at],
      ["run", report.id],
    ]),
  ].join("");
}

export function describeSlo(slo: NonNullable<BenchReport["slo"]>): string {
  const limits = [
    slo.ttft_ms === undefined ? null : `TTFT ≤ ${slo.ttft_ms} ms`,
    slo.tpot_ms === undefined ? null : `TPOT ≤ ${slo.tpot_ms} ms`,
    slo.e2e_ms === undefined ? null : `E2E ≤ ${slo.e2e_ms} ms`,
  ].filter((text) => text !== null);
  return `${limits.join(", ")} for ${shownShare(slo.attainment)}`;
}

function listed(counts: Readonly<Record<string, number>>): string | null {
  const entries = Object.entries(counts).toSorted(([, one], [, other]) => other - one);
  return entries.length === 0 ? null : entries.map(([name, count]) => `${name} ${shownWhole(count)}`).join(", ");
}
