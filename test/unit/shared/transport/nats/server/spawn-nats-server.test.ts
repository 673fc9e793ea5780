import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectSocket } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { isTidingError } from "../../../../../../shared/errors.ts";
import { isAtLeast } from "../../../../../../shared/transport/nats/server/nats-server-version.ts";
import { spawnNatsServer } from "../../../../../../shared/transport/nats/server/spawn-nats-server.ts";
import { NATS_SERVER_VERSIONS, natsServerBinary, startNatsServer } from "../../../../../support/nats-server.ts";
import { SAYS_VERSION, stubCommands } from "./stub-commands.ts";

const entry = fileURLToPath(new URL("spawn-child.js", import.meta.url));

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: a spawned server keeps its store over a stop, within its limit`, async () => {
    const binary = await natsServerBinary(version);
    await using store = await storeFolder();
    const { storeDir } = store;
    {
      await using server = await spawnNatsServer({ binary, storeDir, maxFileStoreBytes: 5_000_000 });
      await using connection = await openManager(server.url);
      assert.equal((await connection.manager.getAccountInfo()).limits.max_storage, -1);
      await connection.manager.streams.add({ name: "KEPT", subjects: ["kept"], max_bytes: 4_000_000 });
      const tooMuch = connection.manager.streams.add({ name: "MORE", subjects: ["more"], max_bytes: 4_000_000 });
      await assert.rejects(tooMuch, /insufficient storage/);
    }
    await using server = await spawnNatsServer({ binary, storeDir });
    await using connection = await openManager(server.url);
    assert.equal((await connection.manager.streams.info("KEPT")).config.max_bytes, 4_000_000);
  });

  void test(`${version}: a server that its killed parent left behind is ended by the next on the store`, async () => {
    const binary = await natsServerBinary(version);
    await using store = await storeFolder();
    const { storeDir } = store;
    const { child, url } = await spawnInChild(binary, storeDir, "stay");
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal(await answers(url), true);
    await using server = await spawnNatsServer({ binary, storeDir });
    assert.equal(await answers(url), false);
    assert.equal(await answers(server.url), true);
  });
}

void test("a server ends with a parent that ends", async () => {
  await using store = await storeFolder();
  const { storeDir } = store;
  const { child, url } = await spawnInChild(await natsServerBinary("2.9.10"), storeDir, "end");
  if (child.exitCode === null) await once(child, "exit");
  while (await answers(url)) await new Promise((resolve) => setTimeout(resolve, 5));
});

void test("a stop is safe to repeat, and after a kill", async () => {
  await using server = await startNatsServer("2.9.10");
  await Promise.all([server.stop(), server.stop()]);
  await server.kill9();
  await server.restart();
  await using connection = await openManager(server.url);
  assert.deepEqual(await connection.manager.streams.names().next(), []);
});

void test("a server that is too old is refused", async () => {
  await using stubs = await stubCommands();
  const binary = await stubs.write("nats-server", SAYS_VERSION("2.9.9"));
  await assert.rejects(spawnNatsServer({ binary, storeDir: join(stubs.folder, "store") }), (error) => {
    assert.ok(isTidingError(error) && error.code === "BROKER_UNFIT");
    assert.match(error.message, /2\.9\.9; 2\.9\.10 is the oldest/);
    return true;
  });
});

void test("a server that does not start shows the end of its log", async () => {
  await using store = await storeFolder();
  const { storeDir } = store;
  const binary = await natsServerBinary("2.9.10");
  const config = "tls { cert_file: /nowhere.pem, key_file: /nowhere.pem }";
  await assert.rejects(spawnNatsServer({ binary, storeDir, config }), (error) => {
    assert.ok(isTidingError(error) && error.code === "BROKER_FAILED");
    assert.match(error.message, /nowhere\.pem/);
    return true;
  });
});

void test("an abort ends the wait and the server", async () => {
  await using store = await storeFolder();
  const { storeDir } = store;
  const signal = AbortSignal.abort(new Error("enough"));
  const binary = await natsServerBinary("2.9.10");
  await assert.rejects(spawnNatsServer({ binary, storeDir, signal }), (error: Error) => error.name === "AbortError");
});

void test("versions are compared by number", () => {
  assert.equal(isAtLeast("2.9.10", "2.9.10"), true);
  assert.equal(isAtLeast("2.10.0", "2.9.10"), true);
  assert.equal(isAtLeast("2.15.0-dev", "2.14.9"), true);
  assert.equal(isAtLeast("2.9.9", "2.9.10"), false);
  assert.equal(isAtLeast("1.99.99", "2.9.10"), false);
});

async function spawnInChild(
  binary: string,
  storeDir: string,
  end: "stay" | "end",
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [entry, binary, storeDir, end], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, url: line };
}

async function openManager(
  url: string,
): Promise<AsyncDisposable & { readonly manager: Awaited<ReturnType<typeof jetstreamManager>> }> {
  const connection = await connect({ servers: url });
  return { manager: await jetstreamManager(connection), [Symbol.asyncDispose]: () => connection.close() };
}

async function storeFolder(): Promise<AsyncDisposable & { readonly storeDir: string }> {
  const storeDir = await mkdtemp(join(tmpdir(), "tiding-store-"));
  return { storeDir, [Symbol.asyncDispose]: () => rm(storeDir, { recursive: true, force: true }) };
}

async function answers(url: string): Promise<boolean> {
  const socket = connectSocket(Number(new URL(url).port), "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
