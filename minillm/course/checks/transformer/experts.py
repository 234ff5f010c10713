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


def _mixture_parameters(
    V: int,
    C: int,
    L: int,
    H: int,
    K: int,
    D: int,
    F: int,
    E: int,
    k: int,
    *,
    tables=2,
    key_heads="K",
    width="HD",
    matrices=3,
    norms=2,
    final=1,
    router="E",
    repeated="experts",
    use="k",
) -> tuple[int, int]:
    """The count with one thing done otherwise."""

    def total(used: int, routed: int) -> int:
        wide = C // H if width == "C/H" else D
        queries = C if width == "C" else H * wide
        attention = 2 * C * queries + 2 * C * wide * (K if key_heads == "K" else H)
        experts, copies = matrices * C * F * used, used if repeated == "blocks" else 1
        return tables * V * C + L * (copies * attention + experts + routed * C + norms * C) + final * C

    routed = {"E": (E, E), "k": (E, k), "none": (0, 0)}[router]
    if use == "share":
        return total(E, E), total(E, E) * k // E
    used = {"k": k, "E": E, "1": 1}[use]
    return total(E, routed[0]), total(used, routed[1])


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
all_used.mistake(
    "The whole block is counted once for each expert.",
    "Only the feed-forward network is there E times. (Hence Mixtral 8x7B has 47 billion, and not 56.)",
    partial(_mixture_parameters, repeated="blocks"),
)
all_used.mistake(
    "The routers are not counted.",
    "Each block has a matrix C × E that gives each expert its score.",
    partial(_mixture_parameters, router="none"),
)
all_used.mistake(
    "The table is counted once, but the head has one of its own.",
    "Not tied means V × C at the bottom and another V × C at the top.",
    partial(_mixture_parameters, tables=1),
)
all_used.mistake(
    "Keys and values are counted for all H heads.",
    "There are only K heads of keys and values: 2 · C · K · D.",
    partial(_mixture_parameters, key_heads="H"),
)
all_used.mistake(
    "Queries and results are taken to be as wide as the stream.",
    "In this model H · D need not be C: both matrices are C × (H · D).",
    partial(_mixture_parameters, width="C"),
)
all_used.mistake(
    "A head is taken to be C / H wide.",
    "That is usual, and not so here: `d_head` is given.",
    partial(_mixture_parameters, width="C/H"),
)
all_used.mistake(
    "An expert is counted with two matrices.",
    "SwiGLU has three: gate, up and down.",
    partial(_mixture_parameters, matrices=2),
)
all_used.mistake(
    "The norms of the blocks are not counted.",
    "There are two in each block, with C numbers each.",
    partial(_mixture_parameters, norms=0),
)
all_used.mistake(
    "The last norm is not counted.",
    "Between the last block and the head there is one more norm, C numbers.",
    partial(_mixture_parameters, final=0),
)

some_used = question.probe("only some experts are used", lambda rng: _sizes(rng, some=True))
some_used.mistake(
    "The active parameters are the total times k / E.",
    "Attention, tables, norms and routers are used by every token. Only experts are left out.",
    partial(_mixture_parameters, use="share"),
)
some_used.mistake(
    "The active parameters count a single expert.",
    "Each token goes through `n_chosen` experts, and their answers are added.",
    partial(_mixture_parameters, use="1"),
)
some_used.mistake(
    "The active parameters count every expert.",
    "A token uses `n_chosen` of the `n_experts`; that is what the router is for.",
    partial(_mixture_parameters, use="E"),
)
some_used.mistake(
    "Of the router only the chosen experts' scores are counted as active.",
    "To know which experts are best, all of them must be scored.",
    partial(_mixture_parameters, router="k"),
)


@some_used.mistake(
    "The two counts are swapped.",
    "The total comes first.",
)
def _swapped(*sizes):
    one, other = mixture_parameters(*sizes)
    return other, one
