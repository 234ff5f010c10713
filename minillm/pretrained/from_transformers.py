"""A model of transformers that is in memory, turned into ours by the code that reads its directory.

transformers is not imported. Of a model only `config` and `state_dict()` are read, of a tokenizer only the JSON of its
backend, its special tokens and its chat template.
"""

import json
from typing import Any, overload

from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.pretrained.families import ARCHITECTURES
from minillm.pretrained.family_config import read_family
from minillm.pretrained.huggingface import assemble_family, check_fit, name_ends
from minillm.pretrained.shards import to_float32
from minillm.tokenizer import Tokenizer


class StateDict:
    """The tensors of a model in memory, as `Shards` gives those of a directory.

    >>> import torch
    >>> tensors = StateDict({"norm.weight": torch.ones(2, dtype=torch.bfloat16)})
    >>> tensors.shapes, tensors.read("norm.weight")
    ({'norm.weight': (2,)}, tensor([1., 1.]))
    """

    def __init__(self, tensors: dict[str, Tensor]):
        self.shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        self._tensors = tensors

    def read(self, name: str) -> Float[Tensor, "..."]:
        """A copy of one tensor, in float32 on the CPU."""
        return to_float32(name, self._tensors[name].detach().cpu())


@overload
def from_transformers(hf_model: Any, tokenizer: None = None) -> Transformer: ...


@overload
def from_transformers(hf_model: Any, tokenizer: Any) -> tuple[Transformer, Tokenizer]: ...


def from_transformers(hf_model: Any, tokenizer: Any = None) -> Transformer | tuple[Transformer, Tokenizer]:
    """Convert a transformers model (GPT-2, Llama, Mistral, Qwen2, Qwen3) to a `Transformer` with equal logits.

    The result is in float32 on the CPU, in evaluation mode, and shares no memory with `hf_model`. Given a fast
    tokenizer of transformers, or a `tokenizers.Tokenizer`, it returns (model, tokenizer), the latter as a `Tokenizer`.

    Of a model that `torch.compile` returned, the one inside is taken; a subclass is if it has its parent's forward.
    Raises `UserError` for a model of another family or class, for adapters that are not merged, for weights on "meta",
    for a setting that this package does not compute, for a tokenizer that cannot be read, and for one with more tokens
    than the model.

    >>> import torch
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> sizes = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    >>> hf_model = LlamaForCausalLM(LlamaConfig(vocab_size=48, **sizes)).eval()
    >>> model = from_transformers(hf_model)
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> torch.allclose(model(ids), hf_model(ids).logits, atol=1e-5)
    True
    """
    hf_model = getattr(hf_model, "_orig_mod", hf_model)  # of torch.compile
    if not hasattr(getattr(hf_model, "config", None), "to_dict") or not hasattr(hf_model, "state_dict"):
        raise UserError(
            f"hf_model is a {type(hf_model).__name__}; give a model of transformers, such as LlamaForCausalLM "
            "(minillm.load reads a directory)"
        )
    state = hf_model.state_dict()
    _check_weights(hf_model, state)
    values = hf_model.config.to_dict() | {"architectures": [_class_of(hf_model)]}
    if values.get("model_type") == "mistral":  # this class has its window in all layers; AutoModel takes another one
        values["layer_types"] = None
    settings = read_family(values)
    if tokenizer is None:
        return assemble_family(StateDict(state), settings, values["model_type"])
    ours = tokenizer_from_transformers(tokenizer)
    name_ends(ours, values)
    check_fit(settings, ours)
    return assemble_family(StateDict(state), settings, values["model_type"]), ours


def _check_weights(hf_model: Any, state: dict[str, Tensor]) -> None:
    """Raise `UserError` for a model with adapters, and for one without numbers."""
    if hasattr(hf_model, "merge_and_unload") or any(".base_layer." in name for name in state):
        raise UserError(
            f"hf_model is a {type(hf_model).__name__} with adapters of peft; merge them first: "
            "from_transformers(peft_model.merge_and_unload())"
        )
    if empty := next((name for name, tensor in state.items() if tensor.is_meta), None):
        raise UserError(
            f"{empty!r} is on the device 'meta', which holds no numbers; load the weights (from_pretrained)"
        )


def _class_of(hf_model: Any) -> str:
    """The name of its class, or of the supported class of transformers that it is a subclass of."""
    own = type(hf_model)
    known = (parent for parent in own.__mro__ if parent.__module__.startswith("transformers."))
    parent = next((parent for parent in known if parent.__name__ in ARCHITECTURES.values()), own)
    if own is not parent and own.forward is not parent.forward:
        raise UserError(
            f"hf_model is a {own.__name__}, a {parent.__name__} with a forward of its own, which cannot be converted; "
            f"if it computes the same, load its weights into a {parent.__name__}"
        )
    return parent.__name__


def tokenizer_from_transformers(tokenizer: Any) -> Tokenizer:
    """Convert a fast tokenizer of transformers, or a `tokenizers.Tokenizer`, with its chat template.

    Raises `UserError` for a tokenizer without a backend in the format of tokenizer.json, and for one that cannot be
    read here.
    """
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not callable(getattr(backend, "to_str", None)):
        raise UserError(
            f"tokenizer is a {type(tokenizer).__name__}; give a fast tokenizer of transformers, as AutoTokenizer loads "
            "it, or leave it out"
        )
    names = ("bos_token", "eos_token", "chat_template", "add_bos_token")
    config = {name: getattr(tokenizer, name, None) for name in names}
    if isinstance(config["chat_template"], dict):  # several templates by name
        config["chat_template"] = config["chat_template"].get("default")
    return Tokenizer.from_json(json.loads(backend.to_str()), config)
