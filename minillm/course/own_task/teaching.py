"""LoRA on the real model: rows, a loss on the answers alone, and a run that is watched."""

import copy
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.own_model import smollm2
from minillm.course.own_task.tasks import Example
from minillm.data.chat import Message, encode_chat
from minillm.data.conversations import encode_conversation
from minillm.device import autocast_dtype
from minillm.inference.generate import generate
from minillm.losses import IGNORE
from minillm.model.transformer import Transformer
from minillm.posttraining.lora import add_lora
from minillm.tokenizer import Tokenizer
from minillm.training.schedule import cosine_with_warmup
from minillm.viz.watch import Watch

RANK, ALPHA = 8, 16.0
SHOWN = 4  # answers while it is trained
UPDATES, ROWS, RATE, WARMUP = 20, 8, 2e-3, 5
PANEL = "nats per token"
Batch = tuple[Tensor, Tensor]


def student(seed: int = 0, rank: int = RANK, alpha: float = ALPHA) -> Transformer:
    """A copy of SmolLM2 with a correction of rank 8 beside all 210 matrices of its blocks; the rest is frozen."""
    torch.manual_seed(seed)
    return add_lora(copy.deepcopy(smollm2()[0]), rank, alpha)


def as_text(answer: Any) -> str:
    """An answer as the model shall write it: JSON, or the text itself.

    >>> as_text({"kettle": 2}), as_text("Rome.")
    ('{"kettle": 2}', 'Rome.')
    """
    return answer if isinstance(answer, str) else json.dumps(answer)


def encoded(tokenizer: Tokenizer, example: Example, system: str = "") -> tuple[list[int], list[bool]]:
    """The ids of one example as a conversation, and which of them its answer has; a system message may begin it."""
    question, answer = example
    talk: list[Message] = [{"role": "system", "content": system}] if system else []
    talk += [{"role": "user", "content": question}, {"role": "assistant", "content": as_text(answer)}]
    found = encode_conversation(tokenizer, talk)
    return found.ids, found.mask


def row_of(example: Example) -> tuple[list[str], list[bool]]:
    """The tokens of one example as a conversation, as text, and which of them are learned."""
    ids, mask = encoded(smollm2()[1], example)
    return [smollm2()[1].decode([id]) for id in ids], mask


@dataclass
class Rows:
    """Examples as rows of one length, in batches: every epoch has an order of its own, drawn by the seed."""

    ids: Tensor  # (N, T)
    targets: Tensor  # (N, T): IGNORE where nothing is learned
    seed: int = 0

    @classmethod
    def of(cls, examples: Sequence[Example], seed: int = 0, system: str = "") -> "Rows":
        """Rows as long as the longest example."""
        tokenizer = smollm2()[1]
        found = [encoded(tokenizer, each, system) for each in examples]
        length = max(len(ids) for ids, _ in found)
        rows = torch.full((len(found), length), tokenizer.end_id)
        targets = torch.full((len(found), length), IGNORE)
        for row, (ids, mask) in enumerate(found):
            rows[row, : len(ids)] = torch.tensor(ids)
            targets[row, : len(ids)] = torch.tensor(ids).masked_fill(~torch.tensor(mask), IGNORE)
        return cls(rows[:, :-1], targets[:, 1:], seed)

    def batch(self, update: int, size: int = ROWS) -> Batch:
        """The inputs and targets of one update: (B, T) each."""
        chosen = []
        for position in range(update * size, (update + 1) * size):
            epoch, index = divmod(position, len(self.ids))
            order = [*range(len(self.ids))]
            random.Random(f"{self.seed} {epoch}").shuffle(order)
            chosen.append(order[index])
        return self.ids[chosen], self.targets[chosen]


def answer_loss(model: Transformer, batch: Batch) -> Tensor:
    """The mean loss over the tokens of the answers, in nats; the head is computed at these alone."""
    inputs, targets = batch
    counted = targets != IGNORE
    dtype = autocast_dtype(inputs.device)
    with torch.autocast(inputs.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        logits = model.head(model.hidden(inputs)[counted])
    return F.cross_entropy(logits.float(), targets[counted])


@torch.no_grad()
def say(model: Transformer, question: str, longest: int = 30) -> str:
    """The greedy answer to one question, by the model as it is."""
    tokenizer = smollm2()[1]
    ids = encode_chat(tokenizer, [{"role": "user", "content": question}])
    return tokenizer.decode(generate(model, ids, longest, temperature=0, stop=[tokenizer.end_id])[len(ids) :])


@dataclass
class Trained:
    """What a run leaves: the model with its corrections, and the loss of each update."""

    model: Transformer
    losses: list[float] = field(default_factory=list)


def teach(
    examples: Sequence[Example],
    updates: int = UPDATES,
    seed: int = 0,
    rate: float = RATE,
    question: str | None = None,
    system: str = "",
    size: int = ROWS,
) -> Trained:
    """Train corrections of SmolLM2 on these examples, watched; the seed draws A and the order of the examples.

    The answer to `question` is shown now and then; `system` begins each example. The run may be interrupted.
    """
    trained, rows = Trained(student(seed)), Rows.of(examples, seed, system)
    model = trained.model
    learning = [part for part in model.parameters() if part.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=0.0)
    example = None if question is None else (lambda: say(model.eval(), question))
    with Watch(updates, {PANEL: ["training loss"]}, example, examples=SHOWN) as watch:
        for update in watch:
            optimizer.param_groups[0]["lr"] = cosine_with_warmup(update, updates, rate, min(WARMUP, updates - 1))
            loss = answer_loss(model.train(), rows.batch(update, size))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
            optimizer.step()
            trained.losses.append(loss.item())
            watch.log(training_loss=trained.losses[-1])
    model.eval()
    return trained
