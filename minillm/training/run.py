"""One run in one folder: settings, tokenizer, weights, checkpoint and metrics side by side.

config.json  tokenizer.json  model.safetensors     what `minillm.load` reads, as of the last checkpoint
checkpoint.safetensors                             weights, optimizer and random state to resume from; of a sharded
                                                   run rank 0's part, with the other ranks' parts beside it
training.json  metrics.jsonl                       the settings, and one line of metrics every few steps
diagnostics.json                                   only after a loss that was not finite: weights and gradients then
"""

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import torch
from torch import nn

from minillm.errors import UserError
from minillm.files import read_json, replacing, write_json
from minillm.pretrained import save as save_model
from minillm.tokenizer import Tokenizer
from minillm.training.checkpoint import CHECKPOINT, Progress, load_latest, save_checkpoint
from minillm.training.distributed import ALONE, Processes, own_part
from minillm.training.metrics import METRICS, Metrics, read_metrics

SETTINGS, DIAGNOSTICS = "training.json", "diagnostics.json"
OnMetrics = Callable[[Metrics], None]  # called with every line of metrics: a progress bar, a live plot
SaveModel = Callable[[Any, Tokenizer, Path], None]


def ignore(metrics: Metrics) -> None:
    """Do nothing with a line of metrics."""


class Run:
    """A run's folder, its metrics so far, the callback for new ones, and the processes that share it.

    Without a folder only `history`, the metrics so far, is kept, in memory. With one, `resume` continues what is in it,
    and `save_model(model, tokenizer, folder)` is called before every checkpoint, on rank 0 and with the whole model.

    Raises `UserError` for a `folder` that is not a path or comes without a `tokenizer`, if the folder holds a run with
    other settings (a setting that an older version did not have counts as its default), and for damaged files.
    """

    def __init__(
        self,
        config: Any,  # a dataclass of plain values
        folder: str | Path | None = None,
        tokenizer: Tokenizer | None = None,
        on_metrics: OnMetrics = ignore,
        processes: Processes = ALONE,
        save_model: SaveModel = save_model,
    ):
        if folder is not None and not isinstance(folder, (str, Path)):
            raise UserError(f"run_dir is {shortened(folder)}; it is the folder of the run, a path, or left out")
        if folder is not None and tokenizer is None:
            raise UserError("run_dir needs a tokenizer: a saved model without its tokenizer cannot be used; give both")
        self.folder, self.tokenizer = None if folder is None else Path(folder), tokenizer
        self.processes, self.on_metrics, self.save_model = processes, on_metrics, save_model
        self.history: list[Metrics] = []
        self._file_is_current = False  # metrics.jsonl holds just the lines of `history`
        if self.folder and processes.is_main:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_settings(self.folder / SETTINGS, config)
            self.history = read_metrics(self.folder / METRICS) if (self.folder / METRICS).exists() else []

    def _check_settings(self, path: Path, config: Any) -> None:
        try:
            before = read_json(path) if path.exists() else asdict(config)
        except ValueError as error:
            raise UserError(f"{path} is damaged ({error}); choose another folder") from None
        defaults = {field.name: field.default for field in fields(config) if field.default is not MISSING}
        for name, value in asdict(config).items():
            had = before.get(name, defaults.get(name))
            if had != value:
                raise UserError(
                    f"{path.parent} holds a run with {name} = {had}, and now it is {value}; "
                    "resume with the same settings, or choose another folder"
                )
        if not path.exists():
            write_json(path, asdict(config))

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Restore the last checkpoint into model and optimizer; returns its progress, empty if there is none."""
        path = self.folder and self.folder / CHECKPOINT
        return load_latest(path, model, optimizer) if path and path.exists() else {}

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, required: bool) -> None:
        """Save the model, then a checkpoint; a full disk is a warning, or `OSError` if the save is `required`."""
        if self.folder is None:
            return
        try:
            with self.processes.all_or_none():
                whole = self.processes.gather(model)
                if self.processes.is_main and self.tokenizer is not None:
                    self.save_model(whole, self.tokenizer, self.folder)
            save_checkpoint(self.folder / CHECKPOINT, model, optimizer, progress, self.processes)
        except OSError as error:
            if required:
                raise
            warnings.warn(f"step {progress['step']} could not be saved: {error}. Training continues.", stacklevel=2)

    def record(self, metrics: Metrics) -> None:
        """Keep one line of metrics; on rank 0 also in the folder, and for `on_metrics`.

        After a kill, lines of steps that run again give way to the new ones. If the disk is full the line waits for the
        next one, with a warning.
        """
        self.history = [line for line in self.history if line["step"] < metrics["step"]] + [metrics]
        if self.processes.is_main:
            if self.folder:
                self._write_line(self.folder / METRICS)
            self.on_metrics(metrics)

    def _write_line(self, path: Path) -> None:
        try:
            if not self._file_is_current:
                with replacing(path) as partial:
                    lines = (json.dumps(line) + "\n" for line in self.history[:-1])
                    partial.write_text("".join(lines), encoding="utf-8")
                self._file_is_current = True
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(self.history[-1]) + "\n")
        except OSError as error:
            self._file_is_current = False  # it may end in half a line: write it anew when there is space
            warnings.warn(f"{path} could not be written ({error}); training continues", stacklevel=2)

    def diagnose(self, error: str, model: nn.Module) -> str:
        """Write diagnostics.json after a loss that was not finite; returns the error's message with its path.

        It holds the norms of all weights and gradients, those that are not finite, and the last metrics. Without a
        folder, or on a full disk, the message alone is returned.
        """
        if self.folder is None or not self.processes.is_main:
            return error
        norms = {
            name: {
                "weight": own_part(p).norm().item(),  # the other ranks may not answer any more
                "gradient": None if p.grad is None else own_part(p.grad).norm().item(),
            }
            for name, p in model.named_parameters()
        }
        broken = [name for name, values in norms.items() if not all(math.isfinite(v or 0.0) for v in values.values())]
        path = self.folder / DIAGNOSTICS
        report = {"error": error, "not_finite": broken, "norms": norms, "last_metrics": self.history[-5:]}
        try:
            path.write_text(json.dumps(report, indent=1), encoding="utf-8")
        except OSError:
            return error
        return f"{error}. The last good checkpoint is kept; see {path}"
