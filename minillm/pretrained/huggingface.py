"""Save and load a model the way the Hugging Face libraries do: a directory with a few plain files.

    model.safetensors       the tensors, under Hugging Face's names; data only, nothing in it is ever executed
    config.json             the sizes, twice: in Hugging Face's words where they have some, and ours under "minillm"
    tokenizer.json          the tokenizer, with tokenizer_config.json (written by `minillm.tokenizer`)

Where our configuration is one that `transformers` knows, it opens the directory and gives the same logits. Where it is
not (GELU with RMSNorm, learned positions with SwiGLU, ...), config.json names no architecture, and `transformers`
refuses the directory instead of running something else.

Loading goes by our own entry. Directories that others made are not read yet.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from minillm.config import ModelConfig
from minillm.model.transformer import Transformer
from minillm.pretrained.weights import Model, assemble, rename
from minillm.tokenizer import Tokenizer

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
STAGING = ".saving"  # files wait here until all of them are whole
MAX_CONFIG_BYTES = 1_000_000  # a config.json has a few thousand

NAMES = {
    "embedding": "model.embed_tokens",
    "position": "model.embed_positions",
    "blocks.*.attention_norm": "model.layers.*.input_layernorm",
    "blocks.*.attention.query": "model.layers.*.self_attn.q_proj",
    "blocks.*.attention.key": "model.layers.*.self_attn.k_proj",
    "blocks.*.attention.value": "model.layers.*.self_attn.v_proj",
    "blocks.*.attention.output": "model.layers.*.self_attn.o_proj",
    "blocks.*.attention.query_norm": "model.layers.*.self_attn.q_norm",
    "blocks.*.attention.key_norm": "model.layers.*.self_attn.k_norm",
    "blocks.*.feedforward_norm": "model.layers.*.post_attention_layernorm",
    "blocks.*.feedforward.gate": "model.layers.*.mlp.gate_proj",
    "blocks.*.feedforward.up": "model.layers.*.mlp.up_proj",
    "blocks.*.feedforward.down": "model.layers.*.mlp.down_proj",
    "final_norm": "model.norm",
    "head": "lm_head",
}


def save(
    model: Transformer,
    tokenizer: Tokenizer,
    dir: str | Path,
    names: Mapping[str, str] = NAMES,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write model and tokenizer into the directory `dir`, which is made if need be.

    For a model with another head: `names` are its tensors' in the file, and `changes` differ in its config.json.

    All files are written beside their final places first and moved there, one by one, when the last of them is whole.
    So a save that is killed, or that finds the disk full, leaves what was there before, and no file is ever half a
    file. Raises `ValueError` for a tokenizer that does not fit the model, `OSError` where the disk refuses.
    """
    _check_fit(model.config, tokenizer)
    directory = Path(dir)
    staging = directory / STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)  # what a killed save left
        staging.mkdir(parents=True)
        tensors = {rename(ours, names): tensor.detach().cpu().contiguous() for ours, tensor in model.named_parameters()}
        save_file(tensors, staging / WEIGHTS, metadata={"format": "pt"})
        values = describe(model.config, tokenizer) | {"dtype": str(model.embedding.weight.dtype).removeprefix("torch.")}
        values |= changes
        (staging / CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8", newline="\n")
        tokenizer.save(staging)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise OSError(f"cannot save to {directory}: {error}. What was there before is as it was") from error
    for file in sorted(staging.iterdir()):
        os.replace(file, directory / file.name)
    staging.rmdir()


def describe(config: ModelConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """The values of config.json: Hugging Face's words if it has an architecture like ours, and always our own."""
    architecture = _architecture(config)
    if architecture is None:
        return {"model_type": "minillm", "minillm": config.to_dict()}
    rope = {"rope_type": "default", "rope_theta": config.rope_theta}
    return {
        "architectures": [architecture],
        "model_type": {"LlamaForCausalLM": "llama", "Qwen3ForCausalLM": "qwen3"}[architecture],
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.d_head,
        "max_position_embeddings": config.max_seq_len,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_parameters": rope,
        "rope_theta": config.rope_theta,  # where transformers 4 looks for it
        "attention_bias": config.bias,
        "mlp_bias": config.bias,
        "tie_word_embeddings": config.tie_embeddings,
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eos_id,
        "minillm": config.to_dict(),
    }


def _architecture(config: ModelConfig) -> str | None:
    """The class of `transformers` that computes the same, if there is one."""
    c = config
    if not (c.norm == "rmsnorm" and c.activation == "swiglu" and c.position == "rotary" and c.causal):
        return None
    if c.qk_norm:
        return None if c.bias else "Qwen3ForCausalLM"  # Qwen3 has no biases in its feed-forward
    return None if c.d_model % c.n_heads else "LlamaForCausalLM"


def load(
    dir: str | Path, names: Mapping[str, str] = NAMES, build: type[Model] = Transformer
) -> tuple[Model, Tokenizer]:
    """The model, in float32 on the CPU, and the tokenizer that `save` wrote into the directory `dir`.

    `build` makes the model of a configuration, and `names` are its tensors' in the file.

    Raises `FileNotFoundError` naming the files that are missing, `ValueError` for files that are damaged, do not
    belong together, or come from elsewhere.
    """
    directory = Path(dir)
    if missing := [name for name in (CONFIG, WEIGHTS, TOKENIZER) if not (directory / name).is_file()]:
        raise FileNotFoundError(f"{directory} is not a saved model: it has no {' and no '.join(missing)}")
    config, tokenizer = read_config(directory / CONFIG), Tokenizer.load(directory)
    try:
        _check_fit(config, tokenizer)
        return _read_model(directory / WEIGHTS, config, names, build), tokenizer
    except ValueError as error:
        raise ValueError(f"{directory}: {error}") from error


def _read_model(path: Path, config: ModelConfig, names: Mapping[str, str], build: type[Model]) -> Model:
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            return assemble(config, names, shapes, lambda name: to_float32(name, file.get_tensor(name)), build)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error


def read_config(path: Path) -> ModelConfig:
    """Our configuration out of a config.json; raises `ValueError` for a file that holds none."""
    try:
        values = read_json(path)
        if not isinstance(values.get("minillm"), dict):
            raise ValueError('there is no entry "minillm"; only models that minillm saved can be read so far')
        return ModelConfig.from_dict(values["minillm"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file; raises `ValueError` for one that is large, damaged or no object."""
    if (size := path.stat().st_size) > MAX_CONFIG_BYTES:
        raise ValueError(f"the file has {size:,} bytes; a configuration has a few thousand")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:  # brackets nested a thousand deep
        raise ValueError(str(error)) from None
    if not isinstance(values, dict):
        raise ValueError(f"it holds a {type(values).__name__}, where a configuration is an object")
    return values


def to_float32(name: str, tensor: Tensor) -> Tensor:
    """A copy of a file's tensor in float32; raises `ValueError` for one that holds no floating-point numbers."""
    if not tensor.is_floating_point():
        raise ValueError(f"tensor {name!r} holds {tensor.dtype}, not floating-point numbers")
    # A copy: what safetensors gives is a window on the file, which may be replaced while the model is in use.
    return tensor.to(torch.float32, copy=True)


def _check_fit(config: ModelConfig, tokenizer: Tokenizer) -> None:
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size:,} tokens, the model only {config.vocab_size:,} (vocab_size): "
            "they do not belong together"
        )
