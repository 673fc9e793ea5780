import assert from "node:assert/strict";
import { test } from "node:test";
import { patiently } from "../../../../jobs/batches/patience.ts";
import { TidingError } from "../../../../shared/errors.ts";

const { signal } = new AbortController();

/** Fails with these errors, one after the other, and then answers. */
function failing(...errors: Error[]): { readonly ask: () => Promise<string>; readonly calls: () => number } {
  let calls = 0;
  return {
    ask: () => {
      const error = errors[calls++];
      return error === undefined ? Promise.resolve("answer") : Promise.reject(error);
    },
    calls: () => calls,
  };
}

void test("what may pass is waited out, and told once", async () => {
  const notices: string[] = [];
  const { ask, calls } = failing(
    new TidingError("ENDPOINT_ERROR", "It failed."),
    new TidingError("CONNECTION_LOST", "Gone."),
  );
  assert.equal(await patiently(ask, { waitMs: 60_000, signal, onNotice: (notice) => notices.push(notice) }), "answer");
  assert.deepEqual([calls(), notices], [3, ["It failed. Trying again."]]);
});

void test("when the wait is over the last error is given", async () => {
  const { ask, calls } = failing(new TidingError("ENDPOINT_ERROR", "It failed."));
  await assert.rejects(patiently(ask, { waitMs: 0, signal, onNotice: () => undefined }), { code: "ENDPOINT_ERROR" });
  assert.equal(calls(), 1);
});

void test("a refusal is given at once: of the job as it is, of a request as a failed batch", async () => {
  const options = { waitMs: 60_000, signal, onNotice: () => assert.fail("told") };
  await assert.rejects(patiently(failing(new TidingError("UNAUTHORIZED", "No.")).ask, options), {
    code: "UNAUTHORIZED",
  });
  await assert.rejects(patiently(failing(new TidingError("REQUEST_REJECTED", "No.")).ask, options), {
    code: "BATCH_FAILED",
  });
  await assert.rejects(patiently(failing(new RangeError("ours")).ask, options), RangeError);
});

void test("an abort ends the wait with its reason", async () => {
  const stop = new AbortController();
  const { ask } = failing(new TidingError("ENDPOINT_SATURATED", "Full.", { retryAfterMs: 600_000 }));
  const waiting = patiently(ask, {
    waitMs: 1e9,
    signal: stop.signal,
    onNotice: () => stop.abort(new RangeError("asked")),
  });
  await assert.rejects(waiting, RangeError);
});
