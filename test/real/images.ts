/**
 * `npm run test:real:images`: jobs that make images, whose datasets pyarrow, DuckDB and `datasets` must read as images that
 * Pillow decodes, each the one of its row.
 *
 *   --rows N    images of each job, 100 when absent
 *
 * The images are the simulated endpoint's; the readers are real, and their packages are installed once into the cache.
 * Over the embedded transport and over a nats-server. Prints what happens, and as its last line one JSON object with the
 * figure: images that all readers agree on. Exits with 1 when one is missing.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, promisify } from "node:util";
import { sizesFrom } from "../../bench/engine/figure.ts";
import { sharedBroker } from "../../jobs/open-broker.ts";
import type { RunJobOptions } from "../../jobs/run-job.ts";
import { isTidingError } from "../../shared/errors.ts";
import { imageSpec, openImageWorld, readImages } from "../support/image-jobs.ts";
import { NatsWorld } from "../support/nats-world.ts";
import { Findings } from "./findings.ts";
import { makeEnvironment, pythonProgram } from "./python-environment.ts";

/** What Pillow says of an image: format, width, height, digest of its pixels. */
type Told = readonly [format: string, width: number, height: number, pixels: string];
type Reading = Readonly<
  Record<"pyarrow" | "duckdb" | "datasets", { readonly type: string; readonly rows: readonly Told[] }>
> & {
  readonly features: Readonly<Record<string, unknown>>;
};

const { rows: count } = sizesFrom({ rows: 100 });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const findings = new Findings(say);
const root = await mkdtemp(join(tmpdir(), "tiding-images-"));
const details: Record<string, unknown> = {};
let agreed = 0;
try {
  const list = fileURLToPath(new URL("../../../test/real/images-requirements.txt", import.meta.url));
  const packages = (await readFile(list, "utf8")).split("\n").filter((line) => /^[^#]/.test(line));
  const { python } = await makeEnvironment(say, {
    name: "real-images",
    packages,
    what: `datasets and Pillow with ${packages.length - 2} packages`,
    needs: "Python is 3.11 or newer",
  });
  agreed += await check("embedded", python, {});
  await using nats = await NatsWorld.open();
  const transport = await nats.connect();
  await nats.work();
  agreed += await check("nats", python, { broker: sharedBroker(transport, { works: false, environment: {} }) });
} catch (error) {
  const mend = isTidingError(error) ? ` ${error.mend ?? ""}` : "";
  findings.expect(false, `${error instanceof Error ? error.message : String(error)}${mend}`);
} finally {
  await rm(root, { recursive: true, force: true });
}
const ok = agreed === 2 * count && findings.problems.length === 0;
const { problems } = findings;
say(
  JSON.stringify({
    figure: "real_images",
    value: agreed,
    want: String(2 * count),
    ok,
    details: { ...details, problems },
  }),
);
if (!ok) process.exitCode = 1;

/** One job; resolves with how many of its images all readers agree on. */
async function check(name: string, python: string, options: Partial<Pick<RunJobOptions, "broker">>): Promise<number> {
  await using world = await openImageWorld(count, { imageBytes: 20_000 });
  const report = await world.run(imageSpec(world), options);
  findings.expect(report.rows.accepted === count, `${name}: ${report.rows.accepted} of ${count} rows were accepted.`);
  const arguments_ = [pythonProgram("read_images.py"), join(world.output, "data"), join(root, name)];
  const { stdout } = await promisify(execFile)(python, arguments_, { maxBuffer: 2 ** 28 });
  const { pyarrow, duckdb, datasets, features } = JSON.parse(stdout) as Reading;
  findings.expect(
    /^struct<bytes: binary, path: string>$/.test(pyarrow.type),
    `pyarrow reads images as ${pyarrow.type}.`,
  );
  findings.expect(datasets.type.startsWith("Image("), `datasets reads images as ${datasets.type}.`);
  const [written] = (await readImages(world.output)).features as Readonly<Record<string, unknown>>[];
  for (const [column, feature] of Object.entries(features)) {
    const isSame = isDeepStrictEqual(feature, written?.[column]);
    findings.expect(isSame, `datasets reads ${column} as ${JSON.stringify(feature)}.`);
  }
  const whole = pyarrow.rows.filter((told, row) => {
    const [format, width, height] = told;
    const isSame = isDeepStrictEqual(duckdb.rows[row], told) && isDeepStrictEqual(datasets.rows[row], told);
    return isSame && format === "PNG" && width === 4 && height === 4;
  });
  const distinct = new Set(pyarrow.rows.map(([, , , pixels]) => pixels)).size;
  findings.expect(distinct === count, `${name}: ${distinct} images differ, of ${count} rows.`);
  details[name] = { rows: pyarrow.rows.length, distinct, rowsPerSecond: report.run.rowsPerSecond };
  say(`${name}: ${JSON.stringify(details[name])}`);
  return whole.length;
}
