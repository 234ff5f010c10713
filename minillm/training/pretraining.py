"""Pretraining: a model learns to predict the next token of documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.data.batches import Batch, PackedBatches, SegmentedBatch, whole_documents
from minillm.data.packing import PackedRows
from minillm.data.token_file import TokenFile
from minillm.device import matmul_peak
from minillm.errors import UserError
from minillm.losses import next_token_loss_of_hidden
from minillm.model.accounting import count_flops
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import ALONE, Processes
from minillm.training.loop import Task, count_targets, fit, to_device, training_dtype
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, Run, ignore
from minillm.training.settings import TrainConfig


@dataclass(frozen=True)
class TextData:
    """Shuffled batches to learn from, and whole documents to validate on."""

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
        """From encoded documents: rows of `max_seq_len` tokens and their targets, in the seed's order."""
        rows = PackedRows(train, end_id, max_seq_len + 1)
        batches = PackedBatches(rows, batch_size, seed, end_id)
        return cls(batches, whole_documents(validation, end_id, longest=max_seq_len))


def pretrain(
    model: Transformer,
    data: TextData,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    processes: Processes = ALONE,
    floor: float | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Teach `model` to predict the next token; returns it (trained in place) and the metrics of the run.

    With `run_dir` and `tokenizer` the run is kept there, and one that was cut off resumes. `on_metrics` sees every line
    of metrics as it comes: a progress bar, a live plot. With several `processes` only rank 0 writes the folder and
    calls it; a model that they shard stays sharded, and `minillm.load(run_dir)` reads the whole.

    The metrics hold flop_utilization: the model's floating-point operations per second over those of the fastest
    matrix product measured here (Chowdhery et al. 2022, PaLM, appendix B). If the `floor` of the validation documents
    is known (nats per token), they also hold above_floor = val_loss - floor.

    Raises `UserError` if only one of `run_dir` and `tokenizer` is given or if the model has causal=False, and what
    `training.loop.train` raises.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> data = TextData.of([[1, 2, 3, 4]] * 8, [[1, 2, 3, 4]], end_id=0, max_seq_len=8, batch_size=4, seed=0)
    >>> model, metrics = pretrain(model, data, TrainConfig(steps=20, learning_rate=0.01, warmup_steps=2))
    >>> metrics[-1]["step"], metrics[-1]["loss"] < metrics[0]["loss"]
    (20, True)
    """
    run = Run(config, run_dir, tokenizer, on_metrics, processes)
    if not model.config.causal:
        raise UserError(
            "a model with causal=False sees the token that it should predict: its loss would fall to 0 and it would "
            "have learned to copy. Give it another task through training.loop.train, or set causal=True"
        )
    at_peak = seconds_per_token_at_peak(model, data, config, processes) if processes.is_main else 0.0

    def validate() -> Metrics:
        loss = mean_loss(model, data.validation)
        return {"val_loss": loss} if floor is None else {"val_loss": loss, "above_floor": loss - floor}

    def utilization(metrics: Metrics) -> Metrics:
        return {"flop_utilization": round(metrics["tokens_per_second"] * at_peak, 4)}

    return model, fit(Task(model, data.train, text_loss, validate, utilization), config, run)


def text_loss(model: Transformer, batch: Batch | SegmentedBatch) -> Float[Tensor, ""]:
    """Mean cross-entropy of a batch's targets, in nats: every next token in pretraining, the answers' in SFT."""
    inputs, *segments, targets = batch
    hidden = model.hidden(inputs, segments=segments[0] if segments else None)
    return next_token_loss_of_hidden(hidden, model.head.weight, targets)


@torch.no_grad()
def mean_loss(model: Transformer, batches: Sequence[Batch | SegmentedBatch]) -> float:
    """Nats per target over all batches, each target with the same weight (a mean of batch means would differ)."""
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for batch in batches:
        if n := count_targets(batch):
            total += n * text_loss(model, to_device(batch, device)).item()
            count += n
    if count == 0:
        raise UserError("the validation data hold no token to measure the loss on")
    return total / count


def seconds_per_token_at_peak(
    model: Transformer, data: TextData, config: TrainConfig, processes: Processes = ALONE
) -> float:
    """Seconds per token if all that training computes ran as fast as the fastest matrix product here."""
    device = next(model.parameters()).device
    length = data.train[0][0].shape[1]
    flops = 3 * count_flops(model.config, length) / length  # forward, and twice as much backward
    return flops / (matmul_peak(device, training_dtype(config, device) or torch.float32) * processes.world_size)
