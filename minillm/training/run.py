"""One run in one folder: settings, tokenizer, weights, checkpoint and metrics side by side.

config.json  tokenizer.json  model.safetensors     what `minillm.load` reads, as of the last checkpoint
checkpoint.safetensors                             weights, optimizer and random state to go on from
training.json  metrics.jsonl                       the settings, and one line of metrics every few steps
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from minillm.data.batches import Batch, PackedBatches
from minillm.losses import next_token_loss_of_hidden
from minillm.model.transformer import Transformer
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer
from minillm.training.checkpoint import CHECKPOINT
from minillm.training.loop import Metrics, mean_loss, train
from minillm.training.settings import TrainConfig

SETTINGS, METRICS = "training.json", "metrics.jsonl"


@dataclass(frozen=True)
class TextData:
    """What pretraining needs: shuffled batches to learn from and whole documents to be measured on."""

    train: PackedBatches
    validation: list[Batch]


def pretrain(
    model: Transformer,
    data: TextData,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: Callable[[Metrics], None] = lambda metrics: None,
) -> tuple[Transformer, list[Metrics]]:
    """Teach `model` to predict the next token; returns it (trained in place) and the metrics of the run.

    With `run_dir` and `tokenizer` everything is kept there, and a run that was cut off goes on where it was.
    `on_metrics` sees every line as it comes: a progress bar, a live plot.
    """
    if (run_dir is None) != (tokenizer is None):
        raise ValueError("give run_dir and tokenizer together: a saved model without its tokenizer cannot be used")
    if not model.config.causal:
        raise ValueError(
            "a model with causal=False sees the token that it should predict: its loss would fall to 0 and it would "
            "have learned to copy. Give it another task through training.loop.train, or set causal=True"
        )
    folder = None if run_dir is None else RunFolder(Path(run_dir), config)
    history = folder.lines if folder else []
    events = train(
        model,
        data.train,
        pretraining_loss,
        config,
        validate=lambda: {"val_loss": mean_loss(model, data.validation)},
        checkpoint=folder.path / CHECKPOINT if folder else None,
        on_checkpoint=lambda: folder and save(model, tokenizer, folder.path),
    )
    for metrics in events:
        history = folder.record(metrics) if folder else [*history, metrics]
        on_metrics(metrics)
    return model.eval(), history


def pretraining_loss(model: Transformer, batch: Batch) -> Float[Tensor, ""]:
    """Cross-entropy of every next token, in nats."""
    inputs, targets = batch
    return next_token_loss_of_hidden(model.hidden(inputs), model.head.weight, targets)


class RunFolder:
    """The small files of a run: its settings, and its metrics so far in `lines`.

    Raises `ValueError` if the folder holds a run with other settings.
    """

    def __init__(self, path: Path, config: TrainConfig):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        settings = path / SETTINGS
        before = json.loads(settings.read_text(encoding="utf-8")) if settings.exists() else asdict(config)
        for name, value in asdict(config).items():
            if before.get(name) != value:
                raise ValueError(
                    f"{path} holds a run with {name} = {before.get(name)}, and now it is {value}; "
                    "go on with the same settings, or choose another folder"
                )
        settings.write_text(json.dumps(asdict(config), indent=1), encoding="utf-8")
        self.lines, self.trimmed = self._read(), False

    def _read(self) -> list[Metrics]:
        """After the last line break there is nothing, or half a line that a kill tore off."""
        file = self.path / METRICS
        lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines]

    def record(self, metrics: Metrics) -> list[Metrics]:
        """Append one line and return all. After a kill, lines of steps that are run again give way to the new ones."""
        if not self.trimmed:
            self.lines = [line for line in self.lines if line["step"] < metrics["step"]]
            temporary = self.path / f"{METRICS}.partial"
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")
            os.replace(temporary, self.path / METRICS)
            self.trimmed = True
        self.lines.append(metrics)
        with open(self.path / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")
        return self.lines
