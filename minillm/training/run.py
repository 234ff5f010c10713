"""One run in one folder: settings, tokenizer, weights, checkpoint and metrics side by side.

config.json  tokenizer.json  model.safetensors     what `minillm.load` reads, as of the last checkpoint
checkpoint.safetensors                             weights, optimizer and random state to go on from; of a sharded
                                                   run the leading process's part, the others' parts beside it
training.json  metrics.jsonl                       the settings, and one line of metrics every few steps
diagnostics.json                                   only after a loss that was no number: weights and gradients then
"""

import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from minillm.data.batches import Batch, PackedBatches, whole_documents
from minillm.data.packing import PackedRows
from minillm.data.token_file import TokenFile
from minillm.device import matmul_peak
from minillm.errors import UserError
from minillm.files import read_json, replacing, write_json
from minillm.model.accounting import count_flops
from minillm.model.transformer import Transformer
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer
from minillm.training.checkpoint import CHECKPOINT
from minillm.training.distributed import Team, own_part
from minillm.training.history import METRICS, read_metrics
from minillm.training.loop import Batches, LossFunction, Metrics, half_precision, mean_loss, text_loss, train
from minillm.training.settings import TrainConfig

SETTINGS, DIAGNOSTICS = "training.json", "diagnostics.json"


@dataclass(frozen=True)
class TextData:
    """What pretraining needs: shuffled batches to learn from and whole documents to be measured on."""

    train: PackedBatches
    validation: list[Batch]

    @classmethod
    def of(
        cls,
        train: Sequence[Sequence[int]] | TokenFile,
        validation: Sequence[Sequence[int]],
        end_id: int,
        max_seq_len: int,
        batch_size: int,
        seed: int,
    ) -> "TextData":
        """From encoded documents: rows of `max_seq_len` tokens and their targets, in the order of the seed."""
        rows = PackedRows(train, end_id, max_seq_len + 1)
        batches = PackedBatches(rows, batch_size, seed, end_id)
        return cls(batches, whole_documents(validation, end_id, longest=max_seq_len))


