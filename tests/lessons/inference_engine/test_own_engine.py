"""A model that writes by the turns of lesson 12, against the package's own forward pass, generation and layers."""

import pytest
import torch
from helpers import six_headed

from minillm import generate
from minillm.course import own_engine
from minillm.course.turns.inference_engine import cached_attention, caching_variants, look_up, outcome, quantize
from minillm.errors import UserError
from minillm.inference.speculative import PromptLookup
from minillm.model.quantized_linear import Int8Linear


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    model, tokenizer = six_headed()
    monkeypatch.setattr(own_engine, "smollm2", lambda: (model, tokenizer))
    return model


@pytest.mark.parametrize("pieces", [[12], [1] * 12, [5, 1, 1, 3, 2]])
def test_any_pieces_of_a_text_give_the_logits_of_the_whole(tiny, pieces):
    ids = torch.randint(256, (12,)).tolist()
    cached, left = own_engine.CachedModel(tiny), list(ids)
    found = []
    for n in pieces:
        found.append(cached(left[:n]))
        left = left[n:]
    torch.testing.assert_close(torch.cat(found), tiny(torch.tensor([ids]))[0], rtol=1e-4, atol=1e-4)
    assert cached.reads == pieces


def test_what_is_forgotten_leaves_no_trace(tiny):
    cached = own_engine.CachedModel(tiny)
    cached([1, 2, 3, 9, 9])
    cached.forget(3)
    torch.testing.assert_close(cached([4])[0], tiny(torch.tensor([[1, 2, 3, 4]]))[0, -1], rtol=1e-4, atol=1e-4)


def test_the_text_is_that_of_generate_with_a_cache_and_without(tiny, capsys):
    prompt = [5, 6, 7]
    expected = own_engine.smollm2()[1].decode(generate(tiny, prompt, 8, temperature=0)[3:])
    for use_cache, reads in ((True, [3, 1, 1, 1, 1, 1, 1, 1]), (False, [3, 4, 5, 6, 7, 8, 9, 10])):
        assert own_engine.typewrite(prompt, 8, use_cache=use_cache) == (expected, reads)
    assert own_engine.typewrite(prompt, 8, chunk=2)[0] == expected
    assert "Ran on: the course's cached_attention" in capsys.readouterr().out


def test_new_keys_in_front_change_nothing_one_at_a_time_and_something_together(tiny):
    whole = tiny(torch.tensor([[1, 2, 3, 4, 5, 6]]))[0]
    for pieces, same in (([1] * 6, True), ([3, 3], False)):
        cached, ids = own_engine.CachedModel(tiny, caching_variants.in_front), [1, 2, 3, 4, 5, 6]
        rows = torch.cat([cached([ids.pop(0) for _ in range(n)]) for n in pieces])
        assert torch.allclose(rows, whole, atol=1e-3) == same


@pytest.mark.parametrize("n_draft", [1, 3, 8])
@pytest.mark.parametrize("n", [1, 2, 17, 40])
def test_a_text_with_guesses_is_the_text_without(tiny, n, n_draft):
    prompt = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    new, passes = own_engine.speculate(prompt, n, n_draft=n_draft)
    assert new == own_engine.greedy(prompt, n) == generate(tiny, prompt, n, temperature=0)[10:]
    assert passes <= n


def test_guesses_that_are_right_save_passes(tiny):
    prompt = [1, 2, 3, 4]
    expected = own_engine.greedy(prompt, 24)

    def knows(ids, n, k):
        return expected[len(ids) - 4 :][:k]

    new, passes = own_engine.speculate(prompt, 24, look_up=knows, n_draft=7)
    assert (new, passes) == (expected, 1 + 3)  # the prompt's own pass gives one token, then 8 at a time
    new, passes = own_engine.speculate(prompt, 24, look_up=lambda ids, n, k: [255 - ids[-1]] * k)
    assert new == expected
    assert passes >= 20


def test_a_stop_token_ends_both(tiny):
    prompt = [1, 2, 3]
    new = own_engine.greedy(prompt, 30)
    stop = new[5]
    ended = new[: new.index(stop) + 1]
    assert own_engine.greedy(prompt, 30, [stop]) == own_engine.speculate(prompt, 30, [stop])[0] == ended


def test_the_turns_equal_the_package(tiny):
    weight = torch.randn(7, 32)
    codes, scale = quantize(weight)
    linear = torch.nn.Linear(32, 7, bias=False)
    linear.weight.data = weight
    theirs = Int8Linear.from_linear(linear)  # which rounds its scale to bfloat16 first
    assert (codes.int() - theirs.codes.int()).abs().max() <= 1
    torch.testing.assert_close(codes * scale, weight, rtol=0, atol=float(scale.max()) / 2)
    text = [7, 8, 9, 1, 7, 8]
    assert look_up(text, 2, 3) == PromptLookup(2).propose(text, 3)
    assert outcome([0.5, 0.5], [1.0, 0.0], 0) == [0.5, 0.5]


def test_rounding_goes_through_the_learners_function(tiny):
    seen = []

    def noted(weight):
        seen.append(weight.shape)
        return quantize(weight)

    rounded = own_engine.rounded(tiny, noted)
    assert len(seen) == 2 * 7
    layer, exact = rounded.blocks[0].attention.query, tiny.blocks[0].attention.query
    assert 0 < (layer.weight - exact.weight).abs().max() < exact.weight.abs().max() / 200


def test_an_error_names_the_function(tiny):
    def attend(cache, query, key, value):
        return query + None

    with pytest.raises(UserError, match="attend"):
        own_engine.CachedModel(tiny, attend)([1])
    assert own_engine.CachedModel(tiny).attend is cached_attention


@pytest.mark.parametrize("n", [0, 2.5, "12", None])
def test_how_many_tokens_to_write_is_a_whole_number(tiny, n):
    with pytest.raises(UserError, match=r"n is .*; it says how many tokens to write, 1 or more"):
        own_engine.speculate([1, 2, 3], n)


@pytest.mark.parametrize("work", [own_engine.typewrite, own_engine.speculate, own_engine.greedy])
@pytest.mark.parametrize(("ids", "told"), [([], "it can't read 0 more after 0"), ([1] * 513, "can't read 513 more")])
def test_a_text_that_does_not_fit_is_not_blamed_on_the_function(tiny, work, ids, told):
    with pytest.raises(UserError, match=f"an engine reads 1 to 512 tokens in all, and .*{told}"):
        work(ids, 3)


def test_a_text_that_grows_beyond_the_room_is_said(tiny):
    with pytest.raises(UserError, match="can't read 1 more after 512"):
        own_engine.greedy([1] * 510, 9)


@pytest.mark.parametrize(("answer", "told"), [(None, "None"), (torch.zeros(6, 2, 3), r"\(6, 2, 3\)")])
def test_attention_of_another_shape_is_said(tiny, answer, told):
    with pytest.raises(UserError, match=f"attention returned {told}; return what the queries read, .6, 3, 4.$"):
        own_engine.CachedModel(tiny, lambda *_: answer)([1, 2, 3])
