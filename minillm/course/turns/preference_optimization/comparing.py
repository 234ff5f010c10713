"""11.group_advantages: rewards relative to those of the other answers to the same prompt (Shao et al. 2024, 4.1.2)."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def group_advantages(rewards, group_size, scale=True):
    """The advantages, (answers,); each `group_size` neighbors answer the same prompt."""
    groups = rewards.view(-1, group_size)  # a row per prompt
    advantages = groups - groups.mean(dim=1, keepdim=True)
    if scale:
        advantages = advantages / (groups.std(dim=1, keepdim=True) + 1e-6)
    return advantages.flatten()


turn = Turn(
    "11.group_advantages",
    "Advantages within a group",
    group_advantages,
    minutes=6,
    difficulty=2,
    constants=("rewards",),
    hints=(
        "There are N rewards in a row. Which shape has one prompt per row?",
        "A view of shape (-1, group_size) does. Then `mean` and `std` along `dim=1`; `keepdim=True` keeps a column "
        "that can be subtracted.",
        "Subtract each row's mean. If `scale` is True, divide by the row's standard deviation + 1e-6. At the end, back "
        "to one axis.",
    ),
    errors={
        "must match the size|size of tensor a": "Keep the axis that you average over: `keepdim=True`.",
        r"invalid for input of size|cannot reshape": "There are N / group_size prompts: let -1 find out.",
        "Dimension out of range|dimension.*out of": "`rewards` has one axis, (answers,); make it two, a row a prompt.",
        r"name '(G|n|N|prompts|groups?|rows|mean|std|advantages|eps|epsilon|num_generations|B)' is not defined": (
            "The arguments are `rewards`, `group_size` and `scale`."
        ),
        "not iterable|unsupported operand|must be real number": "`rewards` is a tensor: `rewards.view(...)`, "
        "`.mean(dim=1)`, `.std(dim=1)`.",
        "invalid combination of arguments|interpreted as an integer": "A number of rows must be whole: `//`, not `/`.",
        "stdev requires|variance requires|division by zero": "If all rewards of a group are equal, its standard "
        "deviation is 0. The 1e-6 keeps the division possible.",
    },
    debrief=Debrief(
        "TRL adds 1e-4, not 1e-6, and its `scale_rewards` is `group`, `batch` or `none`. It also logs the share of "
        "groups whose rewards are all equal: they were sampled for nothing.",
        "Eight answers, and all are wrong. What does the policy learn from them?",
    ),
)
KINDS = ("one group", "several groups", "scale=False", "several groups", "scale=False")


def _groups(rng: random.Random) -> list[Call]:
    """Groups with different means and spreads: (rewards, group_size, scale)."""
    calls: list[Call] = [(torch.tensor([1.0, 2.0, 6.0]), 3, True)]
    for prompts, size, scale in ((2, 3, True), (3, 2, False), (3, 4, True), (2, 5, False)):
        spread = torch.tensor([0.3, 1.0, 2.0])[:prompts, None]
        rewards = (numbers(rng, prompts, size) * spread).round(decimals=2) + numbers(rng, prompts, 1, scale=4.0)
        calls.append((rewards.flatten(), size, scale))
    return calls


def _equal(rng: random.Random) -> list[Call]:
    """A group in which nobody is better than the others, and one in which somebody is."""
    return [
        (torch.tensor([0.0, 0.0, 0.0, 0.0]), 4, True),
        (torch.tensor([1.0, 1.0, 0.0, 1.0]), 2, True),
        (torch.tensor([0.5, 0.5, 0.5, 0.5, *numbers(rng, 4).tolist()]), 4, True),
        (torch.tensor([2.0, 2.0, 2.0, 2.0]), 2, False),
    ]


def _variant(
    center: Callable[[Tensor], Any] = lambda rows: rows.mean(1, keepdim=True),
    spread: Callable[[Tensor], Any] = lambda rows: rows.std(1, keepdim=True),
    small: float = 1e-6,
    when: Callable[[bool], bool] = bool,
) -> Callable[..., Tensor]:
    """Advantages with one thing done differently."""

    def answer(rewards: Tensor, group_size: int, scale: bool) -> Tensor:
        rows = rewards.view(-1, group_size)
        centered = rows - center(rows)
        return (centered / (spread(rows) + small) if when(scale) else centered).flatten()

    return answer


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another shape, or NaN: of a deviation that is 0, or of a single number's."""
    for index, (call, wanted, answer) in enumerate(zip(calls, right, got, strict=True)):
        if answer is None:
            return f"With scale={call[2]}, nothing is returned.", "Does each way end in a `return`?", index
        if type(answer) in (tuple, dict) and len(answer) != len(call[0]):
            return "Several things are returned.", "Return one tensor, (answers,).", index
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a row of numbers.", "Return one tensor, (answers,).", index
        if tensor.isnan().any() and call[0].view(-1, call[1]).std(1).all():
            return "There is NaN.", "Is it the deviation of one number? It's taken within a group, `dim=1`.", index
        if tensor.isnan().any():
            return "There is NaN: 0 divided by 0.", "Add 1e-6 before you divide: `/ (std + 1e-6)`.", index
        if tensor.shape == wanted.shape:
            continue
        if tensor.numel() == wanted.numel() and difference(wanted, tensor.flatten()) is None:
            return "Right, but each group is still a row.", "Return one axis, (answers,), as `rewards` has.", index
        sentence = f"The shape is {tuple(tensor.shape)}; {tuple(wanted.shape)} is needed: one advantage per answer."
        return sentence, f"`rewards` has N = {len(call[0])} numbers, and so has the result.", index
    return None


