import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointBelief } from "../../../../bench/plan/endpoint-belief.ts";
import { forecast, forecastBetween, type ForecastInput } from "../../../../bench/plan/forecast.ts";
import { runRows } from "../../../../bench/plan/job-run.ts";
import type { RowUse } from "../../../../bench/plan/sample-use.ts";
import { seededRandom } from "../../../../bench/plan/seeded-random.ts";

const signal = new AbortController().signal;

/** Known exactly: a token each 10 ms, whatever the batch. */
const steady: EndpointBelief = {
  knownUpTo: Infinity,
  model: () => ({
    stepMs: () => 10,
    prefillMsPerToken: 0,
    prefillBudget: Infinity,
    overheadMs: 0,
    kvTokens: Infinity,
    stepsBetweenAdmissions: 0,
  }),
};

function use(textBytes: number, inputTokens: number, outputTokens: number): RowUse {
  const call = { promptTokens: inputTokens, outputTokens, reservedTokens: 0 };
  return {
    textBytes,
    steps: [{ calls: 1, inputTokens, outputTokens }],
    shape: { steps: [{ step: 0, gateway: 0, chains: [[call]] }] },
  };
}

function input(uses: readonly RowUse[], changes: Partial<ForecastInput> = {}): ForecastInput {
  return {
    rows: 5_000,
    rowsError: 0,
    steps: 1,
    uses,
    meanTextBytes: 400,
    lengths: null,
    gateways: [{ pools: [{ server: 0, slots: 50 }] }],
    firstGateway: 0,
    beliefs: null,
    besidesSeconds: 0,
    seed: 1,
    signal,
    ...changes,
  };
}

/** Lengths of answers as models give them: log-normal, of mean 100 and a spread of 30 %. */
function lengths(random: () => number, count: number): readonly number[] {
  return Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.max(1, Math.round(100 * Math.exp(0.3 * normal - 0.045)));
  });
}

void test("what every sampled row used, every row will use: nothing is left to chance", async () => {
  const { range } = await forecast(
    input(
      Array.from({ length: 20 }, () => use(400, 80, 100)),
      { beliefs: [steady] },
    ),
  );
  assert.deepEqual(
    range(({ steps }) => steps[0]!.calls),
    { low: 5_000, likely: 5_000, high: 5_000 },
  );
  assert.deepEqual(
    range(({ steps }) => steps[0]!.inputTokens),
    { low: 400_000, likely: 400_000, high: 400_000 },
  );
  // 50 at a time, a second each: 100 rounds.
  assert.deepEqual(
    range(({ seconds }) => seconds ?? 0),
    { low: 100, likely: 100, high: 100 },
  );
});

void test("eight of ten ranges from twenty rows hold the truth, of tokens and of time", async () => {
  const samples = 120;
  const rows = 400;
  const job = { servers: [steady.model(null)], firstGateway: 0, gateways: [{ pools: [{ server: 0, slots: 10 }] }] };
  let [tokens, times] = [0, 0];
  for (let seed = 1; seed <= samples; seed++) {
    const random = seededRandom(seed * 104_729);
    const uses = lengths(random, 20).map((length) => use(400, 80, length));
    const { range } = await forecast(input(uses, { beliefs: [steady], gateways: job.gateways, rows, seed }));
    const outputTokens = range(({ steps }) => steps[0]!.outputTokens);
    if (outputTokens.low <= 100 * rows && outputTokens.high >= 100 * rows) tokens++;
    const truth = lengths(random, rows).map((length) => use(400, 80, length).shape);
    const seconds = range(({ seconds: of }) => of ?? 0);
    const trueSeconds = runRows(job, rows, (row) => truth[row]!).at(-1)! / 1_000;
    if (seconds.low <= trueSeconds && seconds.high >= trueSeconds) times++;
  }
  // Of a share of 0.8, three standard errors in 120 tries are 0.11.
  for (const [what, held] of Object.entries({ tokens, times }))
    assert.ok(held / samples > 0.69 && held / samples < 0.91, `${what}: ${held} of ${samples}`);
});

