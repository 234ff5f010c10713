"""Save and load a model the way the Hugging Face libraries do: a directory with a few plain files.

    model.safetensors       the tensors, under Hugging Face's names; data only, nothing in it is ever executed
    config.json             the sizes, twice: in Hugging Face's words where they have some, and ours under "minillm"
    tokenizer.json          the tokenizer, with tokenizer_config.json (read and written by `minillm.tokenizer`)

Where `transformers` has a class for our configuration, it opens the directory and gives the same logits. Where it has
none (GELU with RMSNorm, learned positions with SwiGLU, ...), config.json names no architecture, and `transformers`
refuses the directory instead of running something else.

Loading goes by our own entry where there is one. A directory that another program wrote is read if it is of a family in
`families`; its tensors may then be in several files (`shards`).
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.files import MAX_CONFIG_BYTES, naming, read_json
from minillm.model.transformer import Transformer
from minillm.pretrained.families import CONSTANTS, names_of
from minillm.pretrained.family_config import read_family, write_family
from minillm.pretrained.shards import INDEX, WEIGHTS, Shards, inside
from minillm.pretrained.weights import Model, assemble, pack
from minillm.tokenizer import Tokenizer
from minillm.tokenizer.files import TEMPLATE

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
TOKENIZER_FILES = (TOKENIZER, "tokenizer_config.json", TEMPLATE)
OLDER = (  # a missing file, an older one that may replace it, and what to do
    (
        WEIGHTS,
        "pytorch_model.bin",
        "Its pytorch_model.bin is not read, since such a file may run any program when it is opened; open the model "
        "with transformers, whose save_pretrained writes model.safetensors",
    ),
    (
        TOKENIZER,
        "tokenizer.model",
        "Its tokenizer.model is not read; transformers' AutoTokenizer reads it, and its save_pretrained writes "
        "tokenizer.json",
    ),
    (
        TOKENIZER,
        "merges.txt",
        "Tokenizer.from_gpt2_files reads its vocab.json and merges.txt, and its save writes tokenizer.json",
    ),
)
NO_TOKENIZER = (
    "Save a tokenizer into it (Tokenizer.save, or save_pretrained of transformers' AutoTokenizer), or take the model "
    "alone: minillm.from_transformers(AutoModelForCausalLM.from_pretrained(directory))"
)
Names = Callable[[Mapping[str, str]], Mapping[str, str]]  # of a family's names of a transformer's modules, a model's
STAGING = ".saving"  # files wait here until all of them are whole


def save(
    model: nn.Module,
    tokenizer: Tokenizer,
    dir: str | Path,
    names: Names = lambda table: table,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write model and tokenizer into the directory `dir`, which is made if need be.

    For a module that has a transformer (and its `config`): `names` turns the file's names of the transformer's modules
    into those of the whole module, and `changes` replaces values of config.json.

    All files are written to a temporary folder first and moved, one by one, when the last of them is complete. So a
    save that is killed, or that finds the disk full, leaves what was there before, and no file is ever partial.
    Raises `UserError` for a tokenizer that does not fit the model, `OSError` where the disk refuses.

    >>> import tempfile
    >>> tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    >>> model = Transformer(ModelConfig(vocab_size=260, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, tokenizer, folder)
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
    """
    config: Any = model.config
    check_fit(config, tokenizer)
    directory = Path(dir)
    staging = directory / STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)  # what a killed save left
        staging.mkdir(parents=True)
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        values = describe(config, tokenizer) | {"dtype": dtype, **changes}
        tensors = {name: tensor.detach().cpu() for name, tensor in model.named_parameters()}
        packed = pack(tensors, names(names_of(values["model_type"])))
        save_file(packed, staging / WEIGHTS, metadata={"format": "pt"})
        (staging / CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8", newline="\n")
        tokenizer.save(staging)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise OSError(f"cannot save to {directory}: {error}. What was there before is unchanged") from error
    for file in sorted(staging.iterdir()):
        os.replace(file, directory / file.name)
    (directory / TEMPLATE).unlink(missing_ok=True)  # an older one would replace the tokenizer's own template
    staging.rmdir()


def describe(config: ModelConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """The values of config.json: Hugging Face's fields if it has an architecture like ours, and always our own."""
    family = write_family(config)
    if family is None:
        return {"model_type": "minillm", "minillm": config.to_dict()}
    ends = {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id}
    return family | ends | {"minillm": config.to_dict()}


def load(
    dir: str | Path,
    names: Names = lambda table: table,
    build: Callable[[ModelConfig], Model] = Transformer,
    prepare: Callable[[dict[str, Any]], dict[str, Any]] = lambda values: values,
) -> tuple[Model, Tokenizer]:
    """The model, in float32 on the CPU, and the tokenizer of a directory that `save` or another program wrote.

    `build` makes the model of a configuration, `names` is as in `save`, and `prepare` changes the values of config.json
    before they are read. Where the tokenizer's own files name no
    token that begins or ends a text, config.json does by its id.

    Raises `FileNotFoundError` naming the files that are missing, `UserError` for files that are damaged, do not
    belong together, lead out of the directory, or describe what this package cannot run.
    """
    directory = Path(dir)
    _check_complete(directory)
    values = _read_values(inside(directory, CONFIG))
    with naming(directory / CONFIG):
        values = prepare(values)
    config = _config_of(values, directory / CONFIG)
    try:
        for name in TOKENIZER_FILES:
            if (directory / name).exists():
                inside(directory, name)
        tokenizer = Tokenizer.load(directory)
        name_ends(tokenizer, values)
        check_fit(config, tokenizer)
        with Shards(directory) as tensors:
            return assemble_family(tensors, config, values.get("model_type"), names, build), tokenizer
    except ValueError as error:
        raise UserError(f"{directory}: {error}") from error


def _check_complete(directory: Path) -> None:
    weights = INDEX if (directory / INDEX).is_file() else WEIGHTS
    missing = [name for name in (CONFIG, weights, TOKENIZER) if not (directory / name).is_file()]
    if missing:
        remedies = [remedy for name, old, remedy in OLDER if name in missing and (directory / old).is_file()]
        if missing == [TOKENIZER] and not remedies:
            remedies = [NO_TOKENIZER]
        sentence = f"{directory} is not a saved model: it has no {' and no '.join(missing)}"
        raise FileNotFoundError(". ".join([sentence, *remedies]))


@runtime_checkable
class Tensors(Protocol):
    """A file's tensors, or those of a model in memory: their shapes by name, and each of them in float32."""

    shapes: dict[str, tuple[int, ...]]

    def read(self, name: str) -> Float[Tensor, "..."]:
        """One tensor by its name."""
        ...


def assemble_family(
    tensors: Tensors,
    config: ModelConfig,
    kind: object,
    names: Names = dict,
    build: Callable[[ModelConfig], Model] = Transformer,
) -> Model:
    """The model of `config` out of tensors that have the names of the family `kind`, a model_type."""
    family = names_of(kind, tensors.shapes)
    shapes = {name: shape for name, shape in tensors.shapes.items() if not CONSTANTS.fullmatch(name)}
    table, copy = f"{family['embedding']}.weight", f"{family['head']}.weight"
    if config.tie_embeddings and table in shapes and shapes.get(copy) == shapes[table]:
        if not torch.equal(tensors.read(copy), tensors.read(table)):
            raise UserError(f"tie_word_embeddings is True, but tensor {copy!r} differs from {table!r}")
        del shapes[copy]  # the same numbers, written twice
    return assemble(config, names(family), shapes, tensors.read, build)


def name_ends(tokenizer: Tokenizer, values: Mapping[str, Any]) -> None:
    """Set the start and end token from the ids in config.json, where the tokenizer's own files do not name them.

    GPT-2's tokenizer files, for example, do not say that "<|endoftext|>" ends a text.
    """
    by_id = {id: token for token, id in tokenizer.special_tokens.items()}
    for role in ("bos_token", "eos_token"):
        id = values.get(f"{role}_id")
        if getattr(tokenizer, role) is None and type(id) is int:
            setattr(tokenizer, role, by_id.get(id))


def read_config(path: str | Path) -> ModelConfig:
    """Our configuration out of a config.json; raises `UserError` for a file that holds none that we can run."""
    path = Path(path)
    return _config_of(_read_values(path), path)


def _read_values(path: Path) -> dict[str, Any]:
    with naming(path):
        return read_json(path, MAX_CONFIG_BYTES)


def _config_of(values: dict[str, Any], path: Path) -> ModelConfig:
    with naming(path):
        if "minillm" not in values:
            return read_family(values)
        if not isinstance(values["minillm"], dict):
            raise UserError(f'its entry "minillm" is a {type(values["minillm"]).__name__}, not an object')
        return ModelConfig.from_dict(values["minillm"])


def check_fit(config: ModelConfig, tokenizer: Tokenizer) -> None:
    """Raise `UserError` for a tokenizer with more tokens than the model has rows in its embedding table."""
    if tokenizer.vocab_size > config.vocab_size:
        raise UserError(
            f"the tokenizer has {tokenizer.vocab_size:,} tokens, the model only {config.vocab_size:,} (vocab_size): "
            "they do not belong together"
        )
