"""Writes the Llama model of a GGUF file as `config.json` and `model.safetensors`, which is how vLLM loads models.

    python convert_model.py MODEL.gguf FOLDER
"""

import json
import os
import sys

import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import save_file

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def name_of(tensor):
    *block, name, kind = tensor.split(".")
    place = f"model.layers.{block[1]}." if block else ""
    return f"{place}{NAMES[name]}.{kind}"


def unpermuted(weights, heads):
    """llama.cpp keeps the halves of each rotary pair side by side, the others one half after the other."""
    rows = weights.shape[0] // heads // 2
    return weights.reshape(heads, rows, 2, -1).swapaxes(1, 2).reshape(weights.shape)


def main(source, folder):
    reader = GGUFReader(source)

    def field(name):
        return reader.fields[name].contents()

    architecture = field("general.architecture")
    if architecture != "llama":
        sys.exit(f"{source} holds a model of the architecture {architecture}, expected llama.")
    heads = field("llama.attention.head_count")
    key_heads = field("llama.attention.head_count_kv")
    tensors = {}
    for tensor in reader.tensors:
        weights = dequantize(tensor.data, tensor.tensor_type)
        if ".attn_q." in tensor.name:
            weights = unpermuted(weights, heads)
        if ".attn_k." in tensor.name:
            weights = unpermuted(weights, key_heads)
        tensors[name_of(tensor.name)] = torch.from_numpy(weights.copy()).to(torch.bfloat16)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "max_position_embeddings": field("llama.context_length"),
        "rms_norm_eps": field("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": field("llama.rope.freq_base"),
        "vocab_size": len(field("tokenizer.ggml.tokens")),
        "bos_token_id": field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "hidden_act": "silu",
        "tie_word_embeddings": "lm_head.weight" not in tensors,
    }
    os.makedirs(folder, exist_ok=True)
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)


main(sys.argv[1], sys.argv[2])
