"""08.train: the training loop. Probes run it on a model of three numbers, with momentum."""

import random
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.pretraining.looping_variants import by_hand, mistaken, scaled
from minillm.course.turns.pretraining.spies import TOLD, Batches, Schedule, Spy, loss_of


def train(model, batches, loss, optimizer, schedule):
    """The loss of each batch, as numbers; the model learns from one batch after the other."""
    losses = []
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        optimizer.zero_grad()
        now = loss(model, batch)
        now.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(now.item())
    return losses


def _with_a_spy(thing: Any) -> Answer:
    """A learner's loop as the probes call it; returns its losses, and the weights at the end."""

    def answer(start: Tensor, batches: list[Tensor], _loss: str, _optimizer: str, rates: list[float]) -> Any:
        model = Spy(start)
        with torch.enable_grad():
            losses = thing(model, Batches(batches), loss_of, model.optimizer(), Schedule(rates))
        return losses, model.weights().detach()

    return answer


turn = Turn(
    "08.train",
    "The training loop",
    train,
    minutes=8,
    difficulty=2,
    called=_with_a_spy,
    parts=("losses", "weights"),
    hints=(
        "`backward` adds to the gradients that are there already. What has to happen once per batch, and when?",
        "Per batch: set the rate, clear the gradients, compute the loss, go backward, clip, step. The clip comes "
        "between the gradient and its use.",
        "`enumerate` counts the updates. The optimizer's `param_groups` is a list of dictionaries, and each keeps its "
        'rate under "lr".',
    ),
    errors={
        "is a stream": "Batches come one after the other, and there may be too many to hold: "
        "`for step, batch in enumerate(batches)`.",
        "calls the model|takes the model and a batch": "`loss(model, batch)` does the forward pass: it takes the model "
        "and the batch as they are.",
        "takes the number of the update": "`schedule(step)` takes a whole number, counted from 0.",
        r"name '(clip_grad_norm_|nn|F|step|losses|batch|lr|now)' is not defined": "`torch` and `clip_grad_norm_` are "
        "imported above. Count with `enumerate`, and begin with an empty list of losses.",
        "backward through the graph a second time|does not require grad": "`backward` once per batch, on its loss "
        "as it came.",
        "'float' object has no attribute 'backward'": "`backward` needs the tensor; take `.item()` of it afterwards.",
        "'NoneType' object has no attribute '(grad|square|mul_|norm)'|'NoneType'": "Before `backward` there is no "
        "gradient.",
        "values to unpack": "`loss(model, batch)` takes a batch as it comes: there's nothing to unpack.",
        "'Schedule' object": "`schedule` is a function of the number of the update: `schedule(step)`.",
        "'Tensor' object is not callable": "A variable called `loss` hides the function `loss`. Give it another name.",
        r"'(SGD|dict|list)' object|list indices|unexpected keyword|missing .* required": "A rate is set by "
        '`group["lr"] = ...`, for each `group` of `optimizer.param_groups`; `optimizer.step()` takes nothing.',
    },
    debrief=Debrief(
        "Real loops add what can go wrong: mixed precision, gradients of several small batches added up, many GPUs, "
        "a checkpoint every few minutes, and an alarm for a loss that isn't finite.",
        "You kept `now.item()`. What would a list of the tensors themselves keep alive?",
    ),
)


def _draw(rng: random.Random, counts: tuple[int, ...], scale: float) -> list[Call]:
    """Batches away from the start, with rates that differ; `scale` decides whether gradients are clipped."""
    generator = torch.Generator().manual_seed(rng.getrandbits(63))
    calls: list[Call] = []
    for n in counts:
        start = (scale * torch.randn(3, generator=generator)).round(decimals=2)
        batches = [(scale * torch.randn(3, generator=generator)).round(decimals=2) for _ in range(n)]
        calls.append((start, batches, *TOLD, [round(0.1 + 0.6 * rng.random(), 2) for _ in range(n)]))
    return calls


def _small(rng: random.Random) -> list[Call]:
    """Gradients that are never clipped."""
    return _draw(rng, (2, 3, 4), 0.15)


def _steep(rng: random.Random) -> list[Call]:
    """Gradients that are clipped at most steps."""
    return _draw(rng, (2, 4, 5), 3.0)


def _one(rng: random.Random) -> list[Call]:
    """One batch."""
    return _draw(rng, (1, 1), 0.15)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """The losses are no list, or too few."""
    for index, (call, (answer, _)) in enumerate(zip(calls, got, strict=True)):
        n = len(call[1])
        if answer is None:
            return "Nothing is returned.", "Return the list of losses.", index
        if type(answer) is Tensor and answer.dim():
            return "A tensor is returned.", "Return a plain list of numbers.", index
        if type(answer) in (Tensor, float, int):
            return "One number is returned, not a list of losses.", "Append each batch's loss to a list.", index
        if type(answer) not in (list, tuple):
            return f"A {type(answer).__name__} is returned.", "Return the list of losses.", index
        if len(answer) == 1 < n:
            return "Only one loss is returned.", "Is `return` inside the loop, or the empty list?", index
        if len(answer) != n:
            return f"There are {len(answer)} losses for {n} batches.", "Append one loss per batch.", index
    if all(difference(list(due[0]), list(gave[0])) is None for due, gave in zip(right, got, strict=True)):
        return None
    still = [difference(call[0], gave[1]) is None for call, gave in zip(calls, got, strict=True) if call[1]]
    if all(still):
        hint = "Is `backward` called, then `optimizer.step()`, and nothing clears the gradients in between?"
        return "The weights never change.", hint, 0
    return None


