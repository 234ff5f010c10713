"""What lesson 08 uses of the package: texts, an untrained model, an optimizer made of steps, a run that is watched.

lesson        the documents, the tokenizer, and the two lines that a loss is compared with
newborn       a model with random weights, of the course's smallest shape
row           the ids of a document that no run reads; `losses_of` is what a model pays for a text
Stepper       AdamW for every weight, or Muon for the matrices inside the blocks, by functions of a page
learn         let `train` train a newborn model while it is watched; `Trained` is what comes out
gradient_of   the gradient of one matrix, after a few updates
continued     what a model makes of a beginning, greedily
keep          save a trained model in the workbook, for `python -m mine`
publish       write one page that runs it in any browser
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from minillm.analysis import surgery
from minillm.course import models
from minillm.course.assembly import by_owner
from minillm.course.learner.saved import workbook
from minillm.course.own_model import one_line, with_its_name
from minillm.course.truth import stored
from minillm.course.versions import origin
from minillm.data.corpora import load_corpus
from minillm.data.floor import bigram_loss, floor
from minillm.device import autocast_dtype
from minillm.losses import IGNORE
from minillm.model.transformer import Transformer
from minillm.pretrained import save
from minillm.publish import publish as write_page
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.pretraining import TextData, mean_loss
from minillm.training.recipes import BaseRecipe, recipe_of
from minillm.viz.watch import Watch

UPDATES, ROWS = 120, 16
DOCUMENTS = 7_300  # one document more than once would not be read in so few updates
RATES = {"muon": 0.032, "adamw": 0.006}  # the best of those tried in benchmarks/optimizers.py
PANEL = "nats per token"
BEGIN = "A rooster lives in"
Loss = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Lesson:
    """The texts of a run, cut into tokens, and what two readers would pay for new ones, in nats per token."""

    tokenizer: Tokenizer
    recipe: BaseRecipe
    documents: tuple[str, ...]
    training: list[list[int]]
    validation: list[list[int]]
    bigram: float  # a table of which token follows which
    floor: float  # the world that wrote the texts: nobody can do better

    @property
    def answers(self) -> int:
        """How many tokens are predicted in one reading, the end of each document included."""
        return sum(map(len, self.training)) + len(self.training)

    def data(self, seed: int = 0, rows: int = ROWS) -> TextData:
        """Rows of whole documents, in the order of a seed."""
        shape = self.tokenizer.end_id, self.recipe.config.max_seq_len, rows
        return TextData.from_ids(self.training, self.validation, *shape, seed=seed)


@cache
def lesson() -> Lesson:
    """The texts of lesson 08, loaded once per process."""
    tokenizer = models.base()[1]
    corpus = load_corpus("world", seed=0, n_train=DOCUMENTS)
    training, validation = (tokenizer.encode_batch(part) for part in (corpus.train, corpus.validation))
    assert corpus.truth is not None  # of the world, it is known
    end = tokenizer.end_id
    read, new = ([end, *(t for document in part for t in (*document, end))] for part in (training, validation))
    return Lesson(
        tokenizer,
        recipe_of("tiny", "world"),
        tuple(corpus.train),
        training,
        validation,
        bigram_loss(read, new, tokenizer.vocab_size),
        floor(corpus.truth, tokenizer).nats_per_token,
    )


def newborn(seed: int = 0, causal: bool = True) -> Transformer:
    """An untrained model: 4 layers, 1.4 million weights, 2,048 tokens."""
    torch.manual_seed(seed)
    return Transformer(lesson().recipe.config.replace(causal=causal))


def row(at: int = 0) -> Tensor:
    """The ids of a validation document with an end token in front: (T,)."""
    return torch.tensor([lesson().tokenizer.end_id, *lesson().validation[at]])


class Stepper(torch.optim.Optimizer):
    """An optimizer made of `adamw_step`, and of `orthogonalize` for the matrices inside the blocks if there is one.

    Muon (Jordan et al. 2024; the factor from Liu et al. 2025, equation 4): M <- mu M + G,
    W <- W - lr (0.2 sqrt(max(rows, columns)) orthogonalize(G + mu M) + decay W).

    >>> from minillm.course.turns.pretraining import adamw_step
    >>> model = torch.nn.Linear(2, 2)
    >>> stepper = Stepper(model, adamw_step)
    >>> model(torch.ones(2)).sum().backward(); stepper.step()
    >>> [len(group["params"]) for group in stepper.param_groups]
    [1, 1]
    """

    def __init__(
        self,
        model: torch.nn.Module,
        adamw_step: Callable[..., Any],
        orthogonalize: Callable[..., Tensor] | None = None,
        decay: float = 0.1,
        momentum: float = 0.9,
    ):
        kinds: dict[str, list[Tensor]] = {"muon": [], "matrices": [], "vectors": []}
        for name, weight in model.named_parameters():
            inside = weight.dim() == 2 and "blocks." in name and orthogonalize is not None
            kinds["muon" if inside else "matrices" if weight.dim() == 2 else "vectors"].append(weight)
        groups = [
            {"params": weights, "kind": kind, "decay": 0.0 if kind == "vectors" else decay}
            for kind, weights in kinds.items()
            if weights
        ]
        super().__init__(groups, {"lr": 0.0})
        self.adamw_step, self.orthogonalize, self.momentum = adamw_step, orthogonalize, momentum
        self.steps = 0

    @property
    def functions(self) -> list[Any]:
        """What it is made of."""
        return [self.adamw_step, *([] if self.orthogonalize is None else [self.orthogonalize])]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every weight that has a gradient."""
        self.steps += 1
        adamw, orthogonalize = with_its_name(self.adamw_step), with_its_name(self.orthogonalize)
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state, g = self.state[weight], weight.grad
                if group["kind"] == "muon":
                    state["M"] = self.momentum * state.get("M", torch.zeros_like(g)) + g
                    turned = orthogonalize(g + self.momentum * state["M"])
                    size = 0.2 * math.sqrt(max(weight.shape))
                    weight.sub_(group["lr"] * (size * turned + group["decay"] * weight))
                    continue
                m, v = state.get("m", torch.zeros_like(g)), state.get("v", torch.zeros_like(g))
                w, state["m"], state["v"] = adamw(weight.detach(), g, m, v, self.steps, group["lr"], group["decay"])
                weight.copy_(w)