def pretrain(
    model: Transformer,
    data: TextData,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: Callable[[Metrics], None] = lambda metrics: None,
    team: Team = Team(),  # noqa: B008 - frozen, and it holds nothing
    floor: float | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Teach `model` to predict the next token; returns it (trained in place) and the metrics of the run.

    With `run_dir` and `tokenizer` everything is kept there, and a run that was cut off goes on where it was.
    `on_metrics` sees every line as it comes: a progress bar, a live plot. In a `team` of processes only the leading one
    writes the folder and calls `on_metrics`. A model that the team shards stays so: each process gets its own part
    back, and `minillm.load(run_dir)` the whole.

    To what `training.loop.train` tells, a line adds flop_utilisation: the floating-point operations that the model
    needs for the tokens of a second, against the fastest matrix product measured here (Chowdhery et al. 2022, PaLM,
    appendix B). Where the `floor` of the validation documents is known (nats per token), a line with val_loss also
    holds above_floor, what is left to learn.
    Raises `ValueError` where only one of `run_dir` and `tokenizer` is given and for a model with causal=False, and what
    `training.loop.train` raises.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> data = TextData.of([[1, 2, 3, 4]] * 8, [[1, 2, 3, 4]], end_id=0, max_seq_len=8, batch_size=4, seed=0)
    >>> model, metrics = pretrain(model, data, TrainConfig(steps=20, learning_rate=0.01, warmup_steps=2))
    >>> metrics[-1]["step"], metrics[-1]["loss"] < metrics[0]["loss"]
    (20, True)
    """
    keep = saving(save, run_dir, tokenizer)
    if not model.config.causal:
        raise UserError(
            "a model with causal=False sees the token that it should predict: its loss would fall to 0 and it would "
            "have learned to copy. Give it another task through training.loop.train, or set causal=True"
        )
    at_peak = seconds_per_token_at_peak(model, data, config, team) if team.leads else 0.0

    def validate() -> Metrics:
        loss = mean_loss(model, data.validation)
        return {"val_loss": loss} | ({} if floor is None else {"above_floor": loss - floor})

    history = run_training(
        model,
        data.train,
        text_loss,
        config,
        validate,
        run_dir,
        keep,
        on_metrics,
        team,
        lambda line: {"flop_utilisation": round(line["tokens_per_second"] * at_peak, 4)},
    )
    return model, history


def saving(
    save: Callable[[Any, Tokenizer, Path], None], run_dir: str | Path | None, tokenizer: Tokenizer | None
) -> Callable[[Any, Path], None]:
    """`save(model, tokenizer, folder)` as `run_training` calls it; nothing is kept where there is neither.

    Raises `ValueError` where only one of `run_dir` and `tokenizer` is given.
    """
    if (run_dir is None) != (tokenizer is None):
        raise UserError("give run_dir and tokenizer together: a saved model without its tokenizer cannot be used")
    return lambda model, folder: None if tokenizer is None else save(model, tokenizer, folder)


def run_training(
    model: nn.Module,
    batches: Batches,
    loss_function: LossFunction,
    config: TrainConfig,
    validate: Callable[[], Metrics] | None = None,
    run_dir: str | Path | None = None,
    save: Callable[[Any, Path], None] = lambda model, folder: None,
    on_metrics: Callable[[Metrics], None] = lambda metrics: None,
    team: Team = Team(),  # noqa: B008 - frozen, and it holds nothing
    add: Callable[[Metrics], Metrics] = lambda line: {},
) -> list[Metrics]:
    """Run `training.loop.train` to its end and keep all of it in `run_dir`; returns its metrics.

    Pretraining, SFT, the reward model and DPO are this with a loss, batches and a way to `save` of their own:
    `save(model, folder)` is called before every checkpoint, in the leading process alone and with the whole model.
    What `add` makes of a line of metrics is added to it. Raises what `train` raises; see `follow` for the rest.
    """
    folder = RunFolder(Path(run_dir), config) if run_dir is not None and team.leads else None

    def keep() -> None:
        whole = team.whole(model)
        if folder:
            save(whole, folder.path)

    checkpoint = None if run_dir is None else Path(run_dir) / CHECKPOINT
    show = on_metrics if team.leads else lambda line: None
    with closing(train(model, batches, loss_function, config, validate, checkpoint, keep, team)) as lines:
        return follow((line | add(line) for line in lines), model, folder, show)


def follow(
    lines: Iterator[Metrics], model: nn.Module, folder: "RunFolder | None", on_metrics: Callable[[Metrics], None]
) -> list[Metrics]:
    """Run a loop to its end: keep each line of its metrics in the folder, show it, and return all of them.

    After a loss that was no number (`FloatingPointError`) the folder also holds diagnostics.json, and the message names
    it. The model is left in evaluation mode.
    """
    history = folder.lines if folder else []
    try:
        for metrics in lines:
            history = folder.record(metrics) if folder else [*history, metrics]
            on_metrics(metrics)
    except FloatingPointError as error:
        if folder is None:
            raise
        path = folder.write_diagnostics(str(error), model)
        raise FloatingPointError(f"{error}. The last good checkpoint is kept; {path} tells more") from None
    model.eval()
    return history


def seconds_per_token_at_peak(model: Transformer, data: TextData, config: TrainConfig, team: Team = Team()) -> float:  # noqa: B008
    """How long a token would take if all that training computes ran as fast as the fastest matrix product here."""
    device = next(model.parameters()).device
    length = data.train[0][0].shape[1]
    flops = 3 * count_flops(model.config, length) / length  # forward, and twice as much backward
    return flops / (matmul_peak(device, half_precision(config, device) or torch.float32) * team.size)


class RunFolder:
    """The small files of a run: its settings, and its metrics so far in `lines`.

    A setting that a run of an earlier version does not have was at its default. Raises `ValueError` if the folder holds
    a run with other settings.
    """

    def __init__(self, path: Path, config: Any):  # any dataclass of plain values
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        settings = path / SETTINGS
        try:
            before = read_json(settings) if settings.exists() else asdict(config)
        except ValueError as error:
            raise UserError(f"{settings} is damaged ({error}); choose another folder") from None
        defaults = {field.name: field.default for field in fields(config) if field.default is not MISSING}
        for name, value in asdict(config).items():
            had = before.get(name, defaults.get(name))
            if had != value:
                raise UserError(
                    f"{path} holds a run with {name} = {had}, and now it is {value}; "
                    "go on with the same settings, or choose another folder"
                )
        if not settings.exists():
            write_json(settings, asdict(config))
        self.lines = read_metrics(path / METRICS) if (path / METRICS).exists() else []
        self.in_order = False

    def write_diagnostics(self, error: str, model: nn.Module) -> Path:
        """What a person looks for after a loss that was no number: how large is what, and where are the NaNs?"""
        norms = {
            name: {
                "weight": own_part(p).norm().item(),  # the others may not be there to be asked
                "gradient": None if p.grad is None else own_part(p.grad).norm().item(),
            }
            for name, p in model.named_parameters()
        }
        broken = [name for name, values in norms.items() if not all(math.isfinite(v or 0.0) for v in values.values())]
        path = self.path / DIAGNOSTICS
        report = {"error": error, "not_finite": broken, "norms": norms, "last_metrics": self.lines[-5:]}
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")
        return path

    def record(self, metrics: Metrics) -> list[Metrics]:
        """Append one line and return all. After a kill, lines of steps that are run again give way to the new ones.

        Where the disk is full the line waits for the next one, with a warning.
        """
        self.lines = [line for line in self.lines if line["step"] < metrics["step"]] + [metrics]
        file = self.path / METRICS
        try:
            if not self.in_order:
                with replacing(file) as partial:
                    partial.write_text("".join(json.dumps(line) + "\n" for line in self.lines[:-1]), encoding="utf-8")
                self.in_order = True
            with open(file, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(metrics) + "\n")
        except OSError as error:
            self.in_order = False  # the file may end in half a line: write it anew when there is room
            warnings.warn(f"{file} could not be written ({error}); training goes on", stacklevel=2)
        return self.lines
