"""05.recall: a feed-forward layer as a key-value memory (Geva et al. 2021), with a threshold that says "and"."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def recall(questions, keys, values, threshold):
    """What each question gets back: (questions, C)."""
    scores = questions @ keys.T  # (questions, keys)
    return torch.relu(scores - threshold) @ values


turn = Turn(
    "05.recall",
    "A memory of facts",
    recall,
    minutes=6,
    difficulty=2,
    constants=("threshold",),
    long_call=(torch.ones(100, 4), torch.ones(400, 4), torch.ones(400, 4), 0.7),
    slow=(
        "The result is right, but it takes one step per question and key.",
        "The next cells store 10,000 facts. One matrix product makes all scores at once.",
    ),
    hints=(
        "Which product gives the dot product of every question with every key, all at once?",
        "Subtract the threshold from each score. What should a neuron do whose score doesn't reach it?",
        "`torch.relu` turns all negative numbers into 0. What's left says how much of each value comes back.",
    ),
    errors={
        r"expanded size|out of bounds|tensor [ab] \(9\)": "Take every size from the inputs, and none from the page.",
        "mat1|shapes cannot be multiplied|size mismatch|inconsistent tensor|subscript|1D tensors|must match": (
            "Each question and each key has C numbers, a row each. Scores are (questions, keys): questions @ `keys.T`."
        ),
        "'float' and 'Tensor'": "`@` comes before `-`. Put parentheses around the scores minus the threshold.",
        "same dtype|expected m1 and m2|expected scalar type": "A comparison gives True or False. Subtract the "
        "threshold, then ReLU: what's left is a number.",
        r"name '\w+' is not defined": "The arguments are `questions`, `keys`, `values` and `threshold`.",
        "must be Tensor, not float|'float' object has no attribute|must be Tensor, not int": "`threshold` is a plain "
        "number. Subtract it from the scores, then ReLU.",
        "ambiguous|only one element|converted to Python scalars|converted to a scalar": "There's a score per question "
        "and key. `if` takes one at a time; `torch.relu` takes the whole table.",
        "changed the input": "Work on something new: `scores = ...`.",
        "expected Tensor as element|must be Tensor, not list": "`torch.stack` makes one tensor of a list of rows.",
    },
    debrief=Debrief(
        "SmolLM2 has neither thresholds nor ReLU. Training gives a gate negative scores for most inputs, and SiLU "
        "keeps those near 0.",
        "Put softmax in place of ReLU and threshold. Under which name do you know this function?",
    ),
)


def _sizes(rng: random.Random) -> list[Call]:
    """Keys that share words, one fact, more facts than dimensions, thresholds of 0 and more."""
    words = torch.eye(4)
    asked = torch.stack([words[0] + words[2], words[1] + words[3]])
    stored = torch.stack([words[0] + words[2], words[0] + words[3], words[1] + words[2]])
    calls: list[Call] = [(asked, stored, numbers(rng, 3, 4), 1.5)]
    for Q, N, C, threshold in ((1, 1, 2, 0.5), (2, 3, 2, 0.0), (2, 6, 3, 0.7), (3, 4, 4, 1.5), (4, 2, 5, 0.3)):
        while True:
            questions, keys = numbers(rng, Q, C), numbers(rng, N, C)
            fits = questions @ keys.T - threshold
            if fits.max() > 0.3 and (N == 1 or fits.min() < -0.3):
                break
        calls.append((questions, keys, numbers(rng, N, C), threshold))
    return calls


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another shape than a row of C numbers per question."""
    answers = list(map(as_tensor, got))
    if any(gave is None for gave in answers):
        if all(type(answer) is list and len(answer) == len(call[0]) for call, answer in zip(calls, got, strict=True)):
            return "A list of rows is returned.", "`torch.stack` makes one tensor of them."
        return None
    for index, ((questions, keys, _, threshold), wanted, gave) in enumerate(zip(calls, right, answers, strict=True)):
        assert gave is not None
        Q, C = questions.shape
        if gave.shape == wanted.shape:
            continue
        scores = questions @ keys.T
        if gave.shape == scores.shape:
            made = {"the scores": scores, "what the neurons answer": F.relu(scores - threshold)}
            for name, table in made.items():
                if difference(table, gave) is None:
                    return f"That's {name}: (questions, keys).", "Weight the values by it: one more product.", index
            return (
                "The result is (questions, keys), a number per key.",
                "Weight the values by it: one more product.",
                index,
            )
        if gave.shape == (Q,) and not gave.is_floating_point():
            return "That's which key fits best.", "Return the values, weighted by how well their keys fit.", index
        if gave.shape == (C,) and Q > 1:
            if all(difference(w.sum(0), g) is None for w, g in zip(right, answers, strict=True) if len(w) > 1):
                return "The answers to all questions are added up in one row.", "A row per question.", index
            for row, where in ((0, "first"), (-1, "last")):
                if all(difference(w[row], g) is None for w, g in zip(right, answers, strict=True) if len(w) > 1):
                    hint = "Is `return` inside a loop?" if row == 0 else "Does each round of a loop replace the row?"
                    return f"Only the {where} question is answered.", hint, index
            return "The result is one row.", "A row per question: (questions, C).", index
        if gave.shape == wanted.T.shape and difference(wanted.T, gave) is None:
            return "The result is transposed: (C, questions).", "A row per question: (questions, C).", index
        if gave.numel() == wanted.numel() and difference(wanted.flatten(), gave.flatten()) is None:
            told = f"The numbers are right, but the shape must be (questions, C); here it is {tuple(gave.shape)}."
            return told, "A row of C numbers per question, and no further axis.", index
    return None


