import type { JobSpec } from "./job-spec.ts";

/** A spec that was read, interpolated and validated, with what is needed to run it. */
export interface LoadedSpec {
  readonly spec: JobSpec;
  /** The spec as it was written, with overrides and variables in place but without defaults; secrets are references. */
  readonly written: unknown;
  /** Shown in views: the spec's `name`, or its file's. */
  readonly name: string;
  /** Absolute; relative paths in the spec start here. */
  readonly folder: string;
  /** The spec file, absolute; null for a spec made in a program. */
  readonly file: string | null;
}

/** Resolves a reference to a secret in the process that needs it. Throws `SECRET_MISSING`. */
export type SecretResolver = (reference: string) => string;
