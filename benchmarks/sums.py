"""Is king - man + woman = queen? Ten relations on the embedding table of SmolLM2-135M, and the model itself as judge.

    python benchmarks/sums.py                       # about four minutes on one thread
    python benchmarks/sums.py --only table --json

An analogy "a is to b as c is to d" takes two pairs of a relation: (a, c) = man, woman and (b, d) = king, queen.
On the table, the nearest row to a vector is compared with d, strictly and with the rows of a, b and c left out. Beside
the sum b - a + c stand controls that do not subtract, do not add, or go the wrong way. As judge, the model reads a text
in which the vector stands in place of one word, and says in which country that city lies, or who the queen's king is.
The prompts are those after which the real cities bring out their country and the countries on their own don't; no sum
is looked at for that. Intervals are bootstraps over the pairs of a relation, since an analogy shares its words with
many others.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F
from common import write_result
from measures import bootstrap_interval, stored
from torch import Tensor

from minillm.analysis.analogies import analogies, promises, relations
from minillm.analysis.surgery import read_vectors
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
# Prompts that may ask in which country a city lies. Which of them do is decided by the real cities, and by the
# countries on their own, never by a sum.
CITY_PROMPTS = (
    "??? is a city in",
    "The city of ??? is in",
    "??? is the capital of",
    "??? is the capital city of",
    "??? is the largest city in",
    "The king lives in ???, the capital of",
    "They took the train to ???, a city in",
    "He opened a bakery in ???, a town in",
    "I live in Oslo, Norway. She lives in Lima, Peru. He lives in ???,",
    "Oslo: Norway. Peru: America. Lisbon: Portugal. Kenya: Africa. ???:",
    "London is in England. Canada is in America. Nairobi is in Kenya. ??? is in",
    "London is in England, and Canada is in America. Lima is in Peru, and ??? is in",
    "Lisbon lies in Portugal, Kenya lies in Africa, Oslo lies in Norway, and ??? lies in",
    "Lima lies in Peru, Kenya lies in Africa, Lisbon lies in Portugal, and ??? lies in",
    "Stockholm lies in Sweden, Peru lies in America, London lies in England, and ??? lies in",
    "Oslo belongs to Norway, Kenya belongs to Africa, Lisbon belongs to Portugal, and ??? belongs to",
)
PERSON_PROMPTS = (
    "The ??? and the",
    "Once there lived a ??? and a",
    "The ??? was married to the",
    "The ??? and her husband, the",
    "nephew, niece; waitress, waiter; groom, bride; lady, lord; ???,",
    "The waitress and the waiter, the bride and the groom, the ??? and the",
)
CITY_ENOUGH, PERSON_ENOUGH, ALONE = 12, 7, 1  # right answers of 14 and 11 for the words themselves; of c alone, at most


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
    promised = {"past b": promises(taken, right), "past b and c": promises(taken, right, table[b] - table[a])}
    winners = (F.normalize(table[b] + taken, dim=-1) @ unit.T).argmax(-1)
    won = {name: int((winners == ids).sum()) for name, ids in zip("abcd", places, strict=True)}
    return result | {
        "promised": {name: int(each.sum()) for name, each in promised.items()},
        "rule right": {name: int((each == hits["b - a + c"]).sum()) for name, each in promised.items()},
        "of": len(winners),
        "nearest": won | {"another": len(winners) - sum(won.values())},
        "mean cosine of steps": F.cosine_similarity(taken, right).mean().item(),
    }


def controls(table: Tensor, places: Tensor, others: Sequence[int], seed: int = 0) -> dict[str, Tensor]:
    """What is put into the model: the sum, and vectors that lack one thing of it. `others` are ids to subtract."""
    a, b, c, d = (table[ids] for ids in places)
    rng = torch.Generator().manual_seed(seed)
    rows = table[torch.randint(300, len(table), (len(a),), generator=rng)]
    return {
        "d itself": d,
        "b - a + c": b - a + c,
        "b + c": b + c,
        "b + c - another": b + c - table[torch.tensor(others)],
        "b + c - random row": b + c - rows,
        "c - a": c - a,
        "b": b,
        "c": c,
    }


def another(count: int) -> list[int]:
    """For each ordered pair of `count` words: a third one, the next in the list."""
    return [
        next(k % count for k in range(j + 1, j + 3) if k % count != i)
        for i, j in itertools.permutations(range(count), 2)
    ]


def judges(
    model: Transformer, tokenizer: Tokenizer, prompts: Sequence[str], pairs: Sequence[tuple[str, str]], enough: int
) -> dict[str, dict[str, int]]:
    """How often each prompt brings out the other word of a pair: asked of the second word, and of the first.

    A prompt is chosen if the second words bring it out at least `enough` times and the first words at most `ALONE`
    times. For (Italy, Rome), that is *Italy* after *Rome lies in*, but not after *Italy lies in*.
    """
    table, found = model.embedding.weight.detach(), {}
    first, second = (
        torch.tensor([tokenizer.encode(f" {word}")[0] for word in words]) for words in zip(*pairs, strict=True)
    )
    for prompt in prompts:
        answers = read_vectors(model, tokenizer, prompt, table[torch.cat([second, first])]).argmax(-1)
        right = [int((some == first).sum()) for some in answers.chunk(2)]
        found[prompt] = {"itself": right[0], "alone": right[1], "chosen": right[0] >= enough and right[1] <= ALONE}
        print(f"{right[0]:3} and {right[1]:2} of {len(pairs)}{' *' * found[prompt]['chosen']:2} {prompt}", flush=True)
    return found


def judge(
    model: Transformer,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    places: Tensor,
    wanted: Tensor,
    found: dict[str, dict[str, int]],
) -> dict:
    """For each vector and chosen prompt: is the wanted token the likeliest of all? (a, b, c, d) = `places`."""
    table = model.embedding.weight.detach()
    third = torch.tensor([tokenizer.encode(f" {first}")[0] for first, _ in pairs])[torch.tensor(another(len(pairs)))]
    rows: dict[str, dict] = {}
    for name, vectors in controls(table, places, third.tolist()).items():
        rows[name] = {}
        for prompt in (prompt for prompt, told in found.items() if told["chosen"]):
            answers = read_vectors(model, tokenizer, prompt, vectors).argmax(-1)
            rows[name][prompt] = counted(answers == wanted, len(pairs))
        print(f"{name:20} {[row['hits'] for row in rows[name].values()]} of {len(wanted)}", flush=True)
    return {"prompts": found, "vectors": rows}


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
            f"{name:14} of {plain['of']}: strict {strict}, left out {left_out}, promised {plain['promised']}, "
            f"rule right {plain['rule right']}, nearest {plain['nearest']}",
            flush=True,
        )
        print(f"{'':14} centered: strict {centered['strict']['b - a + c']['hits']}", flush=True)
    return made


def cities_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    """Paris - France + Italy: does the model say that it lies in Italy?"""
    pairs = relations(tokenizer)["capitals"]
    found = judges(model, tokenizer, CITY_PROMPTS, pairs, CITY_ENOUGH)
    places = analogies(pairs, tokenizer)[[0, 2, 1, 3]]  # a country, its city, another country and its city
    return judge(model, tokenizer, pairs, places, places[2], found)


def persons_part(model: Transformer, tokenizer: Tokenizer) -> dict:
    """King - man + woman: does the model name the king beside it?"""
    pairs = relations(tokenizer)["family"]
    found = judges(model, tokenizer, PERSON_PROMPTS, pairs, PERSON_ENOUGH)
    places = analogies(pairs, tokenizer)
    return judge(model, tokenizer, pairs, places, places[1], found)


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
