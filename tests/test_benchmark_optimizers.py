"""The benchmarks of lesson 08's run: their training loop, counts, codes, bugs and mixtures, against oracles."""

import math
import random
import sys
from dataclasses import replace

import pytest
import torch

from minillm import ModelConfig, Transformer
from minillm.data.batches import PackedBatches, pack_documents
from minillm.data.floor import bigram_loss
from minillm.losses import IGNORE
from minillm.training.loop import Task, fit
from minillm.training.optim import BETAS, adamw
from minillm.training.pretraining import text_loss
from tests.benchmark_scripts import benchmark_script

SHAPE = ModelConfig(vocab_size=12, d_model=8, n_layers=2, n_heads=2, max_seq_len=16)


def documents(count: int, seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(1, 12) for _ in range(rng.randrange(2, 9))] for _ in range(count)]


def batches(seed: int = 0) -> PackedBatches:
    return PackedBatches(pack_documents(documents(60), end_id=0, row_length=17), 2, seed, end_id=0)


@pytest.fixture(scope="module")
def optimizers():
    with benchmark_script("optimizers") as module:
        yield module


@pytest.fixture(scope="module")
def broken_runs():
    with benchmark_script("broken_runs") as module:
        yield module


@pytest.fixture(scope="module")
def memorization():
    with benchmark_script("memorization") as module:
        yield module


@pytest.mark.parametrize("named", ["muon", "adamw"])
def test_its_loop_makes_the_packages_updates(optimizers, named):
    short_runs = sys.modules[optimizers.Lesson.__module__]
    config = replace(short_runs.SETTINGS, steps=6, warmup_steps=2, log_every=1, optimizer=named)
    ours, theirs = short_runs.new_model(0, SHAPE), short_runs.new_model(0, SHAPE)
    done = short_runs.train(ours, batches(), config)
    lines = fit(Task(theirs, batches(), text_loss), config)
    assert [each.loss for each in done] == [line["loss"] for line in lines]
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_rates_in_proportion_are_those_of_the_groups(optimizers):
    """At equal rates it is the package's AdamW; with another rate for the tables, the blocks move as before."""
    first, second = Transformer(SHAPE), Transformer(SHAPE)
    second.load_state_dict(first.state_dict())
    scaled = optimizers.optimizer_of("AdamW", 0.01, {"tables": 0.01})(first)
    plain = adamw(second, 0.01, optimizers.SETTINGS.weight_decay, betas=BETAS)
    other = Transformer(SHAPE)
    other.load_state_dict(first.state_dict())
    faster = optimizers.optimizer_of("AdamW", 0.01, {"tables": 0.05})(other)
    for model, optimizer in ((first, scaled), (second, plain), (other, faster)):
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        text_loss(model, batches()[0]).backward()
        optimizer.step()
    for (name, a), b, c in zip(first.named_parameters(), second.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)
        inside = name.startswith("blocks.") and a.dim() == 2
        assert torch.allclose(a, c) == inside, name


def test_counts_of_two_are_the_bigram_model(optimizers):
    training, validation = documents(40), documents(10, seed=1)
    counts = optimizers.NGrams(2, 12, end=0)
    for document in training:
        counts.read(document)
    streams = [[0, *(t for document in part for t in (*document, 0))] for part in (training, validation)]
    assert counts.loss(validation) == pytest.approx(bigram_loss(*streams, vocab_size=12))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_add_up(optimizers, order):
    counts = optimizers.NGrams(order, 12, end=0)
    for document in documents(30):
        counts.read(document)
    for context in [(), (0,), (3,), (3, 5), (11, 11, 11)]:
        known = context[len(context) - min(len(context), order - 1) :]
        assert sum(counts.probability(known, token) for token in range(12)) == pytest.approx(1)


def test_a_code_counts_only_what_came_before(optimizers):
    """The first token costs log2 V; a text said twice costs less the second time."""
    counts = optimizers.NGrams(3, 12, end=0)
    first = counts.code([[5]])
    assert first > math.log2(12)
    again = counts.code([[5]])
    assert again < first / 3


def test_the_documents_that_were_read(optimizers):
    rows = pack_documents(documents(60), end_id=0, row_length=17)
    data = PackedBatches(rows, 1, seed=0, end_id=0)
    read = optimizers.documents_read(data, len(rows), end=0)
    assert sorted(read) == sorted(documents(60))
    first = optimizers.documents_read(data, 1, end=0)
    assert first == read[: len(first)]


def test_the_mean_of_every_tenth_loss_is_exact_for_a_line(optimizers):
    losses = [10 - step / 50 for step in range(1, 121)]
    assert optimizers.mean_of_tenths([losses[0], *losses[9::10]]) == pytest.approx(sum(losses) / 120, abs=0.01)


