/**
 * The steps of the commit protocol between which a process may die. A chaos driver listens and kills the process
 * there; nothing else ever listens.
 */
export const PROTOCOL_STEPS = [
  "shard-opened",
  "batch-stored",
  "batch-recorded",
  "spill-written",
  "spill-recorded",
  "part-written",
  "part-linked",
  "manifest-linked",
  "batches-dropped",
  "parts-merged",
] as const;

export type ProtocolStep = (typeof PROTOCOL_STEPS)[number];

export type StepListener = (step: ProtocolStep) => void;
