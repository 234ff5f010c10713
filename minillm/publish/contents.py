"""What a published page holds of a model, and the sentence for a model that it cannot hold."""

import base64
import math
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from minillm.data.chat import encode_chat, render_chat
from minillm.data.escape import SpecialTokenEscaper
from minillm.errors import UserError
from minillm.model.transformer import Transformer, check_language_model
from minillm.tokenizer import Tokenizer
from minillm.tokenizer.alphabet import spell
from minillm.tokenizer.byte_level import ByteLevelBPE

MAX_PARAMETERS = 50_000_000  # 100 MB of float16, 134 MB of HTML; browsers hold them in float32
MAX_TOKENS = 512  # the page keeps every attention weight: L x H x T x T / 2 numbers
# What model.js computes, and what to do instead where a model is of another shape.
SHAPES = {
    "norm": ("rmsnorm",),
    "activation": ("swiglu",),
    "position": ("rotary",),
    "causal": (True,),
    "rope_scaling": (None,),
}
TRIALS = ("Hello", " two  words ", "\n", "a<|im_end|>\n", "")  # messages that show whether a template changes its text

Piece = int | list[str]  # a special token, or text that the message goes between


def check_publishable(model: object, tokenizer: Tokenizer) -> None:
    """Raise `UserError` for a model or tokenizer that model.js cannot run, with what to do instead.

    >>> from minillm.config import ModelConfig
    >>> config = ModelConfig(vocab_size=260, d_model=8, n_layers=1, n_heads=2, max_seq_len=8, position="learned")
    >>> check_publishable(Transformer(config), Tokenizer.train(["low lower"], vocab_size=258))
    Traceback (most recent call last):
    minillm.errors.UserError: position is 'learned'; the page runs models with 'rotary' only...
    """
    check_language_model(model)
    assert isinstance(model, Transformer)
    for name, known in SHAPES.items():
        value = getattr(model.config, name)
        if value not in known:
            raise UserError(
                f"{name} is {value!r}; the page runs models with {known[0]!r} only (Llama, Qwen2, Qwen3). Train one "
                f"with ModelConfig({name}={known[0]!r}), or share this run's folder instead"
            )
    if (count := sum(parameter.numel() for parameter in model.parameters())) > MAX_PARAMETERS:
        raise UserError(
            f"the model has {count:,} parameters; a page holds at most {MAX_PARAMETERS:,}, since a browser loads it "
            "whole. Publish a smaller run, or share this run's folder instead"
        )
    with torch.device("meta"):
        plain = {name for name, _ in Transformer(model.config).named_parameters()}
    if other := sorted({name for name, _ in model.named_parameters()} ^ plain):
        raise UserError(
            f"the model's {other[0]} is not as in a plain one; merge corrections (merge_lora), and load the model with "
            "weights in float32"
        )
    if not isinstance(tokenizer.model, ByteLevelBPE):
        raise UserError(
            "the tokenizer is a SentencePiece one; the page knows byte-level BPE only (GPT-2, Llama 3, Qwen, and what "
            "minillm trains). Publish a model with such a tokenizer"
        )


def weights_of(model: Transformer) -> str:
    """All weights in float16 as a safetensors file, in base64; the file is the same for the same weights.

    Raises `UserError` for a weight that is not finite, or too large for float16.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> base64.b64decode(weights_of(model))[8:].startswith(b'{"blocks.0.attention.key.weight"')
    True
    """
    tensors = {name: parameter.detach().cpu().half().contiguous() for name, parameter in model.named_parameters()}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            worst = max(model.get_parameter(name).detach().flatten().tolist(), key=_badness)
            raise UserError(
                f"a weight of {name} is {worst:g}; the page stores float16, which ends at 65,504. A run that diverged "
                "has such weights: train again with a smaller learning rate"
            )
    return base64.b64encode(to_safetensors(tensors)).decode("ascii")


def _badness(value: float) -> float:
    return abs(value) if math.isfinite(value) else math.inf


