"""Read a model and its tokenizer from a GGUF file of the `llama` architecture (`gguf_file` opens the container).

Packed matrices are unpacked to float32, or stay as they are ("native"): two of the layers in
`model/quantized_linear.py` compute with Q4_1 and Q8_0. Such files are only read, and unknown settings are refused by
name.
"""

from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import torch
from gguf import TokenType
from jaxtyping import Shaped
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.model.quantized_linear import GroupedInt8Linear, Int4Linear, QuantizedLinear
from minillm.model.transformer import Transformer
from minillm.pretrained.gguf_file import REQUIRED, GGUFFile
from minillm.pretrained.quantize import with_layers
from minillm.pretrained.weights import assemble, rename
from minillm.tokenizer import Tokenizer

PACKED = ("Q4_1", "Q8_0")  # the file's number formats that we can multiply by as they are
PRE_TOKENIZERS = {"gpt-2": "gpt2", "smollm": "smollm"}  # the file's name of a split, and ours

LLAMA = {
    "embedding": "token_embd",
    "blocks.*.attention_norm": "blk.*.attn_norm",
    "blocks.*.attention.query": "blk.*.attn_q",
    "blocks.*.attention.key": "blk.*.attn_k",
    "blocks.*.attention.value": "blk.*.attn_v",
    "blocks.*.attention.output": "blk.*.attn_output",
    "blocks.*.feedforward_norm": "blk.*.ffn_norm",
    "blocks.*.feedforward.gate": "blk.*.ffn_gate",
    "blocks.*.feedforward.up": "blk.*.ffn_up",
    "blocks.*.feedforward.down": "blk.*.ffn_down",
    "final_norm": "output_norm",
    "head": "output",
}


def load(path: str | Path, native: bool | None = False) -> tuple[Transformer, Tokenizer]:
    """The model of a GGUF file on the CPU, and its tokenizer.

    The model is in float32; with `native`, matrices that the file holds in Q4_1 or Q8_0 keep their codes and are
    multiplied as they are, only their scales go from float16 to bfloat16. None: `native` if there are any.

    Raises `UserError`, whose message begins with the file's name, for a file that is damaged or holds what this
    package cannot run: another architecture, number format or kind of tokenizer.
    """
    try:
        file = GGUFFile(path)
        config = read_config(file)
        return _read_model(file, config, native), _read_tokenizer(file)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def read_config(file: GGUFFile) -> ModelConfig:
    """The configuration that the settings describe; raises `UserError` for one that this package cannot run."""
    architecture = file.get("general.architecture", str)
    if architecture != "llama":
        raise UserError(f"the architecture {shortened(architecture)} cannot be run; only 'llama' can")
    n_heads = file.get("llama.attention.head_count", int)
    config = ModelConfig(
        vocab_size=len(file.get("tokenizer.ggml.tokens", list)),
        d_model=file.get("llama.embedding_length", int),
        n_layers=file.get("llama.block_count", int),
        n_heads=n_heads,
        n_kv_heads=file.get("llama.attention.head_count_kv", int, n_heads),
        d_head=file.get("llama.attention.key_length", int, None),
        d_ff=file.get("llama.feed_forward_length", int),
        max_seq_len=file.get("llama.context_length", int),
        norm_eps=file.get("llama.attention.layer_norm_rms_epsilon", float),
        rope_theta=file.get("llama.rope.freq_base", float, 10_000.0),
        tie_embeddings="output.weight" not in file.tensors,
        sliding_window=file.get("llama.attention.sliding_window", int, None),
    )
    # Settings that change the result but have no field in the configuration: only these values can be run.
    plain = {
        "llama.attention.value_length": config.d_head,
        "llama.rope.dimension_count": config.d_head,
        "llama.rope.scaling.type": "none",
        "llama.rope.scaling.factor": 1.0,
        "llama.rope.scale_linear": 1.0,
        "llama.expert_count": 0,
    }
    for key, value in plain.items():
        if (found := file.settings.get(key, value)) != value:
            raise UserError(f"the setting {key} is {shortened(found)}; only {value!r} can be run")
    return config


