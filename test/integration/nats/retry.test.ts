/** Failed rows run again over a real broker, and what becomes of a retry that is gone on with over the other transport. */
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { startSimulator, type Simulator } from "../../../bench/simulator/simulator.ts";
import { runCli } from "../../../cli/main.ts";
import { readManifest } from "../../../coordinator/output/output-directory.ts";
import { cliWorld, type CliWorld } from "../../support/cli-world.ts";
import { FleetWorld } from "../../support/fleet-world.ts";
import { answerOf, idsOf, upTo } from "../../support/job-world.ts";

const KEY = { LLM_KEY: "k-3141" };
const FAIL = { failPrompts: ["question 3"] };
/** Rows 3, 30 to 39 and 300 to 399. */
const FAILED = upTo(600).filter((row) => String(row).startsWith("3"));

/** A job of 600 rows that ran over the broker or without one, and whose failed rows would succeed at `mended` now. */
async function failedJob(run: {
  readonly broker: boolean;
}): Promise<AsyncDisposable & { fleet: FleetWorld; mended: Simulator; output: string }> {
  const fleet = await FleetWorld.open(600, { workers: 0, ...FAIL });
  await fleet.nats.work({ surroundings: { environment: KEY } });
  const spec = await fleet.spec("answers", { llm: { api_key: "${LLM_KEY}" }, run: { shard_rows: 600 } });
  const world = run.broker ? await fleet.tiding("run", spec, "--no-work") : await alone(KEY, "run", spec);
  if (world.code !== 3) {
    await fleet[Symbol.asyncDispose]();
    assert.fail(world.stderr.text);
  }
  const mended = await startSimulator({ latency: { distribution: "fixed", medianMs: 50 } });
  return {
    fleet,
    mended,
    output: path.join(fleet.world.folder, "answers"),
    async [Symbol.asyncDispose]() {
      await fleet[Symbol.asyncDispose]();
      await mended.close();
    },
  };
}

async function alone(environment: Record<string, string>, ...argv: string[]): Promise<CliWorld & { code: number }> {
  const world = cliWorld(environment);
  return { ...world, code: await runCli(argv, world) };
}

/** Runs a retry until it has paid for some rows, and interrupts it as Ctrl-C does. */
async function interruptedRetry(
  start: { readonly world: CliWorld; readonly ended: Promise<number> },
  mended: Simulator,
): Promise<void> {
  // Once: a second Ctrl-C would abandon what is running, which is then paid for again.
  const watch = setInterval(() => {
    if (mended.stats().answers < 20) return;
    clearInterval(watch);
    start.world.signals.emit("SIGINT");
  }, 10);
  const code = await start.ended;
  clearInterval(watch);
  assert.equal(code, 130, start.world.stderr.text);
  assert.ok(mended.stats().answers < FAILED.length, "some rows are left");
}

const mendedUrl = ({ url }: Simulator): string => `steps.0.llm.base_url=${url}`;

async function assertWhole({ fleet, output }: { fleet: FleetWorld; output: string }): Promise<void> {
  const rows = await fleet.world.rows("data", output);
  assert.deepEqual(
    idsOf(rows).toSorted((a, b) => a - b),
    upTo(600),
  );
  for (const { generation, tiding } of rows)
    assert.ok(String(generation).startsWith(answerOf(Number(tiding.row_id))), `row ${tiding.row_id}`);
  assert.deepEqual(await fleet.world.rows("failed", output), []);
}

void test("rows that failed over a broker are run again over it, by workers that have the keys", async () => {
  await using failed = await failedJob({ broker: true });
  const { fleet, mended, output } = failed;
  assert.deepEqual(idsOf(await fleet.world.rows("failed", output)), FAILED);
  const start = fleet.start("retry", output, "--no-work", "--set", mendedUrl(mended));
  await interruptedRetry(start, mended);
  assert.match(start.world.stdout.text, /tiding retry \S+answers --set steps\S+ --no-work\n/);

  // The rows that are paid for lie with the broker: the retry goes on there, and nowhere else.
  const refused = await alone(KEY, "retry", output);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr.text, /error USAGE[^]*runs over a broker[^]*Go on with --broker/);
  const again = await fleet.tiding("retry", output, "--no-work", "--json");
  assert.equal(again.code, 0, again.stderr.text + again.stdout.text);
  assert.equal(mended.stats().answers, FAILED.length, "no row was paid for twice");
  await assertWhole(failed);
  assert.equal((await readManifest(output))?.transport, "broker");
});

void test("once it is finished, a job is retried over another transport than it ran over, both ways", async () => {
  for (const broker of [true, false]) {
    await using failed = await failedJob({ broker });
    const { fleet, mended, output } = failed;
    const argv = ["retry", output, "--set", mendedUrl(mended)];
    const done = broker ? await alone(KEY, ...argv) : await fleet.tiding(...argv, "--no-work");
    assert.equal(done.code, 0, done.stderr.text);
    assert.equal(mended.stats().answers, FAILED.length);
    await assertWhole(failed);
    assert.equal((await readManifest(output))?.transport, broker ? "embedded" : "broker");
  }
});

void test("a retry without a broker that holds paid rows is not gone on with over one", async () => {
  await using failed = await failedJob({ broker: false });
  const { fleet, mended, output } = failed;
  const world = cliWorld(KEY);
  await interruptedRetry({ world, ended: runCli(["retry", output, "--set", mendedUrl(mended)], world) }, mended);
  const refused = await fleet.tiding("retry", output, "--no-work");
  assert.equal(refused.code, 2);
  assert.match(refused.stderr.text, /error USAGE[^]*rows that are paid for[^]*Finish the retry without --broker/);
  const again = await alone(KEY, "retry", output);
  assert.equal(again.code, 0, again.stderr.text);
  assert.equal(mended.stats().answers, FAILED.length);
  await assertWhole(failed);
});
