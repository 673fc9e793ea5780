import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointModel, ModelCall } from "../../../../bench/plan/endpoint-model.ts";
import { runRows } from "../../../../bench/plan/job-run.ts";
import type { JobShape, RowShape } from "../../../../bench/plan/job-shape.ts";
import { seededRandom } from "../../../../bench/plan/seeded-random.ts";
import { wallMs } from "../../../../bench/plan/wall-time.ts";

/** A step of 10 ms whatever the batch, prompts for nothing: a call of n tokens takes 10 n. */
const server: EndpointModel = {
  stepMs: () => 10,
  prefillMsPerToken: 0,
  prefillBudget: Infinity,
  overheadMs: 0,
  kvTokens: Infinity,
  stepsBetweenAdmissions: 0,
};

function call(outputTokens: number): ModelCall {
  return { promptTokens: 1, outputTokens, reservedTokens: 0 };
}

function row(...chains: readonly (readonly number[])[]): RowShape {
  return { steps: [{ step: 0, gateway: 0, chains: chains.map((chain) => chain.map(call)) }] };
}

function job(slots: number, servers: readonly EndpointModel[] = [server]): JobShape {
  return { servers, firstGateway: 0, gateways: [{ pools: servers.map((_, index) => ({ server: index, slots })) }] };
}

void test("rows in one slot run one after the other", () => {
  assert.deepEqual([...runRows(job(1), 3, () => row([5]))], [50, 100, 150]);
});

void test("slots are refilled row by row: a straggler holds no other row up", () => {
  const tokens = [100, 5, 5, 5];
  assert.deepEqual([...runRows(job(2), 4, (index) => row([tokens[index]!]))], [50, 100, 150, 1_000]);
});

void test("calls of a row follow one another, its generations run side by side, and a row ends with its last", () => {
  assert.deepEqual([...runRows(job(4), 1, () => row([2, 3], [4]))], [50]);
  assert.deepEqual([...runRows(job(1), 1, () => row([2, 3], [4]))], [90], "with a slot for one of them");
});

void test("steps of a row follow one another, each with the slots of its own gateway", () => {
  const steps: RowShape = {
    steps: [
      { step: 0, gateway: 0, chains: [[call(2)]] },
      { step: 1, gateway: 1, chains: [[call(10)]] },
    ],
  };
  const two: JobShape = {
    servers: [server, server],
    firstGateway: 0,
    gateways: [{ pools: [{ server: 0, slots: 2 }] }, { pools: [{ server: 1, slots: 1 }] }],
  };
  assert.deepEqual([...runRows(two, 3, () => steps)], [120, 220, 320], "the second step's slot is never idle");
});

void test("two gateways that share a server share its batch", () => {
  const crowded: EndpointModel = { ...server, stepMs: (batch) => 10 * batch };
  const shared: JobShape = {
    servers: [crowded],
    firstGateway: 0,
    gateways: [{ pools: [{ server: 0, slots: 1 }] }, { pools: [{ server: 0, slots: 1 }] }],
  };
  const of = (index: number): RowShape => ({ steps: [{ step: 0, gateway: index, chains: [[call(5)]] }] });
  assert.deepEqual([...runRows(shared, 2, of)], [100, 100]);
});

void test("endpoints of one gateway share the rows, the one with the least work first", () => {
  const slow: EndpointModel = { ...server, stepMs: () => 30 };
  const ends = runRows(job(1, [server, slow]), 4, () => row([10]));
  assert.deepEqual([...ends], [100, 200, 300, 300]);
});

void test("a row without calls, of one that failed before its first, takes no time", () => {
  const shapes = [row([5]), { steps: [] }, row([5])];
  assert.deepEqual([...runRows(job(1), 3, (index) => shapes[index]!)], [0, 50, 100]);
});

void test("a large job is its start, its steady part and its end: as simulated whole, and linear from there", () => {
  const random = seededRandom(1);
  const shapes = Array.from({ length: 20 }, () => row([20 + Math.floor(random() * 100)]));
  const batching: EndpointModel = { ...server, stepMs: (batch) => 8 + 0.1 * batch };
  const of = (rows: number): number =>
    wallMs(job(64, [batching]), rows, { shapes, random: seededRandom(2), isEven: true });
  const whole = runRows(job(64, [batching]), 20_000, (index) => shapes[index % 20]!).at(-1)!;
  assert.ok(Math.abs(of(20_000) / whole - 1) < 0.005, `${of(20_000)} against ${whole}`);
  const [most, many] = [of(100_000_000), of(10_000_000)];
  assert.ok(Math.abs(most / many - 10) < 0.01, `${most} against ${many}`);
});

void test("rows of one length, which end in rounds, are foretold as well", () => {
  const shapes = [row([50])];
  const rows = 1_000_000;
  const foretold = wallMs(job(300), rows, { shapes, random: seededRandom(1), isEven: true });
  const rounds = Math.ceil(rows / 300) * 500;
  assert.ok(Math.abs(foretold / rounds - 1) < 0.01, `${foretold} against ${rounds}`);
});
