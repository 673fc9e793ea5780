import assert from "node:assert/strict";
import { test } from "node:test";
import { loadProfile } from "../../../cli/commands/bench/load-profile.ts";
import type { LoadFlags } from "../../../cli/commands/bench/load-profile.ts";
import {
  generationSetting,
  header,
  length,
  rates,
  seconds,
  sharedPrefix,
  slo,
  someSeconds,
  wholeNumbers,
} from "../../../cli/commands/bench/values.ts";
import { isTidingError } from "../../../shared/errors.ts";

const defaults: LoadFlags = { maxInFlight: 1_024, grace: 60, seed: 1 };

function stagesOf(flags: Partial<LoadFlags>) {
  const profile = loadProfile({ ...defaults, ...flags });
  assert.equal(profile.kind, "stages");
  return profile.kind === "stages" ? profile.loads : [];
}

void test("without a load there are three stages of a closed loop, thirty seconds each, with a part that is not measured", () => {
  const loads = stagesOf({});
  assert.deepEqual(
    loads.map(({ name, seconds: s, warmUpSeconds, coolDownSeconds }) => [name, s, warmUpSeconds, coolDownSeconds]),
    [
      ["concurrency 1", 30, 5, 2],
      ["concurrency 8", 30, 5, 2],
      ["concurrency 32", 30, 5, 2],
    ],
  );
});

void test("each kind of load has its arrivals and a name that tells it apart", () => {
  assert.deepEqual(
    stagesOf({ rate: [0.5, 2] }).map(({ name, arrivals }) => [name, arrivals]),
    [
      ["0.5 req/s", { kind: "constant", rate: 0.5 }],
      ["2 req/s", { kind: "constant", rate: 2 }],
    ],
  );
  assert.deepEqual(stagesOf({ poisson: [3] })[0]?.arrivals, { kind: "poisson", rate: 3 });
  const [all] = stagesOf({ allAtOnce: [5_000] });
  assert.deepEqual([all?.arrivals.kind, all?.requests, all?.seconds], ["at-once", 5_000, null]);
  // Or most of them would wait in the client, and the server never see them all.
  assert.equal(all?.maxInFlight, 5_000);
});

void test("requests alone end a stage that is measured as a whole; with seconds whichever comes first", () => {
  const [alone] = stagesOf({ requests: 100 });
  assert.deepEqual([alone?.seconds, alone?.warmUpSeconds, alone?.coolDownSeconds], [null, 0, 0]);
  const [both] = stagesOf({ requests: 100, seconds: 60 });
  assert.deepEqual([both?.seconds, both?.requests, both?.warmUpSeconds], [60, 100, 10]);
});

void test("a ramp is within the warm-up", () => {
  assert.equal(stagesOf({ seconds: 60, ramp: 20 })[0]?.warmUpSeconds, 20);
});

void test("a sweep leaves its full load to what the server says, where nothing is asked for", () => {
  const profile = loadProfile({ ...defaults, sweep: true, steps: 5 });
  assert.equal(profile.kind, "sweep");
  if (profile.kind === "sweep") assert.deepEqual([profile.sweep.maxConcurrency, profile.sweep.steps], [null, 5]);
});

void test("options that contradict each other are refused, by their names", () => {
  const wrong: readonly (readonly [Partial<LoadFlags>, RegExp])[] = [
    [{ rate: [1], poisson: [1] }, /--rate and --poisson/],
    [{ sweep: true, concurrency: [1] }, /--concurrency and --sweep/],
    [{ allAtOnce: [5], seconds: 3 }, /--seconds has no meaning with --all-at-once/],
    [{ allAtOnce: [5], requests: 3 }, /--requests has no meaning/],
    [{ requests: 5, warmUp: 1 }, /--warm-up needs --seconds/],
    [{ rate: [1], steps: 3 }, /--steps has a meaning with --sweep alone/],
    [{ maxConcurrency: 3 }, /--max-concurrency/],
  ];
  for (const [flags, says] of wrong) {
    assert.throws(
      () => loadProfile({ ...defaults, ...flags }),
      (error) => isTidingError(error) && error.code === "USAGE" && says.test(error.message),
      JSON.stringify(flags),
    );
  }
});

void test("values are read as they are written in the help", () => {
  assert.deepEqual(wholeNumbers("1,8,64"), [1, 8, 64]);
  assert.deepEqual(rates("0.5,2"), [0.5, 2]);
  assert.equal(seconds("0"), 0);
  assert.equal(someSeconds("2.5"), 2.5);
  assert.deepEqual(length("200"), { mean: 200 });
  assert.deepEqual(length("200,50,10,400"), { mean: 200, std: 50, min: 10, max: 400 });
  assert.deepEqual(slo("ttft=500,tpot=50"), { ttft_ms: 500, tpot_ms: 50, attainment: 0.99 });
  assert.deepEqual(slo("e2e=9000,attainment=0.9"), { e2e_ms: 9_000, attainment: 0.9 });
  assert.deepEqual(sharedPrefix("1000,4,0.8"), { tokens: 1_000, groups: 4, share: 0.8 });
  assert.deepEqual(header("X-Team: a: b", { other: "1" }), { other: "1", "X-Team": "a: b" });
  assert.deepEqual(generationSetting("temperature=0.7", { top_p: 1 }), { top_p: 1, temperature: 0.7 });
  assert.deepEqual(generationSetting("stop=a=b"), { stop: "a=b" });
});

void test("values that are none are refused", () => {
  const wrong: readonly (readonly [(text: string) => unknown, readonly string[]])[] = [
    [wholeNumbers, ["", "0", "1,,2", "1.5", "a", "-1", "4,4", "Infinity"]],
    [rates, ["", "0", "-2", "1,x", "Infinity"]],
    [seconds, ["", "-1", "x", "Infinity"]],
    [someSeconds, ["0"]],
    [length, ["", "0", "200,-1", "200,5,300", "200,5,10,100", "200,5,1.5", "1,2,3,4,5"]],
    [
      slo,
      ["", "ttft", "ttft=0", "speed=4", "attainment=0.9", "ttft=5,attainment=1.1", "ttft=Infinity", "constructor=4"],
    ],
    [sharedPrefix, ["", "0", "10,0", "10,1,0", "10,1,1.1", "1,1,1,1"]],
    [header, ["novalue", ": x", "a b: c"]],
    [generationSetting, ["x", "=1"]],
  ];
  for (const [read, texts] of wrong) {
    for (const text of texts)
      assert.throws(() => read(text), { code: "commander.invalidArgument" }, `${read.name}(${text})`);
  }
});
