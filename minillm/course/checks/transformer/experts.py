"""06.1: the parameters of a mixture of experts, all and those that one token uses (Jiang et al. 2024, Mixtral)."""

import math
import random
from functools import partial
from typing import Any

from minillm.config import ModelConfig
from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question
from minillm.model.accounting import count_parameters


def mixture_parameters(V: int, C: int, L: int, H: int, K: int, D: int, F: int, E: int, k: int) -> tuple[int, int]:
    """The right answer: the package's count of a model with one expert, and what the others add to it.

    >>> mixture_parameters(V=32_000, C=4096, L=32, H=32, K=8, D=128, F=14_336, E=8, k=2)    # Mixtral 8x7B
    (46702792704, 12879925248)
    """
    config = ModelConfig(V, C, L, H, max_seq_len=1, n_kv_heads=K, d_head=D, d_ff=F, tie_embeddings=False)
    total, active = (count_parameters(config) + L * ((n - 1) * 3 * C * F + E * C) for n in (E, k))
    return total, active


def _counted(V, C, L, H, K, D, F, E, k, *, tables=2, queries=None, keys=None, matrices=3, norms=2, final=1, router=1):
    """The count by parts: how many tables, norms and so on, and how wide queries and keys are together."""

    def total(used: int) -> int:
        attention = 2 * C * (queries or H * D) + 2 * C * (keys or K * D)
        return tables * V * C + L * (attention + matrices * C * F * used + router * C * E + norms * C) + final * C

    return total(E), total(k)


def _billions(count: int, digits: int) -> float:
    return round(count / 1e9, digits)


SIZES = "VCLHKDFEk"
ONCE = ("C", "VC", "CHD", "CKD", "CE", "Ck", "CF", "CFE", "CFk", "CC", "HD", "KD", "F", "FE", "E", "V", "D")
PRODUCTS = [names + more for names in ONCE for more in ("", "L")]
KINDS = "one block", "two blocks", "three blocks", "the sizes of Mixtral", "counts that float32 cannot hold"
MIXTRAL = (32_000, 4096, 32, 32, 8, 128, 14_336, 8, 2)  # more parameters than 32 bits can count


def _sizes(rng: random.Random, some: bool) -> list[Call]:
    """Settings of small models in which all experts are used, or some of them."""
    calls = []
    for L in (1, 2, 3):
        K, D, E = rng.randint(1, 2), rng.choice((2, 4)), rng.randint(4, 8)
        H, C = K * rng.randint(2, 3), 2 * rng.randint(7, 10)
        calls.append((rng.randint(20, 50), C, L, H, K, D, rng.randint(20, 40), E))
    small = [(*call, rng.randint(2, call[-1] - 1) if some else call[-1]) for call in calls]
    # C is twice an odd number, and all that it is multiplied by is odd: too many digits for float32.
    odd = rng.randint(30_000, 60_000), 4 * rng.randint(250, 400) + 2, 2, 4, 2, 64, 2 * rng.randint(1000, 2000), 7
    return [*small, MIXTRAL if some else (*MIXTRAL[:-1], 8), (*odd, rng.randint(2, 6) if some else 7)]


