import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("server-death-child.js", import.meta.url));

for (const [kind, said] of [
  [
    "own",
    /nats-server 2\.9\.10 ended of itself with code 2\. The end of \S+nats-server\.log:\npanic: [^]*nil pointer dereference[^]*jsMsgGetRequest/,
  ],
  [
    "deployed",
    /nats-server 2\.9\.10 with nats\.conf ended of itself with code 2\. The end of \S+server\.log:\nSIGABRT: abort/,
  ],
] as const) {
  void test(`a test file whose ${kind} nats-server dies ends, fails, and shows the server's last words`, async (t) => {
    const folder = await mkdtemp(path.join(tmpdir(), "tiding-death-"));
    t.after(() => rm(folder, { recursive: true }));
    // Not as a part of this test's own run; what a dead server leaves is to lie here.
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const env = { ...environment, TMPDIR: folder };
    const child = spawn(process.execPath, [entry, kind], { env, stdio: ["ignore", "ignore", "pipe"] });
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    assert.match(stderr, said);
    assert.notEqual(code, 0);
  });
}
