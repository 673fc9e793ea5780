import type { StandardInput } from "../jobs/standard-input.ts";
import type { JobSpec } from "../shared/spec/job-spec.ts";
import { readsStandardInput } from "../shared/spec/standard-input.ts";
import type { Look } from "./text.ts";

/** The part of a stream that the command line uses; `process.stdout`, or a `PassThrough` in a test. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything that a command may touch of the world outside. */
export interface CliContext {
  /** Touched by commands whose spec asks for it, and by questions to who sits at a terminal. */
  readonly stdin: StandardInput;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly environment: Environment;
  /** Emits `SIGINT` and `SIGTERM`; `process`, or an emitter in a test. */
  readonly signals: Pick<NodeJS.EventEmitter, "on" | "off">;
}

/** Whether lines of a stream can be redrawn. */
export function isLive(stream: OutputStream, environment: Environment): boolean {
  return stream.isTTY === true && environment["TERM"] !== "dumb";
}

/** What a stream can show. Honours `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb`. */
export function lookOf(stream: OutputStream, environment: Environment): Look {
  const forced = (environment["FORCE_COLOR"] ?? "0") !== "0";
  const refused = (environment["NO_COLOR"] ?? "") !== "";
  return {
    width: stream.isTTY === true ? Math.max(20, stream.columns ?? 80) : Number.POSITIVE_INFINITY,
    colour: !refused && (forced || isLive(stream, environment)),
    unicode: environment["TERM"] !== "linux" && environment["TERM"] !== "dumb",
  };
}

export function writeLines(stream: OutputStream, lines: readonly string[]): void {
  if (lines.length > 0) stream.write(`${lines.join("\n")}\n`);
}

/** Writes the one JSON document of a `--json` command. */
export function writeJson(stream: OutputStream, value: unknown): void {
  stream.write(`${JSON.stringify(value, toJsonValue, 2)}\n`);
}

/** A replacer for `JSON.stringify`: bytes become base64, integers beyond 2^53-1 texts. */
export function toJsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

/** What a job whose rows come by standard input is given of it. */
export function inputOf({ input }: JobSpec, context: CliContext): { readonly standardInput?: StandardInput } {
  return readsStandardInput(input) ? { standardInput: context.stdin } : {};
}
