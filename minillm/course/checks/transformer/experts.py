"""06.1: the parameters of a mixture of experts, all and those that one token uses (Jiang et al. 2024, Mixtral)."""

import random
from functools import partial

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


MIXTRAL = (32_000, 4096, 32, 32, 8, 128, 14_336, 8, 2)  # more parameters than 32 bits can count


def _sizes(rng: random.Random, some: bool) -> list[Call]:
    """Settings of small models in which all experts are used, or some of them."""
    calls = []
    for L in (1, 2, 3):
        K, D, E = rng.randint(1, 2), rng.choice((2, 4)), rng.randint(4, 8)
        H, C = K * rng.randint(2, 3), 2 * rng.randint(7, 10)
        calls.append((rng.randint(20, 50), C, L, H, K, D, rng.randint(20, 40), E))
    small = [(*call, rng.randint(2, call[-1] - 1) if some else call[-1]) for call in calls]
    return [*small, MIXTRAL] if some else small


question = Question("06.1", "Pay for eight, use two", mixture_parameters, forbidden=("minillm", "torch.nn"))

all_used = question.probe("every expert is used", lambda rng: _sizes(rng, some=False))


@all_used.mistake(
    "The whole block is counted once for each expert.",
    "Only the feed-forward network is there E times. (Hence Mixtral 8x7B has 47 billion, and not 56.)",
)
def _whole_blocks(V, C, L, H, K, D, F, E, k):
    with_experts = _counted(V, C, L, H, K, D, F, E, k)
    more_attention = L * 2 * C * (H + K) * D
    return tuple(count + (used - 1) * more_attention for count, used in zip(with_experts, (E, k), strict=True))


all_used.mistake(
    "The routers are not counted.",
    "Each block has a matrix C × E that gives each expert its score.",
    partial(_counted, router=0),
)
all_used.mistake(
    "The table is counted once, but the head has one of its own.",
    "Not tied means V × C at the bottom and another V × C at the top.",
    partial(_counted, tables=1),
)
all_used.mistake(
    "Keys and values are counted for all H heads.",
    "There are only K heads of keys and values: 2 · C · K · D.",
    lambda V, C, L, H, K, D, F, E, k: _counted(V, C, L, H, K, D, F, E, k, keys=H * D),
)
all_used.mistake(
    "Queries and results are taken to be as wide as the stream.",
    "In this model H · D need not be C: both matrices are C × (H · D).",
    lambda V, C, L, H, K, D, F, E, k: _counted(V, C, L, H, K, D, F, E, k, queries=C),
)
all_used.mistake(
    "A head is taken to be C / H wide.",
    "That is usual, and not so here: `d_head` is given.",
    lambda V, C, L, H, K, D, *others: _counted(V, C, L, H, K, C // H, *others),
)
all_used.mistake(
    "An expert is counted with two matrices.", "SwiGLU has three: gate, up and down.", partial(_counted, matrices=2)
)
all_used.mistake(
    "The norms of the blocks are not counted.",
    "There are two in each block, with C numbers each.",
    partial(_counted, norms=0),
)
all_used.mistake(
    "The last norm is not counted.",
    "Between the last block and the head there is one more norm, C numbers.",
    partial(_counted, final=0),
)

some_used = question.probe("only some experts are used", lambda rng: _sizes(rng, some=True))


@some_used.mistake(
    "The active parameters are the total times k / E.",
    "Attention, tables, norms and routers are used by every token. Only experts are left out.",
)
def _share_of_all(*sizes):
    (total, _), (*_, E, k) = mixture_parameters(*sizes), sizes
    return total, total * k // E


some_used.mistake(
    "The active parameters count a single expert.",
    "Each token goes through `n_chosen` experts, and their answers are added.",
    lambda V, C, L, H, K, D, F, E, k: _counted(V, C, L, H, K, D, F, E, 1),
)


@some_used.mistake(
    "The active parameters count every expert.",
    "A token uses `n_chosen` of the `n_experts`; that is what the router is for.",
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


@some_used.mistake("The two counts are swapped.", "The total comes first.")
def _swapped(*sizes):
    total, active = mixture_parameters(*sizes)
    return active, total
