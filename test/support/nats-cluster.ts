/** Three nats-servers of one cluster, on ports and in stores of their own. */
import { freePorts } from "./free-port.ts";
import { startNatsServer, type NatsServerVersion } from "./nats-server.ts";

export async function startNatsCluster(
  version: NatsServerVersion,
): Promise<AsyncDisposable & { readonly addresses: string }> {
  // Routes have to be known before the servers run.
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
