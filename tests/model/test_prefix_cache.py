"""The cache that gradients flow through, against the one that is allocated once."""

import torch
from helpers import lively, small_config

from minillm.model.kv_cache import Cache, KVCache
from minillm.model.prefix_cache import PrefixCache
from minillm.model.transformer import Transformer

SEGMENTS = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
PICKED = torch.tensor([0, 1, 1])


def test_both_caches_are_caches():
    assert isinstance(PrefixCache(), Cache)
    assert isinstance(KVCache(1, 1, 1, 1, 2), Cache)


def test_continuations_are_those_of_a_kv_cache_and_of_no_cache():
    model = lively(Transformer(small_config()))
    prompts, answers = torch.randint(0, 50, (2, 4)), torch.randint(0, 50, (3, 5))
    prefix_cache, kv_cache = PrefixCache(), model.new_cache(batch=2)
    with torch.no_grad():
        assert torch.equal(model(prompts, prefix_cache, SEGMENTS), model(prompts, kv_cache, SEGMENTS))
        continued = model(answers, prefix_cache.rows(PICKED))
        assert torch.equal(continued, model(answers, kv_cache.rows(PICKED)))
        assert prefix_cache.length == 4  # the prompts are as they were, for the next answers
        assert torch.equal(continued, model(answers, prefix_cache.rows(PICKED)))
        whole = torch.cat((prompts[PICKED], answers), 1)
        segments = torch.cat((SEGMENTS[PICKED], torch.ones(3, 5, dtype=torch.long)), 1)
        torch.testing.assert_close(continued, model(whole, segments=segments)[:, 4:], rtol=1e-4, atol=1e-4)


def test_answers_that_share_a_prompt_give_it_the_same_gradient_every_time():
    """To the last bit: with plain indexing, two threads' additions would have no fixed order."""
    keys, weights = torch.randn(2, 2, 300, 16), torch.randn(8, 2, 300, 16)
    gradients = []
    for _ in range(20):
        prefix_cache, leaf = PrefixCache(), keys.clone().requires_grad_()
        prefix_cache.append(0, leaf, leaf)
        shared, _ = prefix_cache.rows(torch.arange(8) % 2).append(0, weights[:, :, :0], weights[:, :, :0])
        gradients.append(torch.autograd.grad((shared * weights).sum(), leaf)[0])
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
