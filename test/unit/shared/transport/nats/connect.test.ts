import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { TidingError } from "../../../../../shared/errors.ts";
import { connectNats, type NatsOptions } from "../../../../../shared/transport/nats/connect.ts";
import { openTestTransport } from "../../../../support/nats-harness.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../../../../support/nats-server.ts";

const PASSWORD = "s3cret-Pass";
const ACCOUNTS = `accounts {
  WITH { jetstream: enabled, users: [{ user: "ann", password: "${PASSWORD}" }] }
  WITHOUT { users: [{ user: "bob", password: "${PASSWORD}" }] }
}`;

async function failure(servers: string, options: Partial<NatsOptions> = {}): Promise<TidingError> {
  const signal = new AbortController().signal;
  try {
    const links = await connectNats({ servers, name: "test", signal, ...options });
    await links.close();
  } catch (error) {
    if (error instanceof TidingError) return error;
    throw error;
  }
  throw new Error("The connection came about.");
}

/** A server that says this of itself, and then nothing. */
async function silentServer(info: object | null): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createServer((socket) => {
    if (info !== null) socket.write(`INFO ${JSON.stringify({ proto: 1, headers: true, ...info })}\r\n`);
    socket.on("data", (chunk) => {
      if (chunk.includes("PING")) socket.write("PONG\r\n");
    });
    socket.on("error", () => socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

void test("an address where nobody listens is BROKER_UNREACHABLE, with its place and without its password", async () => {
  const closed = await silentServer(null);
  await closed[Symbol.asyncDispose]();
  const error = await failure(`nats://ann:${PASSWORD}@${closed.address}`);
  assert.equal(error.code, "BROKER_UNREACHABLE");
  assert.equal(error.place, `nats://${closed.address}`);
  assert.match(error.message, /ECONNREFUSED/);
  assert.ok(error.mend!.length > 0);
  assert.doesNotMatch(inspect(error, { depth: null }), /s3cret/);
});

void test("an unknown host is BROKER_UNREACHABLE", async () => {
  assert.equal((await failure("nats://nobody.invalid:4222")).code, "BROKER_UNREACHABLE");
});

void test("a server that says nothing is BROKER_UNREACHABLE after a while", async () => {
  await using server = await silentServer(null);
  const error = await failure(server.address);
  assert.equal(error.code, "BROKER_UNREACHABLE");
  assert.match(error.message, /no answer from 127.0.0.1:\d+ within 5000 ms/);
});

void test("of several addresses one that answers is enough, and the reasons of all are told where none does", async () => {
  await using server = await startNatsServer("newest");
  await using silent = await silentServer(null);
  const signal = new AbortController().signal;
  const links = await connectNats({ servers: [silent.address, "127.0.0.1:1", server.url], name: "test", signal });
  assert.equal(links.control.getServers().length, 3);
  await links.close();
  const error = await failure("127.0.0.1:1,nobody.invalid:4222");
  assert.match(error.message, /ECONNREFUSED.*nobody\.invalid/);
  assert.equal(error.place, "nats://127.0.0.1:1,nats://nobody.invalid:4222");
});

void test("a server that is too old is BROKER_UNFIT", async () => {
  await using server = await silentServer({ version: "2.9.9", jetstream: true, max_payload: 1_048_576 });
  const error = await failure(server.address);
  assert.equal(error.code, "BROKER_UNFIT");
  assert.match(error.message, /2\.9\.9; 2\.9\.10/);
});

void test("a server without JetStream is BROKER_UNFIT", async () => {
  await using server = await silentServer({ version: "2.15.1", max_payload: 1_048_576 });
  const error = await failure(server.address);
  assert.equal(error.code, "BROKER_UNFIT");
  assert.match(error.message, /without JetStream/);
});

void test("what is no address is USAGE, and what stands before its @ is not shown", async () => {
  for (const address of ["", "http://host", `nats://ann:${PASSWORD}@:4222`, `ann:${PASSWORD}@ho st`]) {
    const error = await failure(address);
    assert.equal(error.code, "USAGE");
    assert.doesNotMatch(inspect(error, { depth: null }), /s3cret/);
  }
});

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: wrong credentials are BROKER_REFUSED and stay secret; the right ones connect, wherever they stand`, async () => {
    await using server = await startNatsServer(version, { config: ACCOUNTS });
    const { host } = new URL(server.url);
    for (const error of [
      await failure(server.url),
      await failure(server.url, { credentials: { user: "ann", password: `${PASSWORD}!` } }),
      await failure(`nats://ann:${PASSWORD}!@${host}`),
    ]) {
      assert.equal(error.code, "BROKER_REFUSED");
      assert.doesNotMatch(inspect(error, { depth: null }), /s3cret/);
    }
    const signal = new AbortController().signal;
    const links = await connectNats({ servers: `nats://ann:${PASSWORD}@${host}`, name: "test", signal });
    assert.equal(links.place, `nats://${host}`);
    await links.close();
    await using transport = await openTestTransport(server.url, { credentials: { user: "ann", password: PASSWORD } });
    assert.equal(await transport.log.tail("job", 0), null);
  });

  void test(`${version}: an account without JetStream is BROKER_UNFIT`, async () => {
    await using server = await startNatsServer(version, { config: ACCOUNTS });
    const opening = openTestTransport(server.url, { credentials: { user: "bob", password: PASSWORD } });
    await assert.rejects(opening, (error: TidingError) => error.code === "BROKER_UNFIT");
  });

  void test(`${version}: messages that are too small are BROKER_UNFIT`, async () => {
    await using server = await startNatsServer(version, { config: "max_payload: 100KB" });
    const error = await failure(server.url);
    assert.equal(error.code, "BROKER_UNFIT");
    assert.match(error.message, /max_payload|messages of/);
  });

  void test(`${version}: budgets beyond the server's are BROKER_UNFIT`, async () => {
    await using server = await startNatsServer(version);
    const opening = openTestTransport(server.url, { resultsBudgetBytes: 2 ** 50 });
    await assert.rejects(opening, (error: TidingError) => {
      assert.equal(error.code, "BROKER_UNFIT");
      assert.match(error.mend!, /max_file_store/);
      return true;
    });
  });

  void test(`${version}: a worker waits until a coordinator has set the broker up, or says that none has`, async () => {
    await using server = await startNatsServer(version);
    const early = openTestTransport(server.url, { provision: false, setupWaitMs: 0 });
    await assert.rejects(early, (error: TidingError) => error.code === "BROKER_UNFIT");
    const aborted = new AbortController();
    const waiting = openTestTransport(server.url, { provision: false, signal: aborted.signal });
    aborted.abort();
    await assert.rejects(waiting);
    const worker = openTestTransport(server.url, { provision: false });
    await using coordinator = await openTestTransport(server.url);
    await using found = await worker;
    await coordinator.tasks.put("job", 3, new Uint8Array([1]));
    assert.equal((await found.tasks.claim("job", { waitMs: 10_000 }))!.shard, 3);
  });

  void test(`${version}: a server that is set up already gets the new budgets, and keeps what it holds`, async () => {
    await using server = await startNatsServer(version);
    const first = await openTestTransport(server.url, { resultsBudgetBytes: 4_000_000 });
    const blob = await first.results.put("job", 0, new Uint8Array(300_000).fill(1));
    await first.close();
    await using smaller = await openTestTransport(server.url, { resultsBudgetBytes: 100_000 });
    assert.equal((await smaller.results.get(blob))!.length, 300_000);
    await using larger = await openTestTransport(server.url, { resultsBudgetBytes: 8_000_000 });
    assert.equal((await larger.results.usage()).budgetBytes, 8_000_000);
  });
}

void test("credentials that cannot be read or used are BROKER_REFUSED, and are not shown", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tiding-creds-"));
  const path = join(directory, "user.creds");
  const missing = await failure("127.0.0.1:4222", { credentials: { credsFile: path } });
  await writeFile(path, PASSWORD);
  const damaged = await failure("127.0.0.1:4222", { credentials: { credsFile: path } });
  const text = await failure("127.0.0.1:4222", { credentials: { credsFile: `-----BEGIN ${PASSWORD}` } });
  const seed = await failure("127.0.0.1:4222", { credentials: { nkeySeed: PASSWORD } });
  for (const error of [missing, damaged, text, seed]) {
    assert.equal(error.code, "BROKER_REFUSED");
    assert.doesNotMatch(inspect(error, { depth: null }), /s3cret/);
  }
  assert.equal(damaged.place, path);
  await rm(directory, { recursive: true });
});
