"""Pretraining: a model learns to predict the next token of documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from minillm.data.batches import Batch, PackedBatches, SegmentedBatch, whole_documents
from minillm.data.corpora import encode_training, load_corpus
from minillm.data.packing import PackedRows
from minillm.data.token_file import TokenFile
from minillm.device import matmul_peak
from minillm.errors import UserError
from minillm.losses import fused_linear_cross_entropy
from minillm.model.accounting import count_flops
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import ALONE, Processes
from minillm.training.loop import Task, count_targets, fit, to_device, training_dtype
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, Run, ignore
from minillm.training.settings import TrainConfig

Texts = str | Path | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | Tensor | np.ndarray

# Two minutes on two CPU cores for preset `tiny`.
PRETRAINING = TrainConfig(
    steps=660,
    optimizer="muon",
    learning_rate=0.016,
    schedule="wsd",
    warmup_steps=20,
    decay_fraction=0.8,
    final_fraction=0.0,
)


@dataclass(frozen=True)
class TextData:
    """Shuffled batches to learn from, and whole documents to validate on.

    >>> tokenizer = Tokenizer.train(["a b c"], 258, ["<|endoftext|>"])
    >>> data = TextData.from_texts([f"{n} and {n}" for n in range(30)], tokenizer, max_seq_len=8)
    >>> len(data.validation)
    1
    """

    train: PackedBatches
    validation: list[Batch]

    @classmethod
    def from_texts(
        cls, texts: Texts, tokenizer: Tokenizer | None, max_seq_len: int, batch_size: int = 16, seed: int = 0
    ) -> "TextData":
        """From what `load_corpus` takes (a file, a folder, a name), a list of texts, or ids of one or several texts.

        One document in ten is held out for validation; of less than ten documents the last tenth of the tokens is.
        Raises `UserError` without a tokenizer, for anything else, and where there is too little text.
        """
        if tokenizer is None:
            raise UserError("pretraining on texts needs their tokenizer; give it by name: tokenizer=...")
        if isinstance(texts, (str, Path)):
            corpus = load_corpus(str(texts))
            train, validation = encode_training(corpus, tokenizer), tokenizer.encode_batch(corpus.validation)
        else:
            train, validation = _hold_out(_encoded(texts, tokenizer))
        return cls.from_ids(train, validation, tokenizer.end_id, max_seq_len, batch_size, seed)

    @classmethod
    def from_ids(
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


def _encoded(texts: Any, tokenizer: Tokenizer) -> list[list[int]]:
    """Documents as ids, from texts or ids."""
    documents = texts.tolist() if hasattr(texts, "tolist") else texts
    documents = list(documents) if isinstance(documents, Sequence) else []
    if documents and all(isinstance(document, str) for document in documents):
        return tokenizer.encode_batch(documents)
    if documents and all(isinstance(id, int) for id in documents):
        return [documents]
    if documents and all(isinstance(ids, Sequence) and all(isinstance(id, int) for id in ids) for ids in documents):
        return [list(ids) for ids in documents]
    raise UserError(f"the texts are {shortened(texts)}; give a file's path, a list of texts, or ids of a text")


def _hold_out(documents: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """One document in ten, left out of the others wherever it occurs; of few documents the end of each."""
    if len(documents) >= 10:
        held_out = set(map(tuple, documents[9::10]))
        return [ids for ids in documents if tuple(ids) not in held_out], documents[9::10]
    cuts = [len(ids) - max(1, len(ids) // 10) for ids in documents]
    if min(cuts, default=0) < 1:
        raise UserError("a text has less than 2 tokens, so nothing is left to learn from; give longer texts")
    return [ids[:cut] for ids, cut in zip(documents, cuts, strict=True)], [
        ids[cut:] for ids, cut in zip(documents, cuts, strict=True)
    ]


def pretrain(
    model: Transformer,
    data: TextData | Texts,
    config: TrainConfig = PRETRAINING,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    processes: Processes = ALONE,
    floor: float | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Teach `model` to predict the next token; returns it (trained in place) and the metrics of the run.

    `data` may be what `TextData.from_texts` takes, with the `tokenizer`. With `run_dir` and `tokenizer` the run is kept
    there, and one that was cut off resumes. `on_metrics` sees every line of metrics as it comes: a progress bar, a live
    plot. With several `processes` only rank 0 writes the folder and calls it; a model that they shard stays sharded,
    and `minillm.load(run_dir)` reads the whole.

    The metrics hold flop_utilization: the model's floating-point operations per second over those of the fastest
    matrix product measured here (Chowdhery et al. 2022, PaLM, appendix B). If the `floor` of the validation documents
    is known (nats per token), they also hold above_floor = val_loss - floor.

    Raises `UserError` for a `run_dir` without a tokenizer and a model with causal=False, and what `TextData.from_texts`
    and `training.loop.train` raise.

    >>> from minillm import ModelConfig
    >>> texts = [f"{n} and 1 is {n + 1}" for n in range(50)]
    >>> tokenizer = Tokenizer.train(texts, 260, ["<|endoftext|>"])
    >>> model = Transformer(ModelConfig(tokenizer.vocab_size, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> model, metrics = pretrain(model, texts, TrainConfig(steps=20, warmup_steps=2), tokenizer=tokenizer)
    >>> metrics[-1]["step"], metrics[-1]["loss"] < metrics[0]["loss"]
    (20, True)
    """
    run = Run(config, run_dir, tokenizer, on_metrics, processes)
    if not isinstance(data, TextData):
        data = TextData.from_texts(data, tokenizer, model.config.max_seq_len)
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
    return fused_linear_cross_entropy(hidden, model.head.weight, targets)


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
