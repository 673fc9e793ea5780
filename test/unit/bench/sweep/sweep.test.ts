import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { StageLoad } from "../../../../bench/load/stage-load.ts";
import type { SloLimits, StageReport } from "../../../../bench/report/bench-report.ts";
import { Sweep } from "../../../../bench/sweep/sweep.ts";
import type { SweepOptions } from "../../../../bench/sweep/sweep.ts";
import { LOAD, handMade, queued, reportOf, reportOfTally, tallyOf } from "../../../support/measured-requests.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const { name: _, arrivals: __, ...STAGE } = LOAD;

/** A server that decodes for up to `places` at once in steps of `stepMs + eachMs × batch`, answers of 100 tokens. */
interface BatchServer {
  readonly places: number;
  readonly stepMs: number;
  readonly eachMs: number;
}
const TOKENS = 100;

function answersPerSecond({ places, stepMs, eachMs }: BatchServer, concurrency: number): number {
  const batch = Math.min(concurrency, places);
  return (batch * 1000) / (TOKENS * (stepMs + eachMs * batch));
}

/** Time of an answer at a rate that is kept up: of the batch that is steady at it. */
function answerMs({ stepMs, eachMs }: BatchServer, rate: number): number {
  return (TOKENS * stepMs) / (1 - (rate * TOKENS * eachMs) / 1000);
}

const blank = reportOf([handMade({ stamps: [1] })]);

function report(
  load: StageLoad,
  found: { reqPerSecond: number; overSaturated: boolean | null; attainment: number },
): StageReport {
  const { arrivals } = load;
  const rate = arrivals.kind === "constant" || arrivals.kind === "poisson" ? arrivals.rate : null;
  return {
    ...blank,
    name: load.name,
    load: {
      ...blank.load,
      kind: arrivals.kind,
      rate,
      concurrency: arrivals.kind === "closed" ? arrivals.concurrency : null,
    },
    throughput: { ...blank.throughput, req_s: found.reqPerSecond, offered_req_s: rate ?? found.reqPerSecond },
    slo: { goodput_req_s: 0, attainment: found.attainment },
    over_saturated: found.overSaturated,
  };
}

/** The figures that stages on such a server would have; the SLO is met by answers within `withinMs`. */
function measure(server: BatchServer, load: StageLoad, withinMs = Infinity): StageReport {
  const capacity = answersPerSecond(server, server.places);
  const { arrivals } = load;
  if (arrivals.kind === "closed") {
    const reqPerSecond = answersPerSecond(server, arrivals.concurrency);
    const waitedMs = (arrivals.concurrency * 1000) / reqPerSecond;
    return report(load, { reqPerSecond, overSaturated: null, attainment: waitedMs <= withinMs ? 1 : 0 });
  }
  if (arrivals.kind === "at-once") throw new RangeError("a sweep has no such stage");
  const overSaturated = arrivals.rate > capacity;
  const attainment = !overSaturated && answerMs(server, arrivals.rate) <= withinMs ? 1 : 0;
  return report(load, { reqPerSecond: Math.min(arrivals.rate, capacity), overSaturated, attainment });
}

function run(options: SweepOptions, stage: (load: StageLoad) => StageReport) {
  const sweep = new Sweep(options);
  const reports: StageReport[] = [];
  for (let load = sweep.next(reports); load !== null; load = sweep.next(reports)) {
    const next = load;
    assert.ok(reports.length < 40, "a sweep ends");
    assert.ok(!reports.some(({ name }) => name === next.name), `${load.name} is unique`);
    reports.push(stage(load));
  }
  return { reports, result: sweep.result(), names: reports.map(({ name }) => name) };
}

const OPTIONS: SweepOptions = { stage: STAGE, maxConcurrency: 512, slo: null };

const servers = fc.record({
  places: fc.integer({ min: 1, max: 400 }),
  stepMs: fc.double({ min: 2, max: 60, noNaN: true }),
  eachMs: fc.double({ min: 0.01, max: 2, noNaN: true }),
});

void test("a sweep goes one at a time, at full load, evenly up, and then narrows down the knee", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const { names, result } = run(OPTIONS, (load) => {
    const measured = measure(server, load);
    /** Full load of a closed loop is a little above what is kept up, as the queue always has a request. */
    return load.name === "full load" ? { ...measured, throughput: { ...measured.throughput, req_s: 56 } } : measured;
  });
  assert.deepEqual(names, [
    "one at a time",
    "full load",
    "7.866 req/s",
    "14.74 req/s",
    "21.62 req/s",
    "28.5 req/s",
    "35.37 req/s",
    "42.25 req/s",
    "49.12 req/s",
    "56 req/s",
    "52.56 req/s",
    "50.84 req/s",
  ]);
  assert.equal(result.knee_req_s, 49.12);
  assert.equal(result.throughput_req_s, 56);
  assert.equal(result.slo_req_s, null);
  assert.equal(result.stopped, "At 50.84 req/s the queue grew for as long as requests came.");
});

