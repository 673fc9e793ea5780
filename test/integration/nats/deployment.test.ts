/** What deploy/ ships fits together, and what can be wrong with a broker is told by its code, place and mend. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse } from "yaml";
import { z } from "zod";
import { runCli } from "../../../cli/main.ts";
import { createProgram } from "../../../cli/program.ts";
import { cliWorld } from "../../support/cli-world.ts";
import { DEPLOY, startDeployedNats, type DeployedNats, type Role } from "../../support/deployed-nats.ts";
import { NATS_SERVER_VERSIONS } from "../../support/nats-server.ts";

const run = promisify(execFile);
const project = fileURLToPath(new URL("../../../../", import.meta.url));
const folder = await mkdtemp(path.join(tmpdir(), "tiding-deployment-"));
after(() => rm(folder, { recursive: true }));

const ROLES: readonly Role[] = ["coordinator", "worker", "client"];
const seedOf = (role: string): string => path.join(folder, `${role}.nk`);
const inFolder = (file: string): string => path.join(folder, file);

/** Keys and certificates, made as docs/deploy.md says. */
const publicKeys = await Promise.all(
  [...ROLES, "stranger"].map(async (role) => {
    const { stdout } = await run(process.execPath, [path.join(DEPLOY, "new-nkey.mjs"), seedOf(role)], { cwd: project });
    return [`TIDING_${role.toUpperCase()}_NKEY`, stdout.trim()] as const;
  }),
);
for (const authority of ["own", "other"])
  await run(path.join(DEPLOY, "new-certificates.sh"), [inFolder(authority), "localhost", "127.0.0.1"]);
const ENVIRONMENT = {
  ...Object.fromEntries(publicKeys),
  TIDING_NATS_CERT: inFolder("own/server.pem"),
  TIDING_NATS_KEY: inFolder("own/server-key.pem"),
};
const SECRETS = [/canary/, /SU[A-Z2-7]{20}/, /BEGIN/];

interface Told {
  readonly exit: number;
  readonly code: string;
  readonly message: string;
  readonly place: string;
  readonly mend: string;
}

/** What `tiding jobs`, or another command, says of a broker. */
async function told(environment: Readonly<Record<string, string>>, ...words: string[]): Promise<Told> {
  const world = cliWorld(environment);
  const exit = await runCli(words.length === 0 ? ["jobs"] : words, world);
  const { text } = world.stderr;
  for (const secret of SECRETS) assert.doesNotMatch(world.stdout.text + text, secret);
  const [, code = "none", message = ""] = /^error (\w+)\n {2}(.*)\n/.exec(text) ?? [];
  const part = (label: string): string => new RegExp(`^ {2}${label}: (.*)$`, "m").exec(text)?.[1] ?? "";
  return { exit, code, message, place: part("at"), mend: part("mend") };
}

async function serve(version: (typeof NATS_SERVER_VERSIONS)[number], lines: readonly string[]): Promise<DeployedNats> {
  const config = inFolder(`${version}-${lines.length}-${Date.now()}.conf`);
  await writeFile(config, lines.join("\n"));
  return await startDeployedNats(version, { config });
}

