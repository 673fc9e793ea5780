import assert from "node:assert/strict";
import { test } from "node:test";
import { describePreset, presetBelief, presetNamed } from "../../../../bench/plan/preset-belief.ts";
import { presetOptions } from "../../../../bench/simulator/batching/presets.ts";
import { runRows } from "../../../../bench/plan/job-run.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import { closedLoop } from "../../../support/virtual-bench.ts";

void test("a job on a preset takes what the simulator takes with that preset", () => {
  const calls = Array.from({ length: 600 }, (_, index) => ({
    promptTokens: 50 + ((index * 37) % 200),
    outputTokens: 20 + ((index * 91) % 150),
    maxNewTokens: 256,
  }));
  for (const name of ["h100", "l4"] as const) {
    const truth = closedLoop(presetOptions(name), calls, { slots: 48, overheadMs: 0 }).at(-1)!.endMs;
    const job = {
      servers: [presetBelief(name).model(null)],
      gateways: [{ pools: [{ server: 0, slots: 48 }] }],
      firstGateway: 0,
    };
    const ended = runRows(job, calls.length, (row) => {
      const call = { ...calls[row]!, reservedTokens: calls[row]!.promptTokens + 255 };
      return { steps: [{ step: 0, gateway: 0, chains: [[call]] }] };
    });
    assert.ok(Math.abs(ended.at(-1)! / truth - 1) < 0.005, `${name}: ${ended.at(-1)} against ${truth}`);
  }
});

void test("what is measured of a preset is told apart from what is estimated, and is surer", () => {
  const slower = (name: "h100" | "l40s"): number => {
    const belief = presetBelief(name);
    const chance = { uniform: () => 0, normal: () => 1, rows: [] };
    return belief.model(chance).stepMs(64, false) / belief.model(null).stepMs(64, false);
  };
  assert.ok(slower("h100") < slower("l40s"));
  assert.match(describePreset("h100"), /fitted to published measurements/);
  assert.match(describePreset("l40s"), /estimated from other hardware's/);
});

void test("a preset that there is not is refused with those that there are", () => {
  assert.equal(presetNamed("h100"), "h100");
  assert.throws(
    () => presetNamed("h1000"),
    (error: unknown) => isTidingError(error) && error.code === "USAGE" && (error.mend ?? "").includes("a100-80"),
  );
});
