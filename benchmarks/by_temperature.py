"""Parts of `temperature.py`: losses on a grid of temperatures, exact next-token distributions, and calibration."""

import random
from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import fmean, median
from typing import Any

import torch
from measures import bootstrap_interval, texts
from torch import Tensor

from minillm.analysis.surgery import prompt_ids
from minillm.inference.sampling import Sampling
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.world import World
from minillm.world.reading import PIECE

GRID = [round(0.5 + 0.02 * step, 2) for step in range(56)]  # 0.5 to 1.6
BINS = 10
POSITIONS = 8  # of a document, whose next token's true distribution is computed


def mean_of(values: Sequence[float]) -> dict[str, float]:
    """The mean with its interval."""
    low, high = bootstrap_interval(values, fmean, resamples=500)
    return {"mean": fmean(values), "low": low, "high": high}


@torch.no_grad()
def on_grid(logits: Tensor, targets: Tensor) -> list[float]:
    """The loss of the targets, summed over positions, at each temperature of the grid: (T, V) and (T,)."""
    its = logits.gather(1, targets[:, None]).squeeze(1)
    return [((logits / T).logsumexp(1) - its / T).sum().item() for T in GRID]


@torch.no_grad()
def whether_likeliest(logits: Tensor, targets: Tensor) -> list[float]:
    """The part of `on_grid` that says whether the target is the likeliest token; the rest says which other it is."""
    first = logits.argmax(1, keepdim=True)
    is_first = torch.arange(logits.shape[1]) == first
    its = logits.masked_fill(is_first != (first == targets[:, None]), -torch.inf)  # the likeliest alone, or all others
    return [((logits / T).logsumexp(1) - (its / T).logsumexp(1)).sum().item() for T in GRID]


def lowest(losses: Sequence[float]) -> float:
    """Where a curve over the grid is lowest, by a parabola through the lowest point and its neighbors.

    >>> round(lowest([(T - 0.987) ** 2 for T in GRID]), 3)
    0.987
    """
    at = min(range(len(losses)), key=losses.__getitem__)
    if not 0 < at < len(losses) - 1:
        return GRID[at]
    before, here, after = losses[at - 1 : at + 2]
    return GRID[at] + (GRID[1] - GRID[0]) * (before - after) / (2 * (before - 2 * here + after))


def pooled(losses: Tensor) -> dict[str, float]:
    """The best temperature of all texts together, with its interval over texts: (texts, grid)."""
    low, high = bootstrap_interval(range(len(losses)), lambda at: lowest(losses[at].sum(0).tolist()), resamples=500)
    return {"mean": lowest(losses.sum(0).tolist()), "low": low, "high": high}


@torch.no_grad()
def fresh(model: Transformer, tokenizer: Tokenizer, seed: int, count: int) -> dict:
    """Losses on the grid, of each document of a seed that no training run used; and the world's own."""
    documents, start = World(seed).documents(count), tokenizer.special_tokens["<|endoftext|>"]
    losses, tokens = [], []
    for document in documents:
        ids = torch.tensor([start, *tokenizer.encode(document.text), start])
        losses.append(on_grid(model(ids[None, :-1])[0], ids[1:]))
        tokens.append(len(ids) - 1)
    kinds, floor = [each.kind for each in documents], [-each.log_prob for each in documents]
    return {"tokens": tokens, "losses": losses, "kinds": kinds, "floor": floor}


def best(runs: Sequence[Mapping[str, Any]]) -> dict:
    """The loss by temperature over several seeds of documents, and where it is lowest; all per token."""
    losses = torch.tensor([row for run in runs for row in run["losses"]], dtype=torch.double)
    kinds = [kind for run in runs for kind in run["kinds"]]
    tokens, floor = (sum(sum(run[key]) for run in runs) for key in ("tokens", "floor"))
    curve, one = losses.sum(0) / tokens, GRID.index(1.0)
    shown = [GRID.index(T) for T in (0.5, 0.7, 0.8, 0.9, 0.94, 0.96, 0.98, 1.0, 1.02, 1.06, 1.1, 1.2, 1.5)]
    gains = (losses[:, one] - losses.min(1).values) / torch.tensor([n for run in runs for n in run["tokens"]])
    return {
        "best T": pooled(losses),
        "best T by seed": [lowest(torch.tensor(run["losses"], dtype=torch.double).sum(0).tolist()) for run in runs],
        "best T by kind": {
            kind: pooled(losses[[index for index, its in enumerate(kinds) if its == kind]])
            for kind in dict.fromkeys(kinds)
        },
        "loss": {str(GRID[at]): curve[at].item() for at in shown},
        "floor": floor / tokens,
        "gain over T 1": (curve[one] - curve.min()).item(),
        "gain over T 1, each document at its best": gains.mean().item(),
        "documents": len(losses),
        "tokens": tokens,
    }


