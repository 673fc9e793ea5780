"""Makes test/fixtures/transformers/: a GPT-2 of two layers with random weights and a trained tokenizer, as ONNX, and what
Python's transformers answers with the same weights.

    python test/real/make_onnx_model.py test/fixtures/transformers

Needs torch, transformers and onnx. The graph is written by hand, so that it depends on no exporter: logits, the last
hidden state and the keys and values of each layer, for one sequence without padding. The same seed gives the same files.
"""

import json
import math
import pathlib
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

SEED = 20
LAYERS, HEADS, SIZE, POSITIONS, VOCABULARY = 2, 4, 48, 256, 352
EOS = "<|end|>"
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXT = """A stream of water runs down from the hills and turns the wheel of the mill. The miller grinds the corn of the
village, and the baker makes bread of the flour. When the rain stays away the wheel stands still, and the people wait."""
QUESTIONS = ["Who turns the wheel?", "What does the baker make of the flour?", "Ünïcödé — 雨 ☂ 3.14"]
PASSAGES = ["The wheel stands still.", "bread", "雨 and rain, and rain again"]
NEW_TOKENS = 24


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [EOS, "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=EOS, chat_template=TEMPLATE, clean_up_tokenization_spaces=False
    )


def make_model(vocabulary):
    torch.manual_seed(SEED)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=POSITIONS,
        n_embd=SIZE,
        n_layer=LAYERS,
        n_head=HEADS,
        # Wide weights, so that answers wander and do not repeat one token.
        initializer_range=0.35,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config).eval()


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, value):
        self.count += 1
        name = f"w{self.count}"
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"x{self.count}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def number(self, value):
        return self.weight(np.array(value, dtype=np.float32))

    def shape(self, *sizes):
        return self.weight(np.array(sizes, dtype=np.int64))

    def normal(self, x, layer):
        return self.add("LayerNormalization", x, self.weight(layer.weight), self.weight(layer.bias), epsilon=1e-5)

    def linear(self, x, layer):
        return self.add("Add", self.add("MatMul", x, self.weight(layer.weight)), self.weight(layer.bias))

    def rename(self, name, to):
        self.nodes.append(helper.make_node("Identity", [name], [to]))


def gelu(graph, x):
    cube = graph.add("Mul", graph.add("Mul", x, x), x)
    inner = graph.add("Add", x, graph.add("Mul", cube, graph.number(0.044715)))
    tanh = graph.add("Tanh", graph.add("Mul", inner, graph.number(math.sqrt(2 / math.pi))))
    return graph.add("Mul", graph.add("Mul", x, graph.number(0.5)), graph.add("Add", tanh, graph.number(1.0)))


def attention(graph, x, layer, index, mask_of):
    parts = graph.add("Split", graph.linear(x, layer.c_attn), outputs=3, axis=2, num_outputs=3)
    apart = graph.shape(0, 0, HEADS, SIZE // HEADS)
    query, key, value = (
        graph.add("Transpose", graph.add("Reshape", part, apart), perm=[0, 2, 1, 3]) for part in parts
    )
    key = graph.add("Concat", f"past_key_values.{index}.key", key, axis=2)
    value = graph.add("Concat", f"past_key_values.{index}.value", value, axis=2)
    graph.rename(key, f"present.{index}.key")
    graph.rename(value, f"present.{index}.value")
    scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    scores = graph.add("Div", scores, graph.number(math.sqrt(SIZE // HEADS)))
    scores = graph.add("Where", mask_of(key), scores, graph.number(-1e9))
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
    together = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), graph.shape(0, 0, SIZE))
    return graph.linear(together, layer.c_proj)


def make_graph(model):
    graph = Graph()
    body = model.transformer
    tokens = graph.weight(body.wte.weight)
    places = graph.add("Gather", graph.weight(body.wpe.weight), "position_ids")
    x = graph.add("Add", graph.add("Gather", tokens, "input_ids"), places)
    asking = graph.add("Unsqueeze", "position_ids", graph.shape(1, 3))

    def mask_of(key):
        length = graph.add("Gather", graph.add("Shape", key), graph.weight(np.array(2, dtype=np.int64)))
        zero, one = (graph.weight(np.array(number, dtype=np.int64)) for number in (0, 1))
        return graph.add("LessOrEqual", graph.add("Range", zero, length, one), asking)

    for index, layer in enumerate(body.h):
        x = graph.add("Add", x, attention(graph, graph.normal(x, layer.ln_1), layer.attn, index, mask_of))
        inner = gelu(graph, graph.linear(graph.normal(x, layer.ln_2), layer.mlp.c_fc))
        x = graph.add("Add", x, graph.linear(inner, layer.mlp.c_proj))
    hidden = graph.normal(x, body.ln_f)
    graph.rename(hidden, "last_hidden_state")
    graph.rename(graph.add("MatMul", hidden, graph.add("Transpose", tokens, perm=[1, 0])), "logits")

    def info(name, shape, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, shape)

    caches = [f"{index}.{part}" for index in range(LAYERS) for part in ("key", "value")]
    inputs = [info(name, ["batch", "sequence"], TensorProto.INT64) for name in ("input_ids", "position_ids")]
    inputs += [info(f"past_key_values.{name}", ["batch", HEADS, "past", SIZE // HEADS]) for name in caches]
    outputs = [info("logits", ["batch", "sequence", VOCABULARY])]
    outputs += [info("last_hidden_state", ["batch", "sequence", SIZE])]
    outputs += [info(f"present.{name}", ["batch", HEADS, "total", SIZE // HEADS]) for name in caches]
    made = helper.make_graph(graph.nodes, "gpt2", inputs, outputs, graph.weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answers(model, tokenizer):
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
        made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False)
        new = made[0, ids.shape[1] :]
        text = tokenizer.decode(new, skip_special_tokens=True)
        yield {"question": question, "text": text, "input_tokens": ids.shape[1], "output_tokens": len(new)}


def hidden_states(model, tokenizer):
    for text in PASSAGES:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        state = model(ids, output_hidden_states=True).hidden_states[-1][0]
        yield {"text": text, "state": [[round(value, 6) for value in row] for row in state.tolist()]}


def main(folder):
    folder.joinpath("tiny-gpt", "onnx").mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    assert len(tokenizer) == VOCABULARY, len(tokenizer)
    model = make_model(len(tokenizer))
    made = make_graph(model)
    onnx.checker.check_model(made)
    home = folder / "tiny-gpt"
    onnx.save(made, home / "onnx" / "model.onnx")
    config = {**model.config.to_dict(), "dtype": "float32", "transformers_version": None}
    home.joinpath("config.json").write_text(json.dumps(config, indent=2) + "\n")
    home.joinpath("generation_config.json").write_text('{ "bos_token_id": 0, "eos_token_id": 0 }\n')
    home.joinpath("tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str())
    # The template lies in a file of its own, as newer models have it.
    home.joinpath("chat_template.jinja").write_text(TEMPLATE)
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOS, "clean_up_tokenization_spaces": False}
    home.joinpath("tokenizer_config.json").write_text(json.dumps(named, indent=2) + "\n")
    with torch.no_grad():
        expected = {
            "new_tokens": NEW_TOKENS,
            "answers": list(answers(model, tokenizer)),
            "hidden_states": list(hidden_states(model, tokenizer)),
        }
    folder.joinpath("expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


main(pathlib.Path(sys.argv[1]))