const JETSTREAM = "jetstream { store_dir: $TIDING_NATS_STORE, max_mem_store: 64MB, max_file_store: 4GB }";

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: nkeys over TLS let each role in; another key, another authority and no TLS are told apart`, async () => {
    await using nats = await startDeployedNats(version, { config: "nats-nkeys.conf", environment: ENVIRONMENT });
    const as = (role: string, changes: Readonly<Record<string, string>> = {}): Record<string, string> => ({
      TIDING_BROKER: `tls://localhost:${nats.port}`,
      TIDING_BROKER_NKEY: seedOf(role),
      TIDING_BROKER_CA: inFolder("own/ca.pem"),
      TIDING_BROKER_INBOX: `_INBOX_${role}`,
      ...changes,
    });
    const place = `tls://localhost:${nats.port}`;
    // The client's rights suffice to look, and what is not there yet is told.
    const early = await told(as("client"));
    assert.deepEqual([early.exit, early.code], [2, "BROKER_UNFIT"]);
    assert.match(early.message, /No coordinator has set this broker up yet/);
    assert.match(early.mend, /Start the coordinator first/);
    const coordinator = cliWorld(as("coordinator"));
    const ended = runCli(["coordinator"], coordinator);
    while (!coordinator.stderr.text.includes("is at work")) {
      assert.doesNotMatch(coordinator.stderr.text, /error/);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal((await told(as("client"))).exit, 0);
    coordinator.signals.emit("SIGTERM", "SIGTERM");
    assert.equal(await ended, 0);

    const stranger = await told(as("stranger"));
    assert.deepEqual([stranger.exit, stranger.code, stranger.place], [2, "BROKER_REFUSED", place]);
    assert.match(stranger.message, /refused the credentials/);
    for (const changes of [{ TIDING_BROKER_CA: inFolder("other/ca.pem") }, { TIDING_BROKER_CA: "" }]) {
      const untrusted = await told(as("client", changes));
      assert.deepEqual([untrusted.exit, untrusted.code, untrusted.place], [2, "BROKER_REFUSED", place]);
      assert.match(untrusted.message, /certificate is not trusted/);
      assert.match(untrusted.mend, /authority/);
    }
    // Who writes nats:// and knows no authority does not go on without TLS.
    const plain = await told(as("client", { TIDING_BROKER: `nats://localhost:${nats.port}`, TIDING_BROKER_CA: "" }));
    assert.deepEqual([plain.exit, plain.code], [2, "BROKER_REFUSED"]);
    assert.match(plain.message, /certificate is not trusted/);
    const foreign = await told(as("client", { TIDING_BROKER_INBOX: "_INBOX_worker" }));
    assert.deepEqual([foreign.exit, foreign.code], [2, "BROKER_REFUSED"]);
    assert.match(foreign.mend, /--broker-inbox/);
    assert.match((await told(as("worker"), "coordinator")).message, /does not allow this user a publish to \S+CREATE/);
  });

  void test(`${version}: passwords: wrong, missing, and TLS that the server does not speak`, async () => {
    await using nats = await startDeployedNats(version, { config: "nats.conf" });
    const place = `nats://127.0.0.1:${nats.port}`;
    const broker = (user: string): Record<string, string> => ({
      TIDING_BROKER: `nats://${user}127.0.0.1:${nats.port}`,
    });
    for (const user of ["client:canary-guess@", "nobody:canary-guess@", "canary-token@", ""]) {
      const refused = await told(broker(user));
      assert.deepEqual([refused.exit, refused.code, refused.place], [2, "BROKER_REFUSED", place]);
      assert.match(refused.mend, /user, token, credentials file or nkey/);
    }
    const { TIDING_BROKER: address = "" } = nats.environmentOf("client");
    const secured = await told({ TIDING_BROKER: address.replace("nats:", "tls:") });
    assert.deepEqual([secured.exit, secured.code], [2, "BROKER_UNFIT"]);
    assert.match(secured.message, /does not speak TLS/);
  });

  void test(`${version}: a broker that asks for certificates says so when none is given`, async () => {
    const tls = `tls { cert_file: "${inFolder("own/server.pem")}", key_file: "${inFolder("own/server-key.pem")}", ca_file: "${inFolder("own/ca.pem")}", verify: true }`;
    await using nats = await serve(version, [JETSTREAM, tls]);
    const with1 = { TIDING_BROKER: `tls://localhost:${nats.port}`, TIDING_BROKER_CA: inFolder("own/ca.pem") };
    const missing = await told(with1);
    assert.deepEqual([missing.exit, missing.code], [2, "BROKER_REFUSED"]);
    assert.match(missing.message, /wants a certificate/);
    const own = { TIDING_BROKER_CERT: ENVIRONMENT.TIDING_NATS_CERT, TIDING_BROKER_KEY: ENVIRONMENT.TIDING_NATS_KEY };
    assert.equal((await told({ ...with1, ...own })).code, "BROKER_UNFIT", "It is let in, and finds nothing set up.");
  });

  void test(`${version}: a server that cannot serve is told what it lacks`, async () => {
    for (const [lines, message, mend] of [
      [["max_payload: 1MB"], /without JetStream/, /jetstream block/],
      [[JETSTREAM, "max_payload: 64KB"], /65536 bytes at most; 262144/, /Raise max_payload/],
      [[JETSTREAM.replace("4GB", "512MB")], /insufficient storage/, /budgets.*max_file_store/],
    ] as const) {
      await using nats = await serve(version, lines);
      const unfit = await told({ TIDING_BROKER: `nats://127.0.0.1:${nats.port}` }, "coordinator");
      assert.deepEqual([unfit.exit, unfit.code], [2, "BROKER_UNFIT"], unfit.message);
      assert.match(unfit.place, new RegExp(`^nats://127.0.0.1:${nats.port}`));
      assert.match(unfit.message, message);
      assert.match(unfit.mend, mend);
    }
  });
}