def truths(tokenizer: Tokenizer, seed: int, count: int) -> list[dict]:
    """Beginnings of fresh documents, and of each the true distribution of the next token, as [id, probability].

    A beginning ends where a piece of the world's grammar does. Pieces are tokenized one by one, so the next token is
    the first of the next piece.
    """
    world, rng, start = World(0), random.Random(seed), tokenizer.special_tokens["<|endoftext|>"]
    found = []
    for document in World(seed).documents(count):
        pieces = PIECE.findall(document.text)
        tokens = [tokenizer.encode(piece) for piece in pieces]
        assert [*chain(*tokens)] == tokenizer.encode(document.text), "pieces are tokenized one by one"
        for at in sorted(rng.sample(range(len(pieces) + 1), min(POSITIONS, len(pieces)))):
            p: dict[int, float] = {}
            for piece, probability in world.next_pieces("".join(pieces[:at])).items():
                token = tokenizer.encode(piece)[0] if piece else start
                p[token] = p.get(token, 0) + probability
            found.append({"ids": [start, *chain(*tokens[:at])], "p": list(p.items())})
    return found


def tables(model: Transformer, known: Sequence[Sequence[dict]]) -> tuple[Tensor, Tensor]:
    """The model's logits and the true probabilities of the next token after each beginning: (N, V) each."""
    rows = [row for run in known for row in run]
    logits = torch.stack([model(torch.tensor([row["ids"]]))[0, -1] for row in rows]).double()
    p = torch.zeros_like(logits)
    for truth, row in zip(p, rows, strict=True):
        for token, probability in row["p"]:
            truth[token] = probability
    return logits, p


def distances(p: Tensor, q: Tensor) -> dict[str, Tensor]:
    """KL(p, q) in nats, total variation, the probability of impossible tokens, and the true one of cut tokens: (N,).

    >>> distances(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    {'KL': tensor([0.6931]), 'total variation': tensor([0.5000]), 'impossible': tensor([0.5000]), 'cut': tensor([0.])}
    """
    terms = torch.where(p > 0, p * (p.log() - q.log()), 0)
    return {
        "KL": terms.sum(1),
        "total variation": (p - q).abs().sum(1) / 2,
        "impossible": (q * (p == 0)).sum(1),
        "cut": (p * (q == 0)).sum(1),
    }


@torch.no_grad()
def next_tokens(
    model: Transformer, tokenizer: Tokenizer, known: Sequence[Sequence[dict]], settings: Mapping[str, Sampling]
) -> dict:
    """By setting, the distance from the true distribution of the next token; and the temperatures nearest to it."""
    logits, p = tables(model, known)
    seen, result = torch.zeros(len(p), 1, dtype=torch.long), {"positions": len(p), "settings": {}}
    for name, sampling in settings.items():
        found = distances(p, sampling.filter(logits, seen).softmax(1) if sampling.temperature else one_hot(logits))
        means = {key: mean_of(values.tolist()) for key, values in found.items() if values.isfinite().all()}
        result["settings"][name] = means
    curves = [distances(p, (logits / T).softmax(1)) for T in GRID]
    for key in ("KL", "total variation", "impossible"):
        result[f"best T by {key}"] = pooled(torch.stack([curve[key] for curve in curves], 1))
    return result


def one_hot(logits: Tensor) -> Tensor:
    return torch.zeros_like(logits).scatter(1, logits.argmax(1, keepdim=True), 1.0)


def binned(confidence: Tensor, outcome: Tensor) -> Tensor:
    """Per bin of confidence: count, summed confidence, summed outcome: (BINS, 3)."""
    at = (confidence * BINS).long().clamp(max=BINS - 1)
    rows = torch.stack([torch.ones_like(confidence), confidence, outcome], 1).double()
    return torch.zeros(BINS, 3, dtype=torch.double).index_add_(0, at, rows)


def calibration_error(sums: Tensor) -> float:
    """The expected calibration error of bins (Guo et al. 2017, eq. 3): (BINS, 3).

    >>> calibration_error(binned(torch.tensor([0.75, 0.75, 0.25]), torch.tensor([1.0, 0.0, 0.25])))
    0.16666666666666666
    """
    return ((sums[:, 1] - sums[:, 2]).abs().sum() / sums[:, 0].sum()).item()


def calibrated(groups: Sequence[tuple[Tensor, Tensor]]) -> dict:
    """Calibration of confidences, one group for each text: (confidence, outcome), each (T,).

    `chance` is the mean error of outcomes drawn with exactly these confidences: what a calibrated model would show.
    """
    sums = torch.stack([binned(*group) for group in groups])
    low, high = bootstrap_interval(range(len(sums)), lambda at: calibration_error(sums[at].sum(0)), resamples=500)
    every, rng = torch.cat([confidence for confidence, _ in groups]), torch.Generator().manual_seed(0)
    draws = [calibration_error(binned(every, torch.bernoulli(every, generator=rng))) for _ in range(50)]
    total = sums.sum(0)
    means = total[:, 1:] / total[:, :1]
    return {
        "error": calibration_error(total),
        "low": low,
        "high": high,
        "chance": fmean(draws),
        "confidence": (total[:, 1].sum() / total[:, 0].sum()).item(),
        "right": (total[:, 2].sum() / total[:, 0].sum()).item(),
        "positions": int(total[:, 0].sum()),
        "bins": [
            {"count": int(n), "confidence": c, "right": r}
            for n, (c, r) in zip(total[:, 0].tolist(), means.tolist(), strict=True)
            if n
        ],
    }


