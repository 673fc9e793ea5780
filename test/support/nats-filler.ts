/** Takes all the room that a nats-server has, as what else is stored there may, and gives it back. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

export interface Filler extends AsyncDisposable {
  /** Stores until nothing more goes in, however small. */
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
}

const MESSAGE_BYTES = 512 * 1024;
/** Enough for a small job until it is filled. */
const LEFT_BYTES = 4 * 1024 * 1024;

/**
 * Takes most of `storeBytes` at once, so that the rest is filled before a job is done that is to miss it.
 *
 * @param url with user and password where the server asks for them
 * @param storeBytes what the server may store; by default nothing is taken yet
 */
export async function openFiller(url: string, storeBytes = 0): Promise<Filler> {
  const { host, username: user, password: pass } = new URL(url);
  const connection = await connect({ servers: host, ...(user === "" ? {} : { user, pass }) });
  const client = jetstream(connection);
  const { streams } = await jetstreamManager(connection);
  await streams.add({ name: "FILLER", subjects: ["filler"], allow_direct: true });
  const most = Math.floor((storeBytes - LEFT_BYTES) / MESSAGE_BYTES);
  for (let stored = 0; stored < most; stored++) await client.publish("filler", new Uint8Array(MESSAGE_BYTES));
  return {
    async fill() {
      for (let size = MESSAGE_BYTES; size >= 1; size = Math.floor(size / 2)) {
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
