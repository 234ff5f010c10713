"""The right answers of exercise 08, against the package, torch's optimizers and brute force."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.pretraining.ablation import decay_gain
from minillm.course.checks.pretraining.factored import factored_step
from minillm.course.checks.pretraining.overlap import seen_before
from minillm.course.checks.pretraining.parts import in_parts
from minillm.losses import IGNORE, next_token_loss
from minillm.training.distributed import Processes
from minillm.training.loop import update
from minillm.training.settings import TrainConfig


def test_an_ablation_is_a_loop_over_torchs_optimizer_and_a_paired_error():
    torch.manual_seed(0)
    S, N, V, rate = 4, 5, 6, 3.0
    starts, batches, validation = torch.randn(S, V, V), torch.randint(V, (S, N, 2, 7)), torch.randint(V, (3, 9))
    gains = []
    for start, texts in zip(starts, batches, strict=True):
        losses = []
        for factor in (lambda k: 1.0, lambda k: 1 - k / N):
            model = torch.nn.Embedding.from_pretrained(start.clone(), freeze=False)
            optimizer = torch.optim.SGD(model.parameters(), lr=rate)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
            for ids in texts:
                optimizer.zero_grad()
                next_token_loss(model(ids[:, :-1]), ids[:, 1:]).backward()
                optimizer.step()
                schedule.step()
            losses.append(next_token_loss(model(validation[:, :-1]), validation[:, 1:]).item())
        gains.append(losses[0] - losses[1])
    gain, error = decay_gain(starts, batches, validation, rate)
    assert gain == pytest.approx(statistics.mean(gains), abs=1e-6)
    assert error == pytest.approx(statistics.stdev(gains) / S**0.5, abs=1e-6)


def test_one_seed_has_no_error():
    gain, error = decay_gain(torch.zeros(1, 2, 2), torch.tensor([[[[0, 1]], [[1, 0]]]]), torch.tensor([[0, 1]]), 1.0)
    assert math.isfinite(gain)
    assert math.isnan(error)


def test_parts_are_one_batch_and_what_the_package_accumulates():
    model = torch.nn.Linear(4, 5, bias=False)
    parts = [(torch.randn(n, 4), torch.randint(5, (n,))) for n in (1, 6, 3)]
    parts[1][1][:4] = parts[2][1][:] = IGNORE
    loss, gradient = in_parts(model.weight.detach(), parts)

    x, targets = (torch.cat(some) for some in zip(*parts, strict=True))
    whole = next_token_loss(model(x), targets)
    torch.testing.assert_close(torch.tensor(loss), whole.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(whole, model.weight)[0])

    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = model.weight.detach().clone()

    def loss(part):
        return next_token_loss(model(part[0]), part[1])

    accumulated, _, tokens = update(
        model, loss, optimizer, parts, 1.0, TrainConfig(steps=1, clip_norm=1e9, bf16=False), Processes()
    )
    torch.testing.assert_close(torch.tensor(accumulated), whole.detach())
    torch.testing.assert_close(before - model.weight.detach(), gradient)
    assert tokens == 3


DOCUMENTS = st.lists(st.lists(st.integers(0, 2), max_size=7), min_size=1, max_size=4)


@given(DOCUMENTS, DOCUMENTS, st.integers(1, 4))
def test_what_was_read_by_looking_at_every_place(training, validation, n):
    for document, share in zip(validation, seen_before(training, validation, n), strict=True):
        read = 0
        for place in range(len(document)):
            around = [document[t : t + n] for t in range(place - n + 1, place + 1) if 0 <= t <= len(document) - n]
            read += any(run == book[t : t + n] for run in around for book in training for t in range(len(book)))
        assert share == (read / len(document) if document else 0.0)


def test_two_vectors_hold_a_table_of_rank_one():
    """Then the step is Adam's without momentum."""
    pattern = torch.outer(torch.rand(3) + 0.5, torch.rand(4) + 0.5)
    row, column, table = torch.zeros(3), torch.zeros(4), torch.zeros(3, 4)
    for step in range(1, 5):
        gradient = pattern * torch.randn(()) * torch.randn(3, 4).sign()
        made, row, column = factored_step(gradient, row, column, step, 0.95, 100.0)
        table = 0.95 * table + 0.05 * gradient**2
        torch.testing.assert_close(made, gradient / (table / (1 - 0.95**step)).sqrt())


@pytest.mark.parametrize("longest", [1.0, 9.0])
def test_a_first_step_is_that_of_torchs_adafactor(longest):
    weight = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = torch.optim.Adafactor([weight], lr=0.01, d=longest)
    weight.grad = torch.diag(torch.tensor([10.0, 1.0, 0.1])) + 0.01 * torch.randn(3, 3)  # an RMS between the two
    made, _, _ = factored_step(weight.grad.clone(), torch.zeros(3), torch.zeros(3), 1, 0.9, longest)
    optimizer.step()
    torch.testing.assert_close((1 - weight.detach()) / 0.01, made, rtol=1e-3, atol=1e-4)