void test("tokens that go with the length of the texts are taken to the input's mean length", async () => {
  const uses = Array.from({ length: 20 }, (_, index) =>
    use(100 + 10 * index, 30 + (100 + 10 * index) / 4, 50 + (index % 5)),
  );
  const { range } = await forecast(input(uses, { meanTextBytes: 1_000 }));
  const inputTokens = range(({ steps }) => steps[0]!.inputTokens);
  assert.ok(Math.abs(inputTokens.likely / 5_000 - 280) < 1e-6, String(inputTokens.likely));
  assert.ok(inputTokens.high - inputTokens.low < 1, "they lie on a line");
  const outputTokens = range(({ steps }) => steps[0]!.outputTokens);
  assert.ok(Math.abs(outputTokens.likely / 5_000 - 52) < 1e-6, "answers do not, and keep their mean");
});

void test("lengths that a bench run knows take the place of the sample's, for tokens and for time", async () => {
  const random = seededRandom(5);
  const uses = lengths(random, 20).map((length) => use(400, 80, length + 20));
  const known = { step: 0, lengths: Array.from({ length: 100 }, () => 100), standardError: 0 };
  const { range } = await forecast(input(uses, { beliefs: [steady], lengths: known }));
  assert.deepEqual(
    range(({ steps }) => steps[0]!.outputTokens),
    { low: 500_000, likely: 500_000, high: 500_000 },
  );
  assert.ok(Math.abs(range(({ seconds }) => seconds ?? 0).likely - 100) < 1e-6);
});

void test("a doubt about the number of rows is in every range", async () => {
  const { range } = await forecast(
    input(
      Array.from({ length: 20 }, () => use(400, 80, 100)),
      { rowsError: 0.1 },
    ),
  );
  const calls = range(({ steps }) => steps[0]!.calls);
  assert.equal(calls.likely, 5_000);
  // p10 and p90 of a normal with a spread of 10 %, read as far out as twenty rows ask.
  assert.ok(calls.low > 4_100 && calls.low < 4_550 && calls.high > 5_450 && calls.high < 5_900, JSON.stringify(calls));
});

void test("a hundred million rows are foretold like a hundred thousand", async () => {
  const uses = lengths(seededRandom(9), 20).map((length) => use(400, 80, length));
  const at = async (rows: number) =>
    (await forecast(input(uses, { beliefs: [steady], rows }))).range(({ seconds }) => seconds ?? 0).likely;
  const [many, most] = [await at(100_000), await at(100_000_000)];
  assert.ok(Math.abs(most / many / 1_000 - 1) < 0.01, `${most} against ${many}`);
});

void test("the same seed gives the same plan, and without rows there is nothing", async () => {
  const uses = lengths(seededRandom(3), 20).map((length) => use(400, 80, length));
  const seconds = async () => (await forecast(input(uses, { beliefs: [steady] }))).range((world) => world.seconds ?? 0);
  assert.deepEqual(await seconds(), await seconds());
  const nothing = await forecast(input([], { rows: 0, beliefs: [steady] }));
  assert.deepEqual(
    nothing.range(({ steps }) => steps[0]!.calls),
    { low: 0, likely: 0, high: 0 },
  );
});

void test("where an endpoint's speed is not known, no time is", async () => {
  const { range } = await forecast(input([use(400, 80, 100)]));
  assert.deepEqual(
    range(({ seconds }) => (seconds === null ? 1 : 0)),
    { low: 1, likely: 1, high: 1 },
  );
});

void test("without a sample the range is from the least that is supposed to the most", () => {
  const at = (outputTokens: number) => input([use(400, 80, outputTokens)], { beliefs: [steady], rows: 100 });
  const { range } = forecastBetween({ low: at(10), likely: at(50), high: at(100) });
  assert.deepEqual(
    range(({ steps }) => steps[0]!.outputTokens),
    { low: 1_000, likely: 5_000, high: 10_000 },
  );
  assert.deepEqual(
    range(({ seconds }) => seconds ?? 0),
    { low: 0.2, likely: 1, high: 2 },
  );
});

void test("an interrupted forecast ends", async () => {
  const stop = new AbortController();
  const uses = lengths(seededRandom(9), 20).map((length) => use(400, 80, length));
  const foretelling = forecast(input(uses, { beliefs: [steady], signal: stop.signal }));
  stop.abort(new Error("enough"));
  await assert.rejects(foretelling, /enough/);
});
