/** Rows of standard input over a broker: they are read where the job runs, which for a submitted one is elsewhere. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { runCli } from "../../../cli/main.ts";
import { listJobs } from "../../../jobs/broker-view.ts";
import { cliWorld } from "../../support/cli-world.ts";
import { FleetWorld } from "../../support/fleet-world.ts";
import { idsOf, questionOf, upTo } from "../../support/job-world.ts";

void test("rows of standard input go to workers elsewhere; a job that wants them cannot be submitted", async () => {
  await using fleet = await FleetWorld.open(0, { workers: 2 });
  const spec = await fleet.spec("out", { input: { path: "-", format: "jsonl" } });
  const refused = await fleet.tiding("submit", spec);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr.text, /error USAGE[^]*cannot be submitted[^]*tiding run --broker/);
  assert.deepEqual((await listJobs(fleet.transport)).jobs, []);

  const rows = upTo(200).map((row) => `${JSON.stringify({ question: questionOf(row) })}\n`);
  for (const [run, input] of [rows, []].entries()) {
    const world = cliWorld({ TIDING_BROKER: fleet.nats.server.url }, Readable.from(input));
    assert.equal(await runCli(["run", spec, "--no-work"], world), 0, world.stderr.text);
    assert.equal(world.stderr.text.includes("Standard input is not read"), run > 0);
  }
  assert.deepEqual(idsOf(await fleet.world.rows()), upTo(200));
  assert.equal(fleet.world.simulator.stats().answers, 200);
});