def _numbers(right: Any, got: Any) -> str | None:
    losses = got[0]
    if type(losses) is not list:
        return f"is a {type(losses).__name__.lower()}, and a list of losses is asked for"
    other = next((item for item in losses if type(item) is not float), None)
    if type(other) is Tensor:
        return "holds tensors in place of numbers"
    return None if other is None else f"has a {type(other).__name__} in place of a float"


def _tensors(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Losses that are tensors, which keep their graph alive."""
    if (found := _form(calls, right, got)) is not None:
        return found
    if any(type(item) is Tensor for answer, _ in got for item in answer):
        sentence = "The losses are tensors. One that isn't detached keeps its whole forward pass in memory."
        return sentence, "Keep a plain number: `now.item()`.", 0
    return None


small = turn.probe("gentle gradients", _small, _tensors, demand=_numbers)
small.mistake(
    "The gradients of all batches add up: nothing clears them.",
    "`optimizer.zero_grad()` once per batch, before `backward`.",
    mistaken(order="rate loss backward clip step"),
)
small.mistake(
    "The step comes before `backward`: each update uses the gradient of the batch before.",
    "Loss, backward, then step.",
    mistaken(order="rate step zero loss backward clip"),
)
small.mistake(
    "The rate is set after the step: each update uses the rate of the one before.",
    "Set the rate before `optimizer.step()`.",
    mistaken(order="zero loss backward clip step rate"),
)
small.mistake(
    "The rate is never set: the optimizer keeps the one that it was made with.",
    '`group["lr"] = schedule(step)` for each group of `optimizer.param_groups`, in every round. Nobody reads an '
    "attribute `optimizer.lr`.",
    mistaken(order="zero loss backward clip step"),
)
small.mistake(
    "Only the first group's rate is set.",
    'The optimizer has several: `for group in optimizer.param_groups: group["lr"] = ...`.',
    mistaken(groups=1),
)
small.mistake(
    "The whole update runs once per group.",
    "Only the line that sets the rate belongs into the loop over the groups. Move the rest one level out.",
    mistaken(order="first zero loss backward clip step second zero over backward clip step"),
)
small.mistake(
    "The schedule's rate is multiplied by the old one.",
    '`group["lr"] = schedule(step)`: the schedule gives the whole rate.',
    mistaken(rate_of=lambda old, new: old * new),
)
small.mistake(
    "The schedule is asked for step + 1.",
    "The first update is number 0.",
    mistaken(rate=lambda step: step + 1),
)
small.mistake(
    "The schedule is asked for step 0 each time.",
    "Count the updates: `enumerate(batches)`.",
    mistaken(rate=lambda step: 0),
)
small.mistake(
    "The losses are those after each step.",
    "Keep the loss that was computed for the update: it costs nothing more.",
    mistaken(order="rate zero loss backward clip step again"),
)
small.mistake(
    "The weights follow the bare gradient: the optimizer doesn't step.",
    "`optimizer.step()` makes the step. It knows momentum, or AdamW's means.",
    by_hand,
)
small.mistake(
    "Each batch is used for two steps.",
    "One `optimizer.step()` per batch.",
    mistaken(order="rate zero loss backward clip step step"),
)
small.mistake(
    "`backward` runs twice per batch, so each gradient counts twice.",
    "Call it once.",
    mistaken(order="rate zero loss backward double clip step"),
)
small.mistake(
    "The last batch isn't used.",
    "Use every batch that comes.",
    mistaken(up_to=lambda n: n - 1, kept=lambda losses, n: [*losses, 0.0]),
)

steep = turn.probe("steep gradients", _steep, _tensors, demand=_numbers)
steep.mistake(
    "Gradients aren't clipped.",
    "`clip_grad_norm_(model.parameters(), 1.0)` between `backward` and the step.",
    mistaken(order="rate zero loss backward step"),
)
steep.mistake(
    "Each number of the gradient is clipped by itself, which changes its direction.",
    "`clip_grad_norm_` scales all of it by one factor: the norm, not the values.",
    mistaken(clip=lambda parameters: torch.nn.utils.clip_grad_value_(parameters, 1.0)),
)
steep.mistake(
    "Each parameter is clipped by itself.",
    "One norm for all of them: `clip_grad_norm_(model.parameters(), 1.0)`.",
    mistaken(clip=lambda parameters: [clip_grad_norm_([each], 1.0) for each in parameters]),
)
steep.mistake(
    "Every gradient is scaled to norm 1, even one that is shorter.",
    "Only those whose norm is above 1.",
    mistaken(clip=scaled),
)
one = turn.probe("one batch", _one, _tensors, demand=_numbers)
