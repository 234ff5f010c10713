"""What an adapter_config.json of the PEFT library says: ranks, alphas, and which layers are corrected.

PEFT takes some of its strings for regular expressions. Those are not run here, since a file could hold one that takes
years: where a configuration names its layers or their ranks by one, the tensors beside it say what it meant.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.errors import UserError
from minillm.files import MAX_CONFIG_BYTES, read_json
from minillm.posttraining.lora import is_meant, select
from minillm.tokenizer.files import take

READ = {
    "peft_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "target_modules", "exclude_modules",
    "layers_to_transform", "layers_pattern", "use_rslora",
}  # fmt: skip
# What an adapter_config.json may hold besides; it does not change what an adapter computes. Where anything else is not
# null, false or empty, it asks for more than plain LoRA.
NOTES = {
    "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config", "fan_in_fan_out",
    "inference_mode", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core", "peft_version",
    "qalora_group_size", "revision", "task_type",
}  # fmt: skip
# How A and B were initialized, where PEFT leaves the base's weights as they were. All other ways ("pissa", "olora",
# "corda", "loftq", "lora_ga") change them, and PEFT does so again when it opens the adapter.
STARTS = (None, True, False, "gaussian", "orthogonal", "eva", "mica")
ALL = "all-linear"  # every linear layer but the language head
HEAD = "lm_head"


@dataclass(frozen=True)
class AdapterConfig:
    """What an adapter_config.json says, if it is all plain LoRA."""

    rank: int
    alpha: float
    ranks: dict[str, int] | None  # of single layers, by their names or the ends of them; None: those of the tensors
    alphas: dict[str, float]
    targets: list[str] | str  # names or ends of names; "all-linear"; or a regular expression
    excluded: list[str] | str  # names or ends of names, or a regular expression
    layers: list[int] | None  # numbers of the layers of the model; None: all
    layers_patterns: list[str]  # names of the list that these numbers count in
    stabilized: bool = False  # rsLoRA: a correction is scaled by alpha / sqrt(rank), not by alpha / rank

    def rank_of(self, name: str, stored: int) -> int:
        """The rank of one layer, whose tensor has `stored`; the first name that means the layer counts, as in PEFT."""
        if self.ranks is None:
            return stored or self.rank  # a rank of 0 does not fit then
        return next((rank for key, rank in self.ranks.items() if is_meant(name, key)), self.rank)

    def alpha_of(self, name: str, rank: int) -> float:
        """The alpha of plain LoRA, with which alpha / rank is the scale."""
        alpha = next((alpha for key, alpha in self.alphas.items() if is_meant(name, key)), self.alpha)
        return alpha * math.sqrt(rank) if self.stabilized else alpha

    def select(self, known: Iterable[str], stored: Iterable[str]) -> list[str]:
        """Of the `known` linear layers those that are corrected; `stored` are those that the file has tensors for.

        Raises `UserError` where none is meant, and for a target that the model does not have.
        """
        known = list(known)
        if isinstance(self.excluded, str) or (isinstance(self.targets, str) and self.targets.lower() != ALL):
            chosen = [name for name in known if name in set(stored)]
        elif isinstance(self.targets, str):
            chosen = [name for name in known if name != HEAD and not self._excludes(name)]
        else:
            chosen = [
                name for name in select(known, self.targets) if not self._excludes(name) and self._in_layers(name)
            ]
        if not chosen:
            raise UserError("its configuration means no linear layer of this model; is it for another base model?")
        return chosen

    def _excludes(self, name: str) -> bool:
        return any(is_meant(name, excluded) for excluded in self.excluded)

    def _in_layers(self, name: str) -> bool:
        """By the first number in a name: "model.layers.7.mlp.up_proj" is in layer 7. A whole name needs no number."""
        if self.layers is None or name in self.targets:
            return True
        parts = name.split(".")
        for place, part in enumerate(parts[:-1]):
            above = ".".join(parts[:place])
            meant = place >= 2 if not self.layers_patterns else any(is_meant(above, p) for p in self.layers_patterns)
            if part.isdigit() and meant:
                return int(part) in self.layers
        return False

    @classmethod
    def read(cls, path: Path) -> "AdapterConfig":
        """Raises `UserError`, with the file's name, for one that is damaged or asks for more than plain LoRA."""
        try:
            values = read_json(path, MAX_CONFIG_BYTES)
            _check_plain(values)
            targets, layers = _names("target_modules", values, required=True), values.get("layers_to_transform")
            if isinstance(layers, int) and not isinstance(layers, bool):
                layers = [layers]
            if layers is not None and (not isinstance(layers, list) or not all(type(n) is int for n in layers)):
                raise UserError(f"layers_to_transform is {str(layers)[:80]!r}; it must be whole numbers")
            patterns = _names("layers_pattern", values)
            patterns = [patterns] if isinstance(patterns, str) else patterns
            if bad := [name for name in patterns if not _is_plain(name)]:
                raise UserError(f"layers_pattern has an entry {bad[0][:80]!r}; only plain names can be read")
            ranks, alphas = _pattern(values, "rank_pattern", _whole), _pattern(values, "alpha_pattern", _number)
            if bad := [name for name in alphas if not _is_plain(name)]:
                raise UserError(f"alpha_pattern has an entry {bad[0][:80]!r}; only plain names of layers can be read")
            return cls(
                rank=_whole("r", values.get("r")),
                alpha=_number("lora_alpha", values.get("lora_alpha")),
                ranks=ranks if all(map(_is_plain, ranks)) else None,
                alphas=alphas,
                targets=targets,
                excluded=_names("exclude_modules", values),
                layers=layers or None,
                layers_patterns=[name for name in patterns if name],
                stabilized=take(values, "use_rslora", bool, False),
            )
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error