void test("the knee is found within 10 % on servers of any capacity", () => {
  fc.assert(
    fc.property(servers, (server) => {
      const { result } = run(OPTIONS, (load) => measure(server, load));
      const knee = answersPerSecond(server, server.places);
      assert.ok(
        result.knee_req_s !== null && Math.abs(result.knee_req_s - knee) <= 0.1 * knee,
        `${result.knee_req_s} of ${knee}`,
      );
    }),
    { numRuns: 500 },
  );
});

void test("the knee is found where full load was too few at once to reach it", () => {
  const server = { places: 200, stepMs: 20, eachMs: 0.05 };
  const { result, names } = run({ ...OPTIONS, maxConcurrency: 100 }, (load) => measure(server, load));
  const knee = answersPerSecond(server, 200);
  assert.ok(result.throughput_req_s < 0.7 * knee);
  assert.ok(Math.abs(result.knee_req_s! - knee) <= 0.1 * knee, `${result.knee_req_s} of ${knee}`);
  assert.ok(names.length < 20);
});

void test("where even the highest rate is kept up, it says that the knee lies above", () => {
  const { result } = run({ ...OPTIONS, maxConcurrency: 2 }, (load) =>
    measure({ places: 1000, stepMs: 10, eachMs: 0.01 }, load),
  );
  assert.match(result.stopped!, /^Even [\d.]+ req\/s were kept up; the knee lies above\.$/);
});

void test("the highest rate that meets the SLO is found within 10 %, and never one that does not", () => {
  const slo: SloLimits = { e2e_ms: 1, attainment: 0.99 };
  fc.assert(
    fc.property(servers, fc.double({ min: 1.05, max: 5, noNaN: true }), (server, slack) => {
      const aloneMs = TOKENS * (server.stepMs + server.eachMs);
      const withinMs = aloneMs * slack;
      const { result } = run({ ...OPTIONS, slo }, (load) => measure(server, load, withinMs));
      const knee = answersPerSecond(server, server.places);
      const limit = ((1 - (TOKENS * server.stepMs) / withinMs) * 1000) / (TOKENS * server.eachMs);
      const truth = Math.min(knee, limit);
      assert.ok(result.slo_req_s !== null);
      assert.ok(result.slo_req_s <= truth * 1.0001, `${result.slo_req_s} of ${truth}`);
      assert.ok(result.slo_req_s >= 0.9 * truth, `${result.slo_req_s} of ${truth}`);
    }),
    { numRuns: 500 },
  );
});

void test("an SLO that one at a time does not meet is met by no rate, and costs no stage", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const slo: SloLimits = { e2e_ms: 1, attainment: 0.99 };
  const [with_, without] = [
    run({ ...OPTIONS, slo }, (load) => measure(server, load, 1)),
    run(OPTIONS, (load) => measure(server, load)),
  ];
  assert.equal(with_.result.slo_req_s, null);
  assert.deepEqual(with_.names, without.names);
});

void test("limits that are met while the queue still grows do not count", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const slo: SloLimits = { e2e_ms: 1, attainment: 0.99 };
  const { result } = run({ ...OPTIONS, slo }, (load) => ({
    ...measure(server, load),
    slo: { goodput_req_s: 1, attainment: 1 },
  }));
  assert.equal(result.slo_req_s, result.knee_req_s);
  assert.ok(result.slo_req_s! <= answersPerSecond(server, 100));
});

void test("a rate that fails far below full load is tried again before it is believed", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  let hiccups = 0;
  const { names, result } = run(OPTIONS, (load) => {
    const measured = measure(server, load);
    if (load.arrivals.kind !== "constant" || load.arrivals.rate > 20 || hiccups > 0) return measured;
    hiccups += 1;
    return { ...measured, over_saturated: true };
  });
  assert.deepEqual(names.slice(2, 4), [names[2], `${names[2]} again`]);
  assert.ok(Math.abs(result.knee_req_s! - 50) <= 5, `${result.knee_req_s}`);
});

void test("an SLO missed once below a rate that met it is tried again before it is believed", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const slo: SloLimits = { e2e_ms: 1, attainment: 0.99 };
  let hiccups = 0;
  const { names, result } = run({ ...OPTIONS, slo }, (load) => {
    const measured = measure(server, load, 1500);
    if (load.arrivals.kind !== "constant" || load.arrivals.rate > 20 || hiccups > 0) return measured;
    hiccups += 1;
    return { ...measured, slo: { goodput_req_s: 0, attainment: 0.5 } };
  });
  assert.deepEqual(names[4], `${names[2]} again`);
  assert.equal(names.filter((name) => name.endsWith(" again")).length, 1);
  const truth = ((1 - 1000 / 1500) * 1000) / 10;
  assert.ok(Math.abs(result.slo_req_s! - truth) <= 0.1 * truth, `${result.slo_req_s} of ${truth}`);
});

