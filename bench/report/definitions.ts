/** What each figure of a benchmark means: told alike by the page, the docs and the table's titles. */

export interface Definition {
  /** As tables and plots call it. */
  readonly name: string;
  /** Keys of the JSON document. */
  readonly keys: string;
  readonly meaning: string;
}

/** In the order in which a reader meets them. */
export const DEFINITIONS: readonly Definition[] = [
  {
    name: "due",
    keys: "counts.scheduled, throughput.offered_req_s",
    meaning:
      "Requests that the schedule wanted sent within the measured window. Each ends as ok, failed, cut by us at the stage's end, or never sent; none is left out.",
  },
  {
    name: "response time, service time",
    keys: "*_response, *_service",
    meaning:
      "A response time starts when a request was due, a service time when it was sent. What a request waited in this client for a place counts in the first alone. Where nothing is said, the response time is meant.",
  },
  {
    name: "TTFT",
    keys: "metrics.ttft_response, metrics.ttft_service",
    meaning:
      "Time to first token: until the first event that carries a generated token, be it content, reasoning or a tool call. An event with a role alone is none.",
  },
  {
    name: "ITL",
    keys: "metrics.itl",
    meaning:
      "Inter-token latency: the gap between two events that carry tokens, over the tokens of the later one, counted once a token.",
  },
  {
    name: "ICL",
    keys: "metrics.icl",
    meaning: "The raw gap between two events that carry tokens, however many tokens they carry.",
  },
  {
    name: "TPOT",
    keys: "metrics.tpot",
    meaning:
      "Time per output token of a request without its first: (last token − first token) / (output tokens − 1), from two tokens on.",
  },
  {
    name: "NTPOT",
    keys: "metrics.ntpot",
    meaning: "Time per output token with the prefill in it: end-to-end service time / output tokens.",
  },
  {
    name: "E2E",
    keys: "metrics.e2e_response, metrics.e2e_service",
    meaning: "End-to-end latency: until the last token.",
  },
  {
    name: "requests a second",
    keys: "throughput.req_s",
    meaning: "Successes whose last token came within the window, over its length.",
  },
  {
    name: "output tokens a second",
    keys: "throughput.out_tok_s, throughput.out_tok_s_done",
    meaning:
      "Tokens that came within the window, by the stamp of their event and of whatever request, over its length. The second key counts only requests that ended within it, as other tools do.",
  },
  {
    name: "input tokens a second",
    keys: "throughput.in_tok_s",
    meaning:
      "Prompt tokens of requests whose first token came within the window, over its length. Servers count a prompt at an answer's end, so those of requests that failed are not in it.",
  },
  {
    name: "output tokens",
    keys: "metrics.output_tokens, counts.token_sources",
    meaning:
      "As the server's usage says; else the number of TGI's token events; else counted by a tokenizer here. The source of every count is recorded. A request that broke off before its count came has none, and each of its events stands for one token in the tokens a second alone.",
  },
  {
    name: "in flight",
    keys: "throughput.concurrency",
    meaning: "Mean requests in flight over the window: sent and not yet ended.",
  },
  {
    name: "Little",
    keys: "throughput.little",
    meaning: "In flight / (requests a second × mean E2E service time): 1 where the stage was steady.",
  },
  {
    name: "failed",
    keys: "counts.errors, counts.by_error, throughput.error_rate",
    meaning:
      "Refused, broken, an error inside a 200, or a stream that closed without the end that its protocol prescribes; over all that were due.",
  },
  {
    name: "within the SLO, goodput",
    keys: "slo.attainment, slo.goodput_req_s",
    meaning:
      "Requests that succeeded and met every limit, on response times: as a share of all that were due, and a second.",
  },
  {
    name: "client's lag",
    keys: "metrics.client_lag, client.lag_p99_ms",
    meaning:
      "From when a request was due to when it was sent. It is the client's, or that of `--max-in-flight`; where it is large, the run says that the client limited it.",
  },
  {
    name: "over-saturated",
    keys: "over_saturated",
    meaning:
      "Requests in flight and TTFT both grew for as long as the stage ran, so its latencies are those of a moment and grow with its length.",
  },
  {
    name: "knee",
    keys: "sweep.knee_req_s",
    meaning: "The highest rate that was kept up with without the queue growing.",
  },
  {
    name: "SLO rate",
    keys: "sweep.slo_req_s",
    meaning: "The highest rate at which the wanted share of requests stayed within the SLO.",
  },
  {
    name: "percentiles",
    keys: "p50, p90, p95, p99, p999",
    meaning:
      "Shown only where there are samples enough: p50 from 5, p90 from 20, p95 from 50, p99 from 1,000, p99.9 from 10,000.",
  },
];
