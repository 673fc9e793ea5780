import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { clockMs } from "../../../../bench/fine-timer.ts";
import { readBody } from "../../../../bench/simulator/request-body.ts";
import type { ReadBody } from "../../../../bench/simulator/request-body.ts";

void test("a body has arrived when its last bytes came, not with its head, and not when it is looked at", async () => {
  let tell: (read: { body: ReadBody; doneMs: number }) => void;
  const read = new Promise<{ body: ReadBody; doneMs: number }>((resolve) => (tell = resolve));
  const server = createServer((incoming, response) => {
    readBody(incoming, (body) => {
      response.end();
      tell({ body, doneMs: clockMs() });
    });
    // Something takes its time between the last bytes and the end of the body.
    incoming.prependListener("end", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const outgoing = request({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", method: "POST" });
  outgoing.write("first half, ");
  await delay(40);
  const secondMs = clockMs();
  outgoing.end("second half");
  const { body, doneMs } = await read;
  server.close();
  assert.equal(body.bytes.toString(), "first half, second half");
  assert.ok(body.arrivedMs >= secondMs, "It had arrived before it was sent.");
  assert.ok(doneMs - body.arrivedMs >= 30, "What was done since counted as the way.");
});
