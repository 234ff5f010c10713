"""Small GGUF files for tests, written with the `gguf` package's own writer, as llama.cpp would write them."""

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter, TokenType, quantize
from helpers import lively, small_config

from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer, spell

INT, FLOAT, BOOL = GGUFValueType.UINT32, GGUFValueType.FLOAT32, GGUFValueType.BOOL
STRING, LIST = GGUFValueType.STRING, GGUFValueType.ARRAY
LAYER = {
    "attn_norm": "attention_norm", "attn_q": "attention.query", "attn_k": "attention.key", "attn_v": "attention.value",
    "attn_output": "attention.output", "ffn_norm": "feedforward_norm", "ffn_gate": "feedforward.gate",
    "ffn_up": "feedforward.up", "ffn_down": "feedforward.down",
}  # fmt: skip


def small_tokenizer() -> Tokenizer:
    """264 tokens: two marks, 256 bytes, six merges."""
    marks = ["<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer.train(["low lower lowest, new newer newest 1 2"], 264, marks, pre_tokenizer="smollm")
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.chat_template = *marks, "{{ messages[0].content }}"
    return tokenizer


def small_llama(tokenizer: Tokenizer, **changes) -> Transformer:
    """A grouped-query model of two layers whose rows fill whole blocks of 32 numbers."""
    shape = dict(vocab_size=tokenizer.vocab_size, d_ff=64, rope_theta=100.0)
    return lively(Transformer(small_config(**(shape | changes))))


def halves_to_pairs(weight: np.ndarray, n_heads: int) -> np.ndarray:
    """The shuffle of llama.cpp's converter, row by row: rows i and i + D/2 of a head become neighbours."""
    d_head = len(weight) // n_heads
    order = [
        head * d_head + i + half for head in range(n_heads) for i in range(d_head // 2) for half in (0, d_head // 2)
    ]
    return weight[order]


def tensors_of(model: Transformer) -> dict[str, np.ndarray]:
    """The model's tensors under llama.cpp's names, queries and keys shuffled as it does."""
    weights = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    tensors = {"token_embd.weight": weights["embedding.weight"], "output_norm.weight": weights["final_norm.weight"]}
    if not model.config.tie_embeddings:
        tensors["output.weight"] = weights["head.weight"]
    heads = {"attn_q": model.config.n_heads, "attn_k": model.config.n_kv_heads}
    for layer in range(model.config.n_layers):
        for theirs, ours in LAYER.items():
            weight = weights[f"blocks.{layer}.{ours}.weight"]
            weight = halves_to_pairs(weight, heads[theirs]) if theirs in heads else weight
            tensors[f"blk.{layer}.{theirs}.weight"] = weight
    return tensors


def settings_of(model: Transformer, tokenizer: Tokenizer) -> dict[str, tuple]:
    """The settings of a GGUF file: (value, type) by key."""
    c, specials = model.config, tokenizer.special_tokens
    tokens = [tokenizer.vocab[id] for id in range(tokenizer.vocab_size)]
    texts = [token.decode() if token.decode("utf-8", "replace") in specials else spell(token) for token in tokens]
    return {
        "llama.context_length": (c.max_seq_len, INT),
        "llama.embedding_length": (c.d_model, INT),
        "llama.block_count": (c.n_layers, INT),
        "llama.feed_forward_length": (c.d_ff, INT),
        "llama.attention.head_count": (c.n_heads, INT),
        "llama.attention.head_count_kv": (c.n_kv_heads, INT),
        "llama.attention.layer_norm_rms_epsilon": (c.norm_eps, FLOAT),
        "llama.rope.freq_base": (c.rope_theta, FLOAT),
        "llama.rope.dimension_count": (c.d_head, INT),
        "tokenizer.ggml.model": ("gpt2", STRING),
        "tokenizer.ggml.pre": (tokenizer.model.pre_tokenizer, STRING),
        "tokenizer.ggml.tokens": (texts, LIST),
        "tokenizer.ggml.token_type": (
            [int(TokenType.CONTROL if text in specials else TokenType.NORMAL) for text in texts],
            LIST,
        ),
        "tokenizer.ggml.merges": ([f"{spell(left)} {spell(right)}" for left, right in tokenizer.merges], LIST),
        "tokenizer.ggml.bos_token_id": (tokenizer.bos_id, INT),
        "tokenizer.ggml.eos_token_id": (tokenizer.eos_id, INT),
        "tokenizer.chat_template": (tokenizer.chat_template, STRING),
    }


def write_gguf(path, settings, tensors, number_format="F32", architecture="llama", vectors="F32"):
    """Write a file. Settings and tensors that are None are left out; in real files vectors are in float32."""
    writer = GGUFWriter(path, architecture)
    for key, value in settings.items():
        if value is not None:
            writer.add_key_value(key, *value)
    for name, tensor in tensors.items():
        if tensor is not None:
            kind = GGMLQuantizationType[number_format if tensor.ndim > 1 else vectors]
            writer.add_tensor(name, quantize(np.ascontiguousarray(tensor), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