memory = turn.probe("several memories", _sizes, _form, demand=same_kind)

Fit = Callable[[Tensor, float], Tensor]


def _recalled(questions: Tensor, keys: Tensor, values: Tensor, threshold: float, *, fit: Fit) -> Tensor:
    """A memory whose neurons do something else with their scores."""
    return fit(questions @ keys.T, threshold) @ values


def _mistake(sentence: str, hint: str, fit: Fit) -> None:
    memory.mistake(sentence, hint, partial(_recalled, fit=fit))


WHOLE = "Subtract the threshold from the score, then ReLU."

_mistake("The threshold isn't used.", WHOLE, lambda s, t: F.relu(s))
_mistake(
    "The threshold is subtracted after ReLU, so neurons that don't fit answer with minus the threshold.",
    "The other way round: subtract first, then ReLU.",
    lambda s, t: F.relu(s) - t,
)
_mistake(
    "The threshold is added.", "A neuron answers if its score is *above* the threshold.", lambda s, t: F.relu(s + t)
)
_mistake(
    "There's no ReLU: neurons that don't fit answer with a negative number.",
    "`torch.relu` makes all that is below the threshold 0.",
    lambda s, t: s - t,
)
_mistake(
    "Neither the threshold nor ReLU is used: that's a linear memory.",
    WHOLE,
    lambda s, t: s,
)
_mistake(
    "Only the best key answers, like a dictionary.",
    "Every key above the threshold does, each as strongly as it fits. No `argmax` is needed.",
    lambda s, t: F.one_hot(s.argmax(-1), s.shape[-1]).float(),
)
_mistake(
    "Only the best key answers.",
    "Every key above the threshold does, each as strongly as it fits.",
    lambda s, t: F.one_hot(s.argmax(-1), s.shape[-1]) * F.relu(s - t),
)
_mistake(
    "It's softmax over the keys. That's attention: it works as well, but it isn't what this layer does.",
    WHOLE,
    lambda s, t: s.softmax(-1),
)
_mistake(
    "It's softmax over the keys, after the threshold. That's attention, which doesn't notice a threshold.",
    f"No softmax here. {WHOLE}",
    lambda s, t: F.relu(s - t).softmax(-1),
)
_mistake(
    "A key above the threshold answers with 1, however well it fits.",
    "What's left of the score after subtracting says how strongly.",
    lambda s, t: (s > t).float(),
)
_mistake(
    "A key above the threshold answers with its whole score.",
    "Subtract the threshold from it: a key that just fits answers with almost 0.",
    lambda s, t: torch.where(s > t, s, 0.0),
)
_mistake("The threshold is 1, whatever the argument says.", "Use the argument.", lambda s, t: F.relu(s - 1))
_mistake(
    "Scores below the threshold are raised to it.",
    "They should count nothing: subtract first, then ReLU.",
    lambda s, t: s.clamp(min=t),
)
_mistake(
    "Scores above the threshold are cut down to it.",
    WHOLE,
    lambda s, t: s.clamp(max=t),
)
_mistake(
    "The sign is flipped: keys that don't fit answer.",
    "Score minus threshold.",
    lambda s, t: F.relu(t - s),
)
_mistake(
    "The activation is SiLU.", "Here it's ReLU, so that what doesn't fit is exactly 0.", lambda s, t: F.silu(s - t)
)
_mistake(
    "The activation is GELU.", "Here it's ReLU, so that what doesn't fit is exactly 0.", lambda s, t: F.gelu(s - t)
)
_mistake("The activation is sigmoid.", "Here it's ReLU.", lambda s, t: torch.sigmoid(s - t))
_mistake("The answers of the neurons are squared.", "ReLU is enough.", lambda s, t: F.relu(s - t).square())
_mistake(
    "The distance from the threshold answers, below it, too.", "Below the threshold: 0.", lambda s, t: (s - t).abs()
)
_mistake("The threshold is a factor.", "Subtract it.", lambda s, t: F.relu(s * t))
_mistake(
    "The activation is leaky ReLU.",
    "Here it's ReLU, so that what doesn't fit is exactly 0.",
    lambda s, t: F.leaky_relu(s - t),
)


