"""The analysis tools on a real model, SmolLM2: residual stream, logit lens, separation, analogy, ablation."""

import pytest
import torch

from minillm.analysis.geometry import analogy
from minillm.analysis.lens import logit_lens
from minillm.analysis.probes import separation
from minillm.analysis.surgery import blurred, output_means
from minillm.analysis.tracing import trace
from minillm.pretrained import load

pytestmark = [pytest.mark.real, pytest.mark.slow]
RIVER = ["We walked along the river to its bank", "The boat drifted to the muddy bank", "Reeds grew along the bank"]
MONEY = ["She put her savings in the bank", "The loan was approved by the bank", "My account is held at the bank"]


@pytest.fixture(scope="module")
def real(real_weights):
    return load("smollm2-135m-instruct")


@pytest.fixture
def capital(real):
    return torch.tensor([real[1].encode("The capital of France is")])


def test_the_stream_is_the_sum_of_its_updates(real, capital):
    model, _ = real
    seen = trace(model, capital)
    size = seen.stream.abs().amax(-1, keepdim=True)[1:]  # from block 11 on, 22,000 at the first position
    error = (seen.stream[:-1] + seen.attention + seen.feedforward - seen.stream[1:]).abs()
    assert (error <= 1e-5 * size + 1e-4).all()
    torch.testing.assert_close(seen.weights.sum(-1), torch.ones(seen.weights.shape[:-1]))
    assert (seen.weights.triu(1) == 0).all()


def test_the_lens_predicts_paris_at_the_last_block_and_not_at_the_first(real, capital):
    model, tokenizer = real
    lens = logit_lens(model, capital)
    with torch.no_grad():
        torch.testing.assert_close(lens[-1], model(capital), atol=1e-3, rtol=1e-4)
    said = [tokenizer.decode([token]) for token in lens[:, 0, -1].argmax(-1).tolist()]
    assert said[-1] == " Paris"
    assert said[0] == " is"  # a tied head reads the token itself off its own embedding


def test_the_two_meanings_of_bank_separate(real):
    model, tokenizer = real
    ids = [torch.tensor([tokenizer.encode(text)]) for text in RIVER + MONEY]
    vectors = torch.stack([trace(model, text, weights=False).stream[:, 0, -1] for text in ids], dim=1)
    found = separation(vectors, torch.tensor([0, 0, 0, 1, 1, 1]), shuffles=20)
    assert found.accuracy[0] == 0.5  # before the first block all vectors are the same
    assert (found.accuracy[8:] == 1).all()
    assert (found.cosine_gap[8:] > 0.3).all()


def test_king_minus_man_plus_woman(real):
    model, tokenizer = real
    man, king, woman = (tokenizer.encode(f" {word}")[0] for word in ("man", "king", "woman"))
    best, second = analogy(model.embedding.weight, man, king, woman, k=2, exclude_query=False)
    assert [tokenizer.decode([row]) for row, _ in (best, second)] == [" queen", " king"]
    assert round(best[1], 2) == 0.72


def test_an_ablation_changes_the_logits_and_is_undone(real, capital):
    model, tokenizer = real
    means = output_means(model, tokenizer, RIVER + MONEY, "feed_forward")
    with torch.no_grad():
        before = model(capital)
        with blurred(model, "feed_forward", {5: means[5]}):
            assert not torch.allclose(model(capital), before, atol=0.1)
        assert torch.equal(model(capital), before)
