/** Takes all the room that a nats-server has, as what else is stored there may, and gives it back. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

export interface Filler extends AsyncDisposable {
  /** Stores until nothing more goes in, however small. */
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
}

/** @param url with user and password where the server asks for them */
export async function openFiller(url: string): Promise<Filler> {
  const { host, username: user, password: pass } = new URL(url);
  const connection = await connect({ servers: host, ...(user === "" ? {} : { user, pass }) });
  const client = jetstream(connection);
  const { streams } = await jetstreamManager(connection);
  await streams.add({ name: "FILLER", subjects: ["filler"], allow_direct: true });
  return {
    async fill() {
      for (let size = 512 * 1024; size >= 1; size = Math.floor(size / 2)) {
        const isStored = (): Promise<boolean> =>
          client.publish("filler", new Uint8Array(size)).then(
            () => true,
            () => false,
          );
        while (await isStored());
      }
    },
    makeRoom: async () => void (await streams.purge("FILLER")),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
