/** The exchanges that `test/fixtures/vllm/` keeps: captured, or held against those of today. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { captured } from "../support/exchanges.ts";
import type { Exchange } from "../support/exchanges.ts";
import { ANSWERED_CALLS, REFUSED_CALLS, REQUESTS, VLLM_NAMES } from "../support/vllm-calls.ts";
import { captureCall, captureRequest, drift } from "./capture-exchanges.ts";
import type { Findings } from "./findings.ts";
import type { VllmServer } from "./vllm-server.ts";

export const EXCHANGES = ANSWERED_CALLS.length + REFUSED_CALLS.length + REQUESTS.length;

/** Writes all of them, and says how many. */
export async function writeExchanges(server: VllmServer): Promise<number> {
  const folder = fileURLToPath(new URL("../../../test/fixtures/vllm", import.meta.url));
  await mkdir(folder, { recursive: true });
  const exchanges = await takeExchanges(server);
  for (const [name, exchange] of exchanges) {
    await writeFile(join(folder, `${name}.json`), `${JSON.stringify(exchange, null, 2)}\n`);
  }
  return exchanges.size;
}

/** How many are as they were captured, but for what differs from one answer to the next. */
export async function checkExchanges(server: VllmServer, findings: Findings): Promise<number> {
  let alike = 0;
  for (const [name, exchange] of await takeExchanges(server)) {
    const changes = drift(name, exchange, captured("vllm", name));
    for (const change of changes) findings.expect(false, change);
    if (changes.length === 0) alike += 1;
  }
  return alike;
}

async function takeExchanges({ url, key }: VllmServer): Promise<ReadonlyMap<string, Exchange>> {
  const server = { url, key, modelId: VLLM_NAMES[0] };
  const exchanges = new Map<string, Exchange>();
  for (const call of [...ANSWERED_CALLS, ...REFUSED_CALLS]) exchanges.set(call.name, await captureCall(server, call));
  for (const request of REQUESTS) exchanges.set(request.name, await captureRequest(server, request));
  return exchanges;
}
