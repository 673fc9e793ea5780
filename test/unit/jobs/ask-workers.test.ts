import assert from "node:assert/strict";
import { test } from "node:test";
import { askWorkers } from "../../../jobs/ask-workers.ts";
import type { PreparedJob } from "../../../jobs/prepare-job.ts";
import { encodeProbeAnswer, PROBE_ANSWERS, PROBES } from "../../../shared/protocol/probe-record.ts";
import { openEmbeddedTransport } from "../../../shared/transport/embedded/embedded-transport.ts";
import { TransportError, type StateStore } from "../../../shared/transport/transport.ts";
import { logFolder } from "../../support/embedded-log.ts";

const job = {
  loaded: { name: "job", written: {}, folder: "/" },
  steps: { inputColumns: [], code: [] },
} as unknown as PreparedJob;

void test("a broker that comes and goes while it is asked is asked until it has heard", async (t) => {
  await using inner = await openEmbeddedTransport({ directory: await logFolder(t), epoch: 1, leaseMs: 1_000 });
  const { state } = inner;
  const faults = ["unreachable", "unknown"] as const;
  let tries = 0;
  const flaky: StateStore = {
    get: (key) => state.get(key),
    list: (prefix) => state.list(prefix),
    watch: (prefix, signal) => state.watch(prefix, signal),
    lease: (name, ttlMs) => state.lease(name, ttlMs),
    drop: () => Promise.reject(new TransportError("unreachable", "It is away again.")),
    async swap(key, value, version) {
      const fault = faults[tries++];
      if (fault === "unreachable") throw new TransportError(fault, "It is away.");
      const set = await state.swap(key, value, version);
      const id = key.slice(PROBES.length);
      const answer = encodeProbeAnswer({ worker: "one", served: [[]], error: null });
      await state.swap(`${PROBE_ANSWERS}${id}.one`, answer, null);
      if (fault !== undefined) throw new TransportError(fault, "Its answer was lost.");
      return set;
    },
  };
  const asked = { signal: AbortSignal.timeout(10_000), onNotice: () => undefined };
  assert.deepEqual(await askWorkers({ ...inner, state: flaky }, job, asked), [[]]);
  assert.equal(tries, 3);
});
