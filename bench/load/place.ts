import type { Connection } from "./connection.ts";
import type { Exchange } from "./exchange.ts";

/** One of the requests that may be in flight: its connection, and what is on it. */
export interface Place {
  readonly connection: Connection;
  exchange: Exchange | null;
  /** The connection has carried an answer and was kept: the server may be closing it at this moment. */
  isKept: boolean;
  /** When its request was due, in milliseconds since the stage's start, as below. */
  dueMs: number;
  /** When its exchange is over its time. */
  deadlineMs: number;
}
