"""What a part is worth: against the model with the part left out, and ranks by hand; what a model expects of a text."""

import math

import pytest
import torch
from helpers import lively, small_config
from torch.nn import functional as F

from minillm.analysis import surgery
from minillm.analysis.surgery import SORTS, next_logits, rank_correlation, removal, token_probabilities
from minillm.analysis.tracing import trace
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

TEXTS = ["hello there", "a"]
TOKENIZER = Tokenizer.train(["hi"], vocab_size=257, special_tokens=["<|endoftext|>"])


@pytest.fixture(params=["rotary", "learned"])
def model(request):
    torch.manual_seed(0)
    return lively(Transformer(small_config(vocab_size=257, position=request.param))).eval()


def loss(model, text):
    ids = torch.tensor([surgery.prompt_ids(TOKENIZER, text)])
    with torch.no_grad():
        return F.cross_entropy(model(ids)[0, :-1], ids[0, 1:]).item()


def test_the_cost_is_that_of_the_model_without_the_part(model):
    found = removal(model, TOKENIZER, TEXTS)
    assert found.loss.tolist() == pytest.approx([loss(model, text) for text in TEXTS], abs=1e-4)
    for layer in range(model.config.n_layers):
        for sort, part in enumerate(("attention", "feed_forward")):
            with surgery.without(model, part, layer):
                worse = [loss(model, text) - before for text, before in zip(TEXTS, found.loss.tolist(), strict=True)]
            assert found.cost[layer, sort].tolist() == pytest.approx(worse, abs=1e-4)


def test_the_size_is_the_mean_norm_of_all_tokens_but_the_first(model):
    found = removal(model, TOKENIZER, TEXTS[:1])
    seen = trace(model, torch.tensor([surgery.prompt_ids(TOKENIZER, TEXTS[0])]), weights=False)
    norms = torch.stack([part[:, 0, 1:].norm(dim=-1) for part in (seen.attention, seen.feedforward)], dim=1)
    below = torch.stack([seen.stream[:-1], seen.stream[:-1] + seen.attention], dim=1)[:, :, 0, 1:].norm(dim=-1)
    torch.testing.assert_close(found.size, norms.mean(-1))
    torch.testing.assert_close(found.relative, (norms / below).mean(-1))


def test_agreement_is_between_all_parts_of_one_text(model):
    found = removal(model, TOKENIZER, TEXTS)
    for relative, size in ((False, found.size), (True, found.relative)):
        expected = [rank_correlation(size.flatten(), found.cost[..., text].flatten()) for text in range(len(TEXTS))]
        torch.testing.assert_close(found.agreement(relative), torch.stack(expected))
    expected = [rank_correlation(found.size[:, 1], found.cost[:, 1, text]) for text in range(len(TEXTS))]
    torch.testing.assert_close(found.agreement(sort="feed-forward"), torch.stack(expected))


def test_ranks_by_hand():
    """1 - 6 sum(d^2) / (n (n^2 - 1)) with differences of rank 1, 1, 0, 0: Spearman's formula."""
    first, second = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([20.0, 10.0, 30.0, 400.0])
    assert rank_correlation(first, second).item() == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert rank_correlation(first, -second.exp().log()).item() == pytest.approx(-(1 - 6 * 2 / (4 * 15)))


def test_equal_numbers_share_their_rank():
    """Ranks 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5, variances 1.5 and 2."""
    for first in ([5.0, 5.0, 9.0], [5.0, 9.0, 5.0]):
        found = rank_correlation(torch.tensor(first), torch.tensor(first) + torch.tensor([0.0, 1.0, 2.0]))
        assert found.item() == pytest.approx(1.5 / (1.5 * 2) ** 0.5)


def test_nothing_to_read_is_answered(model):
    for texts in ([], ["hello", ""]):
        with pytest.raises(UserError, match="give at least one text"):
            removal(model, TOKENIZER, texts)


def test_token_probabilities_are_those_of_the_logits(model):
    reads = token_probabilities(model, TOKENIZER, "abc")
    assert [read.token for read in reads] == ["a", "b", "c"]
    for n, read in enumerate(reads):
        expected = next_logits(model, TOKENIZER, "abc"[:n]).double().softmax(-1)[TOKENIZER.encode("abc"[n])[0]]
        assert read.probability == pytest.approx(expected.item(), rel=1e-4)
    assert -sum(math.log(read.probability) for read in reads) / 3 == pytest.approx(loss(model, "abc"), rel=1e-4)
    with pytest.raises(UserError, match="'' is too short"):
        token_probabilities(model, TOKENIZER, "")


def test_there_are_two_sorts_of_parts():
    assert SORTS == ("attention", "feed-forward")
