import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fetch as undiciFetch } from "undici";
import { readBodies } from "../../../../bench/job/body-spool.ts";
import { RequestRecorder } from "../../../../bench/job/record-requests.ts";
import { readTrace, type TraceEvent } from "../../../../bench/job/request-trace.ts";
import { JobWorld, questionOf } from "../../../support/job-world.ts";

interface Recorded {
  readonly events: readonly TraceEvent[];
  readonly bodies: readonly { readonly messages: readonly { readonly content: string }[]; readonly seed: number }[];
  readonly recorder: RequestRecorder;
}

async function record(world: JobWorld, spec: object): Promise<Recorded> {
  const [trace, bodies] = [path.join(world.folder, "trace"), path.join(world.folder, "bodies")];
  const recorder = new RequestRecorder({ trace, bodies });
  {
    using _recording = recorder;
    await world.run(spec);
  }
  const events: TraceEvent[] = [];
  for await (const event of readTrace(trace)) events.push(event);
  const read: Recorded["bodies"][number][] = [];
  for await (const body of readBodies(bodies)) read.push(JSON.parse(body.toString()) as Recorded["bodies"][number]);
  return { events, bodies: read, recorder };
}

function statuses(events: readonly TraceEvent[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const event of events) if (event.kind === "ended") counts[event.status] = (counts[event.status] ?? 0) + 1;
  return counts;
}

void test("every request of a job is recorded with its end, its tokens and its body, in the order of sending", async () => {
  await using world = await JobWorld.open(50, { log: "memory", answerTokens: 20 });
  const { events, bodies, recorder } = await record(world, world.spec());
  const started = events.filter((event) => event.kind === "began");
  assert.deepEqual(statuses(events), { 200: 50 });
  assert.equal(world.simulator.requests().length, 50);
  for (const event of events) if (event.kind === "ended") assert.equal(event.outputTokens, 20);
  const asked = bodies.map(({ messages }) => messages[0]!.content);
  assert.deepEqual(asked.toSorted(), Array.from({ length: 50 }, (_, row) => questionOf(row)).toSorted());
  assert.deepEqual(
    bodies.map(({ seed }) => String(seed)),
    started.map(({ seed }) => seed),
  );
  assert.deepEqual(
    recorder.shapes.map(({ origin, path: route }) => [origin, route]),
    [[world.simulator.url, "/v1/chat/completions"]],
  );
  assert.ok(recorder.spentMs > 0);
});

void test("resets, refusals and retries are recorded as the server saw them", async () => {
  const faults = { "429": 0.1, reset: 0.1, "500": 0.1 } as const;
  await using world = await JobWorld.open(60, { log: "memory", faults });
  const { events } = await record(world, world.spec());
  const log = world.simulator.requests();
  const byServer = (outcome: string): number => log.filter((entry) => entry.outcome === outcome).length;
  assert.ok(byServer("reset") > 0 && byServer("429") > 0 && byServer("500") > 0);
  assert.deepEqual(statuses(events), { 0: byServer("reset"), 200: 60, 429: byServer("429"), 500: byServer("500") });
  const keys = new Set(events.flatMap((event) => (event.kind === "began" ? [event.key] : [])));
  assert.equal(keys.size, 60, "a row asked again has its key again");
});

void test("tokens of a stream are recorded", async () => {
  await using world = await JobWorld.open(5, { answerTokens: 12 });
  const { events } = await record(world, world.spec({ llm: { stream: true } }));
  const ends = events.filter((event) => event.kind === "ended");
  assert.deepEqual(
    ends.map(({ outputTokens }) => outputTokens),
    [12, 12, 12, 12, 12],
  );
});

void test("what asks no model is not recorded, and nothing is once the recorder is disposed of", async () => {
  await using world = await JobWorld.open(0);
  const trace = path.join(world.folder, "trace");
  const post = async (body: string): Promise<unknown> =>
    (await undiciFetch(`${world.simulator.url}/v1/chat/completions`, { method: "POST", body })).text();
  {
    using _recording = new RequestRecorder({ trace });
    await (await undiciFetch(`${world.simulator.url}/info`)).text();
    await post("{}");
  }
  await post('{"messages":[]}');
  assert.equal((await stat(trace)).size, 0);
});

void test("prompts are readable by their owner alone", async () => {
  await using world = await JobWorld.open(1);
  await record(world, world.spec());
  assert.equal((await stat(path.join(world.folder, "bodies"))).mode & 0o077, 0);
});