groups = turn.probe("groups of answers", _groups, _form, kinds=KINDS)


def _mistake(sentence: str, hint: str, answer: Callable[..., Tensor]) -> None:
    groups.mistake(sentence, hint, answer)


ROWS = "The answers to one prompt are neighbors: `rewards.view(-1, group_size)` has a prompt per row."
_mistake(
    "Mean and standard deviation are those of all rewards, not of a group.",
    "A hard prompt has low rewards. Compare each answer with the others to the *same* prompt: `dim=1`.",
    _variant(center=lambda rows: rows.mean(), spread=lambda rows: rows.std()),
)
_mistake(
    "The mean is the group's, the standard deviation is that of all rewards.",
    "That's TRL's `scale_rewards='batch'`, a good variant. Here each group has its own.",
    _variant(spread=lambda rows: rows.std()),
)
_mistake(
    "The mean is that of all rewards, the standard deviation is the group's.",
    "Both are the group's: `dim=1`.",
    _variant(center=lambda rows: rows.mean()),
)
_mistake(
    "The mean is the group's. The standard deviation is taken of all centered rewards.",
    "Here each group has its own: `dim=1`.",
    _variant(spread=lambda rows: (rows - rows.mean(1, keepdim=True)).std()),
)
_mistake(
    "The standard deviation divides by n, not by n - 1.",
    "The sample's is asked for, `std` as it is in torch; numpy's needs `ddof=1`.",
    _variant(spread=lambda rows: rows.std(1, keepdim=True, correction=0)),
)


def _strided(rewards: Tensor, group_size: int, scale: bool) -> Tensor:
    rows = rewards.view(group_size, -1)
    centered = rows - rows.mean(0, keepdim=True)
    return (centered / (rows.std(0, keepdim=True) + 1e-6) if scale else centered).flatten()


def _across(rewards: Tensor, group_size: int, scale: bool) -> Tensor:
    rows = rewards.view(-1, group_size)
    centered = rows - rows.mean(0, keepdim=True)
    spread = rows.std(0, keepdim=True) if len(rows) > 1 else torch.ones(1)
    return (centered / (spread + 1e-6) if scale else centered).flatten()


def _repeated(rewards: Tensor, group_size: int, scale: bool) -> Tensor:
    rows = rewards.view(-1, group_size)
    centered = rewards - rows.mean(1).repeat(group_size)
    return centered / (rows.std(1).repeat(group_size) + 1e-6) if scale else centered


def _so_many(rewards: Tensor, group_size: int, scale: bool) -> Tensor:
    rows = rewards.view(group_size, -1)
    centered = rows - rows.mean(1, keepdim=True)
    spread = rows.std(1, keepdim=True) if rows.shape[1] > 1 else torch.ones(1)
    return (centered / (spread + 1e-6) if scale else centered).flatten()


