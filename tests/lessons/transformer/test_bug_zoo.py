"""Each bug departs from the right model, the harmless one doesn't, and some are checked against what they say."""

import pytest
import torch
from helpers import lively, small_config

from minillm import Transformer
from minillm.analysis.surgery import replaced, without
from minillm.course.bug_zoo import HARMLESS, ZOO, infected
from minillm.errors import UserError
from minillm.model.attention import attention_by_loops, causal_mask

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


@pytest.fixture(scope="module")
def model() -> Transformer:
    config = small_config(n_heads=6, n_kv_heads=3, d_model=48, rope_theta=100_000.0)
    made = lively(Transformer(config)).requires_grad_(False)
    for weight in made.parameters():
        if weight.dim() == 1:  # of norms
            weight.uniform_(0.5, 1.5)
    return made


@pytest.fixture(scope="module")
def intact(model) -> torch.Tensor:
    return model(IDS)


@pytest.mark.parametrize("name", ZOO)
def test_a_bug_changes_the_logits_and_the_model_is_itself_again(model, intact, name):
    with infected(model, name):
        broken = model(IDS)
        alone = model(IDS[:, :1])
    assert broken.shape == intact.shape
    assert alone.isfinite().all()
    largest = (broken - intact).abs().max().item()
    assert largest < 1e-4 if name == HARMLESS else largest > 1e-3
    assert torch.equal(model(IDS), intact)


def test_every_bug_says_in_one_line_what_was_written():
    for bug in ZOO.values():
        assert bug.written.endswith("."), bug
        assert len(bug.written) < 100, bug


def test_a_bug_that_is_not_there_is_refused(model):
    with (
        pytest.raises(UserError, match="there is no bug 'moth'; choose one of positions from 1,000, "),
        infected(model, "moth"),
    ):
        pass


def test_the_wrong_sharing_is_repeat_instead_of_repeat_interleave(model):
    attention, x = model.blocks[0].attention, torch.randn(1, 5, 48, generator=torch.Generator().manual_seed(0))
    query, key, value = attention.project(x)
    key, value = key.repeat(1, 2, 1, 1), value.repeat(1, 2, 1, 1)  # head h reads key head h % 3
    heads = attention_by_loops(query, key, value, causal_mask(5, 5))
    with infected(model, "key head h % K"):
        found = attention(x, is_causal=True)
    torch.testing.assert_close(found, attention.output(heads.transpose(1, 2).flatten(2)))


def test_bugs_that_equal_another_surgery(model):
    def same(name, **parts):
        with infected(model, name):
            found = model(IDS)
        with replaced(model, **parts):
            torch.testing.assert_close(found, model(IDS))

    def neighbors(x, positions, base):  # by complex multiplication
        angle = positions[:, None] * base ** (-torch.arange(x.shape[-1] // 2) / (x.shape[-1] // 2))
        pairs = torch.view_as_complex(x.view(len(x), -1, 2).contiguous())
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(1)

    with infected(model, "no rotation"):
        found = model(IDS)
    with without(model, "positions"):
        torch.testing.assert_close(found, model(IDS))
    same("rotation in neighboring pairs", rotation=neighbors)
    same("eps 1", norm=lambda x, weight, eps: x / (x.square().mean(-1, keepdim=True) + 1).sqrt() * weight)


def test_a_mask_that_is_too_wide_reads_one_token_ahead(model):
    changed = IDS.clone()
    changed[0, 5] = 7
    with infected(model, "mask one token too wide"):
        differs = (model(changed) - model(IDS)).abs().amax(-1)[0] > 1e-6
    assert differs.tolist()[:3] == [False] * 3  # two layers: two tokens ahead
    assert differs[4]
