"""The numbers that define a model, checked once, here.

A `ModelConfig` is frozen: what was validated stays valid. Components never see it (they take plain numbers); only
`transformer` and the modules above it do.
"""

import dataclasses
import difflib
import math
import numbers
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from minillm.errors import UserError

Norm = Literal["rmsnorm", "layernorm"]
Activation = Literal["swiglu", "gelu", "relu2"]
Position = Literal["rotary", "learned", "sinusoidal", "alibi", "none"]
Bias = bool | Literal["qkv", "attention"]
LEFT_OUT: Any = None  # the default of a number that is then derived, so that a reader always finds an int


@dataclass(frozen=True)
class RopeScaling:
    """How far rotary wavelengths are stretched, for texts longer than those of training (`model/position.py` does it).

    Raises `UserError` for factors that cannot be applied.

    >>> RopeScaling(8.0, original_max_seq_len=8192)                      # Llama 3.1
    RopeScaling(factor=8.0, original_max_seq_len=8192, low_freq_factor=1.0, high_freq_factor=4.0)
    """

    factor: float  # a wavelength becomes so many times as long
    original_max_seq_len: int | None = None  # tokens in training; None: all wavelengths are stretched alike ("linear")
    low_freq_factor: float = 1.0  # a pair that turns less often than this within the training length is stretched,
    high_freq_factor: float = 4.0  # one that turns more often than this is left alone

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.factor < math.inf:
            raise UserError(f"the factor of rope_scaling is {self.factor}; it must be positive")
        if self.original_max_seq_len is not None:
            _require_positive("original_max_seq_len", self.original_max_seq_len)
        if not 0 < self.low_freq_factor < self.high_freq_factor < math.inf:
            raise UserError(
                f"low_freq_factor is {self.low_freq_factor} and high_freq_factor {self.high_freq_factor}; "
                "the first must be positive and the second larger"
            )


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a decoder-only transformer.

    `n_kv_heads`, `d_head` and `d_ff` are derived from the other numbers if they are left out (or None), and derived
    again if `replace` changes one of those. `derived` names them. Two configurations are equal if their numbers are
    and the same ones were derived; so equal ones stay equal under `replace`.
    Raises `UserError` for a shape that cannot be built, naming the number and the remedy.

    >>> config = ModelConfig(vocab_size=1000, d_model=96, n_layers=2, n_heads=4, max_seq_len=64)
    >>> config.n_kv_heads, config.d_head, config.d_ff
    (4, 24, 256)
    >>> given = ModelConfig(vocab_size=1000, d_model=96, n_layers=2, n_heads=4, max_seq_len=64, d_ff=256)
    >>> given.derived, given == config
    (('n_kv_heads', 'd_head'), False)
    """

    vocab_size: int  # V, tokens
    d_model: int  # C, width of the residual stream
    n_layers: int  # L, blocks
    n_heads: int  # H, query heads
    max_seq_len: int  # longest sequence, tokens; `Transformer.extend_context` allows longer ones
    n_kv_heads: int = LEFT_OUT  # K, key/value heads; left out: as many as query heads
    d_head: int = LEFT_OUT  # D, width of one head; left out: d_model / n_heads
    d_ff: int = LEFT_OUT  # F, hidden width; left out: 4 C, or 8/3 C for swiglu (its third matrix costs the same)
    norm: Norm = "rmsnorm"
    norm_eps: float = 1e-5
    activation: Activation = "swiglu"
    position: Position = "rotary"
    rope_theta: float = 10_000.0  # base of the rotary wavelengths
    rope_scaling: RopeScaling | None = None  # None: they are as the base makes them
    qk_norm: bool = False  # RMSNorm on every query and key head, as in Qwen3
    bias: Bias = False  # True: in all linear layers and LayerNorms (GPT-2); "qkv": there (Qwen2); "attention": o too
    tie_embeddings: bool = True  # the output head reuses the embedding table
    embedding_std: float = field(default=0.02, compare=False)  # spread of the table's numbers before training
    sliding_window: int | None = None  # tokens that a token sees, itself among them, as in Mistral; None: all
    causal: bool = True  # False: every position sees every other (an encoder, for lesson 03)
    derived: tuple[str, ...] = field(init=False, repr=False)  # the names of the numbers that were left out

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "n_layers", "n_heads", "max_seq_len"):
            _require_positive(name, getattr(self, name))
        numbers = self._derive()
        derived = tuple(name for name in numbers if getattr(self, name) is None)
        object.__setattr__(self, "derived", derived)  # the class is frozen for all other code
        for name, number in numbers.items():
            if name in derived:
                object.__setattr__(self, name, number)
            else:
                _require_positive(name, getattr(self, name))
        check_types(self)
        for name in ("norm_eps", "rope_theta", "embedding_std"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise UserError(f"{name} is {value}; it must be positive")
        if self.sliding_window is not None:
            _require_positive("sliding_window", self.sliding_window)
            if not self.causal:
                raise UserError(
                    f"sliding_window is {self.sliding_window} and causal False; a window reaches back from each token, "
                    "so leave one of them out"
                )
        if self.rope_scaling is not None and self.position != "rotary":
            raise UserError(f'rope_scaling stretches rotary positions; this model has position="{self.position}"')
        if self.n_heads % self.n_kv_heads:
            raise UserError(
                f"n_heads ({self.n_heads}) must be a multiple of n_kv_heads ({self.n_kv_heads}): "
                "each key/value head serves the same number of query heads"
            )
        if "d_head" in self.derived and self.d_model % self.n_heads:
            raise UserError(
                f"d_model ({self.d_model}) is not a multiple of n_heads ({self.n_heads}); "
                "change one of them, or give d_head"
            )
        if self.position == "rotary" and self.d_head % 2:
            raise UserError(
                f"rotary positions turn pairs of numbers, so d_head ({self.d_head}) must be even; "
                "change n_heads or d_head"
            )
        if self.position == "sinusoidal" and self.d_model % 2:
            raise UserError(f"sinusoidal positions come in sine/cosine pairs: d_model ({self.d_model}) must be even")

    def _derive(self) -> dict[str, int]:
        """The numbers that may be left out, as they follow from the others."""
        d_ff = self.d_model * 8 // 3 if self.activation == "swiglu" else 4 * self.d_model
        return {"n_kv_heads": self.n_heads, "d_head": self.d_model // self.n_heads, "d_ff": d_ff}

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "ModelConfig":
        """A named configuration, with some fields changed if you like.

        Raises `UserError` for a name that is not in `PRESETS`.

        >>> ModelConfig.preset("smollm2-135m").n_kv_heads
        3
        >>> ModelConfig.preset("tiny", vocab_size=512).vocab_size
        512
        """
        if name not in PRESETS:
            near = difflib.get_close_matches(name, PRESETS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(f"no preset named {name!r}; there are {', '.join(PRESETS)}.{hint}")
        return cls(**(PRESETS[name] | changes))

    def replace(self, **changes: Any) -> "ModelConfig":
        """The same configuration with some fields changed.

        What was derived is derived again, and what was given stays; a number that is changed to None becomes derived.
        (`dataclasses.replace` would count all numbers as given.) Raises `UserError` as the class does, and for an
        unknown field.

        >>> config = ModelConfig(vocab_size=1000, d_model=96, n_layers=2, n_heads=4, max_seq_len=64)
        >>> wide = config.replace(d_model=192)
        >>> wide.d_head, wide.d_ff
        (48, 512)
        """
        _require_known(changes)
        return dataclasses.replace(self, **(dict.fromkeys(self.derived) | changes))

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON values; `rope_scaling`, `sliding_window` and `derived` only where there is one."""
        plain = asdict(self) | {"derived": list(self.derived) or None}
        return {name: value for name, value in plain.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The inverse of `to_dict`; raises `UserError` for fields it does not know or does not find.

        Without an entry `derived`, as in older files, all numbers were given; so was one that would be derived
        differently.

        >>> config = ModelConfig.preset("tiny")
        >>> ModelConfig.from_dict(config.to_dict()) == config
        True
        """
        values = dict(values)
        derived = values.pop("derived", [])
        _require_known(values)
        try:
            if values.get("rope_scaling") is not None:
                values["rope_scaling"] = RopeScaling(**values["rope_scaling"])
            config = cls(**values)
        except TypeError as error:
            raise UserError(f"the model settings are incomplete or mistyped: {error}") from None
        numbers = config._derive()
        if not isinstance(derived, list) or not all(isinstance(name, str) and name in numbers for name in derived):
            raise UserError(f"derived is {repr(derived)[:80]}; it must be a list of names out of {', '.join(numbers)}")
        return config.replace(**{name: None for name in derived if getattr(config, name) == numbers[name]})


def check_types(settings: Any) -> None:
    """Raise `UserError` where a field of a dataclass holds a value of another type than it is declared with.

    The types can be numbers (an int is a float, too), bool, str, classes, `Literal`, unions and `Any`; of a container
    only the container is checked.

    >>> scaling = RopeScaling(8.0)
    >>> object.__setattr__(scaling, "factor", "8")
    >>> check_types(scaling)
    Traceback (most recent call last):
    minillm.errors.UserError: factor is '8'; it must be a number
    """
    for name, kind in _types_of(type(settings)).items():
        value = getattr(settings, name)
        if not _fits(value, kind):
            raise UserError(f"{name} is {value!r}; {_expected(kind)}")


@cache
def _types_of(settings: type) -> dict[str, Any]:
    """The declared type of each field."""
    hints = get_type_hints(settings)
    return {field.name: hints[field.name] for field in fields(settings)}


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, member) for member in get_args(kind))
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind in (int, float):  # numbers of NumPy too, but not True
        return isinstance(value, numbers.Integral if kind is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, get_origin(kind) or kind)


def _expected(kind: Any) -> str:
    """What the field must hold instead, as the end of a message."""
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    choices = [choice for member in kinds if get_origin(member) is Literal for choice in get_args(member)]
    if get_origin(kind) is Literal:
        return f"choose one of {', '.join(choices)}"
    if choices:
        return f"choose one of {', '.join(['True', 'False'] * (bool in kinds) + [repr(choice) for choice in choices])}"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", type(None): "None"}
    return "it must be " + " or ".join(words.get(kind, f"a {getattr(kind, '__name__', kind)}") for kind in kinds)


def _require_known(names: Iterable[str]) -> None:
    known = sorted(known.name for known in fields(ModelConfig) if known.init)
    if unknown := sorted(set(names) - set(known)):
        raise UserError(f"unknown model settings: {', '.join(unknown)}; known are {', '.join(known)}")


def _require_positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"{name} is {value!r}; it must be a whole number of at least 1")


PRESETS: dict[str, dict[str, Any]] = {
    # The course's own model: learns the world in minutes on two CPU cores. Its table starts as large as what blocks
    # write to the stream. A table that is also the head cannot: its logits would be far from zero.
    "tiny": dict(
        vocab_size=2048, d_model=128, n_layers=4, n_heads=2, d_ff=384, max_seq_len=256, qk_norm=True,
        tie_embeddings=False, embedding_std=0.3,
    ),
    # One GPU: learns TinyStories in less than an hour. Its recipe, like tiny's, stands in training/recipes.py.
    "small": dict(vocab_size=8192, d_model=512, n_layers=8, n_heads=8, d_ff=1408, max_seq_len=512, qk_norm=True),
    # Published shapes, for counting parameters and for loading real weights.
    "smollm2-135m": dict(
        vocab_size=49_152, d_model=576, n_layers=30, n_heads=9, n_kv_heads=3, d_ff=1536, max_seq_len=8192,
        rope_theta=1e5,
    ),
    "gpt2": dict(
        vocab_size=50_257, d_model=768, n_layers=12, n_heads=12, max_seq_len=1024,
        norm="layernorm", activation="gelu", position="learned", bias=True,
    ),
    "gpt3": dict(
        vocab_size=50_257, d_model=12_288, n_layers=96, n_heads=96, max_seq_len=2048,
        norm="layernorm", activation="gelu", position="learned", bias=True,
    ),
}  # fmt: skip