def _terms_that_differ(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Which products of the sizes a count has too often or too seldom."""
    if any(type(answer) not in (list, tuple) or len(answer) != 2 for answer in got):
        return None
    for part, name in enumerate(("total", "active")):
        pairs = [(wanted[part], answer[part]) for wanted, answer in zip(right, got, strict=True)]
        if all(one == other for one, other in pairs):
            continue
        if not all(type(answer) is int or float(answer).is_integer() for _, answer in pairs):
            return (
                f"The {name} count is not an integer.",
                "Use integers, without `/`.",
            )
        off = [int(answer) - wanted for wanted, answer in pairs]
        if all(difference % 2**32 == 0 for difference in off):
            hint = "Python's integers never overflow; those of numpy and torch do, here at 32 bits."
            return f"The {name} count overflows: it is off by a multiple of 2^32.", hint
        terms = _combination(calls, off)
        if terms is None and all(abs(one) <= 1e-6 * wanted for one, (wanted, _) in zip(off, pairs, strict=True)):
            return (
                f"The {name} count is nearly right: it was rounded.",
                "Use integers, not floats.",
            )
        if terms is None:
            return None
        words = [f"{abs(times)} · {product} {'too many' if times > 0 else 'too few'}" for times, product in terms]
        hint = "Go through the model part by part: what exists once, once per block, once per expert?"
        return f"The {name} count has {' and '.join(words)}.", hint
    return None


def _combination(calls: list[Call], off: list[int]) -> list[tuple[int, str]] | None:
    """One or two products of sizes, with small whole factors, that add up to these numbers for all calls."""
    products = {names: [math.prod(call[SIZES.index(name)] for name in names) for call in calls] for names in PRODUCTS}
    for names, values in products.items():
        times = off[0] // values[0]
        if 0 < abs(times) <= 8 and off == [times * value for value in values]:
            return [(times, " · ".join(names))]
    for names, values in products.items():
        for times in (-4, -3, -2, -1, 1, 2, 3, 4):
            rest = [one - times * value for value, one in zip(values, off, strict=True)]
            for others, other in products.items():
                more = rest[0] // other[0]
                if 0 < abs(more) <= 8 and names < others and rest == [more * value for value in other]:
                    return [(times, " · ".join(names)), (more, " · ".join(others))]
    return None


question = Question("06.1", "Total and active parameters", mixture_parameters, forbidden=("minillm", "torch.nn"))

all_used = question.probe("every expert is used", lambda rng: _sizes(rng, some=False), _terms_that_differ, kinds=KINDS)


@all_used.mistake(
    "The whole block is counted once per expert.",
    "Only the feed-forward network exists E times. (So Mixtral 8x7B has 47 billion parameters, not 56.)",
)
def _whole_blocks(V, C, L, H, K, D, F, E, k):
    with_experts = _counted(V, C, L, H, K, D, F, E, k)
    more_attention = L * 2 * C * (H + K) * D
    return tuple(count + (used - 1) * more_attention for count, used in zip(with_experts, (E, k), strict=True))


all_used.mistake(
    "The routers are not counted.",
    "Each block has a C × E matrix that scores the experts.",
    partial(_counted, router=0),
)
all_used.mistake(
    "The embedding is counted once, but the head has a matrix of its own.",
    "Not tied means V × C for the embedding and another V × C for the head.",
    partial(_counted, tables=1),
)
all_used.mistake(
    "Keys and values are counted for all H heads.",
    "There are only K heads of keys and values: 2 · C · K · D.",
    lambda V, C, L, H, K, D, F, E, k: _counted(V, C, L, H, K, D, F, E, k, keys=H * D),
)
all_used.mistake(
    "The query and output matrices are counted as C × C.",
    "In this model H · D may differ from C: both matrices are C × (H · D).",
    lambda V, C, L, H, K, D, F, E, k: _counted(V, C, L, H, K, D, F, E, k, queries=C),
)
all_used.mistake(
    "The size of a head is taken as C / H.",
    "That is common, but here `d_head` is given.",
    lambda V, C, L, H, K, D, *others: _counted(V, C, L, H, K, C // H, *others),
)
all_used.mistake(
    "The size of a head is taken as C / H.",
    "That is common, but here `d_head` is given.",
    lambda V, C, L, H, K, *others: _counted(V, C, L, H, K, *others, queries=C, keys=K * (C // H)),
)
all_used.mistake(
    "An expert is counted with two matrices.", "SwiGLU has three: gate, up and down.", partial(_counted, matrices=2)
)
all_used.mistake(
    "The norms of the blocks are not counted.",
    "There are two per block, with C numbers each.",
    partial(_counted, norms=0),
)
all_used.mistake(
    "The last norm is not counted.",
    "Between the last block and the head there is one more norm with C numbers.",
    partial(_counted, final=0),
)
all_used.mistake(
    "There is one router for the whole model.",
    "Each block has its own experts and its own router.",
    lambda *sizes: tuple(count - (sizes[2] - 1) * sizes[1] * sizes[-2] for count in mixture_parameters(*sizes)),
)
for digits in (0, 1):
    all_used.mistake(
        "The counts are in billions; the exact numbers are asked for.",
        "Return integers, as in the example: 46702792704, not 46.7.",
        lambda *sizes, digits=digits: tuple(_billions(count, digits) for count in mixture_parameters(*sizes)),
    )
all_used.mistake(
    "Where every expert is chosen, the active count has none. Does it count those that are *not* chosen?",
    "A token uses the `n_chosen` experts that are chosen.",
    lambda V, C, L, H, K, D, F, E, k: _counted(V, C, L, H, K, D, F, E, E - k),
)

some_used = question.probe("some experts are used", lambda rng: _sizes(rng, some=True), _terms_that_differ, kinds=KINDS)


@some_used.mistake(
    "The active parameters are the total times k / E.",
    "Attention, embedding, head, norms and routers are used for every token. Only experts are left out.",
)
def _share_of_all(*sizes):
    (total, _), (*_, E, k) = mixture_parameters(*sizes), sizes
    return total, total * k // E


some_used.mistake(
    "The active parameters count a single expert.",
    "Each token goes through `n_chosen` experts, and their outputs are added.",
    lambda V, C, L, H, K, D, F, E, k: _counted(V, C, L, H, K, D, F, E, 1),
)


@some_used.mistake(
    "The active parameters count every expert.",
    "A token uses `n_chosen` of the `n_experts`.",
)
def _every_expert(*sizes):
    total, _ = mixture_parameters(*sizes)
    return total, total


@some_used.mistake(
    "Of the router only the chosen experts' scores are counted as active.",
    "To know which experts are best, all of them must be scored.",
)
def _part_of_router(V, C, L, H, K, D, F, E, k):
    total, active = mixture_parameters(V, C, L, H, K, D, F, E, k)
    return total, active - L * (E - k) * C


some_used.mistake(
    "The experts that are not chosen are left out in one block only.",
    "Each of the L blocks has its own experts: L · (E - k) of them are not used.",
    lambda V, C, L, H, K, D, F, E, k: (
        (total := mixture_parameters(V, C, L, H, K, D, F, E, k)[0]),
        total - (E - k) * 3 * C * F,
    ),
)


@some_used.mistake("The two counts are swapped.", "The total comes first.")
def _swapped(*sizes):
    total, active = mixture_parameters(*sizes)
    return active, total
