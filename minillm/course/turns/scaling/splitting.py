"""13.best_split: how large a model, and how much text, for a budget (Hoffmann et al. 2022, equation 4)."""

import random
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def best_split(flops, A, alpha, B, beta):
    """The parameters N and tokens D with 6 N D = flops for which A / N**alpha + B / D**beta is smallest."""
    ratio = alpha * A / (beta * B)
    N = (ratio * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return N, flops / (6 * N)


def _to_two_percent(thing: Any) -> Answer:
    """An answer whose result counts as exact within 2%: a search by steps is as good as the formula."""

    def _answer(*call: Any) -> Any:
        got = thing(*call)
        tensor, best = as_tensor(got), _split()(*call)  # not `best_split`, which is looked for in the answer's calls
        if tensor is None or tensor.numel() != 2 or type(got) in (dict, set, str):
            return got
        close = all(abs(each / due - 1) < 0.02 for each, due in zip(tensor.flatten().tolist(), best, strict=True))
        return best if close else got

    _answer.__name__ = getattr(thing, "__name__", "best_split")
    return _answer


turn = Turn(
    "13.best_split",
    "How to spend a budget",
    best_split,
    minutes=8,
    difficulty=3,
    hints=(
        "The budget fixes D once you've chosen N. Which D is that?",
        "By hand: at the best split, alpha A / N**alpha equals beta B / D**beta. Put D = flops / (6 N) into it. By a "
        "program: the best of many N.",
        "With a search: N and D span many powers of ten, so try N = 10**k for k in small steps, and then again around "
        "the best one. To 1% is enough.",
    ),
    errors={
        "name '(np|numpy|math|torch|scipy|minimize|optimize)' is not defined": "Import it at the top of your cell.",
        r"name '(E|N|D|C|law|loss|floor)' is not defined": "There are `flops`, `A`, `alpha`, `B` and `beta`. E is the "
        "same for all splits, so it isn't needed.",
        "has not finished|cannot be interpreted as an integer|maximum recursion|too large|Maximum allowed": "There are "
        "too many sizes to try one by one. Go in powers: `10 ** (k / 100)`.",
        "not enough values|too many values|unpack": "Return two numbers: `return N, D`.",
        "division by zero": "N begins above 0.",
    },
    called=lambda thing: _to_two_percent(thing),
    debrief=Debrief(
        "Labs rarely stop there. Who will use the model often pays for its size with every token, so it's made smaller "
        "and reads more: Llama 3 8B reads 1,900 tokens per parameter.",
        "The budget grows tenfold. If alpha = beta, how much of that goes to N?",
    ),
)


def _draw(rng: random.Random) -> list[Call]:
    """Optima between 10^4 and 10^12 parameters and tokens, with alpha, beta, A and B all different."""
    calls: list[Call] = [(6e8, 10.0, 0.5, 40.0, 0.5)]
    while len(calls) < 4:
        alpha, beta = round(rng.uniform(0.25, 0.4), 2), round(rng.uniform(0.45, 0.6), 2)
        if rng.random() < 0.5:
            alpha, beta = beta, alpha
        call = 10 ** rng.uniform(15, 21), round(rng.uniform(50, 400), 1), alpha, round(rng.uniform(500, 2000), 1), beta
        N, D = best_split(*call)
        if 1e4 < N < 1e12 and 1e4 < D < 1e12:
            calls.append(call)
    return calls


def _published(rng: random.Random) -> list[Call]:
    return [(3.15e23, 406.4, 0.34, 410.7, 0.28), (10 ** rng.uniform(18, 24), 482.0, 0.3478, 2085.4, 0.3658)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not two positive numbers; a budget that isn't kept; or nearly right."""
    for index, answer in enumerate(got):
        tensor = as_tensor(answer)
        if tensor is None or tensor.numel() != 2:
            return "The result isn't two numbers.", "Return the parameters and the tokens: `return N, D`.", index
        N, D = tensor.double().flatten().tolist()
        if not (0 < N < float("inf") and 0 < D < float("inf")):
            return "The result isn't two positive numbers.", "Is something divided by 0, or a power of 0 taken?", index
    return None


def _budget(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """What is wrong with a split in general."""
    for index, (call, due, gave) in enumerate(zip(calls, right, got, strict=True)):
        N, D = (float(each) for each in gave)
        if abs(N / due[0] - 1) < 0.02 and abs(D / due[1] - 1) < 0.02:
            continue  # right here
        if abs(6 * N * D / call[0] - 1) > 0.02:
            spent = 6 * N * D / call[0]
            return f"This split costs {spent:.3g} times the budget.", "6 N D must be `flops`.", index
        if abs(N / due[0] - 1) < 0.3:
            sentence = f"Nearly: N is {N / due[0]:.2f} times the best one."
            return sentence, "If you search, take smaller steps around the best N.", index
        loss = [call[1] / n ** call[2] + call[3] / d ** call[4] for n, d in ((N, D), due)]
        more = "smaller" if due[0] < N else "larger"
        above = f"{loss[0] / loss[1] - 1:.1%} above" if loss[0] < 2 * loss[1] else "more than twice"
        sentence = f"The budget is kept, and the loss is {above} the best one."
        return sentence, f"The best model is {more}. Does a search end at the edge of what it tries?", index
    return None


def _split(power: Answer = lambda alpha, beta: 1 / (alpha + beta), ratio: Answer | None = None,
           share: Answer = lambda alpha, beta: beta, rate: float = 6) -> Answer:  # fmt: skip
    """The formula with one thing done differently."""

    def _answer(flops: float, A: float, alpha: float, B: float, beta: float) -> tuple[float, float]:
        scale = ratio(A, alpha, B, beta) if ratio else alpha * A / (beta * B)
        N = (scale * (flops / rate) ** share(alpha, beta)) ** power(alpha, beta)
        return N, flops / (rate * N)

    return _answer


laws = turn.probe("laws", _draw, _form)
published = turn.probe("published laws", _published, _form)
MISTAKES = (
    ("N and D are swapped.", "Return the parameters, then the tokens.", lambda *call: best_split(*call)[::-1]),
    ("The 6 is missing: this spends N D = flops.", "Training costs 6 N D.", _split(rate=1)),
    ("A token is counted with 2 FLOPs per parameter.", "Forward and backward: 6 N D.", _split(rate=2)),
    (
        "D isn't divided by 6.",
        "6 N D = flops, so D = flops / (6 N).",
        lambda *call: (best_split(*call)[0], call[0] / best_split(*call)[0]),
    ),
    (
        "The powers alpha and beta aren't in the balance: this makes both terms equal.",
        "At the best split, alpha A / N**alpha = beta B / D**beta.",
        _split(ratio=lambda A, alpha, B, beta: A / B),
    ),
    (
        "The balance is upside down.",
        "alpha A / N**alpha = beta B / D**beta: alpha A goes with N.",
        _split(ratio=lambda A, alpha, B, beta: beta * B / (alpha * A)),
    ),
    (
        "A and B aren't used.",
        "alpha A / N**alpha = beta B / D**beta.",
        _split(ratio=lambda A, alpha, B, beta: alpha / beta),
    ),
    (
        "The budget's power is alpha's, where it should be beta's.",
        "Put D = flops / (6 N) into the balance, and solve for N.",
        _split(share=lambda alpha, beta: alpha),
    ),
    (
        "The budget is split evenly: N equals D.",
        "Where alpha, beta, A and B differ, so do N and D.",
        lambda flops, *law: ((flops / 6) ** 0.5, (flops / 6) ** 0.5),
    ),
    (
        "This is Chinchilla's rule, 20 tokens per parameter, whatever the law.",
        "Use the law that comes in.",
        lambda flops, *law: ((flops / 120) ** 0.5, 20 * (flops / 120) ** 0.5),
    ),
    (
        "The root is missing.",
        "N**(alpha + beta) is what the balance gives: take the power 1 / (alpha + beta).",
        _split(power=lambda alpha, beta: 1.0),
    ),
    (
        "The law is taken with alpha and beta swapped.",
        "The arguments are flops, A, alpha, B, beta.",
        lambda flops, A, alpha, B, beta: best_split(flops, A, beta, B, alpha),
    ),
    (
        "The law is taken with A and B swapped.",
        "The arguments are flops, A, alpha, B, beta.",
        lambda flops, A, alpha, B, beta: best_split(flops, B, alpha, A, beta),
    ),
    (
        "The loss is returned as well, or in place of one.",
        "Return N and D.",
        lambda flops, A, alpha, B, beta: (
            best_split(flops, A, alpha, B, beta)[0],
            A / best_split(flops, A, alpha, B, beta)[0] ** alpha,
        ),
    ),
)
for sentence, hint, _wrong in MISTAKES:
    laws.mistake(sentence, hint, _wrong)
for probe in (laws, published):
    probe.at_last = _budget
