"""Character-level tiny Shakespeare: the text, its batches, the evaluation for all contestants, and our recipe."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from plain_gpt import BATCH, STEPS, PlainGPT, plain_optimizer, plain_step
from torch import Tensor

from minillm import ModelConfig, TrainConfig, Transformer
from minillm.training.loop import Task, train
from minillm.training.pretraining import text_loss

CONTEXT = 64  # characters of context, in training and evaluation
TARGET = 1.886  # nats per character on the last tenth of the text
# The plain recipe's depth, width, heads and context. Ours has a narrower feed-forward layer and one key/value head: it
# reaches the same loss on a text this short, with half the operations. The larger batch amortizes Muon's step.
SHAPE = dict(d_model=128, n_layers=4, n_heads=4, max_seq_len=CONTEXT)
# With rotary wavelengths up to about the context of 64 characters, every pair of dimensions rotates noticeably.
OURS = dict(
    activation="relu2", d_ff=256, n_kv_heads=1, qk_norm=True, tie_embeddings=False, embedding_std=0.3, rope_theta=100.0
)
OUR_BATCH = 64
RECIPE = dict(
    steps=70, optimizer="muon", learning_rate=2e-2, momentum=0.85, schedule="wsd", warmup_steps=3, final_fraction=0.0
)  # in bfloat16 where that is faster; chosen on seeds 10 to 12


class Shakespeare:
    """The text as character ids, with the first nine tenths for training and the rest for validation."""

    def __init__(self, path: Path):
        text = path.read_text(encoding="utf-8")
        characters = {character: n for n, character in enumerate(sorted(set(text)))}
        ids = torch.tensor([characters[character] for character in text])
        self.vocab_size = len(characters)
        self.train, self.validation = ids.split([len(ids) * 9 // 10, len(ids) - len(ids) * 9 // 10])

    @torch.no_grad()
    def loss(self, model: Callable[[Tensor], Tensor]) -> float:
        """Compute the loss in nats per character over the validation text, in windows of CONTEXT."""
        rows = (len(self.validation) - 1) // CONTEXT
        inputs, targets = (self.validation[n : n + rows * CONTEXT].view(rows, CONTEXT) for n in (0, 1))
        losses = [
            F.cross_entropy(model(part).flatten(0, 1), answers.flatten(), reduction="sum").item()
            for part, answers in zip(inputs.split(256), targets.split(256), strict=True)
        ]
        return sum(losses) / targets.numel()


class Windows:
    """Batches of windows at random positions in the text; `windows[step]` is reproducible."""

    def __init__(self, text: Tensor, batch_size: int, seed: int):
        self.text, self.batch_size, self.seed = text, batch_size, seed

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        starts = torch.randint(len(self.text) - CONTEXT, (self.batch_size, 1), generator=generator)
        rows = self.text[starts + torch.arange(CONTEXT + 1)]
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


class Run:
    """A training run that is advanced step by step and counts the seconds of its own steps."""

    def __init__(self, model: torch.nn.Module, steps: Iterator[object], length: int):
        self.model, self.length, self.done, self.seconds = model, length, 0, 0.0
        self._steps = steps

    def advance(self) -> None:
        start = time.perf_counter()
        next(self._steps)
        self.seconds += time.perf_counter() - start
        self.done += 1


def plain_run(data: Shakespeare, seed: int) -> Run:
    """Create a run of the plain recipe from `plain_gpt`."""
    torch.manual_seed(seed)
    model, windows = PlainGPT(data.vocab_size), Windows(data.train, BATCH, seed)
    optimizer = plain_optimizer(model)
    return Run(model, (plain_step(model, optimizer, step, *windows[step]) for step in range(STEPS)), STEPS)


def our_run(data: Shakespeare, seed: int, shape: dict, recipe: dict) -> Run:
    """Create a run with the package's model and training loop."""
    torch.manual_seed(seed)
    model = Transformer(ModelConfig(vocab_size=data.vocab_size, **SHAPE, **shape))
    config = TrainConfig(**recipe, log_every=1)
    return Run(model, train(Task(model, Windows(data.train, OUR_BATCH, seed), text_loss), config), config.steps)


def side_by_side(*runs: Run) -> None:
    """Advance several runs to their ends, always the one that is behind, so that noise affects all of them."""
    while unfinished := [run for run in runs if run.done < run.length]:
        min(unfinished, key=lambda run: run.done / run.length).advance()
