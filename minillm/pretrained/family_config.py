"""The settings of the families in `families`: from their config.json to our configuration, and back.

Every setting that the classes of transformers use is read here, or must have the value that we compute with: a model
that is run with almost the right settings writes nonsense. Settings of training (dropout, the spread of initial
weights) are not read.
"""

from collections.abc import Mapping
from typing import Any

from minillm.config import ModelConfig, RopeScaling
from minillm.errors import UserError
from minillm.pretrained.families import ARCHITECTURES
from minillm.tokenizer.files import NO_DEFAULT, take

Settings = Mapping[str, Any]  # the values of a config.json

MAX_SIZE = 2**30  # of any size; the longest published contexts have ten million tokens
# Fields of which only one behavior can be computed: their allowed values, the first of which is the default.
ALLOWED: dict[str, tuple] = {"quantization_config": (None,), "num_local_experts": (None, 0), "num_experts": (None, 0)}
ALLOWED_GPT2 = ALLOWED | {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
}
ALLOWED_LLAMA = ALLOWED | {"hidden_act": ("silu", "swish"), "partial_rotary_factor": (1, None)}
# Other names of GPT-2's sizes, which transformers reads too.
ALIASES_GPT2 = {
    "n_positions": "max_position_embeddings", "n_embd": "hidden_size", "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
}  # fmt: skip
FULL, SLIDING = "full_attention", "sliding_attention"  # what a layer may be in layer_types
ROPE_FIELDS = {
    "rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "low_freq_factor", "high_freq_factor",
    "original_max_position_embeddings",
}  # fmt: skip


def read_family(values: Settings) -> ModelConfig:
    """Our configuration of a model whose config.json another program wrote.

    Raises `UserError` naming the field that is missing, is of another type, or has a value that this package does not
    compute.

    >>> values = {"model_type": "gpt2", "vocab_size": 50, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16}
    >>> read_family(values).d_ff
    32
    """
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise _refusal(f"model_type is {repr(kind)[:80]}; the families that can be run are {', '.join(ARCHITECTURES)}")
    if values.get("architectures") not in (None, [], [ARCHITECTURES[kind]]):
        raise _refusal(f"architectures is {repr(values['architectures'])[:80]}; only {ARCHITECTURES[kind]} can be run")
    for field, allowed in (ALLOWED_GPT2 if kind == "gpt2" else ALLOWED_LLAMA).items():
        if values.get(field, allowed[0]) not in allowed:
            raise _refusal(f"{field} is {repr(values[field])[:80]}; only {allowed[0]!r} can be run")
    return _read_gpt2(values) if kind == "gpt2" else _read_llama(values, kind)


def _read_gpt2(values: Settings) -> ModelConfig:
    d_model = _size(values, "n_embd")
    for field, alias in ALIASES_GPT2.items():
        if values.get(alias, values.get(field)) != values.get(field):
            raise UserError(
                f"{field} is {repr(values.get(field))[:80]} and {alias} {repr(values[alias])[:80]}, two names of one "
                "size; remove the wrong one"
            )
    return ModelConfig(
        vocab_size=_size(values, "vocab_size"),
        d_model=d_model,
        n_layers=_size(values, "n_layer"),
        n_heads=_size(values, "n_head"),
        max_seq_len=_size(values, "n_positions"),
        d_ff=_size(values, "n_inner", 4 * d_model),
        norm="layernorm",
        norm_eps=_number(values, "layer_norm_epsilon", 1e-5),
        activation="gelu",
        position="learned",
        bias=True,
        tie_embeddings=take(values, "tie_word_embeddings", bool, True),
    )


def _read_llama(values: Settings, kind: str) -> ModelConfig:
    n_heads, n_layers = _size(values, "num_attention_heads"), _size(values, "num_hidden_layers")
    context = _size(values, "max_position_embeddings")
    theta, scaling = _read_rope(values, context)
    everywhere = False
    attention = kind in ("llama", "qwen3") and take(values, "attention_bias", bool, False)
    if kind == "llama" and (everywhere := take(values, "mlp_bias", bool, False)) and not attention:
        raise _refusal("mlp_bias is True and attention_bias False; only both or the second can be run")
    return ModelConfig(
        vocab_size=_size(values, "vocab_size"),
        d_model=_size(values, "hidden_size"),
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=_size(values, "num_key_value_heads", n_heads),
        d_head=_size(values, "head_dim", 128 if kind == "qwen3" else None),
        d_ff=_size(values, "intermediate_size"),
        max_seq_len=context,
        sliding_window=_read_window(values, kind, n_layers, context),
        norm_eps=_number(values, "rms_norm_eps", 1e-6),
        rope_theta=theta,
        rope_scaling=scaling,
        qk_norm=kind == "qwen3",
        bias=everywhere or ("qkv" if kind == "qwen2" else "attention" if attention else False),
        tie_embeddings=take(values, "tie_word_embeddings", bool, False),
    )


