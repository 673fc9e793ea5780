/**
 * A fleet of hosts in network namespaces, with the configuration of deploy/: one worker is cut off from the broker, then
 * the broker from all; the job must end whole by itself. Between workers and broker packets take 50 ms each way, and one in a
 * hundred is lost. `npm run test:namespaces -- [--newest] [--gone SECONDS]`, on Linux, with Python, as root. `--gone`: how long
 * the broker is away, 60 by default.
 *
 *   nats, coordinator, client ─── broker's network ─── worker1..3 ─── endpoint's network ─── simulators
 *
 * Each worker knows the endpoint's name under an address of its own, where a simulator of its own logs what it asks.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readRequestLog, type RequestLogEntry } from "../../bench/simulator/request-log.ts";
import { messageOf } from "../../shared/errors.ts";
import { DEPLOY, passwordOf, PASSWORDS, type Role } from "../support/deployed-nats.ts";
import { natsServerBinary, type NatsServerVersion } from "../support/nats-server.ts";
import { Netns, type HostProcess, type SlowCable } from "../support/netns.ts";
import { checkOutput } from "./check-output.ts";
import { writeInput } from "./questions.ts";

const ROWS = 3_000;
const CUT_MS = 60_000;
/** A worker that hears nothing from the broker stops spending within a lease. */
const LEASE_MS = 30_000;
const BEGUN = 40;
const PATIENCE_MS = 240_000;
/** Between each worker and the broker. */
const SLOW: SlowCable = { network: "ring", delayMs: 50, lostShare: 0.01 };
const WORKERS = ["worker1", "worker2", "worker3"] as const;
const CUT = WORKERS[0];

const cli = [process.execPath, fileURLToPath(new URL("../../cli/bin.js", import.meta.url))];
const faults: string[] = [];
const { values } = parseArgs({ options: { newest: { type: "boolean" }, gone: { type: "string", default: "60" } } });
const version: NatsServerVersion = values.newest === true ? "newest" : "2.9.10";
const goneMs = Number(values.gone) * 1_000;

