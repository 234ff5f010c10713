"""Models that were trained before: found by name or path, loaded, saved.

weights         from a file's tensors to a model, every one accounted for
gguf_file       the container of llama.cpp
gguf            a model and its tokenizer out of that container
families        GPT-2, Llama, Mistral, Qwen2, Qwen3: what their files call our tensors
family_config   the same for their settings, there and back
shards          the tensors of a directory, in one safetensors file or several
huggingface     directories with safetensors, config.json and tokenizer.json: read, and written by `save`
"""

import difflib
from pathlib import Path

import torch

from minillm.assets import REGISTRY, fetch
from minillm.model.transformer import Transformer
from minillm.pretrained import gguf, huggingface
from minillm.pretrained.huggingface import save
from minillm.tokenizer import Tokenizer

__all__ = ["load", "save"]


def load(name_or_path: str | Path, device: torch.device | str = "cpu") -> tuple[Transformer, Tokenizer]:
    """A trained model, in float32 and evaluation mode, and its tokenizer.

    `name_or_path` is the name of a model in the registry (fetched on first use), a directory that `save` or
    `transformers` wrote (GPT-2, Llama, Mistral, Qwen2, Qwen3; see `families`), or a .gguf file. A name goes before a
    path that is called the same; write `./name` to mean the path.

    Raises `ValueError` for an unknown name and for files that are damaged or cannot be run, `FileNotFoundError` for
    missing ones, `assets.AssetError` where a model cannot be fetched.

    >>> load("smollm2-135m-instrukt")
    Traceback (most recent call last):
    ValueError: no model is called 'smollm2-135m-instrukt'; did you mean 'smollm2-135m-instruct'? A path...
    """
    model, tokenizer = _open(name_or_path)
    return model.to(device), tokenizer


def _open(name_or_path: str | Path) -> tuple[Transformer, Tokenizer]:
    known = [name for name, asset in REGISTRY.items() if asset.path.suffix == ".gguf"]
    if name_or_path in known:
        return gguf.load(fetch(name_or_path))
    path = Path(name_or_path)
    if path.is_dir():
        return huggingface.load(path)
    if path.is_file():
        return gguf.load(path)
    if isinstance(name_or_path, Path) or {"/", "\\"} & {*name_or_path} or path.suffix == ".gguf":
        raise FileNotFoundError(f"there is no file or directory {str(name_or_path)!r}")
    near = difflib.get_close_matches(name_or_path, known, cutoff=0.4)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the models are {', '.join(known)}."
    raise ValueError(
        f"no model is called {name_or_path!r}; {hint} A path to a directory with a saved model or to a .gguf file "
        "would do too"
    )