def _read_rope(values: Settings, context: int) -> tuple[float, RopeScaling | None]:
    """The rotary base and scaling; older files have them in two fields, newer ones in one."""
    rope = values.get("rope_scaling") or values.get("rope_parameters") or {}
    if not isinstance(rope, dict):
        raise UserError(f"rope_parameters is {repr(rope)[:80]}; expected an object")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", "linear", "llama3"):
        raise _refusal(f"rope_type is {repr(kind)[:80]}; only 'default', 'linear' and 'llama3' can be run")
    if unknown := sorted(map(str, rope.keys() - ROPE_FIELDS)):
        raise _refusal(f"rope_parameters of the type {kind!r} have {unknown[0][:80]!r}, which cannot be run")
    if rope.get("partial_rotary_factor", 1) not in (None, 1):
        raise _refusal(f"partial_rotary_factor is {repr(rope['partial_rotary_factor'])[:80]}; only 1 can be run")
    theta = _number(rope, "rope_theta", _number(values, "rope_theta", 10_000.0))
    if kind == "default":
        return theta, None
    if kind == "linear":
        return theta, RopeScaling(_number(rope, "factor"))
    trained = _size(rope, "original_max_position_embeddings", context)
    low, high = _number(rope, "low_freq_factor"), _number(rope, "high_freq_factor")
    return theta, RopeScaling(_number(rope, "factor"), trained, low, high)


def _read_window(values: Settings, kind: str, n_layers: int, context: int) -> int | None:
    """The sliding window if it is shorter than the context, else None; it must be the same in all layers."""
    window, layers = None, values.get("layer_types")
    if layers is not None:
        if not isinstance(layers, list) or {*map(str, layers)} - {FULL, SLIDING}:
            raise UserError(f"layer_types is {repr(layers)[:80]}; expected {FULL!r} or {SLIDING!r} each")
        if len(layers) != n_layers:
            raise UserError(f"num_hidden_layers is {n_layers} and layer_types has {len(layers)}; they must be equal")
    switch = "use_sliding_window" if kind in ("qwen2", "qwen3") else "sliding_window"
    if kind == "mistral":
        window = values.get("sliding_window", 4096)
    elif kind in ("qwen2", "qwen3") and take(values, switch, bool, False):
        first = take(values, "max_window_layers", int, 28)  # of the layers with a window
        layers = [FULL] * min(first, n_layers) + [SLIDING] * (n_layers - first) if layers is None else layers
        window = _size(values, "sliding_window") if SLIDING in layers else None
    if window is None and SLIDING in (layers or []):
        raise UserError(f"layer_types has {SLIDING!r}, but {switch} is {values.get(switch)!r}; one of them is wrong")
    if window is None or _size({"sliding_window": window}, "sliding_window") >= context or {*(layers or [])} == {FULL}:
        return None
    if FULL in (layers or []):
        raise _refusal(f"sliding_window is {window} in some layers and not in others; only one for all can be run")
    return window


def _refusal(sentence: str) -> UserError:
    return UserError(f"{sentence}. Open it with transformers, or choose another checkpoint")


def _size(values: Settings, field: str, default: Any = NO_DEFAULT) -> Any:
    value = take(values, field, int, default)
    if value is not None and not 1 <= value <= MAX_SIZE:
        raise UserError(f"{field} is {repr(value)[:80]}; it must be a whole number from 1 to {MAX_SIZE:,}")
    return value


def _number(values: Settings, field: str, default: float | None = None) -> float:
    value = values.get(field, default)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e300:
        raise UserError(f"{field} is {repr(value)[:80]}; expected a positive number")
    return float(value)


def write_family(config: ModelConfig) -> dict[str, Any] | None:
    """The settings with which transformers computes the same as we do; None where it has no such class.

    >>> write_family(ModelConfig.preset("smollm2-135m"))["model_type"]
    'llama'
    """
    c = config
    shape = (c.norm, c.activation, c.position)
    if shape == ("layernorm", "gelu", "learned"):
        plain = c.bias is True and not c.qk_norm and c.n_kv_heads == c.n_heads and c.d_head * c.n_heads == c.d_model
        return _write_gpt2(c) if plain and c.causal and c.sliding_window is None else None
    if shape != ("rmsnorm", "swiglu", "rotary") or not c.causal:
        return None
    if c.qk_norm:  # Qwen3 has no biases in its feed-forward, Qwen2 only on query, key and value
        kind = None if c.bias in (True, "qkv") else "qwen3"
    elif c.bias == "qkv":
        kind = "qwen2"
    elif c.d_model % c.n_heads == 0 and c.sliding_window is None:
        kind = "llama"
    else:  # of which transformers has no Llama, but a Mistral, which is a Llama without biases
        kind = None if c.bias else "mistral"
    return None if kind is None else _write_llama(c, kind)


def _write_gpt2(config: ModelConfig) -> dict[str, Any]:
    return {
        "architectures": [ARCHITECTURES["gpt2"]],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_embd": config.d_model,
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_positions": config.max_seq_len,
        "n_inner": config.d_ff,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
    }


def _write_llama(config: ModelConfig, kind: str) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": config.rope_theta}
    stretched: dict[str, Any] = {}
    if (scaling := config.rope_scaling) is not None:
        stretched = {"rope_type": "linear", "factor": scaling.factor}
        if scaling.original_max_seq_len is not None:
            stretched |= {
                "rope_type": "llama3",
                "low_freq_factor": scaling.low_freq_factor,
                "high_freq_factor": scaling.high_freq_factor,
                "original_max_position_embeddings": scaling.original_max_seq_len,
            }
    qwen = {}
    if kind in ("qwen2", "qwen3") and config.sliding_window is not None:
        qwen = {"use_sliding_window": True, "max_window_layers": 0}
    return {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": kind,
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
        "rope_parameters": rope | stretched,
        "rope_theta": config.rope_theta,  # where transformers 4 looks for it, and for what follows
        "rope_scaling": stretched or None,
        "attention_bias": bool(config.bias),
        "mlp_bias": config.bias is True,
        "tie_word_embeddings": config.tie_embeddings,
        "sliding_window": config.sliding_window,
    } | qwen