def batch_loss(loss: Loss) -> Callable[[Transformer, Batch], Tensor]:
    """`loss(model, batch)` from a loss of one text: the mean over the rows of a batch, each up to its empty places."""

    def of_batch(model: Transformer, batch: Batch) -> Tensor:
        inputs, targets = batch
        dtype = autocast_dtype(inputs.device)
        with torch.autocast(inputs.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            logits = model(inputs)
        filled = ((targets != IGNORE).sum(dim=1) + 1).clamp(max=inputs.shape[1]).tolist()
        each = zip(logits.float().unbind(), inputs, filled, strict=True)
        return torch.stack([loss(row[:n], ids[:n]) for row, ids, n in each]).mean()

    return of_batch


def schedule(step: int, updates: int = UPDATES, peak: float = RATES["muon"], warmup: int = 20) -> float:
    """The learning rate of an update: it climbs, and falls over the last four fifths of a run.

    >>> [round(schedule(step, 100, 1.0, 10), 2) for step in (0, 9, 19, 60, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.01]
    """
    return peak * min((step + 1) / warmup, (1 - step / updates) / 0.8, 1.0)


@dataclass
class Trained:
    """What a run leaves: the model, and its losses by update."""

    model: Transformer
    losses: list[float] = field(default_factory=list)
    optimizer: Stepper | None = None

    @property
    def val_loss(self) -> float:
        """Nats per token on the validation documents."""
        with torch.no_grad():
            return mean_loss(self.model, lesson().data().validation)

    @property
    def closed(self) -> float:
        """The share of the way from counted bigrams to the floor."""
        return (lesson().bigram - self.val_loss) / (lesson().bigram - lesson().floor)


def learn(
    train: Callable[..., Any],
    loss: Loss,
    adamw_step: Callable[..., Any],
    orthogonalize: Callable[..., Tensor] | None = None,
    updates: int = UPDATES,
    seed: int = 0,
    peak: float | None = None,
    until: int | None = None,
) -> Trained:
    """Train a newborn model with these functions, watched: the loss by update, and what it writes now and then.

    Without `orthogonalize`, AdamW moves every weight. The run may be interrupted, and is ended `until` so many updates.
    """
    given = lesson()
    model = newborn(seed)
    optimizer = Stepper(model, adamw_step, orthogonalize)
    peak = RATES["adamw" if orthogonalize is None else "muon"] if peak is None else peak
    data, trained = given.data(seed).train, Trained(model, [], optimizer)
    compute = with_its_name(batch_loss(loss))
    n = until or updates
    with Watch(n, {PANEL: ["training loss"]}, lambda: continued(model, BEGIN), {PANEL: levels()}) as watch:

        def stream() -> Iterator[Batch]:
            for update in watch:
                inputs, *_, targets = data[update]
                yield inputs, targets

        def watched(model: Transformer, batch: Batch) -> Tensor:
            value = compute(model, batch)
            trained.losses.append(float(value.detach()))
            watch.log(training_loss=trained.losses[-1])
            return value

        model.train()
        train(model, stream(), watched, optimizer, lambda step: schedule(step, updates, peak))
    model.eval()
    ran = {getattr(each, "__name__", "loss"): origin(each) for each in (train, loss, *optimizer.functions)}
    read = len(trained.losses) * ROWS * given.recipe.config.max_seq_len
    print(f"Trained on {read:,} tokens by {by_owner(ran)}; the model's own code is the package's.")
    return trained


def gradient_of(trained_by: Loss, updates: int = 0) -> Tensor:
    """The gradient of one matrix of the third block (its output projection) on the first batch: (128, 128)."""
    model = newborn()
    inputs, *_, targets = lesson().data().train[updates]
    batch_loss(trained_by)(model, (inputs, targets)).backward()
    found = model.blocks[2].attention.output.weight.grad
    assert found is not None
    return found


@torch.no_grad()
def continued(model: Transformer, begin: str, n: int = 16) -> str:
    """A beginning and what a model writes after it, always the likeliest token, on one line."""
    was = model.training
    model.eval()
    text = begin + surgery.write(model, lesson().tokenizer, begin, n)
    model.train(was)
    return one_line(text)


def levels() -> dict[str, float]:
    """What two readers pay per token: one who counted bigrams, and one who knows the world."""
    return {"bigrams": lesson().bigram, "floor": lesson().floor}


@torch.no_grad()
def losses_of(model: Transformer, text: str) -> tuple[list[str], list[float]]:
    """The tokens of a text, and a model's loss at each but the last."""
    ids = torch.tensor(lesson().tokenizer.encode(text))
    log_p = model(ids[None])[0, :-1].log_softmax(-1)
    losses = -log_p[torch.arange(len(ids) - 1), ids[1:]]
    return [lesson().tokenizer.decode([token]) for token in ids.tolist()], losses.tolist()


def keep(trained: Trained) -> None:
    """Save a trained model in the workbook, mine/model, and say how to talk to it."""
    folder = workbook() / "mine" / "model"
    save(trained.model, lesson().tokenizer, folder)
    print('Kept. In a terminal in your workbook: python -m mine generate "Mira" --model mine/model')


def publish(trained: Trained, name: str, begin: str) -> None:
    """Write a page that runs a trained model in a browser, with a game against the truth: mine/model.html."""
    page, tokenizer = workbook() / "mine" / "model.html", lesson().tokenizer
    curve: list[Metrics] = [{"step": step, "loss": loss} for step, loss in enumerate(trained.losses, 1)]
    size = write_page(trained.model, tokenizer, page, name, metrics=curve, beginnings=[begin, BEGIN], truth=stored())
    print(f"Wrote mine/model.html in your workbook, {size / 1e6:.1f} MB. Open it with a double click, or send it.")
