import assert from "node:assert/strict";
import { test } from "node:test";
import { withTimeScale } from "../../../../../bench/simulator/batching/batch-options.ts";
import { PRESET_NAMES, PRESETS, presetOptions } from "../../../../../bench/simulator/batching/presets.ts";
import { stepMs } from "../../../../../bench/simulator/batching/step-time.ts";

void test("every figure of every preset says whether it was measured", () => {
  for (const name of PRESET_NAMES) {
    for (const { value, basis } of Object.values(PRESETS[name].figures) as { value: number; basis: string }[]) {
      assert.ok(value > 0);
      assert.match(basis, /^(measured|estimated)$/);
    }
  }
  const measured = (name: "h100" | "a10g"): string[] =>
    Object.entries(PRESETS[name].figures).flatMap(([figure, { basis }]) => (basis === "measured" ? [figure] : []));
  assert.equal(measured("h100").length, 5);
  assert.deepEqual(measured("a10g"), []);
});

void test("slower hardware is slower in every step", () => {
  const work = { sequences: 20, prefillTokens: 200, contextTokens: 8_000 };
  const times = PRESET_NAMES.map((name) => stepMs(presetOptions(name).stepTime, work));
  assert.deepEqual(
    times,
    times.toSorted((one, other) => one - other),
  );
});

void test("what is given is taken in place of a preset's figures, and the rest of them stays", () => {
  const options = presetOptions("h100", { kvTokens: 1_000, chunkedPrefill: false });
  assert.deepEqual([options.kvTokens, options.chunkedPrefill, options.maxBatchPrefillTokens], [1_000, false, 59_880]);
  assert.throws(() => presetOptions("l4", { kvTokens: -1 }), { code: "USAGE" });
});

void test("a time scale shortens every step alike", () => {
  const options = presetOptions("l40s");
  const scaled = withTimeScale(options, 0.1);
  for (const sequences of [1, 40]) {
    const work = { sequences, prefillTokens: 10, contextTokens: 99 };
    assert.ok(Math.abs(stepMs(scaled.stepTime, work) * 10 - stepMs(options.stepTime, work)) < 1e-9);
  }
});
