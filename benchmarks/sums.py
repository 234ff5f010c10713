"""Is king - man + woman = queen? Ten relations on the embedding table of SmolLM2-135M, and the model itself as judge.

    python benchmarks/sums.py                       # about four minutes on one thread
    python benchmarks/sums.py --only table --json

An analogy "a is to b as c is to d" takes two pairs of a relation: (a, c) = man, woman and (b, d) = king, queen.
On the table, the nearest row to a vector is compared with d, strictly and with the rows of a, b and c left out. Beside
the sum b - a + c stand controls that do not subtract, do not add, or go the wrong way. As judge, the model reads a text
in which the vector stands in place of one word, and says in which country that city lies, or whether the person is a
she. Intervals are bootstraps over the pairs of a relation, since an analogy shares its words with many others.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F
from common import write_result
from measures import bootstrap_interval, stored
from torch import Tensor

from minillm.analysis.surgery import prompt_ids, replaced
from minillm.analysis.surgery.meters import CAPITALS
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer
from minillm.world import experiments

MODEL = "smollm2-135m-instruct"
WORDS = {
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
COUNTRIES = 14
CITY_PROMPTS = ("{} is a city in", "The city of {} is in", "{} is the capital of")
PERSON_PROMPTS = ("Yesterday the {} found", "The {} lost")
PLACEHOLDER = "<empty_output>"  # a token that no text here has; the vector takes its place
BATCH = 64


def relations(tokenizer: Tokenizer) -> dict[str, list[tuple[str, str]]]:
    """The pairs of words of each relation, as far as both are one token."""
    family = sorted({pair for a, b, c, d in experiments.quadruples("both") for pair in ((a, c), (b, d))})
    pairs = {"family": family, "capitals": list(CAPITALS.items())}
    for name, words in WORDS.items():
        pairs[name] = list(zip(words.split()[::2], words.split()[1::2], strict=True))
    single = {
        name: [pair for pair in of if all(is_single(tokenizer, word) for word in pair)] for name, of in pairs.items()
    }
    return single | {"capitals": single["capitals"][:COUNTRIES]}


def is_single(tokenizer: Tokenizer, word: str) -> bool:
    return len(tokenizer.encode(f" {word}")) == 1


def analogies(pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer) -> Tensor:
    """The ids of a, b, c and d for every two different pairs (a, c), (b, d), in their order: (4, n)."""
    ids = {word: tokenizer.encode(f" {word}")[0] for pair in pairs for word in pair}
    return torch.tensor([[ids[a], ids[b], ids[c], ids[d]] for (a, c), (b, d) in itertools.permutations(pairs, 2)]).T


def share(hits: Sequence[bool], words: int, drawn: Sequence[int] | None = None) -> float:
    """The share of hits over ordered pairs of different words, as `itertools.permutations` lists them.

    With `drawn`, the words are these, some of them several times: a resample of a bootstrap.

    >>> share([True, True, False, False, False, False], words=3)
    0.3333333333333333
    >>> share([True, True, False, False, False, False], words=3, drawn=[0, 0, 1])    # 0, 1 and 0, 1 hit, 1, 0 does not
    0.5
    """
    at = {pair: index for index, pair in enumerate(itertools.permutations(range(words), 2))}
    chosen = range(words) if drawn is None else drawn
    found = [hits[at[i, j]] for i, j in itertools.permutations(chosen, 2) if i != j]
    return fmean(found) if found else 0.0


def counted(hits: Tensor, words: int) -> dict:
    """How many of the analogies hit, and the share with its interval over words."""
    found = hits.tolist()
    low, high = bootstrap_interval(range(words), lambda drawn: share(found, words, drawn), resamples=500)
    return {"hits": sum(found), "of": len(found), "share": share(found, words), "low": low, "high": high}


def vectors_of(table: Tensor, places: Tensor) -> dict[str, Tensor]:
    """The sum and its controls, (n, C) each."""
    a, b, c, _ = (table[ids] for ids in places)
    return {"b - a + c": b - a + c, "b + c": b + c, "b": b, "c": c, "b + a - c": b + a - c}


def on_table(table: Tensor, places: Tensor, words: int) -> dict:
    """How often d is the nearest row to each vector, and what the rule of one half promises."""
    a, b, c, d = places
    unit, result = F.normalize(table, dim=-1), {"strict": {}, "left out": {}}
    hits = {}
    for name, vectors in vectors_of(table, places).items():
        cosines = F.normalize(vectors, dim=-1) @ unit.T
        hits[name] = cosines.argmax(-1) == d
        result["strict"][name] = counted(hits[name], words)
        result["left out"][name] = counted(cosines.scatter_(1, places[:3].T, -torch.inf).argmax(-1) == d, words)
    taken, right = table[c] - table[a], table[d] - table[b]
    promised = promises(taken, right)
    return result | {
        "promised": int(promised.sum()),
        "rule right": int((promised == hits["b - a + c"]).sum()),
        "of": len(promised),
        "mean cosine of steps": F.cosine_similarity(taken, right).mean().item(),
    }


def promises(taken: Tensor, right: Tensor) -> Tensor:
    """Whether the sum lands nearer to d than to b: |o - o'| < |o| for the step taken, o, and the right one, o'.

    >>> promises(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.8, 0.6], [0.4, 0.9]]))
    tensor([ True, False])
    """
    return (taken - right).norm(dim=-1) < taken.norm(dim=-1)


@torch.no_grad()
def read(model: Transformer, tokenizer: Tokenizer, prompt: str, vectors: Tensor) -> Iterator[Tensor]:
    """The next token's logits, (up to BATCH, V) at a time, for the prompt with each vector in place of its word."""
    hole = tokenizer.special_tokens[PLACEHOLDER]
    before, after = prompt.split("{}")
    ids = torch.tensor([*prompt_ids(tokenizer, before.rstrip(" ")), hole, *tokenizer.encode(after)])
    for some in vectors.split(BATCH):
        waiting = iter(some)

        def embedding(ids: Tensor, table: Tensor, waiting: Iterator[Tensor] = waiting) -> Tensor:
            x = table[ids].clone()
            x[ids == hole] = next(waiting)
            return x

        with replaced(model, embedding=embedding):
            yield model.head(model.hidden(ids.expand(len(some), -1))[:, -1])