if (process.platform !== "linux" || process.getuid?.() !== 0) {
  console.error("test:namespaces makes network namespaces, which needs Linux and root: sudo npm run test:namespaces");
  process.exit(2);
}
const folder = await mkdtemp(path.join(tmpdir(), "tiding-namespaces-"));
try {
  await using netns = await Netns.open(`td${process.pid}`, ["ring", "end"]);
  await check(netns);
} catch (error) {
  faults.push(messageOf(error));
}
if (faults.length === 0) await rm(folder, { recursive: true });
else console.log(`Logs and output: ${folder}`);
for (const fault of faults) console.log(`FAULT ${fault}`);
console.log(faults.length === 0 ? "namespaces: all held" : `namespaces: ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function check(netns: Netns): Promise<void> {
  const client = await startFleet(netns);
  await until("every worker works", async () => (await logs()).every((log) => log.length >= BEGUN));

  const cutAt = Date.now();
  await netns.unplug(CUT, "ring");
  await delay(CUT_MS);
  const [own, ...others] = await logs();
  const backAt = Date.now();
  await netns.plug(CUT, "ring");
  const spent = own!.filter(({ startMs }) => startMs > cutAt);
  tell(`${CUT} cut off from the broker for ${seconds(CUT_MS)}: asked the endpoint for`, lastAfter(spent, cutAt));
  if (spent.some(({ startMs }) => startMs > cutAt + LEASE_MS)) faults.push(`${CUT} spent for longer than a lease`);
  // What it began, it could not commit: all of that must have been asked for elsewhere.
  const elsewhere = new Set(others.flat().map(({ key }) => key));
  const orphans = spent.filter(({ key }) => !elsewhere.has(key)).length;
  console.log(
    `  rows that it began meanwhile: ${spent.length}; of these done elsewhere before it was back: ${spent.length - orphans}`,
  );
  if (orphans > 0) faults.push(`${orphans} rows of the lost worker were not done elsewhere within ${seconds(CUT_MS)}`);
  await until(`${CUT} works again`, async () => (await logs())[0]!.some(({ startMs }) => startMs > backAt));
  tell("  back at work after", firstAfter((await logs())[0]!, backAt));

  const goneAt = Date.now();
  await netns.unplug("nats", "ring");
  await delay(goneMs);
  const thereAt = Date.now();
  const during = (await logs()).flat().filter(({ startMs }) => startMs > goneAt);
  await netns.plug("nats", "ring");
  tell(`The broker cut off from all for ${seconds(goneMs)}: workers asked the endpoint for`, lastAfter(during, goneAt));
  await until("work goes on", async () => (await logs()).flat().some(({ startMs }) => startMs > thereAt));
  tell("  work went on after", firstAfter((await logs()).flat(), thereAt));

  const code = await Promise.race([client.ended, delay(PATIENCE_MS, "timeout", { ref: false })]);
  if (code !== 0) faults.push(`the job ended with ${code}`);
  const { violations, reader } = await checkOutput(path.join(folder, "out"), ROWS);
  faults.push(...violations);
  const answers = (await logs()).flat().filter(({ outcome }) => outcome === "ok").length;
  console.log(`${ROWS} rows, ${answers - ROWS} answers paid for twice; read by ${reader}`);
}

/** Gives the client that follows the job to its end. */
async function startFleet(netns: Netns): Promise<HostProcess> {
  await netns.addHost("nats", { ring: ["10.77.1.1"] });
  await netns.addHost("head", { ring: ["10.77.1.2"] });
  await netns.addHost("desk", { ring: ["10.77.1.3"] });
  await netns.addHost("end", { end: WORKERS.map((_, at) => `10.77.2.${101 + at}`) });
  await netns.start("nats", [await natsServerBinary(version), "-c", path.join(DEPLOY, "nats.conf")], {
    output: path.join(folder, "nats.log"),
    environment: { ...PASSWORDS, TIDING_NATS_STORE: path.join(folder, "store") },
  });
  const log = path.join(folder, "nats.log");
  await until("the broker is ready", async () => (await readFile(log, "utf8")).includes("Server is ready"));
  for (const [at, worker] of WORKERS.entries()) {
    const endpoint = `10.77.2.${101 + at}`;
    const addresses = { ring: [`10.77.1.${11 + at}`], end: [`10.77.2.${11 + at}`] };
    await netns.addHost(worker, addresses, { names: [`${endpoint} endpoint`], slow: SLOW });
    const simulate = ["simulate", "--host", endpoint, "--median-ms", "1000", "--log", logOf(worker)];
    await netns.start("end", [...cli, ...simulate], { output: path.join(folder, "simulators.log") });
    await netns.start(worker, [...cli, "worker"], {
      output: path.join(folder, `${worker}.log`),
      environment: roleOf("worker"),
    });
  }
  await writeInput(path.join(folder, "rows.jsonl"), ROWS);
  const llm = { base_url: "http://endpoint:8080", slots: 8 };
  const spec = {
    input: { path: "rows.jsonl" },
    steps: [{ task: "text-generation", columns: { instruction: "question" }, llm }],
    output: { path: "out" },
    run: { shard_rows: 16 },
  };
  await writeFile(path.join(folder, "job.json"), JSON.stringify(spec));
  await netns.start("head", [...cli, "coordinator"], {
    output: path.join(folder, "coordinator.log"),
    environment: roleOf("coordinator"),
  });
  await until("the broker is set up", async () =>
    (await readFile(path.join(folder, "coordinator.log"), "utf8")).includes("is at work"),
  );
  return await netns.start("desk", [...cli, "submit", path.join(folder, "job.json"), "--follow"], {
    output: path.join(folder, "client.log"),
    environment: roleOf("client"),
  });
}

function roleOf(role: Role): Record<string, string> {
  return {
    TIDING_BROKER: `nats://${role}:${passwordOf(role)}@10.77.1.1:4222`,
    TIDING_BROKER_INBOX: `_INBOX_${role}`,
  };
}

function logOf(worker: string): string {
  return path.join(folder, `requests-${worker}.log`);
}

async function logs(): Promise<readonly (readonly RequestLogEntry[])[]> {
  return await Promise.all(WORKERS.map((worker) => readRequestLog(logOf(worker)).catch(() => [])));
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Not within ${seconds(PATIENCE_MS)}: ${what}.`);
    await delay(200);
  }
}

function lastAfter(log: readonly RequestLogEntry[], sinceMs: number): number {
  return Math.max(0, ...log.map(({ startMs }) => startMs - sinceMs));
}

function firstAfter(log: readonly RequestLogEntry[], sinceMs: number): number {
  return Math.min(...log.map(({ startMs }) => startMs - sinceMs).filter((ms) => ms > 0));
}

function tell(what: string, ms: number): void {
  console.log(`${what} ${seconds(ms)}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
