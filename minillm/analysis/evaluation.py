"""How well a model knows Ottermere: the experiments scored, and the documents that it writes by itself read back."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from minillm.data.batches import split_targets
from minillm.errors import UserError
from minillm.inference.generate import generate
from minillm.losses import IGNORE, token_log_probs
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.world import World, experiments
from minillm.world.holdout import Split
from minillm.world.lexicon import Lexicon
from minillm.world.probes import Question, Score, Scorer

BATCH_TOKENS = 16_384
# What a sentence can be wrong about: words of these kinds, pronouns, figures. Any other wrong word is bad wording.
FILLERS = ("person", "town", "spot", "thing", "animal", "biter", "goods", "weather", "day", "number")
PRONOUNS = {"he", "she", "him", "her", "his", "himself", "herself"}
GLUE = {"a", "an", "the", "of", "in", "on", "at", "by", "under", "among", "that"}


def scorer(model: Transformer, tokenizer: Tokenizer) -> Scorer:
    """The model as a scorer of experiments: ln P of every way to go on after its beginning, in nats.

    Each question begins a document, so it stands behind the end token, as every document in training did. Raises
    `ValueError` for a tokenizer without an end token and for a question longer than the model can read.

    >>> score = scorer(model, tokenizer)                                                      # doctest: +SKIP
    >>> experiments.reversals("held-out").score(score).accuracy                               # doctest: +SKIP
    """
    edge = _edge(tokenizer)

    @torch.no_grad()
    def log_probs(questions: Sequence[Question]) -> list[list[float]]:
        rows, begins = [], []
        for prefix, ways in questions:
            beginning = [edge, *tokenizer.encode(prefix)]
            begins += [len(beginning)] * len(ways)
            rows += [beginning + tokenizer.encode(way) for way in ways]
        model.check_length(max(map(len, rows)) - 1)
        totals = iter(_row_log_probs(model, rows, begins, edge))
        return [[next(totals) for _ in ways] for _, ways in questions]

    return log_probs


def _edge(tokenizer: Tokenizer) -> int:
    """The token between two documents. A base model knows one end; to a chat model `eos_token` is that of an answer."""
    edge = tokenizer.eos_id if tokenizer.bos_id is None else tokenizer.bos_id
    if edge is None:
        raise UserError("this tokenizer has no end token, and a document begins behind one; set tokenizer.eos_token")
    return edge


def _row_log_probs(model: Transformer, rows: list[list[int]], begins: list[int], end_id: int) -> list[float]:
    """ln P of the tokens of each row from its `begin` on; rows of like length share a batch, so little is padding."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    totals = [0.0] * len(rows)
    while order:
        width = len(rows[order[-1]])
        batch = [order.pop() for _ in range(min(len(order), max(1, BATCH_TOKENS // width)))]
        padded = torch.tensor([rows[number] + [IGNORE] * (width - len(rows[number])) for number in batch])
        inputs, targets = split_targets(padded, end_id)
        for place, number in enumerate(batch):
            targets[place, : begins[number] - 1] = IGNORE
        found = token_log_probs(model(inputs.to(model.device)), targets.to(model.device)).cpu().double().sum(-1)
        for number, total in zip(batch, found.tolist(), strict=True):
            totals[number] = total
    return totals


def score_experiments(
    model: Transformer,
    tokenizer: Tokenizer,
    splits: Sequence[Split] = ("training", "held-out"),
    count: int = 200,
    seed: int = 0,
    on_score: Callable[[str, Split, Score], None] = lambda name, split, score: None,
) -> dict[str, dict[Split, Score]]:
    """All experiments of the world, by name and split: `count` questions of each, of facts and analogies all."""
    model.eval()
    ask, scores = scorer(model, tokenizer), {}
    for name in experiments.EXPERIMENTS:
        for split in splits:
            score = scores.setdefault(name, {})[split] = experiments.make(name, split, seed, count).score(ask)
            on_score(name, split, score)
    return scores


@dataclass(frozen=True)
class Verdict:
    """What the world says of a text. `slip` is the place, in characters, of the first word that cannot stand there."""

    possible: bool  # the parser accepts it as a document, every fact, name, thing and number in it included
    kind_of_slip: str  # "" none, "unfinished", "filler": a wrong person, thing, place or number, "wording": the rest
    slip: int


def judge(text: str, world: World) -> Verdict:
    """Read a text with the world's own parser, and say where it leaves what Ottermere could have written.

    The parser follows who holds what and who is who, so to be accepted is to be consistent; a text that is refused
    went wrong in who, what, where or how many ("filler") or in its wording.

    >>> world = World(0, split="both")
    >>> judge("One foggy morning Mira the ferryman was in the bakery.", world)
    Verdict(possible=False, kind_of_slip='filler', slip=18)
    >>> judge(world.document(0).text, world)
    Verdict(possible=True, kind_of_slip='', slip=...)
    """
    reading = world.read(text)
    if reading.log_prob > -float("inf"):
        return Verdict(True, "", len(text))
    if reading.reached >= len(text):
        return Verdict(False, "unfinished", len(text))
    start = max(text.rfind(" ", 0, reading.reached + 1), text.rfind("\n", 0, reading.reached + 1)) + 1
    word = re.split(r"[ \n]", text[start:], maxsplit=1)[0].strip(".,:;!?\"'")
    return Verdict(False, "filler" if word.isdigit() or word in _filler_words(world.lexicon) else "wording", start)


@functools.cache
def _filler_words(lexicon: Lexicon) -> frozenset[str]:
    names = [name for kind in FILLERS for _, entity in lexicon.kinds[kind] for name in (entity.name, entity.noun)]
    names += lexicon.people
    return frozenset(word for name in names for word in name.split()) - GLUE | PRONOUNS


def write_documents(
    model: Transformer, tokenizer: Tokenizer, count: int, temperature: float, seed: int = 0, batch_size: int = 50
) -> list[str]:
    """Documents that the model writes with nothing before them but the end token.

    One that does not end within `max_seq_len` is returned as far as it went.
    """
    model.eval()
    texts, end = [], _edge(tokenizer)
    while len(texts) < count:
        size = min(batch_size, count - len(texts))
        start = torch.full((size, 1), end, device=model.device)
        ids = generate(
            model, start, model.config.max_seq_len, temperature=temperature, stop=[end], seed=seed + len(texts)
        )
        for row in torch.as_tensor(ids)[:, 1:].tolist():
            texts.append(tokenizer.decode(row[: row.index(end)] if end in row else row))
    return texts