def _check_plain(values: Mapping[str, Any]) -> None:
    """Raise `UserError` for a configuration of anything but plain LoRA, naming the first setting that is more."""
    if values.get("peft_type") != "LORA":
        raise UserError(f"peft_type is {str(values.get('peft_type'))[:80]!r}; only LORA can be read")
    if (start := values.get("init_lora_weights")) not in STARTS:
        raise UserError(
            f"init_lora_weights is {str(start)[:80]!r}, which changes the base model's weights too; merge the "
            "adapter with peft (merge_and_unload), and load the merged model"
        )
    for name in sorted(values.keys() - READ - NOTES - {"init_lora_weights"}):
        if (value := values[name]) and (name, value) != ("bias", "none"):
            raise UserError(f"{name[:80]} is {str(value)[:80]!r}; only plain LoRA can be read, without it")


def _names(field: str, values: Mapping[str, Any], required: bool = False) -> list[str] | str:
    """A list of names, or one string."""
    found = values.get(field)
    if found is None and not required:
        return []
    if isinstance(found, str) and found:
        return found
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found) or (required and not found):
        raise UserError(f"{field} is {str(found)[:80]!r}; it must be a list of names or a string")
    return found


def _pattern(values: Mapping[str, Any], field: str, check: Callable[[str, Any], Any]) -> dict[str, Any]:
    """The exceptions for single layers."""
    pattern = values.get(field) or {}
    if not isinstance(pattern, dict):
        raise UserError(f"{field} is {str(pattern)[:80]!r}; it must be an object")
    return {name: check(f"{field} of {name[:80]}", value) for name, value in pattern.items()}


def _is_plain(name: str) -> bool:
    """Whether it is a name and not a regular expression."""
    return re.fullmatch(r"[\w.]+", name) is not None


def _whole(field: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"{field} is {str(value)[:80]!r}; the rank is a whole number from 1 on")
    return value


def _number(field: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e300:
        raise UserError(f"{field} is {str(value)[:80]!r}; it must be a positive number")
    return float(value)