void test("a rate is tried twice at most, and where none is kept up there is no knee", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const { names, result } = run(OPTIONS, (load) => ({
    ...measure(server, load),
    over_saturated: load.arrivals.kind === "constant",
  }));
  const again = names.filter((name) => name.endsWith(" again"));
  assert.ok(again.length > 0 && again.every((name) => names.includes(name.replace(" again", ""))));
  assert.equal(result.knee_req_s, null);
});

void test("stages of rates are lengthened, with their parts, where answers are long", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const secondsOf = (e2eMs: number, seconds: number | null) => {
    const stage = { ...STAGE, seconds, warmUpSeconds: 5, coolDownSeconds: 2 };
    const loads: StageLoad[] = [];
    run({ ...OPTIONS, stage }, (load) => {
      loads.push(load);
      const measured = measure(server, load);
      const e2e = { ...measured.metrics.e2e_service, mean: e2eMs };
      return { ...measured, metrics: { ...measured.metrics, e2e_service: e2e } };
    });
    assert.deepEqual([loads[0]!.seconds, loads[1]!.seconds], [seconds, seconds]);
    return [loads[2]!.seconds, loads[2]!.warmUpSeconds, loads[2]!.coolDownSeconds];
  };
  assert.deepEqual(secondsOf(5_000, 30), [30, 5, 2]);
  assert.deepEqual(secondsOf(15_000, 30), [60, 10, 4]);
  assert.deepEqual(secondsOf(90_000, 30), [120, 20, 8]);
  assert.deepEqual(secondsOf(90_000, null), [null, 5, 2]);
});

void test("a server that sheds what it can not do has no queue that grows, and does not keep up", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const { result } = run(OPTIONS, (load) => {
    const measured = measure(server, load);
    if (measured.over_saturated !== true) return measured;
    return { ...measured, over_saturated: false, counts: { ...measured.counts, scheduled: 200, errors: 30 } };
  });
  assert.ok(Math.abs(result.knee_req_s! - 50) <= 5, `${result.knee_req_s}`);
  assert.match(result.stopped!, /30 of 200 requests failed or were never sent\.$/);
});

void test("stages too short for a slope are judged by what they answered", () => {
  const server = { places: 100, stepMs: 10, eachMs: 0.1 };
  const { result } = run(OPTIONS, (load) => ({ ...measure(server, load), over_saturated: null }));
  assert.ok(result.knee_req_s! >= 45 && result.knee_req_s! <= 50 / 0.9, `${result.knee_req_s}`);
});

void test("a sweep against a server that answers nothing ends after its first stage", () => {
  const { names, result } = run(OPTIONS, (load) =>
    report(load, { reqPerSecond: 0, overSaturated: null, attainment: 0 }),
  );
  assert.deepEqual(names, ["one at a time"]);
  assert.equal(result.knee_req_s, null);
  assert.equal(result.stopped, "One at a time, no request was answered.");
});

void test("every step on the way, from requests to the knee: queues in noisy servers, tallied and judged", () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const random = seededRandom(seed);
    const server = { places: 1 + Math.floor(random() * 60), meanMs: 100 + random() * 2500 };
    const knee = (server.places * 1000) / server.meanMs;
    const serviceMs = () => server.meanMs * (0.7 + 0.6 * random());
    const { result } = run(
      { ...OPTIONS, stage: { ...STAGE, seconds: 40 }, maxConcurrency: server.places * 4 },
      (load) => {
        const { arrivals } = load;
        const window = { startMs: 10_000, endMs: 40_000 };
        if (arrivals.kind === "closed") {
          const busy = Math.min(arrivals.concurrency, server.places);
          return report(load, { reqPerSecond: (busy * 1000) / server.meanMs, overSaturated: null, attainment: 1 });
        }
        assert.equal(arrivals.kind, "constant");
        const rate = "rate" in arrivals ? arrivals.rate : 0;
        const due = Array.from({ length: Math.ceil(rate * 40) }, (_unused, index) => (index * 1000) / rate);
        const tally = tallyOf(queued(due, { places: server.places, serviceMs, firstTokenMs: 10 }), window);
        return reportOfTally(tally, load);
      },
    );
    assert.ok(Math.abs(result.knee_req_s! - knee) <= 0.1 * knee, `${result.knee_req_s} of ${knee}`);
  }
});
