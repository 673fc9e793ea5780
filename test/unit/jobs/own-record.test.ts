import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { OwnRecord } from "../../../jobs/own-record.ts";
import { openEmbeddedTransport } from "../../../shared/transport/embedded/embedded-transport.ts";
import { TransportError, type StateStore } from "../../../shared/transport/transport.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function openState(t: TestContext): Promise<StateStore> {
  const directory = await mkdtemp(path.join(tmpdir(), "tiding-record-"));
  const transport = await openEmbeddedTransport({ directory, epoch: 1 });
  t.after(async () => {
    await transport.close();
    await rm(directory, { recursive: true });
  });
  return transport.state;
}

async function present(state: StateStore): Promise<string> {
  return new TextDecoder().decode((await state.get("k"))?.value);
}

const options = {
  key: "k",
  givesUp: new AbortController().signal,
  onFault: (error: unknown) => assert.fail(String(error)),
};

void test("what was set last is stored, through outages and writes of others", async (t) => {
  const state = await openState(t);
  let outages = 2;
  const faulty: StateStore = {
    get: (key) => state.get(key),
    list: (prefix) => state.list(prefix),
    drop: (key) => state.drop(key),
    watch: (prefix, signal) => state.watch(prefix, signal),
    lease: (name, ttlMs) => state.lease(name, ttlMs),
    swap: async (key, value, version) => {
      const stored = outages === 1 ? await state.swap(key, value, version) : 0;
      if (outages-- > 0) throw new TransportError("unknown", "The answer was lost (injected).");
      return stored === 0 ? await state.swap(key, value, version) : stored;
    },
  };
  const record = new OwnRecord({ ...options, state: faulty });
  for (const value of ["1", "2", "3"]) record.set(bytes(value));
  await record.settled();
  assert.equal(await present(state), "3");
  await state.swap("k", bytes("another's"), (await state.get("k"))?.version ?? null);
  record.set(bytes("4"));
  await record.settled();
  assert.equal(await present(state), "4");
});

void test("what a successor wrote is not replaced", async (t) => {
  const state = await openState(t);
  const mayReplace = (value: Uint8Array): boolean => new TextDecoder().decode(value) !== "successor";
  const record = new OwnRecord({ ...options, state, mayReplace });
  record.set(bytes("mine"));
  await record.settled();
  await state.swap("k", bytes("successor"), (await state.get("k"))?.version ?? null);
  record.set(bytes("late"));
  await record.settled();
  assert.equal(await present(state), "successor");
});
