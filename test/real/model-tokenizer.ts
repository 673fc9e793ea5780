/**
 * The tokenizer of the served model as the files that `tokenizer_id` takes, made from what its GGUF file says of it.
 *
 * GGUF keeps the vocabulary and the merges, and of the rest a name alone (`tokenizer.ggml.pre`). What `smollm` stands for
 * is in llama.cpp's `llama-vocab.cpp`: digits one by one, then GPT-2's pieces. `tokenizer-check.ts` holds the result
 * against the server.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gguf } from "@huggingface/gguf";

/** `LLAMA_TOKEN_TYPE_CONTROL`: a token that no text holds. */
const CONTROL = 3;

type Metadata = Readonly<Record<string, unknown>>;

/** Writes `tokenizer.json` and `tokenizer_config.json` into the folder. Throws an Error for a model of another kind. */
export async function writeTokenizer(model: string, folder: string): Promise<void> {
  const { metadata: read } = await gguf(model, { allowLocalFile: true });
  const metadata: Metadata = { ...read };
  const kind = [metadata["tokenizer.ggml.model"], metadata["tokenizer.ggml.pre"]].join(" ");
  if (kind !== "gpt2 smollm") throw new Error(`${model} has a tokenizer of the kind ${kind}, expected gpt2 smollm.`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizerOf(metadata)));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(configOf(metadata)));
}

function tokenizerOf(metadata: Metadata): object {
  const tokens = metadata["tokenizer.ggml.tokens"] as readonly string[];
  const types = metadata["tokenizer.ggml.token_type"] as readonly number[];
  const addedTokens = tokens.flatMap((content, id) => (types[id] === CONTROL ? [specialToken(id, content)] : []));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens,
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        // Of all scripts, and fractions too; `Digits` of @huggingface/tokenizers 0.2.0 knows 0 to 9 alone.
        { type: "Split", pattern: { Regex: "\\p{N}" }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    // `add_bos_token` is false: the template writes the token that begins a text.
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: metadata["tokenizer.ggml.merges"],
    },
  };
}

function specialToken(id: number, content: string): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

function configOf(metadata: Metadata): object {
  const tokens = metadata["tokenizer.ggml.tokens"] as readonly string[];
  const named = (name: string): string | undefined => tokens[Number(metadata[`tokenizer.ggml.${name}_token_id`])];
  return {
    tokenizer_class: "GPT2Tokenizer",
    add_prefix_space: metadata["tokenizer.ggml.add_space_prefix"],
    bos_token: named("bos"),
    eos_token: named("eos"),
    unk_token: named("unknown"),
    pad_token: named("padding"),
    chat_template: metadata["tokenizer.chat_template"],
  };
}
