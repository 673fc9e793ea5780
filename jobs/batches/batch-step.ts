/** The moments at which the death of a process matters most, in their order; tests kill it there. */
export const BATCH_STEPS = [
  /** Files of requests are whole; nothing names them. */
  "requests-written",
  "requests-recorded",
  "file-uploaded",
  /** The server has the batch, and nothing here says so. */
  "batch-created",
  "batch-recorded",
  /** One of a batch's two files of results is here. */
  "results-downloaded",
  "results-recorded",
] as const;

export type BatchStep = (typeof BATCH_STEPS)[number];
