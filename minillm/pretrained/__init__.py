"""Models that were trained before: found by name or path, loaded, saved.

weights         from a file's tensors to a model, every one accounted for
gguf_file       the container of llama.cpp
gguf            a model and its tokenizer out of that container
quantize        matrices in 8 or 4 bits
families        GPT-2, Llama, Mistral, Qwen2, Qwen3: what their files call our tensors
family_config   the same for their settings, there and back
shards          the tensors of a directory, in one safetensors file or several
huggingface     directories with safetensors, config.json and tokenizer.json: read, and written by `save`
from_transformers   the same for a model of transformers that is in memory
"""

import difflib
import re
from pathlib import Path
from typing import Literal, get_args

import torch

from minillm.assets import REGISTRY, fetch, registered_folder, registered_names
from minillm.device import packed_speedup
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.pretrained import huggingface
from minillm.pretrained.from_transformers import from_transformers
from minillm.pretrained.huggingface import save
from minillm.pretrained.quantize import Bits, quantize
from minillm.tokenizer import Tokenizer

__all__ = ["from_transformers", "load", "quantize", "save"]

HUB_NAME = re.compile(r"[\w-]+/[\w.-]+")  # organization/model
Weights = Literal["float32", "bfloat16", "native", "auto", Bits]


def load(
    name_or_path: str | Path, device: torch.device | str = "cpu", weights: Weights = "float32"
) -> tuple[Transformer, Tokenizer]:
    """A trained model in evaluation mode, and its tokenizer.

    `name_or_path` is the name of a model in the registry (fetched on first use), one that another package registered
    (the course's: "course-base", "course-sft"), a directory that `save` or
    `transformers` wrote (GPT-2, Llama, Mistral, Qwen2, Qwen3; see `families`), or a .gguf file. A name goes before a
    path of the same name; write `./name` to mean the path.

    `weights` is the format of its matrices: "float32"; "bfloat16" for the whole model; "int8" or "int4", rounded by
    `quantize`; or "native", the 4 and 8 bits of a .gguf file without rounding them again. The last three are for
    inference: fast and small, but they cannot be trained or saved. "auto" is for inference, too: "native" where the
    file has such matrices and this CPU has a fast kernel for them, else "float32".

    Raises `UserError` for an unknown name, for a format that the file does not have and for files that are damaged or
    cannot be run, `FileNotFoundError` for missing ones, `assets.AssetError` where a model cannot be fetched.

    >>> load("smollm2-135m-instrukt")
    Traceback (most recent call last):
    minillm.errors.UserError: no model is called 'smollm2-135m-instrukt'; did you mean 'smollm2-135m-instruct'?...
    """
    if weights not in (formats := get_args(Weights)):
        raise UserError(f"weights is {weights!r}; choose one of {', '.join(formats)}")
    fast = weights == "auto" and torch.device(device).type == "cpu" and packed_speedup("int4") > 1
    model, tokenizer = _open(name_or_path, None if fast else weights == "native")
    if weights in ("int8", "int4"):
        model = quantize(model, weights)
    elif weights == "bfloat16":
        model = model.bfloat16()
    return model.to(device), tokenizer


def hub_advice(name: str) -> str:
    """What to do about the name of a model on the Hugging Face hub, which `load` does not download.

    >>> hub_advice("Qwen/Qwen3-0.6B").partition("first: ")[2]
    'hf download Qwen/Qwen3-0.6B --local-dir Qwen3-0.6B, then load("Qwen3-0.6B")'
    """
    model = name.rpartition("/")[2]
    if model.lower() in REGISTRY:
        return f"there is no file or directory {name!r}; this model is here as {model.lower()!r}"
    return (
        f"there is no file or directory {name!r}; if it is a model on the Hugging Face hub, download it first: "
        f'hf download {name} --local-dir {model}, then load("{model}")'
    )


def _open(name_or_path: str | Path, native: bool | None) -> tuple[Transformer, Tokenizer]:
    from minillm.pretrained import (
        gguf,
    )  # here, since llama.cpp's package is a tenth of what `import minillm` adds to torch

    known = [name for name, asset in REGISTRY.items() if asset.path.suffix == ".gguf"]
    if name_or_path in known:
        return gguf.load(fetch(str(name_or_path)), native)
    path = registered_folder(name_or_path) or Path(name_or_path)
    if path.is_dir():
        if native:
            raise UserError(
                f"{path} is a directory in float32; weights='native' is for .gguf files, choose another one"
            )
        return huggingface.load(path)
    if path.is_file():
        return gguf.load(path, native)
    if isinstance(name_or_path, str) and HUB_NAME.fullmatch(name_or_path) and path.suffix != ".gguf":
        raise UserError(hub_advice(name_or_path))
    if isinstance(name_or_path, Path) or {"/", "\\"} & {*name_or_path} or path.suffix == ".gguf":
        raise FileNotFoundError(f"there is no file or directory {str(name_or_path)!r}")
    known += registered_names()
    near = difflib.get_close_matches(name_or_path, known, cutoff=0.4)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the models are {', '.join(known)}."
    raise UserError(
        f"no model is called {name_or_path!r}; {hint} A path to a directory with a saved model or to a .gguf file "
        "would do too"
    )
