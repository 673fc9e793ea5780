/** What a person meets who got something wrong: the code, the exit code, the place and the mend, and nothing half-written. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { access, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { startSimulator, type Simulator } from "../../bench/simulator/simulator.ts";
import { runCli } from "../../cli/main.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { cliWorld } from "../support/cli-world.ts";

const folder = await mkdtemp(path.join(tmpdir(), "tiding-bad-input-"));
let simulator: Simulator;
before(async () => {
  simulator = await startSimulator();
});
after(async () => {
  await simulator.close();
  await rm(folder, { recursive: true });
});

let jobs = 0;

interface Job {
  readonly spec: string;
  readonly input: string;
  readonly output: string;
}

async function newJob(
  lines: string | Uint8Array = '{"question":"a"}\n{"question":"b"}\n',
  name = "rows.jsonl",
): Promise<Job> {
  jobs += 1;
  const own = path.join(folder, `job-${jobs}`);
  const job = { spec: `${own}.json`, input: `${own}-${name}`, output: `${own}-out` };
  await writeFile(job.input, lines);
  const spec = {
    input: { path: job.input },
    steps: [
      { task: "text-generation", columns: { instruction: "question" }, llm: { base_url: simulator.url, slots: 4 } },
    ],
    output: { path: job.output },
    run: { endpoint_wait: "500ms" },
  };
  await writeFile(job.spec, JSON.stringify(spec));
  return job;
}

interface Told {
  readonly exitCode: number;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly place: string | null;
    readonly mend: string | null;
  };
  readonly report: JobReport;
}

async function run(job: Job, ...flags: readonly string[]): Promise<Told> {
  const world = cliWorld(process.env);
  const exitCode = await runCli(["run", job.spec, "--json", ...flags], world);
  const told = JSON.parse(world.stdout.text) as { error: Told["error"] } & JobReport;
  return { exitCode, error: told.error, report: told };
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

interface Expected {
  readonly exitCode: number;
  readonly code: string;
  readonly place: RegExp;
  readonly says: RegExp;
}

function assertTold({ exitCode, error }: Told, expected: Expected): void {
  assert.equal(error.code, expected.code, error.message);
  assert.equal(exitCode, expected.exitCode);
  assert.match(error.place ?? "", expected.place);
  assert.match(error.message, expected.says);
  assert.ok((error.mend ?? "").length > 10, `mend: ${error.mend}`);
}

const refusals: readonly (Expected & {
  readonly what: string;
  readonly flags?: readonly string[];
  readonly lines?: string | Uint8Array;
  readonly name?: string;
})[] = [
  {
    what: "an unknown key",
    flags: ["-s", "run.atempts=3"],
    exitCode: 2,
    code: "SPEC_INVALID",
    place: /run\.atempts/,
    says: /not a key/,
  },
  {
    what: "a value of the wrong type",
    flags: ["-s", "run.attempts=many"],
    exitCode: 2,
    code: "SPEC_INVALID",
    place: /run\.attempts/,
    says: /whole number/,
  },
  {
    what: "a key that is not built yet",
    flags: ["-s", "output.push_to_hub=someone/rows"],
    exitCode: 2,
    code: "NOT_BUILT",
    place: /push_to_hub/,
    says: /not built/,
  },
  {
    what: "a missing file",
    flags: ["-s", "input.path=nope.jsonl"],
    exitCode: 2,
    code: "INPUT_MISSING",
    place: /nope\.jsonl$/,
    says: /does not exist/,
  },
  {
    what: "an empty file",
    lines: "",
    exitCode: 2,
    code: "INPUT_UNREADABLE",
    place: /rows\.jsonl$/,
    says: /holds nothing/,
  },
  {
    what: "a missing column",
    flags: ["-s", "steps.0.columns.instruction=prompt"],
    exitCode: 2,
    code: "COLUMN_MISSING",
    place: /steps\.0\.columns/,
    says: /prompt/,
  },
  {
    what: "a colliding column",
    lines: '{"question":"a","generation":"x"}\n',
    exitCode: 2,
    code: "COLUMN_COLLISION",
    place: /steps\.0\.rename/,
    says: /generation/,
  },
  {
    what: "binary junk",
    lines: new Uint8Array([0, 255, 3, 0, 200, 1, 0, 0, 254]),
    exitCode: 2,
    code: "INPUT_UNREADABLE",
    place: /rows\.jsonl$/,
    says: /binary/,
  },
  {
    what: "an unreadable Parquet file",
    lines: "PAR1 but not really PAR1",
    name: "rows.parquet",
    exitCode: 2,
    code: "INPUT_UNREADABLE",
    place: /rows\.parquet/,
    says: /could not be read/,
  },
  {
    what: "a missing secret",
    flags: ["-s", 'steps.0.llm.api_key="${NOT_SET_ANYWHERE}"'],
    exitCode: 2,
    code: "SECRET_MISSING",
    place: /steps\.0\.llm/,
    says: /NOT_SET_ANYWHERE/,
  },
  {
    what: "an endpoint that refuses connections",
    flags: ["-s", "steps.0.llm.base_url=http://127.0.0.1:1"],
    exitCode: 1,
    code: "NO_ENDPOINT",
    place: /^$/,
    says: /127\.0\.0\.1:1 .*refused/,
  },
];

for (const { what, flags = [], lines, name, ...expected } of refusals) {
  void test(`${what} is refused before anything is written`, async () => {
    const job = await newJob(lines, name);
    assertTold(await run(job, ...flags), expected);
    assert.equal(await exists(job.output), false);
  });
}

const BROKEN = '{"question":"a"}\n{"question":"b"}\n{oops\n{"question":"c"}\n';

void test("a broken line in the middle fails its row alone", async () => {
  const { exitCode, report } = await run(await newJob(BROKEN));
  assert.equal(exitCode, 3);
  assert.deepEqual(report.rows, { accepted: 3, failed: 1, total: 4 });
  assert.equal(report.failures[0]?.code, "ROW_INVALID");
  assert.match(report.failures[0].example, /rows\.jsonl:3/);
});

void test("in strict mode a broken line stops the job with its place, and the job can be taken up again", async () => {
  const job = await newJob(BROKEN);
  const { exitCode, report } = await run(job, "-s", "input.strict=true");
  assert.equal(exitCode, 1);
  assert.equal(report.error?.code, "INPUT_UNREADABLE");
  assert.match(report.error.place ?? "", /rows\.jsonl:3$/);
  assert.equal((await run(job)).exitCode, 3);
});

void test("an input that changed since the first run is refused, and nothing of the output is touched", async () => {
  const job = await newJob();
  assert.equal((await run(job)).exitCode, 0);
  await writeFile(job.input, '{"question":"a"}\n{"question":"B"}\n');
  assertTold(await run(job), { exitCode: 2, code: "INPUT_CHANGED", place: /rows\.jsonl$/, says: /not what it was/ });
  await writeFile(job.input, '{"question":"a"}\n{"question":"b"}\n');
  assert.deepEqual((await run(job)).report.rows, { accepted: 2, failed: 0, total: 2 });
});

void test("the output of another job is refused with what differs", async () => {
  const job = await newJob();
  assert.equal((await run(job)).exitCode, 0);
  assertTold(await run(job, "-s", "run.seed=7"), {
    exitCode: 2,
    code: "OUTPUT_OTHER_JOB",
    place: /-out$/,
    says: /seed was 42, is now 7/,
  });
});

void test("a folder with other things in it is not taken for an output", async () => {
  const job = await newJob();
  assertTold(await run(job, "-o", folder), {
    exitCode: 2,
    code: "OUTPUT_NOT_A_JOB",
    place: /tiding-bad-input/,
    says: /no job of Tiding/,
  });
});

void test("an output below a file is refused", async () => {
  const job = await newJob();
  assertTold(await run(job, "-o", path.join(job.input, "x")), {
    exitCode: 2,
    code: "OUTPUT_UNWRITABLE",
    place: /x$/,
    says: /is a file/,
  });
});

void test("a limit can be raised and not lowered", async () => {
  const job = await newJob();
  assert.deepEqual((await run(job, "--limit", "1")).report.rows, { accepted: 1, failed: 0, total: 1 });
  assert.deepEqual((await run(job, "--limit", "2")).report.rows, { accepted: 2, failed: 0, total: 2 });
  assertTold(await run(job, "--limit", "1"), {
    exitCode: 2,
    code: "USAGE",
    place: /input\.limit/,
    says: /not lowered/,
  });
});

void test("a part that is missing is named, and put back it is taken as it is", async () => {
  const job = await newJob();
  await run(job);
  const part = path.join(job.output, "data", "train-000000000000-e1g3.parquet");
  await rename(part, `${job.output}.part`);
  assertTold(await run(job), {
    exitCode: 1,
    code: "OUTPUT_DAMAGED",
    place: /train-0+-e1g3\.parquet$/,
    says: /missing/,
  });
  await rename(`${job.output}.part`, part);
  assert.equal((await run(job)).exitCode, 0);
});

const answers = [
  {
    what: "a key that is not accepted",
    status: 401,
    type: "application/json",
    body: '{"error":"Unauthorized"}',
    code: "UNAUTHORIZED",
  },
  {
    what: "a model that is not served",
    status: 404,
    type: "application/json",
    body: '{"error":{"message":"The model `m` does not exist.","type":"NotFoundError","code":404}}',
    code: "MODEL_NOT_FOUND",
  },
  {
    what: "a page in place of JSON",
    status: 404,
    type: "text/html",
    body: "<html><h1>Not Found</h1></html>",
    code: "WRONG_SERVICE",
  },
] as const;

for (const { what, status, type, body, code } of answers) {
  void test(`${what} stops the job before it burns rows, and leaves it resumable`, async () => {
    let requests = 0;
    const server = createServer((request, response) => {
      if (request.method === "POST") requests += 1;
      const isProbe = request.method === "GET";
      response.writeHead(isProbe ? 404 : status, { "content-type": isProbe ? "application/json" : type });
      response.end(isProbe ? "{}" : body);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const rows = Array.from({ length: 100 }, (_, row) => `{"question":"${row}"}\n`).join("");
    const job = await newJob(rows);
    const { exitCode, report } = await run(job, "-s", `steps.0.llm.base_url=${url}`, "-s", "steps.0.llm.model_id=m");
    server.closeAllConnections();
    server.close();
    assert.equal(report.error?.code, code, report.error?.message);
    assert.equal(exitCode, 1);
    assert.ok(requests <= 12, `${requests} requests were sent`);
    assert.deepEqual(report.rows, { accepted: 0, failed: 0, total: report.rows.total });
    const resumed = await run(job, "-s", "steps.0.llm.model_id=simulated/magpie-1");
    assert.deepEqual(resumed.report.rows, { accepted: 100, failed: 0, total: 100 }, resumed.error?.message);
  });
}
