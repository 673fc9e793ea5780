/**
 * What counting tokens costs on the event loop, and what handing a text to a thread costs in its place.
 *
 *     node dist/bench/engine/token-counting.js FOLDER TEXT-FILE
 *
 * FOLDER holds a tokenizer.json and a tokenizer_config.json with a chat template; TEXT-FILE the text that is cut to
 * sizes. Prints one JSON line: for each size the milliseconds of one count by the library alone, by our counter on the
 * loop, by the same in a thread (until the answer is back) with the loop's share of that, and of `fits` where the length
 * decides; before that, what a thread's own vocabulary takes.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { Piscina } from "piscina";
import { openTokenCounter } from "../../worker/llms/prompts/token-counter.ts";
import type { JsonObject } from "../../worker/llms/prompts/tokenizer-files.ts";

const SIZES = [1_000, 4_000, 16_000, 64_000];
const CHARACTERS_A_ROUND = 256_000;

const [folder = "", textFile = ""] = process.argv.slice(2);
const read = async (file: string): Promise<JsonObject> =>
  JSON.parse(await readFile(path.join(folder, file), "utf8")) as JsonObject;
const files = {
  name: folder,
  tokenizer: await read("tokenizer.json"),
  config: await read("tokenizer_config.json"),
  specialTokensMap: {},
  chatTemplate: "",
};
const text = await readFile(textFile, "utf8");

const tokenizer = new Tokenizer(files.tokenizer, files.config);
const memoryBefore = process.memoryUsage().rss;
const openedAt = performance.now();
const counter = openTokenCounter(files);
const openMs = performance.now() - openedAt;

const threads = new Piscina({
  filename: new URL("./token-counting.thread.js", import.meta.url).href,
  workerData: files,
  minThreads: 1,
  maxThreads: 1,
});
// The code is compiled, and the commonest words are known, on both sides.
const common = text.slice(0, 20_000);
counter.countTokens(common);
await threads.run(common);
const megabytes = Math.round((process.memoryUsage().rss - memoryBefore) / 1e6);

const sizes = [];
for (const size of SIZES) {
  // Each count has a text of its own: no cache sees one twice.
  const texts = Array.from({ length: Math.max(4, CHARACTERS_A_ROUND / size) }, (_, index) => {
    const start = (index * 7_919) % Math.max(1, text.length - size);
    return `${index} ${text.slice(start, start + size)}`;
  });
  const loopMs = timed(() => texts.forEach((one) => counter.countTokens(one)));
  const wholeMs = timed(() => texts.forEach((one) => tokenizer.encode(one, { add_special_tokens: false })));
  const fitsMs = timed(() => texts.forEach((one) => counter.fits(one, 1_000_000)));
  const usedBefore = performance.eventLoopUtilization();
  const startedAt = performance.now();
  for (const one of texts) await threads.run(one);
  const threadMs = performance.now() - startedAt;
  const shareMs = performance.eventLoopUtilization(usedBefore).active;
  const each = (ms: number): number => Number((ms / texts.length).toFixed(3));
  sizes.push({
    size,
    whole: each(wholeMs),
    loop: each(loopMs),
    thread: each(threadMs),
    loopShare: each(shareMs),
    fits: each(fitsMs),
  });
}
await threads.destroy();
console.log(JSON.stringify({ openMs: Math.round(openMs), megabytes, sizes }));

function timed(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}
