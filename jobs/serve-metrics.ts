/** `/metrics` for Prometheus, and `/health`, of a process that works on jobs or coordinates them. */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import { messageOf, TidingError } from "../shared/errors.ts";
import type { CallCounts, EndpointProgress, JobProgress } from "../shared/observe/job-report.ts";

/** Where metrics are served. */
export interface MetricsAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** What is told of one job. Counts only grow while the process lives, but for a job that is begun anew. */
export interface JobSample {
  readonly job: string;
  readonly accepted: number;
  readonly failed: number;
  /** Rows of the job; null where that is not known, or not this process's to know. */
  readonly total: number | null;
  readonly rowsRunning: number;
  readonly calls: CallCounts;
  readonly endpoints: readonly EndpointProgress[];
}

export interface MetricsOptions extends MetricsAddress {
  readonly sample: () => readonly JobSample[];
  /** What keeps the process from its work, for `/health`; null while nothing does. */
  readonly trouble: () => string | null;
}

export interface MetricsServer extends AsyncDisposable {
  readonly url: string;
}

/** Throws `USAGE` when the port cannot be had. */
export async function serveMetrics({ host, port, sample, trouble }: MetricsOptions): Promise<MetricsServer> {
  const { registry, collect } = registryOf(sample);
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string): void =>
      void response.writeHead(status, { "content-type": type }).end(body);
    if (request.url === "/health") {
      const reason = trouble();
      answer(reason === null ? 200 : 503, "text/plain", reason ?? "ok");
    } else if (request.url === "/metrics") {
      collect();
      registry.metrics().then(
        (text) => answer(200, registry.contentType, text),
        (error: unknown) => answer(500, "text/plain", messageOf(error)),
      );
    } else answer(404, "text/plain", "There are /metrics and /health.");
  });
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    throw new TidingError("USAGE", `Metrics cannot be served at ${host}:${port}: ${messageOf(error)}`, {
      place: "--metrics",
      mend: "Choose another port; 0 takes a free one.",
      cause: error,
    });
  }
  // A job that is done must not be kept waiting by a scrape.
  server.unref();
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a job's progress says. */
export function sampleOf(job: string, progress: JobProgress): JobSample {
  const { rows, rowsRunning, calls, endpoints } = progress;
  const { accepted, failed, total } = rows;
  return { job, accepted, failed, total, rowsRunning, calls, endpoints };
}

function registryOf(sample: () => readonly JobSample[]): { readonly registry: Registry; readonly collect: () => void } {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, labels: readonly string[]): Gauge =>
    new Gauge({ name, help, labelNames: [...labels], registers });
  const counter = (name: string, help: string, labels: readonly string[]): Counter =>
    new Counter({ name, help, labelNames: [...labels], registers });

  const rows = counter("tiding_rows_total", "Rows that were finished.", ["job", "outcome"]);
  const jobRows = gauge("tiding_job_rows", "Rows of the job, once its input was read to the end.", ["job"]);
  const running = gauge("tiding_rows_running", "Rows under way.", ["job"]);
  const requests = counter("tiding_requests_total", "Requests to endpoints, retries included.", ["job"]);
  const answers = counter("tiding_answers_total", "Answers that were of use.", ["job"]);
  const cut = counter("tiding_answers_cut_total", "Answers that the token limit cut.", ["job"]);
  const retries = counter("tiding_retries_total", "Requests that failed and were tried again.", ["job", "class"]);
  const tokens = counter("tiding_tokens_total", "Tokens, as endpoints count them.", ["job", "direction"]);
  const slots = gauge("tiding_slots", "Requests that may be in flight to an endpoint.", ["job", "endpoint"]);
  const inUse = gauge("tiding_slots_in_use", "Requests in flight.", ["job", "endpoint"]);
  const up = gauge("tiding_endpoint_up", "1 while the endpoint's circuit is closed.", ["job", "endpoint"]);
  const all = [rows, jobRows, running, requests, answers, cut, retries, tokens, slots, inUse, up];

  const collect = (): void => {
    for (const metric of all) metric.reset();
    for (const { job, accepted, failed, total, rowsRunning, calls, endpoints } of sample()) {
      rows.inc({ job, outcome: "accepted" }, accepted);
      rows.inc({ job, outcome: "failed" }, failed);
      if (total !== null) jobRows.set({ job }, total);
      running.set({ job }, rowsRunning);
      requests.inc({ job }, calls.requests);
      answers.inc({ job }, calls.answers);
      cut.inc({ job }, calls.cutByLength);
      for (const [kind, count] of Object.entries(calls.retries)) retries.inc({ job, class: kind }, count);
      tokens.inc({ job, direction: "input" }, calls.inputTokens);
      tokens.inc({ job, direction: "output" }, calls.outputTokens);
      for (const { endpoint, slots: most, inUse: used, circuit } of endpoints) {
        slots.set({ job, endpoint }, most);
        inUse.set({ job, endpoint }, used);
        up.set({ job, endpoint }, circuit === "closed" ? 1 : 0);
      }
    }
  };
  return { registry, collect };
}
