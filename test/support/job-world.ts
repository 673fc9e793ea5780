/** A folder, a simulated endpoint and jobs between them, for tests of the whole engine in one process. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { answerKey, promptOf } from "../../bench/simulator/answer.ts";
import type { SimulatorInput } from "../../bench/simulator/options.ts";
import { startSimulator, type Simulator } from "../../bench/simulator/simulator.ts";
import { runJob, type RunJobOptions } from "../../jobs/run-job.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";

export interface OutputRow {
  readonly question: string;
  readonly generation: unknown;
  readonly tiding: {
    readonly row_id: bigint;
    readonly generation: number;
    readonly code?: string;
    readonly seed: bigint | null;
  };
}

export class JobWorld implements AsyncDisposable {
  readonly folder: string;
  readonly simulator: Simulator;

  private constructor(folder: string, simulator: Simulator) {
    this.folder = folder;
    this.simulator = simulator;
  }

  /** @param rows questions in the input, `question 0` and on */
  static async open(rows: number, options: SimulatorInput = {}): Promise<JobWorld> {
    const folder = await mkdtemp(path.join(tmpdir(), "tiding-world-"));
    const lines = Array.from({ length: rows }, (_, row) => `${JSON.stringify({ question: questionOf(row) })}\n`);
    await writeFile(path.join(folder, "rows.jsonl"), lines.join(""));
    return new JobWorld(folder, await startSimulator(options));
  }

  get output(): string {
    return path.join(this.folder, "out");
  }

  /** A spec with one text-generation step on the simulator; `changes` are laid over its sections and its step. */
  spec(
    changes: {
      input?: object;
      step?: object;
      llm?: object;
      output?: object;
      run?: object;
      steps?: readonly object[];
    } = {},
  ): object {
    const llm = { base_url: this.simulator.url, slots: 8, ...changes.llm };
    const step = { task: "text-generation", columns: { instruction: "question" }, llm, ...changes.step };
    return {
      input: { path: "rows.jsonl", ...changes.input },
      steps: changes.steps ?? [step],
      output: { path: "out", ...changes.output },
      run: { shard_rows: 16, flush_interval: "50ms", ...changes.run },
    };
  }

  run(spec: object, options: Partial<Omit<RunJobOptions, "loaded">> = {}): Promise<JobReport> {
    return runJob({
      loaded: specFromObject(spec, { folder: this.folder, environment: {} }),
      environment: {},
      ...options,
    });
  }

  /** The rows of `data/` or `failed/`, file by file in the order of names. */
  async rows(kind: "data" | "failed" = "data", output = this.output): Promise<readonly OutputRow[]> {
    const folder = path.join(output, kind);
    const rows: OutputRow[] = [];
    for (const name of (await readdir(folder)).toSorted((a, b) => (a < b ? -1 : 1))) {
      const file = await asyncBufferFromFile(path.join(folder, name));
      rows.push(...((await parquetReadObjects({ file, compressors })) as unknown as OutputRow[]));
    }
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.simulator.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function questionOf(row: number): string {
  return `question ${row}.`;
}

/** What the endpoint's answer to a row begins with. */
export function answerOf(row: number): string {
  return answerKey(promptOf([{ role: "user", content: questionOf(row) }]));
}

/** Row ids in the order of the files. */
export function idsOf(rows: readonly OutputRow[]): readonly number[] {
  return rows.map((row) => Number(row.tiding.row_id));
}

export function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
