"""Word pairs of ten relations, the analogies between them, and where b - a + c lands: (a, c) and (b, d) are pairs.

"Man is to king as woman is to queen": a, b, c, d are man, king, woman, queen, of the pairs man, woman and king, queen.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from minillm.analysis.surgery.meters import CAPITALS
from minillm.tokenizer import Tokenizer

COUNTRIES = 14  # with a capital that is one token
WORDS = {
    "family": "boy girl brother sister bull cow father mother grandfather grandmother husband wife king queen man "
    "woman prince princess son daughter uncle aunt",
    "capitals": " ".join(itertools.chain(*CAPITALS.items())),
    "plurals": "cat cats dog dogs car cars book books house houses tree trees bird birds hand hands eye eyes king "
    "kings river rivers door doors girl girls boy boys",
    "past tense": "walk walked talk talked look looked play played want wanted work worked call called ask asked "
    "go went see saw take took give gave",
    "comparatives": "big bigger small smaller fast faster slow slower strong stronger weak weaker high higher "
    "low lower long longer short shorter old older young younger",
    "nationalities": "Italy Italian France French Spain Spanish Germany German Russia Russian China Chinese "
    "Japan Japanese Egypt Egyptian Greece Greek Poland Polish Ireland Irish Sweden Swedish",
    "adverbs": "quick quickly slow slowly quiet quietly careful carefully clear clearly easy easily strong strongly "
    "sudden suddenly final finally real really",
    "capital letter": "king King river River house House tree Tree dog Dog book Book water Water world World time Time "
    "school School light Light city City",
    "ordinals": "two second three third four fourth five fifth six sixth seven seventh eight eighth nine ninth",
    "opposites": "hot cold big small old new good bad high low long short hard soft light dark fast slow rich poor",
}


def relations(tokenizer: Tokenizer) -> dict[str, list[tuple[str, str]]]:
    """The pairs of words of each relation, as far as both are one token with a space in front."""
    pairs = {name: list(zip(words.split()[::2], words.split()[1::2], strict=True)) for name, words in WORDS.items()}
    single = {name: [pair for pair in of if all(len(tokenizer.encode(f" {word}")) == 1 for word in pair)]
              for name, of in pairs.items()}  # fmt: skip
    return single | {"capitals": single["capitals"][:COUNTRIES]}


def analogies(pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer) -> Int[Tensor, "4 n"]:
    """The ids of a, b, c and d for every two different pairs (a, c), (b, d), as `itertools.permutations` lists them."""
    ids = {word: tokenizer.encode(f" {word}")[0] for pair in pairs for word in pair}
    return torch.tensor([[ids[a], ids[b], ids[c], ids[d]] for (a, c), (b, d) in itertools.permutations(pairs, 2)]).T


def nearest_rows(
    table: Float[Tensor, "V C"], vectors: Float[Tensor, "n C"], barred: Int[Tensor, "m n"] | None = None
) -> Int[Tensor, " n"]:
    """The row with the largest cosine for each vector; the ids in column i of `barred` may not answer for vector i.

    >>> table = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> nearest_rows(table, torch.tensor([[3.0, 0.1], [3.0, 0.1]]), barred=torch.tensor([[1, 0]])).tolist()
    [0, 2]
    """
    cosines = F.normalize(vectors, dim=-1) @ F.normalize(table, dim=-1).T
    if barred is not None:
        cosines.scatter_(1, barred.T, -torch.inf)
    return cosines.argmax(-1)


def promises(
    taken: Float[Tensor, "n C"], right: Float[Tensor, "n C"], other: Float[Tensor, "n C"] | None = None
) -> Bool[Tensor, " n"]:
    """Whether the sum lands nearer to d than to b: |o - o'| < |o| for the step taken, o = c - a, and o' = d - b.

    From the sum back to c it is the other side of the parallelogram, b - a; with `other`, d must be nearer than both.

    >>> promises(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.8, 0.6], [0.4, 0.9]]))
    tensor([ True, False])
    >>> promises(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.8, 0.6]]), torch.tensor([[0.2, 0.5]]))
    tensor([False])
    """
    gap = (taken - right).norm(dim=-1)
    nearer = gap < taken.norm(dim=-1)
    return nearer if other is None else nearer & (gap < other.norm(dim=-1))
