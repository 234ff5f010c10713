"""Does "a" or "an" decide what SmolLM2-135M answers? Eighty riddles, half of whose answers need "an".

    python benchmarks/riddles.py                     # about two minutes on one thread
    python benchmarks/riddles.py --riddles 8 --json

`riddles.json` was written before any of it was run: eight riddles for each article and each of five categories, with
all the answers that count. A prompt is a riddle's description and a frame, such as "is called". Measured are the
article that greedy decoding chooses, the probability of both articles, and the greedy continuation after each: it is
right if it begins with one of the answers as a whole word. The probability of the answer after an article is summed
over the answers that count. Controls: riddles whose answer needs "a", read after "an"; "the", which says nothing of the
first letter of the answer, as "an" does; the likeliest of the tokens whose first letter suits the article; and frames
without a riddle.
What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

import torch
from common import write_result
from measures import bootstrap_interval, stored, wilson

from minillm.analysis.surgery import prompt_ids
from minillm.inference.generate import generate
from minillm.inference.scoring import continuation_log_probs
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
LIST = Path(__file__).parent / "riddles.json"
FRAMES = ("{} is called", "{} is known as", "Question: What is the name for this?\n{}\nAnswer: It is")
ARTICLES = ("a", "an")
READ = ("a", "an", "the")  # what is put after a prompt
NO_RIDDLE = ("The thing", "The animal", "The person", "The food", "The tool", "The place")
NEW = 8  # tokens of a continuation


def riddles(each: int | None = None) -> list[dict]:
    """The list, or the first few for each article: the article and category, the clue, and the answers that count."""
    rows = json.loads(LIST.read_text(encoding="utf-8"))
    return [row for name in ARTICLES for row in [row for row in rows if row["article"] == name][:each]]


def begins_with(text: str, answers: Sequence[str]) -> bool:
    """Whether a continuation begins with one of the answers, past spaces, quotes and asterisks.

    >>> begins_with(' "octopus".', ["octopus"]), begins_with(" eggplant", ["egg"]), begins_with(" big egg", ["egg"])
    (True, False, False)
    """
    either = "|".join(map(re.escape, sorted(answers, key=len, reverse=True)))
    return re.match(rf"[\s\"'“‘*_`]*(?:{either})\b", text, re.IGNORECASE) is not None


@torch.no_grad()
def articles(model: Transformer, tokenizer: Tokenizer, prompt: str) -> dict:
    """The token that greedy chooses after a prompt, and the probabilities of the two articles."""
    p = model(torch.tensor([prompt_ids(tokenizer, prompt)]))[0, -1].softmax(-1)
    ids = [tokenizer.encode(f" {article}")[0] for article in ARTICLES]
    return {"first": tokenizer.decode([int(p.argmax())])} | dict(zip(ARTICLES, p[ids].tolist(), strict=True))


@torch.no_grad()
def measured(model: Transformer, tokenizer: Tokenizer, chosen: Sequence[dict], frame: str) -> list[dict]:
    """Each riddle in one frame: the articles, and after each the continuation and the answer's probability."""
    rows = [riddle | {"articles": {}, "after": {article: {} for article in ARTICLES}} for riddle in chosen]
    prompts = [frame.format(riddle["clue"]) for riddle in chosen]
    for article in READ:
        starts = [prompt_ids(tokenizer, f"{prompt} {article}") for prompt in prompts]
        made = generate(model, starts, NEW, temperature=0)
        for row, start, ids in zip(rows, starts, made, strict=True):
            text = tokenizer.decode(ids[len(start) :])
            words = [tokenizer.encode(f" {answer}") for answer in row["answers"]]
            row["after"][article] = {
                "text": text,
                "right": begins_with(text, row["answers"]),
                "answer": continuation_log_probs(model, start, words).exp().sum().item(),
                "likeliest": model(torch.tensor([start]))[0, -1].softmax(-1).max().item(),
            }
    for row, prompt in zip(rows, prompts, strict=True):
        row["articles"] = articles(model, tokenizer, prompt)
    return rows


@torch.no_grad()
def by_letter(model: Transformer, tokenizer: Tokenizer, rows: Sequence[dict], frame: str) -> dict:
    """How often the likeliest token begins the answer: of all tokens, or of those whose first letter suits the article.

    That letter is what "an" tells. After "the", or after the wrong article, it is told in another way here.
    """
    letters = {token: text[1:2].lower() for token in range(tokenizer.vocab_size) if (text := tokenizer.decode([token]))}
    suits = {name: torch.full((tokenizer.vocab_size,), -torch.inf) for name in ARTICLES}
    for token, letter in letters.items():
        if letter.isalpha() and tokenizer.decode([token])[0] == " ":
            suits["an" if letter in "aeiou" else "a"][token] = 0
    found: dict = {"all": {}, "first letter": {}}
    for article in READ:
        hits: list[tuple[bool, bool]] = []
        for row in rows:
            logits = model(torch.tensor([prompt_ids(tokenizer, f"{frame.format(row['clue'])} {article}")]))[0, -1]
            firsts = {tokenizer.encode(f" {answer}")[0] for answer in row["answers"]}
            suited = logits[: tokenizer.vocab_size] + suits[row["article"]]
            hits.append((int(logits.argmax()) in firsts, int(suited.argmax()) in firsts))
        for key, each in zip(found, zip(*hits, strict=True), strict=True):
            found[key][article] = counted(each)
    return found


