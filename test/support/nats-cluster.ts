/** Three nats-servers of one cluster, on ports and in stores of their own. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { startNatsServer, type NatsServerVersion } from "./nats-server.ts";

export async function startNatsCluster(
  version: NatsServerVersion,
): Promise<AsyncDisposable & { readonly addresses: string }> {
  const ports = await freePorts(3);
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const servers = await Promise.all(
    ports.map((port, index) =>
      startNatsServer(version, {
        config: `server_name: "n${index}"\ncluster { name: "c", listen: "127.0.0.1:${port}", routes: [${routes}] }`,
      }),
    ),
  );
  return {
    addresses: servers.map(({ url }) => url).join(","),
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

/** Routes have to be known before the servers run. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
