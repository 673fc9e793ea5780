/** What a server, an account or a stream refuses for want of room, what is said of it, and that it passes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { JetStreamApiError } from "@nats-io/jetstream";
import { FullStores } from "../../../../../shared/transport/nats/full-stores.ts";
import { API_CODE } from "../../../../../shared/transport/nats/nats-errors.ts";
import { openNatsTransport } from "../../../../../shared/transport/nats/nats-transport.ts";
import { TransportError, type FullStore, type Transport } from "../../../../../shared/transport/transport.ts";
import { openFiller } from "../../../../support/nats-filler.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../../../../support/nats-server.ts";

const MIB = 1024 * 1024;
const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(7);

function open(url: string): Promise<Transport> {
  const signal = new AbortController().signal;
  const budgets = { resultsBudgetBytes: 8 * MIB, inputsBudgetBytes: 4 * MIB };
  return openNatsTransport({ servers: url, name: "test", provision: true, signal, ...budgets });
}

const ACCOUNT = `accounts { TENANT {
  jetstream { max_file: 16MB, max_mem: 16MB }
  users: [ { user: tenant, password: secret } ]
} }`;
const SERVER_CASE = {
  what: "server",
  options: { maxFileStoreBytes: 16 * MIB },
  login: "",
  place: /the server's store$/,
  mend: /max_file_store/,
};
const ACCOUNT_CASE = {
  what: "account",
  options: { config: ACCOUNT },
  login: "tenant:secret@",
  place: /the account's limits$/,
  mend: /max_file of the account/,
};
const CASES = [
  { version: "2.9.10", ...SERVER_CASE },
  { version: "newest", ...SERVER_CASE },
  // Before 2.10.11 a server stores what is beyond an account's limits, and takes it out again with what it replaced.
  { version: "newest", ...ACCOUNT_CASE },
] as const;

for (const { version, what, options, login, place, mend } of CASES) {
  void test(`${version}: a full ${what} refuses each write as full, and says where and what mends it`, async () => {
    await using server = await startNatsServer(version, options);
    const url = server.url.replace("//", `//${login}`);
    await using transport = await open(url);
    await using filler = await openFiller(url);
    const { log, results, inputs, tasks, state } = transport;
    const first = await log.append("job", 1, null, bytes(300));
    await tasks.put("job", 1, bytes(300));
    const told: (FullStore | null)[] = [];
    transport.onHealth((health, full) => {
      if (health === "full" || health === "room") told.push(full);
    });
    await filler.fill();
    const writes = {
      append: () => log.append("job", 1, first, bytes(300)),
      result: () => results.put("job", 1, bytes(300)),
      input: () => inputs.put("job", 1, bytes(300)),
      task: () => tasks.put("job", 2, bytes(300)),
      state: () => state.swap("a", bytes(300), null),
      lease: () => state.lease("b", 1_000),
    };
    const refuseAll = async (): Promise<void> => {
      for (const [name, write] of Object.entries(writes)) {
        await assert.rejects(write, (error) => {
          assert.ok(error instanceof TransportError, `${name}: ${String(error)}`);
          assert.equal(error.fault, "full", `${name}: ${error.message}`);
          assert.match(error.full?.place ?? "", place);
          assert.match(error.full?.mend ?? "", mend);
          assert.doesNotMatch(error.full?.place ?? "", /secret/);
          return true;
        });
      }
    };
    await refuseAll();
    assert.equal(told.length, 0, "a moment without room is not worth a word");
    while (told.length === 0) {
      await delay(200);
      await refuseAll();
    }
    // What was there is, and can be read and dropped.
    assert.equal((await log.tail("job", 1))?.position, first);
    await results.drop("job", 1);
    assert.equal(told.length, 1, "once, however many streams are refused");
    await filler.makeRoom();
    for (const write of Object.values(writes)) await write();
    assert.equal(told.length, 2);
    assert.equal(told[1], null);
  });
}

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: a stream at its own limit is named, and who makes room in it`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await open(server.url);
    const { results, log } = transport;
    const told: (FullStore | null)[] = [];
    transport.onHealth((_health, full) => told.push(full));
    while (told.length === 0) {
      await results.put("job", 1, bytes(MIB)).catch((error: unknown) => {
        assert.ok(error instanceof TransportError && error.fault === "full", String(error));
      });
      await delay(20);
      await log.append("job", told.length, null, bytes(10)).catch(() => undefined);
    }
    const [full] = told;
    assert.match(full?.message ?? "", /TIDING_RESULTS takes nothing more: maximum bytes exceeded/);
    assert.match(full?.place ?? "", /^nats:.*stream TIDING_RESULTS$/);
    assert.match(full?.mend ?? "", /coordinator makes room/);
    await results.drop("job", 1);
    await results.put("job", 1, bytes(MIB));
    assert.deepEqual(told, [full, null]);
  });
}

/** With a clock of its own. */
function watched(): {
  readonly fulls: FullStores;
  readonly told: (FullStore | null)[];
  readonly pass: (ms: number) => void;
} {
  const told: (FullStore | null)[] = [];
  let nowMs = 0;
  return {
    fulls: new FullStores({ place: "nats://b", mends: new Map(), now: () => nowMs, tell: (full) => told.push(full) }),
    told,
    pass: (ms) => void (nowMs += ms),
  };
}