_mistake("The answers of a group are taken from across the row, not from neighbors.", ROWS, _strided)
_mistake("Mean and deviation run across the prompts: over `dim=0`.", f"{ROWS} So take them along `dim=1`.", _across)
_mistake("`group_size` is used as the number of groups.", ROWS, _so_many)
_mistake(
    "The groups' means are repeated as a whole row, so answers meet the means of other groups.",
    "`repeat` gives m1 m2 m1 m2. Neighbors need m1 m1 m2 m2: `repeat_interleave`, or a view with `keepdim=True`.",
    _repeated,
)
_mistake(
    "The advantages are divided by the deviation even where `scale` is False.",
    "Divide only if `scale`.",
    _variant(when=lambda scale: True),
)
_mistake(
    "The advantages are never divided by the standard deviation.",
    "Divide if `scale` is True.",
    _variant(when=lambda scale: False),
)
_mistake("`scale` works the wrong way round.", "Divide if it's True.", _variant(when=lambda scale: not scale))
_mistake(
    "The mean isn't subtracted.",
    "An advantage is positive for answers above the group's mean, and negative below.",
    _variant(center=lambda rows: 0),
)
_mistake(
    "The sign is wrong: the best answer has the lowest advantage.",
    "Reward minus mean.",
    lambda *call: -group_advantages(*call),
)
_mistake(
    "All advantages are positive: the sign is lost.",
    "An answer below the mean has a negative advantage. Nothing is squared or made positive.",
    lambda *call: group_advantages(*call).abs(),
)
_mistake(
    "They're divided by the variance.",
    "By its root, the standard deviation: `std`.",
    _variant(spread=lambda rows: rows.var(1, keepdim=True)),
)
_mistake(
    "Brackets are missing: only the mean is divided by the standard deviation.",
    "(reward - mean) / (deviation + 1e-6).",
    lambda rewards, size, scale: (
        rewards.view(-1, size) - _ratio(rewards.view(-1, size)) if scale else _centered(rewards, size)
    ).flatten(),
)
_mistake(
    "Brackets are missing: 1e-6 is added to the quotient, and the mean is subtracted unscaled.",
    "(reward - mean) / (deviation + 1e-6).",
    lambda rewards, size, scale: (
        rewards.view(-1, size) / rewards.view(-1, size).std(1, keepdim=True)
        - rewards.view(-1, size).mean(1, keepdim=True)
        if scale
        else _centered(rewards, size)
    ).flatten(),
)
_mistake(
    "Each answer is compared with the mean of the *others* (RLOO).",
    "A good baseline, and it exists. GRPO's is the mean of all in the group, the answer included.",
    _variant(
        center=lambda rows: (rows.sum(1, keepdim=True) - rows) / (rows.shape[1] - 1),
    ),
)
_mistake(
    "They're divided by the range, largest minus smallest.",
    "By the standard deviation: `std`.",
    _variant(spread=lambda rows: rows.amax(1, keepdim=True) - rows.amin(1, keepdim=True)),
)
_mistake(
    "They're divided by the norm of the centered rewards.",
    "By the standard deviation, which divides the squares by n - 1 first.",
    _variant(spread=lambda rows: (rows - rows.mean(1, keepdim=True)).norm(dim=1, keepdim=True)),
)
_mistake(
    "They're divided by the mean distance from the mean.",
    "By the standard deviation: `std`.",
    _variant(spread=lambda rows: (rows - rows.mean(1, keepdim=True)).abs().mean(1, keepdim=True)),
)
_mistake(
    "The sum of the group is subtracted.",
    "The mean is asked for.",
    _variant(center=lambda rows: rows.sum(1, keepdim=True)),
)
_mistake(
    "The median is subtracted.",
    "The mean is asked for.",
    _variant(center=lambda rows: rows.median(1, keepdim=True).values),
)
_mistake(
    "The best reward of the group is subtracted.",
    "The mean is asked for: some answers must have positive advantages.",
    _variant(center=lambda rows: rows.amax(1, keepdim=True)),
)
_mistake(
    "The worst reward of the group is subtracted.",
    "The mean is asked for: some answers must have negative advantages.",
    _variant(center=lambda rows: rows.amin(1, keepdim=True)),
)
_mistake(
    "1e-4 is added to the deviation, as in TRL; this turn adds 1e-6.",
    "It matters little, and libraries choose differently.",
    _variant(small=1e-4),
)
_mistake(
    "More than 1e-6 is added to the deviation: 1e-3?",
    "It matters where rewards hardly differ.",
    _variant(small=1e-3),
)


def _ratio(rows: Tensor) -> Tensor:
    return rows.mean(1, keepdim=True) / (rows.std(1, keepdim=True) + 1e-6)


def _centered(rewards: Tensor, size: int) -> Tensor:
    return rewards.view(-1, size) - rewards.view(-1, size).mean(1, keepdim=True)


turn.probe("all rewards of a group are equal", _equal, _form)
