import assert from "node:assert/strict";
import { test } from "node:test";
import { clientHealth } from "../../../../bench/load/client-health.ts";

const FINE = {
  threads: [
    { eventLoopDelayP99Ms: 0.3, utilisation: 0.2, turnedMs: 0 },
    { eventLoopDelayP99Ms: 0.8, utilisation: 0.4, turnedMs: 1_000 },
  ],
  lateP99Ms: 0.4,
  itlP50Ms: 12,
  cpuSeconds: 5,
  seconds: 10,
  cores: 2,
  events: 50_000,
  noOpEventsPerSecond: 60_000,
  unconnected: 0,
};

void test("a client with room is not what limits, however precisely it waits", () => {
  const health = clientHealth(FINE);
  assert.deepEqual([health.limited, health.why], [false, []]);
  assert.deepEqual([health.event_loop_delay_p99_ms, health.event_loop_utilisation], [0.8, 0.4]);
  assert.deepEqual([health.cpu_share, health.events_per_second], [0.2, 5_000]);
});

void test("lateness limits above 1 ms, or above 5 % of the gap between tokens where that is more", () => {
  assert.match(clientHealth({ ...FINE, lateP99Ms: 1.1 }).why.join(), /1\.10 ms late/);
  assert.equal(clientHealth({ ...FINE, lateP99Ms: 1.1, itlP50Ms: 40 }).limited, false);
  assert.equal(clientHealth({ ...FINE, lateP99Ms: 2.1, itlP50Ms: 40 }).limited, true);
  assert.equal(clientHealth({ ...FINE, lateP99Ms: null, itlP50Ms: null }).limited, false);
});

void test("a machine or an event loop that is busy for more than 80 % of the time limits", () => {
  assert.match(clientHealth({ ...FINE, cpuSeconds: 17.2 }).why.join(), /81 % of the CPU time there is on 2 cores/);
  const busy = [...FINE.threads, { eventLoopDelayP99Ms: null, utilisation: 0.85, turnedMs: 0 }];
  assert.match(clientHealth({ ...FINE, threads: busy }).why.join(), /busy for 85 %/);
});

void test("requests that found no port here say that the client limits", () => {
  assert.match(clientHealth({ ...FINE, unconnected: 3 }).why.join(), /3 requests failed because the client ran out/);
});

void test("a no-op ceiling below three times what came limits", () => {
  assert.match(clientHealth({ ...FINE, events: 210_000 }).why.join(), /60000 token events a second at most/);
  assert.equal(clientHealth({ ...FINE, events: 210_000, noOpEventsPerSecond: null }).limited, false);
});
