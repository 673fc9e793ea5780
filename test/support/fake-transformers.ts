/**
 * A package in the place of `@huggingface/transformers`, with its names and its order of events: a token is a character,
 * and the model answers with the prompt behind its last `:`, then ends; `ENDLESS` it repeats until it is interrupted. The real one is too large to be installed
 * for every test: `npm run test:real:transformers` runs it.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const SOURCE = `
let seed = null;
const tensor = (rows) => ({ dims: [rows.length, rows[0].length], data: rows.flat(), tolist: () => rows });
exports.env = { allowRemoteModels: true, cacheDir: "" };
exports.random = { seed: (given) => void (seed = given) };
exports.InterruptableStoppingCriteria = class {
  interrupted = false;
  interrupt() { this.interrupted = true; }
};
const tokenize = (text, options) => {
  const ids = [...text].map((character) => BigInt(character.codePointAt(0)));
  return { input_ids: tensor([options.add_special_tokens ? [1n, ...ids] : ids]), attention_mask: tensor([ids.map(() => 1n)]) };
};
const tokenizer = Object.assign(tokenize, {
  chat_template: null,
  apply_chat_template(messages, { chat_template }) {
    if (messages.some(({ role }) => role === "odd")) throw new Error("roles must alternate");
    return chat_template + messages.map(({ content }) => content).join("/");
  },
  decode: (ids) => ids.filter((id) => id > 1).map((id) => String.fromCodePoint(id)).join(""),
});
exports.AutoTokenizer = { from_pretrained: async () => tokenizer };
const text = Object.assign(async () => ({}), {
  async generate({ input_ids, max_new_tokens, streamer, stopping_criteria, attention_mask, ...settings }) {
    const [prompt] = input_ids.tolist();
    streamer.put([prompt]);
    const words = String.fromCodePoint(...prompt.map(Number)).split(":").at(-1);
    const answer = words === "SETTINGS" ? JSON.stringify({ seed, remote: exports.env.allowRemoteModels, ...settings }) : words;
    while (words === "ENDLESS" && !stopping_criteria.interrupted) {
      streamer.put([[65n]]);
      await new Promise(setImmediate);
    }
    for (const id of [...[...answer].map((each) => BigInt(each.codePointAt(0))), 1n].slice(0, max_new_tokens)) {
      streamer.put([[id]]);
      if (stopping_criteria.interrupted) break;
      await new Promise(setImmediate);
    }
    streamer.end();
  },
});
exports.AutoModelForCausalLM = {
  from_pretrained: async (name, { dtype }) => {
    if (dtype === "q4") throw new Error("no model_q4.onnx");
    return text;
  },
};
exports.AutoModel = {
  from_pretrained: async () => async ({ input_ids }) => {
    const [ids] = input_ids.tolist();
    const state = { dims: [1, ids.length, 2], data: Float32Array.from(ids.flatMap((id) => [Number(id), 1])) };
    return ids.length === 2 ? {} : { last_hidden_state: { ...state, to: () => state } };
  },
};
`;

export interface FakeTransformers extends AsyncDisposable {
  /** Holds the package, and a model's folder `model`. */
  readonly folder: string;
}

/** `source` takes the place of the package's own. */
export async function openFakeTransformers(source = SOURCE): Promise<FakeTransformers> {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-transformers-"));
  const home = path.join(folder, "node_modules", "@huggingface", "transformers");
  await mkdir(home, { recursive: true });
  await writeFile(path.join(home, "package.json"), '{ "name": "@huggingface/transformers", "main": "index.cjs" }');
  await writeFile(path.join(home, "index.cjs"), source);
  await mkdir(path.join(folder, "model"));
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
    await writeFile(path.join(folder, "model", name), "{}");
  }
  await writeFile(path.join(folder, "model", "chat_template.jinja"), "chat:");
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
