/** A tool that measures an endpoint, of whatever make: what it is asked to do, and what it says that it measured. */

export interface BenchTask {
  /** Without a path. */
  readonly url: string;
  readonly model: string;
  /** One for each request, as texts of one message. */
  readonly prompts: readonly string[];
  /** Of each answer, by `ignore_eos` no fewer. */
  readonly tokens: number;
  /** In flight. */
  readonly concurrency: number;
  /** Folder of the model's tokenizer. */
  readonly tokenizer: string;
  /** For the tool's own files; is not there yet. */
  readonly folder: string;
}

/** Every metric that a tool and `tiding bench` define alike; times are means in milliseconds. */
export const METRICS = ["ttft", "tpot", "itl", "icl", "e2e", "ntpot", "out_tok_s"] as const;
export type Metric = (typeof METRICS)[number];

export interface ToolReport {
  /** What a tool does not measure is not there. */
  readonly metrics: Readonly<Partial<Record<Metric, number>>>;
  /**
   * Mean milliseconds by which the tool's clock starts before a request is handed to its socket; 0 where it starts then. They
   * are in its TTFT and E2E.
   */
  readonly beforeSocketMs: number;
  /** That ended well. */
  readonly requests: number;
  /** Means over requests, as the server's usage says. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Events with content that it saw, of all requests. */
  readonly events: number;
}

export interface ToolRun extends ToolReport {
  /** Of all its processes, start included. */
  readonly cpuSeconds: number;
  /** From its start to its end. */
  readonly seconds: number;
}

export interface BenchTool {
  readonly name: string;
  readonly version: string;
  /** Where in its report each metric is, and how it is defined there. */
  readonly definitions: Readonly<Partial<Record<Metric, string>>>;
  /** Throws an Error where the tool fails or reports in another form than that of its pinned version. */
  run(task: BenchTask): Promise<ToolRun>;
}
