/** Spawns a server, tells where it is, and ends as it is told to: by itself, or never. */
import { spawnNatsServer } from "../../../../../../shared/transport/nats/server/spawn-nats-server.ts";

const [binary, storeDir, end] = process.argv.slice(2);
const { url } = await spawnNatsServer({ binary: binary!, storeDir: storeDir! });
process.stdout.write(`${url}\n`);
if (end === "stay") setInterval(() => {}, 60_000);