def greedy_right(row: dict) -> bool:
    """Whether greedy's article and what follows it are right; another first token than an article counts as wrong."""
    article = row["articles"]["first"].strip()
    return article in ARTICLES and row["after"][article]["right"]


def beats_the_rest(row: dict) -> bool:
    """Whether the right article with the right answer is more probable than the other article with its best token."""
    own, other = row["article"], "an" if row["article"] == "a" else "a"
    joint = row["articles"][own] * row["after"][own]["answer"]
    return joint > row["articles"][other] * row["after"][other]["likeliest"]


def share_of_an(row: dict) -> float:
    """The probability of "an" as a share of both articles."""
    return row["an"] / (row["a"] + row["an"])


def mean_of(values: Sequence[float]) -> dict:
    """Mean with its interval, and median."""
    low, high = bootstrap_interval(values, fmean)
    return {"mean": fmean(values), "low": low, "high": high, "median": median(values)}


def counted(values: Sequence[bool]) -> dict:
    return wilson(sum(values), len(values))


def summary(rows: Sequence[dict]) -> dict:
    """The riddles of one article in one frame."""
    found: dict = {
        "first": {article: counted([row["articles"]["first"] == f" {article}" for row in rows]) for article in ARTICLES}
    }
    found["an likelier than a"] = counted([row["articles"]["an"] > row["articles"]["a"] for row in rows])
    found["greedy right"] = counted([greedy_right(row) for row in rows])
    found["right answer beats the rest"] = counted([beats_the_rest(row) for row in rows])
    found["share of an"] = mean_of([share_of_an(row["articles"]) for row in rows])
    for article in ARTICLES:
        found[f"probability of {article}"] = mean_of([row["articles"][article] for row in rows])
    for article in READ:
        found[f"right after {article}"] = counted([row["after"][article]["right"] for row in rows])
        found[f"answer after {article}"] = mean_of([row["after"][article]["answer"] for row in rows])
        found[f"right after {article}, by category"] = {
            category: sum(row["after"][article]["right"] for row in rows if row["category"] == category)
            for category in dict.fromkeys(row["category"] for row in rows)
        }
    return found


def told_apart(rows: Sequence[dict]) -> float:
    """How often a riddle for "an" has a larger share of "an" than one for "a": 1/2 is chance, a tie is half.

    >>> told_apart([{"article": name, "articles": {"a": 1 - p, "an": p}} for name, p in [("an", 0.3), ("a", 0.1)]])
    1.0
    """
    of = {name: [share_of_an(row["articles"]) for row in rows if row["article"] == name] for name in ARTICLES}
    return fmean((high > low) + (high == low) / 2 for high in of["an"] for low in of["a"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--riddles", type=int, help="this many for each article; all by default")
    parser.add_argument("--folder", type=Path, default=Path("runs/riddles"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (model, tokenizer), chosen = load(MODEL), riddles(arguments.riddles)
    result: dict = {"model": MODEL, "frames": {}}
    for number, frame in enumerate(FRAMES):
        path = arguments.folder / f"{len(chosen)} riddles, frame {number}.json"
        rows = stored(path, lambda f=frame: measured(model, tokenizer, chosen, f))
        found = {name: summary([row for row in rows if row["article"] == name]) for name in ARTICLES}
        without = [share_of_an(articles(model, tokenizer, frame.format(thing))) for thing in NO_RIDDLE]
        for name in ARTICLES if number == 0 else ():
            its = [row for row in rows if row["article"] == name]
            path = arguments.folder / f"{len(chosen)} riddles, letters, {name}.json"
            found[name]["likeliest token"] = stored(path, lambda r=its, f=frame: by_letter(model, tokenizer, r, f))
        found |= {"told apart": told_apart(rows), "share of an without a riddle": mean_of(without)}
        result["frames"][frame] = found | ({} if number else {"riddles": rows})
        for name in ARTICLES:
            told = {key: value["hits"] for key, value in found[name].items() if "hits" in value}
            print(f"{frame!r}, {name}: first {found[name]['first']['a']['hits']} a, {told}", flush=True)
        print(f"told apart {found['told apart']:.2f}", flush=True)
    print(f"written to {write_result('riddles', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