def _read_model(file: GGUFFile, config: ModelConfig, native: bool | None) -> Transformer:
    n_heads = {"attn_q": config.n_heads, "attn_k": config.n_kv_heads}
    embedding = None if config.tie_embeddings else "token_embd.weight"  # looked up, never multiplied: float32
    packed = {
        name
        for name, entry in file.tensors.items()
        if entry.number_format.name in PACKED and len(entry.shape) == 2 and name != embedding
    }
    if native and not packed:
        raise UserError(f"no matrix is in {' or '.join(PACKED)}, so nothing is native; choose weights='float32'")
    native = bool(packed) if native is None else native

    def in_halves(name: str, rows: Tensor) -> Tensor:
        part = name.split(".")[-2]
        return pairs_to_halves(rows, n_heads[part]) if part in n_heads else rows

    def read(name: str) -> Tensor:
        if native and name in packed:
            return torch.empty(file.tensors[name].shape, device="meta")  # its layer is replaced below
        return in_halves(name, file.read(name))

    model = assemble(config, LLAMA, {name: entry.shape for name, entry in file.tensors.items()}, read)
    if not native:
        return model
    layers = {}
    for ours, module in model.named_modules():
        if isinstance(module, nn.Linear):
            tied = ours == "head" and config.tie_embeddings
            name = rename("embedding.weight" if tied else f"{ours}.weight", LLAMA)
            if name in packed:
                layers[ours] = _packed_layer(*(in_halves(name, part) for part in file.read_codes(name)))
    return with_layers(model, layers, tied=config.tie_embeddings and "head" in layers)


def _packed_layer(codes: Tensor, scale: Tensor, least: Tensor | None = None) -> QuantizedLinear:
    if least is None:  # Q8_0
        return GroupedInt8Linear.from_codes(codes, scale)
    low, high = codes.T.unflatten(0, (-1, 32)).chunk(2, dim=1)
    return Int4Linear(low | high << 4, scale.T, (least + 8 * scale).T)


def pairs_to_halves(weight: Shaped[Tensor, "HD C"], n_heads: int) -> Shaped[Tensor, "HD C"]:
    """Undo llama.cpp's reordering of the rows of a query or key matrix, or of its codes and scales.

    Rotary positions rotate the coordinates of a head in pairs. Llama's published weights, and `rotate`, pair i with
    i + D/2: two halves. llama.cpp pairs 2i with 2i + 1: neighbors. Both are the same rotation of a head whose
    coordinates are numbered differently. So a program that writes a GGUF file of this architecture reorders the rows of
    each head from 0, 1, .. to 0, D/2, 1, D/2 + 1, .. and one that reads it for halves puts them back. Values and the
    output matrix are never rotated and stay as they are.

    >>> import torch
    >>> pairs_to_halves(torch.tensor([[0.0], [2.0], [1.0], [3.0]]), n_heads=1).flatten()
    tensor([0., 1., 2., 3.])
    """
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def _read_tokenizer(file: GGUFFile) -> Tokenizer:
    def setting(key: str, kind: type, default: Any = REQUIRED) -> Any:
        return file.get(f"tokenizer.ggml.{key}", kind, default)

    if (model := setting("model", str)) != "gpt2":
        raise UserError(f"the tokenizer is of the kind {shortened(model)}; only 'gpt2', byte-level BPE, can be read")
    if (split := setting("pre", str)) not in PRE_TOKENIZERS:
        raise UserError(f"the pre-tokenizer {shortened(split)} is not known; known are {', '.join(PRE_TOKENIZERS)}")
    tokens = file.get_list("tokenizer.ggml.tokens", str)
    types = file.get_list("tokenizer.ggml.token_type", int, [int(TokenType.NORMAL)] * len(tokens))
    if len(types) != len(tokens):
        raise UserError(f"there are {len(tokens)} tokens, but {len(types)} token types")
    for token, kind in zip(tokens, types, strict=True):
        if kind not in (TokenType.NORMAL, TokenType.CONTROL):
            raise UserError(f"token {shortened(token)} is of type {kind}; only 1 (normal) and 3 (control) can be read")
    merges = file.get_list("tokenizer.ggml.merges", str)
    for merge in merges:
        if merge.count(" ") != 1:
            raise UserError(f"the merge {shortened(merge)} does not name two tokens with one space between them")

    def token(key: str) -> str | None:
        id = setting(key, int, None)
        if id is not None and not 0 <= id < len(tokens):
            raise UserError(f"{key} is {id}, but there are {len(tokens)} tokens")
        return None if id is None else tokens[id]

    return Tokenizer.from_bytes_unicode(
        tokens,
        merges,
        [token for token, kind in zip(tokens, types, strict=True) if kind == TokenType.CONTROL],
        PRE_TOKENIZERS[split],
        chat_template=file.get("tokenizer.chat_template", str, None),
        bos_token=token("bos_token_id"),
        eos_token=token("eos_token_id"),
        add_bos=setting("add_bos_token", bool, None),
    )