def controls(table: Tensor, places: Tensor, others: Sequence[int], seed: int = 0) -> dict[str, Tensor]:
    """What is put into the model: the sum, and vectors that lack one thing of it. `others` are ids to subtract."""
    a, b, c, d = (table[ids] for ids in places)
    rng = torch.Generator().manual_seed(seed)
    wrong = table[torch.tensor(others)]
    rows = table[torch.randint(300, len(table), (len(a),), generator=rng)]
    noise = F.normalize(torch.randn(a.shape, generator=rng), dim=-1) * (c - a).norm(dim=-1, keepdim=True)
    return {
        "d itself": d,
        "b - a + c": b - a + c,
        "b + c": b + c,
        "(b + c) / 2": (b + c) / 2,
        "b + c - another": b + c - wrong,
        "b + c - random row": b + c - rows,
        "b + random step": b + noise,
        "c - a": c - a,
        "b": b,
        "c": c,
        "b + a - c": b + a - c,
    }


def another(count: int) -> list[int]:
    """For each ordered pair of `count` words: a third one, the next in the list."""
    return [
        next(k % count for k in range(j + 1, j + 3) if k % count != i)
        for i, j in itertools.permutations(range(count), 2)
    ]


def judge_cities(model: Transformer, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> dict:
    """For each vector and prompt: is the country of c the likeliest of the countries, and of all tokens?"""
    table = model.embedding.weight.detach()
    places = analogies(pairs, tokenizer)[[0, 2, 1, 3]]  # a country, its city, another country and its city
    countries, wanted = torch.tensor([tokenizer.encode(f" {country}")[0] for country, _ in pairs]), places[2]
    others = [int(countries[k]) for k in another(len(pairs))]
    rows: dict[str, dict] = {}
    for name, vectors in controls(table, places, others).items():
        rows[name] = {}
        for prompt in CITY_PROMPTS:
            logits = torch.cat(list(read(model, tokenizer, prompt, vectors)))
            chosen = countries[logits[:, countries].argmax(-1)]
            rows[name][prompt] = {
                "of the countries": counted(chosen == wanted, len(pairs)),
                "of all tokens": counted(logits.argmax(-1) == wanted, len(pairs)),
            }
        told = [row["of all tokens"]["hits"] for row in rows[name].values()]
        print(f"{name:20} {told} of {len(wanted)}", flush=True)
    return rows


def judge_persons(model: Transformer, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> dict:
    """For each vector and prompt: is her likelier than his?"""
    table, places = model.embedding.weight.detach(), analogies(pairs, tokenizer)
    her, his = (tokenizer.encode(f" {word}")[0] for word in ("her", "his"))
    men = [tokenizer.encode(f" {man}")[0] for man, _ in pairs]
    rows: dict[str, dict] = {}
    for name, vectors in controls(table, places, [men[k] for k in another(len(pairs))]).items():
        rows[name] = {}
        for prompt in PERSON_PROMPTS:
            logits = torch.cat(list(read(model, tokenizer, prompt, vectors)))
            rows[name][prompt] = counted(logits[:, her] > logits[:, his], len(pairs))
        print(f"{name:20} {[row['hits'] for row in rows[name].values()]} of {len(places[0])}", flush=True)
    return rows


def table_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    """All relations on the table as it is and on the centered one."""
    table, made = model.embedding.weight.detach(), {}
    for name, pairs in relations(tokenizer).items():
        places = analogies(pairs, tokenizer)
        made[name] = {"pairs": len(pairs), "plain": on_table(table, places, len(pairs))}
        made[name]["centered"] = on_table(table - table.mean(0), places, len(pairs))
        plain, centered = made[name]["plain"], made[name]["centered"]
        left_out = {control: found["hits"] for control, found in plain["left out"].items()}
        strict = {control: found["hits"] for control, found in plain["strict"].items()}
        print(
            f"{name:14} of {plain['of']}: strict {strict}, left out {left_out}, promised {plain['promised']}",
            flush=True,
        )
        print(f"{'':14} centered: strict {centered['strict']['b - a + c']['hits']}", flush=True)
    return made


def cities_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    return judge_cities(model, tokenizer, relations(tokenizer)["capitals"])


def persons_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    return judge_persons(model, tokenizer, relations(tokenizer)["family"])


PARTS: dict[str, Callable[[Transformer, Tokenizer], dict]] = {
    "table": table_part,
    "cities": cities_part,
    "persons": persons_part,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=PARTS, help="parts to measure")
    parser.add_argument("--folder", type=Path, default=Path("runs/sums"), help="keeps the parts that are done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load(MODEL)
    result: dict = {"model": MODEL}
    for name in arguments.only:
        result[name] = stored(arguments.folder / f"{name}.json", lambda part=PARTS[name]: part(model, tokenizer))
    if set(arguments.only) == set(PARTS):
        print(f"written to {write_result('sums', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