def top(logits: Tensor, targets: Tensor, T: float = 1.0) -> tuple[Tensor, Tensor]:
    """The probability of the likeliest token, and whether it is the one that came: (T,) each."""
    p, id = (logits / T).softmax(1).max(1)
    return p.clamp(max=1), (id == targets).to(p.dtype)


@torch.no_grad()
def reliability(
    model: Transformer, tokenizer: Tokenizer, known: Sequence[Sequence[dict]], seeds: Sequence[int], count: int
) -> dict:
    """Calibration of the likeliest token on fresh documents: against what came, and against its true probability."""
    start, texts_ = tokenizer.special_tokens["<|endoftext|>"], []
    for seed in seeds:
        for document in World(seed).documents(count):
            ids = torch.tensor([start, *tokenizer.encode(document.text), start])
            texts_.append((model(ids[None, :-1])[0], ids[1:]))
    result: dict = {f"outcomes, T {T}": calibrated([top(*each, T) for each in texts_]) for T in (0.8, 1.0, 1.2)}
    logits, p = tables(model, known)
    confidence, id = logits.softmax(1).max(1)
    true = p.gather(1, id[:, None]).squeeze(1)
    pairs = [(c[None], t[None]) for c, t in zip(confidence, true, strict=True)]
    result["exact truth"] = calibrated(pairs)
    result["exact truth"]["mean distance"] = mean_of((confidence - true).abs().tolist())
    return result


@torch.no_grad()
def by_confidence(model: Transformer, tokenizer: Tokenizer, seeds: Sequence[int], count: int) -> dict:
    """The best temperature of positions where the likeliest token has at least 90% at T = 1, and of all others.

    The loss is that of "is it the likeliest token?" plus, where it is not, that of which other one: each has a best
    temperature of its own.
    """
    start, losses = tokenizer.special_tokens["<|endoftext|>"], {"at least 90%": [], "below 90%": []}
    likeliest, positions = {name: [] for name in losses}, dict.fromkeys(losses, 0)
    for document in (document for seed in seeds for document in World(seed).documents(count)):
        ids = torch.tensor([start, *tokenizer.encode(document.text), start])
        logits, targets = model(ids[None, :-1])[0], ids[1:]
        sure = logits.softmax(1).max(1).values >= 0.9
        for name, chosen in zip(losses, (sure, ~sure), strict=True):
            losses[name].append(on_grid(logits[chosen], targets[chosen]))
            likeliest[name].append(whether_likeliest(logits[chosen], targets[chosen]))
            positions[name] += int(chosen.sum())
    result = {}
    for name in losses:
        every, whether = (torch.tensor(rows[name], dtype=torch.double) for rows in (losses, likeliest))
        parts = {"whether the likeliest": pooled(whether), "which other": pooled(every - whether)}
        result[name] = pooled(every) | {"positions": positions[name]} | parts
    return result


@torch.no_grad()
def english(model: Transformer, tokenizer: Tokenizer) -> dict:
    """By kind of text: the best temperature of each, the rank of the token that was written, and calibration."""
    by_kind: dict[str, list] = {}
    for text, kind in zip(texts(), texts(field="kind"), strict=True):
        ids = torch.tensor(prompt_ids(tokenizer, text))
        logits, targets = model(ids[None, :-1])[0], ids[1:]
        rank = 1 + (logits > logits.gather(1, targets[:, None])).sum(1)
        row = {"losses": on_grid(logits, targets), "ranks": rank.tolist(), "top": top(logits, targets)}
        by_kind.setdefault(kind, []).append(row)
    result = {}
    for kind, rows in by_kind.items():
        losses = torch.tensor([row["losses"] for row in rows], dtype=torch.double)
        each = [lowest(row["losses"]) for row in rows]
        ranks, tokens = [row["ranks"] for row in rows], sum(len(row["ranks"]) for row in rows)
        one, first = GRID.index(1.0), [fmean(rank == 1 for rank in its) for its in ranks]
        ten = [fmean(rank <= 10 for rank in its) for its in ranks]
        result[kind] = {
            "texts": len(rows),
            "tokens": tokens,
            "best T": pooled(losses),
            "best T of each": sorted(round(T, 3) for T in each),
            "gain over T 1": ((losses.sum(0)[one] - losses.sum(0).min()) / tokens).item(),
            "rank 1": mean_of(first) | {"lowest": min(first), "highest": max(first)},
            "rank 1 to 10": mean_of(ten) | {"lowest": min(ten), "highest": max(ten)},
            "median rank": median(rank for its in ranks for rank in its),
            "median rank of each": sorted(median(its) for its in ranks),
            "highest rank": max(rank for its in ranks for rank in its),
            "calibration": calibrated([row["top"] for row in rows]),
        }
    return result
