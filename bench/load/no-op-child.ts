/** The process of `startNoOpServer`; ends when its parent does. */
import { serveNoOp } from "./no-op-server.ts";
import type { NoOpMessage } from "./no-op-server.ts";

process.on("disconnect", () => process.exit(0));
const tell = (message: NoOpMessage): void => void process.send!(message);
const { url, sent } = await serveNoOp(Number(process.argv[2]));
process.on("message", () => tell({ sent }));
tell({ url });
