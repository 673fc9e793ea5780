/** The process of `startNoOpServer`; ends when its parent does. */
import { serveNoOp } from "./no-op-server.ts";

process.on("disconnect", () => process.exit(0));
process.send!(await serveNoOp(Number(process.argv[2])));
