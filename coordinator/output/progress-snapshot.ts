import { z } from "zod";
import type { JobProgress } from "../../shared/observe/job-report.ts";

/** The owner's progress as its heartbeat carries it. Written and read by one version, so its form is taken on trust. */
export const JobProgressSnapshot = z.custom<JobProgress>((value) => typeof value === "object" && value !== null);
