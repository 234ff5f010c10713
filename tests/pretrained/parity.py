"""A small random model of every family, saved by transformers: what the tests, and the table in benchmarks, compare."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pretrained.gguf_files import small_tokenizer
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from minillm import Transformer, generate
from minillm.pretrained import load, save

TOKENIZER = small_tokenizer()
SHAPE = dict(
    vocab_size=TOKENIZER.vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-3,
)  # fmt: skip
GPT2 = dict(vocab_size=TOKENIZER.vocab_size, n_embd=32, n_layer=2, n_head=4, n_positions=128, layer_norm_epsilon=1e-3)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 |= {"original_max_position_embeddings": 32}
FAMILIES = {
    "gpt2": lambda **changes: GPT2Config(**GPT2 | changes),
    "gpt2 narrow": lambda **changes: GPT2Config(**GPT2 | {"n_inner": 40} | changes),
    "llama2": lambda **changes: LlamaConfig(**SHAPE | {"num_key_value_heads": 4} | changes),
    "llama2 linear": lambda **changes: LlamaConfig(
        **SHAPE, rope_scaling={"rope_type": "linear", "factor": 4.0}, **changes
    ),
    "llama3": lambda **changes: LlamaConfig(**SHAPE, rope_scaling=LLAMA3, rope_theta=500.0, **changes),
    "llama with head_dim": lambda **changes: LlamaConfig(**SHAPE, head_dim=12, **changes),
    "llama with attention_bias": lambda **changes: LlamaConfig(**SHAPE, attention_bias=True, **changes),
    "llama with all biases": lambda **changes: LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True, **changes),
    "mistral": lambda **changes: MistralConfig(**SHAPE, sliding_window=None, **changes),
    "mistral with a long window": lambda **changes: MistralConfig(**SHAPE, head_dim=12, sliding_window=128, **changes),
    "qwen2": lambda **changes: Qwen2Config(**SHAPE, **changes),
    "qwen3": lambda **changes: Qwen3Config(**SHAPE, head_dim=8, **changes),
    "qwen3 wide": lambda **changes: Qwen3Config(**SHAPE, head_dim=16, attention_bias=True, **changes),
}
WINDOW = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}  # in all layers
WINDOWED = {
    "mistral with a window": lambda **changes: MistralConfig(**SHAPE, sliding_window=8, **changes),
    "qwen2 with a window": lambda **changes: Qwen2Config(**SHAPE, **WINDOW, **changes),
    "qwen3 with a window": lambda **changes: Qwen3Config(**SHAPE, head_dim=8, **WINDOW, **changes),
}
IDS = torch.arange(60).reshape(2, 30)


def theirs(family: str, directory: Path, dtype=torch.float32, max_shard_size="1GB", **changes) -> PreTrainedModel:
    """A random model by transformers, its directory, and a tokenizer beside it."""
    model = AutoModelForCausalLM.from_config(
        (FAMILIES | WINDOWED)[family](bos_token_id=None, eos_token_id=None, **changes), attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases too: left at one and zero they could be exchanged
            parameter.normal_(std=0.3).add_(parameter.dim() == 1)
    model.to(dtype).save_pretrained(directory, max_shard_size=max_shard_size)
    TOKENIZER.save(directory)
    return model


def difference(ours: Transformer, theirs: PreTrainedModel) -> float:
    """The largest difference of a logit."""
    with torch.no_grad():
        return (ours(IDS) - theirs(IDS).logits).abs().max().item()


@dataclass(frozen=True)
class Parity:
    """How near we are to transformers: on a directory that it wrote, and on what we write of it."""

    read: float  # largest difference of a logit, ours on their directory
    written: float  # the same, theirs on our directory
    greedy_read: bool  # whether 64 greedy tokens are equal
    greedy_written: bool
    tokens: int  # how many different ones these texts have


def parity(family: str, directory: Path, **changes) -> Parity:
    """Write `directory`/theirs by transformers, read it, write `directory`/ours, and let transformers read that."""
    model = theirs(family, directory / "theirs", **changes)
    ours, tokenizer = load(directory / "theirs")
    save(ours, tokenizer, directory / "ours")
    back = AutoModelForCausalLM.from_pretrained(directory / "ours", attn_implementation="eager")
    expected = greedy(model)
    return Parity(
        read=difference(ours, model),
        written=difference(ours, back),
        greedy_read=torch.equal(generate(ours, IDS[:, :8], 64, temperature=0), expected),
        greedy_written=torch.equal(greedy(back), expected),
        tokens=len(expected.unique()),
    )


def greedy(model: PreTrainedModel) -> Tensor:
    """64 tokens by transformers after each of two prompts; what ends a text is a token like any other here."""
    model.generation_config.eos_token_id = None
    prompt = IDS[:, :8]
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=64, do_sample=False)
