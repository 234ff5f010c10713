"""Evaluate a model on the synthetic world: score the experiments, and check the documents that it writes."""

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
# An error in a word of these kinds, a pronoun or a number is a "filler" error; any other wrong word is "wording".
FILLERS = ("person", "town", "spot", "thing", "animal", "biter", "goods", "weather", "day", "number")
PRONOUNS = {"he", "she", "him", "her", "his", "himself", "herself"}
GLUE = {"a", "an", "the", "of", "in", "on", "at", "by", "under", "among", "that"}


def scorer(model: Transformer, tokenizer: Tokenizer) -> Scorer:
    """Return a scorer for experiments: the model's log-probability of each choice after its prefix, in nats.

    Each question is the start of a document, so it follows the end token, as every document in training does. The
    scorer raises `UserError` for a question longer than the context. Raises `UserError` for a tokenizer without an
    end token.

    >>> score = scorer(model, tokenizer)                                                      # doctest: +SKIP
    >>> experiments.reversals("held-out").score(score).accuracy                               # doctest: +SKIP
    """
    edge = _edge(tokenizer)

    @torch.no_grad()
    def log_probs(questions: Sequence[Question]) -> list[list[float]]:
        rows, starts = [], []
        for prefix, choices in questions:
            prefix_ids = [edge, *tokenizer.encode(prefix)]
            starts += [len(prefix_ids)] * len(choices)
            rows += [prefix_ids + tokenizer.encode(choice) for choice in choices]
        model.check_length(max(map(len, rows)) - 1)
        totals = iter(_row_log_probs(model, rows, starts, edge))
        return [[next(totals) for _ in choices] for _, choices in questions]

    return log_probs


def _edge(tokenizer: Tokenizer) -> int:
    """The token between two documents; in a chat model, `eos_token` ends an answer and `bos_token` a document."""
    edge = tokenizer.eos_id if tokenizer.bos_id is None else tokenizer.bos_id
    if edge is None:
        raise UserError("this tokenizer has no end token, and a document follows one; set tokenizer.eos_token")
    return edge


def _row_log_probs(model: Transformer, rows: list[list[int]], starts: list[int], end_id: int) -> list[float]:
    """The log-probability of the tokens of each row from its start on; batches hold rows of similar length."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    totals = [0.0] * len(rows)
    while order:
        # the longest rows that are left, padded to one width
        width = len(rows[order[-1]])
        batch = [order.pop() for _ in range(min(len(order), max(1, BATCH_TOKENS // width)))]
        padded = torch.tensor([rows[index] + [IGNORE] * (width - len(rows[index])) for index in batch])
        inputs, targets = split_targets(padded, end_id)
        for row, index in enumerate(batch):
            targets[row, : starts[index] - 1] = IGNORE
        sums = token_log_probs(model(inputs.to(model.device)), targets.to(model.device)).cpu().double().sum(-1)
        for index, total in zip(batch, sums.tolist(), strict=True):
            totals[index] = total
    return totals


def score_experiments(
    model: Transformer,
    tokenizer: Tokenizer,
    splits: Sequence[Split] = ("training", "held-out"),
    count: int = 200,
    seed: int = 0,
    on_score: Callable[[str, Split, Score], None] = lambda name, split, score: None,
) -> dict[str, dict[Split, Score]]:
    """Score all experiments of the world by name and split, with `count` questions each (facts and analogies: all)."""
    model.eval()
    score_questions, scores = scorer(model, tokenizer), {}
    for name in experiments.EXPERIMENTS:
        for split in splits:
            score = experiments.make(name, split, seed, count).score(score_questions)
            scores.setdefault(name, {})[split] = score
            on_score(name, split, score)
    return scores


@dataclass(frozen=True)
class DocumentCheck:
    """The result of checking a text against the world."""

    possible: bool  # whether the parser accepts the text, including all facts, names and numbers in it
    error_kind: str  # "" none, "unfinished", "filler" a wrong person, thing, place or number, "wording" anything else
    error_at: int  # position, in characters, of the first word that is impossible there


def check_document(text: str, world: World) -> DocumentCheck:
    """Parse a text with the world's parser and locate the first error.

    The parser tracks who holds what and who is who, so an accepted text is consistent. A rejected text has a wrong
    person, thing, place or number ("filler") or an impossible wording.

    >>> world = World(0, split="both")
    >>> check_document("One foggy morning Mira the ferryman was in the bakery.", world)
    DocumentCheck(possible=False, error_kind='filler', error_at=18)
    >>> check_document(world.document(0).text, world)
    DocumentCheck(possible=True, error_kind='', error_at=...)
    """
    reading = world.read(text)
    if reading.log_prob > -float("inf"):
        return DocumentCheck(True, "", len(text))
    if reading.reached >= len(text):
        return DocumentCheck(False, "unfinished", len(text))
    start = max(text.rfind(" ", 0, reading.reached + 1), text.rfind("\n", 0, reading.reached + 1)) + 1
    word = re.split(r"[ \n]", text[start:], maxsplit=1)[0].strip(".,:;!?\"'")
    return DocumentCheck(
        False, "filler" if word.isdigit() or word in _filler_words(world.lexicon) else "wording", start
    )


@functools.cache
def _filler_words(lexicon: Lexicon) -> frozenset[str]:
    names = [name for kind in FILLERS for _, entity in lexicon.kinds[kind] for name in (entity.name, entity.noun)]
    names += lexicon.people
    return frozenset(word for name in names for word in name.split()) - GLUE | PRONOUNS


def write_documents(
    model: Transformer, tokenizer: Tokenizer, count: int, temperature: float, seed: int = 0, batch_size: int = 50
) -> list[str]:
    """Sample documents from the model, each starting after the end token.

    A document that does not end within `max_seq_len` is returned unfinished.
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