const silent = (): TransportError => new TransportError("unknown", "timeout", { cause: new Error("timeout") });

void test("a broker that stands and answers no writes is told of, as one whose disk is full does", () => {
  const { fulls, told, pass } = watched();
  for (let second = 0; second < 40; second += 5, pass(5_000)) fulls.refused("LOG", silent());
  assert.equal(told.length, 0);
  const error = silent();
  assert.equal(fulls.refused("LOG", error), error, "its outcome stays unknown");
  assert.match(told[0]?.mend ?? "", /full disk/);
  fulls.accepted("LOG");
  assert.deepEqual(told.slice(1), [null]);
});

void test("a broken connection and a lost race are no want of room", () => {
  const { fulls, told, pass } = watched();
  for (let second = 0; second < 90; second += 1, pass(1_000)) {
    fulls.refused("LOG", new TransportError("unknown", "The connection broke."));
    fulls.refused("LOG", new TransportError("conflict", "Another was there first."));
    fulls.refused("LOG", new Error("a defect"));
  }
  assert.deepEqual(told, []);
});

void test("a stream that nobody writes to any more holds the all-clear up for a while only", () => {
  const { fulls, told, pass } = watched();
  const full = (): TransportError => new TransportError("full", "no", { cause: new Error("insufficient resources") });
  fulls.refused("INPUT", full());
  fulls.refused("STATE", full());
  pass(5_000);
  fulls.refused("STATE", full());
  assert.equal(told.length, 1);
  fulls.accepted("STATE");
  assert.equal(told.length, 1);
  pass(61_000);
  fulls.accepted("STATE");
  assert.deepEqual(told.slice(1), [null]);
});

/** Of a stream at its own limit. */
const atLimit = (): TransportError =>
  new TransportError("full", "no", {
    cause: new JetStreamApiError({ code: 503, err_code: API_CODE.storeFailed, description: "maximum bytes exceeded" }),
  });

void test("of two stores that are full the one that has room again is told no more, and the other one is", () => {
  const { fulls, told, pass } = watched();
  for (const stream of ["INPUT", "RESULTS"]) {
    fulls.refused(stream, atLimit());
    pass(3_000);
    fulls.refused(stream, atLimit());
  }
  const [input, results] = told;
  assert.deepEqual([input?.place, results?.place], ["nats://b, stream INPUT", "nats://b, stream RESULTS"]);
  assert.equal(fulls.now, results);
  fulls.accepted("RESULTS");
  assert.equal(fulls.now, input, "it is not the one with room that is shown to who begins to listen");
  assert.deepEqual(told, [input, results, input]);
  fulls.accepted("INPUT");
  assert.equal(fulls.now, null);
  assert.deepEqual(told, [input, results, input, null]);
});

void test("what nobody has tried for a while is not shown as full to who begins to listen, and room is still told", () => {
  const { fulls, told, pass } = watched();
  fulls.refused("RESULTS", atLimit());
  pass(3_000);
  fulls.refused("RESULTS", atLimit());
  pass(61_000);
  assert.equal(fulls.now, null);
  fulls.accepted("STATE");
  assert.deepEqual(told, [told[0], null]);
});

void test("a stream that is refused for another reason stays full: what was told stands until the other has lasted", () => {
  const { fulls, told, pass } = watched();
  fulls.refused("LOG", atLimit());
  pass(3_000);
  fulls.refused("LOG", atLimit());
  for (let second = 0; second < 35; second += 5, pass(5_000)) fulls.refused("LOG", silent());
  assert.equal(fulls.now, told[0]);
  assert.equal(told.length, 1);
  fulls.accepted("LOG");
  assert.deepEqual(told.slice(1), [null]);
});