def tokenizer_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """What model.js needs of a byte-level tokenizer.

    >>> file = tokenizer_of(Tokenizer.train(["ab ab"], vocab_size=260, special_tokens=["<|end|>"]))
    >>> file["tokens"][:2], file["merges"], file["special_tokens"], file["pattern"]
    ([None, '!'], ['a b', 'Ġ ab'], {'<|end|>': 0}, 'gpt2')
    """
    model = tokenizer.model
    assert isinstance(model, ByteLevelBPE)
    tokens: list[str | None] = [None] * tokenizer.vocab_size
    for token, id in model.ids.items():
        tokens[id] = spell(token)
    return {
        "tokens": tokens,
        "merges": [f"{spell(left)} {spell(right)}" for left, right in model.merges],
        "special_tokens": model.special_tokens,
        "pattern": model.pre_tokenizer,
        "ignore_merges": model.ignore_merges,
        "normalizer": model.normalizer,
    }


def begins_with(tokenizer: Tokenizer) -> list[int]:
    """The token that a text to continue begins with, as `minillm generate` decides it; none where there is none.

    >>> begins_with(Tokenizer.train(["ab"], vocab_size=256))
    []
    """
    begins = tokenizer.add_bos
    if begins is None:  # if one token both ends a document and begins the next, every document came after it
        begins = tokenizer.bos_id is not None and tokenizer.bos_id == tokenizer.eos_id
    return [tokenizer.bos_id] if begins and tokenizer.bos_id is not None else []


def chat_of(tokenizer: Tokenizer) -> list[Piece] | None:
    """The chat template for one question, as pieces: special tokens by id, and texts with a gap for the question.

    JavaScript cannot run the template, which is a Jinja program, so it runs here. None where there is no template, or
    where it changes the question (one that strips spaces, say), so that the pieces would give other ids.

    >>> tokenizer = Tokenizer.train(["user"], vocab_size=270, special_tokens=["<|im_start|>", "<|im_end|>"])
    >>> tokenizer.chat_template = "<|im_start|>user: {{ messages[0].content }}.<|im_end|>"
    >>> chat_of(tokenizer)
    [0, ['user: ', '.'], 1]
    """
    if tokenizer.chat_template is None:
        return None
    marker = next(m for n in range(1000) if (m := f"Q{n}Q") not in tokenizer.chat_template)
    rendered = render_chat(
        tokenizer.chat_template,
        [{"role": "user", "content": marker}],
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
    )
    pieces: list[Piece] = []
    for text in SpecialTokenEscaper(tokenizer.special_tokens, seen=rendered).split(rendered):
        if text in tokenizer.special_tokens:
            pieces.append(tokenizer.special_tokens[text])
        elif text:
            pieces.append(text.split(marker))
    for trial in TRIALS:
        if encode_pieces(tokenizer, pieces, trial) != encode_chat(tokenizer, [{"role": "user", "content": trial}]):
            return None
    return pieces


def encode_pieces(tokenizer: Tokenizer, pieces: list[Piece], question: str) -> list[int]:
    """The ids of a question in such pieces; page.js does the same.

    >>> encode_pieces(Tokenizer.train(["ab"], vocab_size=256), [7, ["(", ")"]], "!")
    [7, 7, 0, 8]
    """
    ids: list[int] = []
    for piece in pieces:
        ids += [piece] if isinstance(piece, int) else tokenizer.encode(question.join(piece))
    return ids


def check_comparable(tokenizer: Tokenizer) -> None:
    """Raise `UserError` for a tokenizer whose tokens don't begin where the words of a known truth do.

    >>> check_comparable(Tokenizer.train(["ab"], vocab_size=256, pre_tokenizer="qwen2"))
    Traceback (most recent call last):
    minillm.errors.UserError: the tokenizer cuts words as 'qwen2' does; the true next words are cut as by 'gpt2'...
    """
    if (pattern := tokenizer.model.pre_tokenizer) != "gpt2":
        raise UserError(
            f"the tokenizer cuts words as {pattern!r} does; the true next words are cut as by 'gpt2'. Publish the "
            "model without the comparison"
        )
    if tokenizer.bos_id is None:
        raise UserError(
            "the tokenizer has no token that begins a text, which the true next words start from. Publish the model "
            "without the comparison"
        )


def contents_of(model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
    """Shape, tokenizer and how texts begin and end, as the page's JSON; raises as `check_publishable` does."""
    check_publishable(model, tokenizer)
    return {
        "config": model.config.to_dict(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "max_tokens": min(model.config.max_seq_len, MAX_TOKENS),
        "tokenizer": tokenizer_of(tokenizer),
        "bos": tokenizer.bos_id,
        "begin": begins_with(tokenizer),
        "end": tokenizer.eos_id,
        "chat": chat_of(tokenizer),
    }