void test("a server that is too old is told its version, and one that is away its address", async () => {
  const info = { version: "2.9.9", proto: 1, headers: true, jetstream: true, max_payload: 1_048_576 };
  const server = createServer((socket) => {
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on("data", (chunk) => void (chunk.includes("PING") && socket.write("PONG\r\n")));
    socket.on("error", () => socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const place = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const old = await told({ TIDING_BROKER: place });
  assert.deepEqual([old.exit, old.code, old.place], [2, "BROKER_UNFIT", place]);
  assert.match(old.message, /2\.9\.9; 2\.9\.10 is the oldest/);
  server.close();
  await once(server, "close");
  const away = await told({ TIDING_BROKER: place.replace("//", "//client:canary@") });
  assert.deepEqual([away.exit, away.code, away.place], [1, "BROKER_UNREACHABLE", place]);
  assert.match(away.mend, /Start the broker/);
});

const Service = z.object({
  image: z.string(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()),
  volumes: z.array(z.string()).default([]),
  stop_grace_period: z.string().optional(),
});

void test("the compose file, the Dockerfile and the configurations name what there is", async () => {
  const text = await readFile(path.join(project, "docker-compose.yml"), "utf8");
  const compose = z
    .object({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.null()) })
    .parse(parse(text, { merge: true }));
  const { nats, ...others } = compose.services;
  assert.deepEqual(Object.keys(others).toSorted(), ["client", "coordinator", "simulator", "worker"]);
  const example = await readFile(path.join(DEPLOY, "env.example"), "utf8");
  for (const [, variable = ""] of text.matchAll(/\$\{(\w+)/g)) assert.ok(example.includes(`${variable}=`), variable);
  const config = await readFile(path.join(DEPLOY, "nats.conf"), "utf8");
  for (const [, variable = ""] of config.matchAll(/\$(TIDING_\w+)/g))
    assert.ok(variable in nats!.environment, variable);
  const program = createProgram(cliWorld(), () => undefined);
  for (const { command, volumes, stop_grace_period: grace } of Object.values(others)) {
    assert.equal(grace, "60s");
    const [name = "", ...words] = command;
    const known = program.commands.find((each) => each.name() === name);
    if (name !== "") assert.deepEqual(known?.parseOptions(words), { operands: [], unknown: [] }, command.join(" "));
    assert.ok(volumes.every((volume) => !volume.startsWith("./") || volume.endsWith(":ro")));
  }
  for (const volume of Object.values(compose.services).flatMap(({ volumes }) => volumes)) {
    const [from = ""] = volume.split(":");
    if (from.startsWith(".")) await access(path.join(project, from));
    else assert.ok(from in compose.volumes, from);
  }
  const ignored = await readFile(path.join(project, ".dockerignore"), "utf8");
  const docker = await readFile(path.join(project, "Dockerfile"), "utf8");
  assert.match(docker, /\nUSER node\n[^]*\nENTRYPOINT \["tiding"\]\n$/);
  const { include } = z
    .object({ include: z.array(z.string()) })
    .parse(JSON.parse(await readFile(path.join(project, "tsconfig.json"), "utf8")));
  for (const source of include) assert.match(ignored, new RegExp(`^!${source}$`, "m"));
});
