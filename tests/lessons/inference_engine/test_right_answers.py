"""The right answers of exercise 12, against torch's codes, the package, exact odds and a cache that holds tokens."""

import random
from itertools import count, product

import pytest
import torch

from minillm.course.checks.inference_engine.guesses import settle
from minillm.course.checks.inference_engine.padding import left_padded
from minillm.course.checks.inference_engine.pages import page_tables
from minillm.course.checks.inference_engine.product import int8_product
from minillm.course.checks.inference_engine.stories import story
from minillm.inference.speculative import residual
from minillm.model.segments import segment_mask, segment_positions


def test_the_numbers_behind_the_codes_are_those_of_torch():
    x, weight = torch.randn(3, 16), torch.randn(5, 16)
    rounded = []
    for matrix in (x, weight):
        scale, zero = matrix.abs().amax(1) / 127, torch.zeros(len(matrix), dtype=torch.int32)
        rounded.append(torch.fake_quantize_per_channel_affine(matrix, scale, zero, 0, -127, 127))
    torch.testing.assert_close(int8_product(x, weight), rounded[0] @ rounded[1].T)


def test_a_product_of_codes_is_near_the_product():
    x, weight = torch.randn(4, 64), torch.randn(6, 64)
    off = (int8_product(x, weight) - x @ weight.T).norm() / (x @ weight.T).norm()
    assert 1e-4 < off < 0.03


@pytest.mark.parametrize("pad", [0, 7])
def test_a_padded_batch_has_the_packages_positions_and_mask(pad):
    texts = [[7, 8, 0], [3], [0, 0, 7, 1, 5]]
    ids, positions, visible = left_padded(texts, pad)
    segments = torch.tensor([[0] * (5 - len(text)) + [1] * len(text) for text in texts])
    assert ids[segments == 1].tolist() == [id for text in texts for id in text]
    assert (ids[segments == 0] == pad).all()
    torch.testing.assert_close(positions, segment_positions(segments))
    torch.testing.assert_close(visible, segment_mask(segments, T=5)[:, 0])


def test_over_all_dice_the_first_token_has_the_models_own_odds():
    """On grids that meet every probability exactly: guesses stay with 1, 1/5 and 1, what is missing is 3/4 and 1/4."""
    p, q, odds = torch.tensor([0.5, 0.1, 0.4]), torch.tensor([0.2, 0.5, 0.3]), torch.zeros(3)
    for guess, die, last in product(range(3), (0.1, 0.3, 0.5, 0.7, 0.9), (0.125, 0.375, 0.625, 0.875)):
        odds[settle([guess], q[None], torch.stack([p, p]), [die], last)[0]] += q[guess] / 20
    torch.testing.assert_close(odds, p)


def test_what_is_drawn_in_place_of_a_guess_is_the_packages_residual():
    p, q = torch.tensor([0.4, 0.1, 0.3, 0.2]), torch.tensor([0.1, 0.6, 0.1, 0.2])
    drawn = [settle([1], q[None], torch.stack([p, p]), [0.99], tenth / 10 + 0.05)[0] for tenth in range(10)]
    torch.testing.assert_close(torch.tensor(drawn).bincount(minlength=4) / 10, residual(p, q))


@pytest.mark.parametrize("seed", range(20))
def test_a_cache_that_is_kept_by_the_tables_remembers_every_text(seed):
    """Play the events on a memory of tokens: what a text finds in its pages must be what it wrote."""
    size = 2 + seed % 3
    events = story(random.Random(seed), 25, size, "leave fork fork")
    memory, texts, token = {}, {}, count()
    before = {}
    for event, tables in zip(events, page_tables(events, size), strict=True):
        kind, name, *more = event
        if kind == "fork":
            texts[more[0]] = list(texts[name])
        elif kind == "leave":
            del texts[name]
        else:
            start = len(texts.setdefault(name, []))
            texts[name] += [next(token) for _ in range(more[0] if more else 1)]
            for old, new in zip(before.get(name, []), tables[name], strict=False):
                if old != new:  # a copy of its own
                    memory |= {(new, place): memory[old, place] for place in range(size) if (old, place) in memory}
            for place in range(start, len(texts[name])):
                memory[tables[name][place // size], place % size] = texts[name][place]
        for other, text in texts.items():
            assert [memory[tables[other][n // size], n % size] for n in range(len(text))] == text
            assert len(tables[other]) == -(-len(text) // size)
        taken = {page for table in tables.values() for page in table}
        held = {page for table in before.values() for page in table}
        new = taken - held
        assert new == set(sorted(set(range(len(held) + len(new))) - held)[: len(new)])  # the smallest free ones
        before = tables