def test_curves_and_crossings(optimizers):
    assert optimizers.curve([float(n) for n in range(1, 13)]) == {"steps": [1, 5, 10], "loss": [1.0, 5.0, 10.0]}
    assert optimizers.below([3.0] * 10 + [1.0] * 10, 2.5) == 13
    assert optimizers.below([3.0] * 20, 2.5) is None
    assert optimizers.best({0.1: {"val_loss": 2.0}, 0.2: {"val_loss": None}, 0.3: {"val_loss": 3.0}}) == 0.1


def test_the_bugs_do_what_their_names_say(broken_runs):
    inputs, targets = batches()[0]

    class Copies(torch.nn.Module):
        def forward(self, ids):
            return 50 * torch.nn.functional.one_hot(ids, 12).float()

    assert broken_runs.not_shifted(Copies(), (inputs, targets)).item() == pytest.approx(0, abs=1e-6)
    model = Transformer(SHAPE)
    expected = text_loss(model, (inputs, targets.flip(0)))  # of two rows, the other one is the one before
    assert broken_runs.of_another_row(model, (inputs, targets)).item() == pytest.approx(expected.item())


def test_a_run_far_from_the_band_is_called_so(broken_runs):
    def losses(shift):
        return [7.6 - step / 20 + shift for step in range(120)]

    band = broken_runs.band_of([broken_runs.lines(losses(shift)) for shift in (0, 0.02, 0.05)])
    assert [step for step in broken_runs.AT if step not in band.loss.steps] == []
    assert set(broken_runs.words(broken_runs.lines(losses(0.03)), band).values()) == {"normal"}
    assert set(broken_runs.words(broken_runs.lines(losses(-1)), band).values()) == {"far below"}
    assert broken_runs.outside(broken_runs.lines(losses(0.03)), band) == []
    assert broken_runs.outside(broken_runs.lines(losses(0.06)), band) == list(band.loss.steps)


def test_each_group_has_each_count_once(memorization):
    table = [[memorization.count_of(group, seed) for seed in range(7)] for group in range(7)]
    for line in (*table, *zip(*table, strict=True)):
        assert sorted(line) == sorted(memorization.COUNTS)


def test_the_mixture_fills_its_rows(memorization):
    """All rows are read once, and so each new document exactly as often as it should be."""
    rng = random.Random(0)
    new = [[rng.randrange(1, 100) for _ in range(60)] for _ in range(7 * memorization.GROUP)]
    others = [[rng.randrange(1, 100) for _ in range(rng.randrange(30, 140))] for _ in range(900)]
    for seed in (0, 3):
        mixed = memorization.mixture(others, new, seed, rows=320)
        for n, document in enumerate(new):
            assert mixed.count(document) == memorization.count_of(n // memorization.GROUP, seed)
        rows = pack_documents(mixed, end_id=0, row_length=memorization.CONFIG.max_seq_len + 1)
        assert len(rows) == 320
        assert int((rows == IGNORE).sum()) < 0.05 * rows.numel()


def test_losses_and_recitations_of_a_model_that_knows_the_text(memorization):
    """A model whose next token is its token plus 1 recites what counts upwards, and nothing else."""
    up, other = list(range(1, 50)), [5] * 49

    class Counts(torch.nn.Module):
        def forward(self, ids):
            return 50 * torch.nn.functional.one_hot((ids + 1) % 100, 100).float()

    right = memorization.right_tokens(Counts(), [up, other], end=0)
    assert right == [[True] * 20, [False] * 20]
    first, second = memorization.losses_of(Counts(), [up, other], end=0)
    assert first == pytest.approx(50 / 50)  # the end token alone is a surprise
    assert second > 40


def test_a_document_is_compared_with_the_runs_that_never_read_it(memorization):
    """Losses that fall by a tenth of a nat per doubling come out as they went in, whatever the run's level."""
    runs = []
    for seed in (*range(3), memorization.CONTROL):
        counts = [memorization.count_of(n // memorization.GROUP, seed) for n in range(7 * memorization.GROUP)]
        level = 1 + seed / 10
        gain = [0.1 * math.log2(2 * count) if count else 0.0 for count in counts]
        losses = [level + n / 100 - g for n, g in enumerate(gain)]
        right = [[count >= 16] * 20 for count in counts]
        runs.append({"seed": seed, "val_loss": level, "losses": losses, "right": right})
    found = memorization.summary(runs)
    assert found["8"]["loss minus control"]["mean"] == pytest.approx(-0.4)
    assert found["0"]["loss minus control"] is None
    assert [found[count]["exact"]["20"]["hits"] for count in found] == [0, 0, 0, 0, 0, 36, 36]