def _mistake_of(sentence: str, hint: str, answer: Any) -> None:
    memory.mistake(sentence, hint, answer)


_mistake_of(
    "Scores are divided by √C, as in attention.",
    "Here they're plain dot products.",
    lambda q, k, v, t: F.relu(q @ k.T / q.shape[-1] ** 0.5 - t) @ v,
)
_mistake_of(
    "It's softmax of the scores divided by √C: attention over the keys. It's not what this layer does.",
    WHOLE,
    lambda q, k, v, t: (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) @ v,
)
_mistake_of(
    "Only a key that equals the question answers, like a dictionary.",
    "Compare by dot products: a key fits a little, or well.",
    lambda q, k, v, t: (q[:, None] == k[None]).all(-1).float() @ v,
)
_mistake_of(
    "Keys and values are exchanged.",
    "The question is compared with the keys; the values come back.",
    lambda q, k, v, t: F.relu(q @ v.T - t) @ k,
)
_mistake_of(
    "The keys come back, not the values.",
    "The question is compared with the keys; the values come back.",
    lambda q, k, v, t: F.relu(q @ k.T - t) @ k,
)
_mistake_of(
    "Questions and keys are compared by cosine.",
    "By dot products, as a matrix product makes them.",
    lambda q, k, v, t: F.relu(F.cosine_similarity(q[:, None], k[None], dim=-1) - t) @ v,
)
_mistake_of(
    "The keys are brought to norm 1.",
    "Plain dot products: take them as they are.",
    lambda q, k, v, t: recall(q, F.normalize(k, dim=1), v, t),
)
_mistake_of(
    "The questions are brought to norm 1.",
    "Plain dot products: take them as they are.",
    lambda q, k, v, t: recall(F.normalize(q, dim=1), k, v, t),
)
_mistake_of(
    "Questions and keys are compared by distance: the farthest keys answer.",
    "By dot products, as a matrix product makes them.",
    lambda q, k, v, t: F.relu(torch.cdist(q, k) - t) @ v,
)
_mistake_of(
    "The threshold is subtracted from the questions.",
    "Subtract it from the scores.",
    lambda q, k, v, t: F.relu((q - t) @ k.T) @ v,
)
_mistake_of(
    "The threshold is subtracted from the keys.",
    "Subtract it from the scores.",
    lambda q, k, v, t: F.relu(q @ (k - t).T) @ v,
)
_mistake_of(
    "The threshold and ReLU come last, after the values.",
    "They belong to the scores, one per key: values may be negative.",
    lambda q, k, v, t: F.relu(q @ k.T @ v - t),
)
_mistake_of(
    "The threshold is subtracted from the scores, and ReLU comes after the values.",
    "ReLU belongs to the scores, one per key: values may be negative.",
    lambda q, k, v, t: F.relu((q @ k.T - t) @ v),
)
_mistake_of(
    "The answer has only positive numbers.",
    "ReLU goes on the scores, once; values may be negative.",
    lambda q, k, v, t: F.relu(recall(q, k, v, t)),
)
_mistake_of(
    "The weights of the values are brought to a sum of 1.",
    "Two keys that fit count twice: no division.",
    lambda q, k, v, t: F.normalize(F.relu(q @ k.T - t), p=1, dim=-1) @ v,
)
_mistake_of(
    "All rows are the first question's.",
    "Each question has scores of its own.",
    lambda q, k, v, t: recall(q[:1], k, v, t).repeat(len(q), 1),
)
_mistake_of(
    "Only the first question is answered.",
    "Is `return` inside a loop?",
    lambda q, k, v, t: recall(q, k, v, t) * (torch.arange(len(q)) == 0)[:, None],
)
_mistake_of(
    "The questions are added to what comes back.",
    "Return only what the memory holds.",
    lambda q, k, v, t: q + recall(q, k, v, t),
)
_mistake_of(
    "Only the first key is asked.",
    "All N keys: is `return` inside a loop?",
    lambda q, k, v, t: recall(q, k[:1], v[:1], t),
)
_mistake_of(
    "Only the last key is asked.",
    "All N keys: does each round of a loop replace the result? Add them up.",
    lambda q, k, v, t: recall(q, k[-1:], v[-1:], t),
)
_mistake_of(
    "SiLU gates the scores, as in the turn before.",
    "This memory is simpler: one table of scores, a threshold, ReLU.",
    lambda q, k, v, t: (F.silu(q @ k.T) * (q @ k.T)) @ v,
)
