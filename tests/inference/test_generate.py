import dataclasses
import functools

import pytest
import torch
from helpers import lively, small_config

from minillm.errors import UserError
from minillm.inference import generate as generation
from minillm.inference.generate import generate, pad_left, stream
from minillm.inference.sampling import Sampling, SamplingSettings
from minillm.inference.speculative import PromptLookup, speculate
from minillm.model.transformer import Transformer

PROMPT = [3, 14, 15, 9]
UNEQUAL = [[3, 14, 15, 9], [7], [21, 2, 2, 40, 5, 11, 30, 1], [8, 8]]


@pytest.mark.parametrize(
    "settings", [{"temperature": 0}, {"temperature": 0.8, "top_k": 9, "seed": 1}, {"top_p": 0.6, "seed": 2}]
)
@pytest.mark.parametrize("position", ["rotary", "learned", "sinusoidal", "alibi", "none"])
def test_cached_equals_uncached(settings, position):
    model = lively(Transformer(small_config(position=position)))
    ids = torch.randint(0, 50, (3, 5))
    cached = generate(model, ids, 12, **settings)
    torch.testing.assert_close(cached, generate(model, ids, 12, use_cache=False, **settings))
    assert cached.shape == (3, 17)
    torch.testing.assert_close(cached[:, :5], ids)


def test_a_sampling_is_the_same_as_its_fields(small_model):
    fields = {"temperature": 0.8, "top_k": 9, "top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.2}
    assert (
        set(fields) == set(SamplingSettings.__annotations__) == {field.name for field in dataclasses.fields(Sampling)}
    )
    sampling = Sampling(**fields)
    expected = generate(small_model, PROMPT, 9, seed=1, **fields)
    assert generate(small_model, PROMPT, 9, sampling, seed=1) == expected
    for form in (stream, functools.partial(speculate, draft=PromptLookup(1))):
        by_field = list(form(small_model, PROMPT, 9, seed=1, **fields))
        assert list(form(small_model, PROMPT, 9, sampling=sampling, seed=1)) == by_field


def test_without_a_mask_only_the_whole_sequence_will_do():
    model = lively(Transformer(small_config(causal=False)))
    with pytest.raises(ValueError, match=r"causal=False cannot use a KV cache.*\(generate: use_cache=False\)"):
        generate(model, PROMPT, 3, temperature=0)
    expected = model(torch.tensor([PROMPT]))[0, -1].argmax().item()
    assert generate(model, PROMPT, 1, temperature=0, use_cache=False)[-1] == expected


def test_an_extended_context_is_generated_into():
    model = lively(Transformer(small_config(position="alibi")))
    model.extend_context(60)
    assert len(generate(model, PROMPT, 500, seed=0)) == 60


def test_greedy_by_its_definition(small_model):
    expected = list(PROMPT)
    for _ in range(6):
        expected.append(small_model(torch.tensor([expected]))[0, -1].argmax().item())
    assert generate(small_model, PROMPT, 6, temperature=0) == expected


def test_a_seed_repeats_and_another_differs(small_model):
    one, again, other = (generate(small_model, PROMPT, 15, seed=seed) for seed in (7, 7, 8))
    assert one == again != other
    assert list(stream(small_model, PROMPT, 15, seed=7)) == one[len(PROMPT) :]


def test_without_a_seed_torchs_own_decides(small_model):
    torch.manual_seed(3)
    one = generate(small_model, PROMPT, 15)
    torch.manual_seed(3)
    assert generate(small_model, PROMPT, 15) == one
    assert generate(small_model, PROMPT, 15) != one


def test_a_stop_token_is_the_last_one(small_model):
    free = generate(small_model, PROMPT, 15, seed=7)
    stop = free[len(PROMPT) + 4]
    first = free.index(stop, len(PROMPT))
    assert generate(small_model, PROMPT, 15, seed=7, stop=[stop]) == free[: first + 1]


@pytest.mark.parametrize("prompt", UNEQUAL)
@pytest.mark.parametrize("settings", [{"temperature": 0}, {"top_p": 0.9, "min_p": 0.01}, {"repetition_penalty": 1.3}])
def test_a_stream_gives_the_tokens_of_generate_to_every_end(small_model, prompt, settings):
    """At a stop token, after `max_new_tokens`, and where the context is full."""
    free = generate(small_model, prompt, 500, seed=7, **settings)[len(prompt) :]
    for end in ({"max_new_tokens": 500}, {"max_new_tokens": 6}, {"max_new_tokens": 500, "stop": [free[5]]}):
        expected = generate(small_model, prompt, seed=7, **settings, **end)[len(prompt) :]
        assert list(stream(small_model, prompt, seed=7, **settings, **end)) == expected
    assert len(free) == 24 - len(prompt)


def test_in_a_batch_a_finished_row_repeats_its_stop_token(small_model):
    ids = torch.randint(0, 50, (4, 3))
    free = generate(small_model, ids, 12, temperature=0)
    stop = int(free[0, 5])  # row 0 ends here at the latest; others go on
    stopped = generate(small_model, ids, 12, temperature=0, stop=[stop])
    for row, reference in zip(stopped.tolist(), free.tolist(), strict=True):
        end = row.index(stop, 3) if stop in row[3:] else len(row)
        assert row[:end] == reference[:end]
        assert set(row[end:]) <= {stop}


def test_generation_ends_with_the_context(small_model):
    assert len(generate(small_model, PROMPT, 500, seed=0)) == small_model.config.max_seq_len
    full = [1] * small_model.config.max_seq_len
    assert generate(small_model, full, 5) == full


@pytest.mark.parametrize("position", ["rotary", "learned", "sinusoidal", "alibi", "none"])
@pytest.mark.parametrize("new", [0, 1, 9, 500])  # the last one fills the context of 24, which every row has for itself
def test_unequal_prompts_go_on_as_each_alone(position, new):
    model = lively(Transformer(small_config(position=position)))
    alone = [generate(model, prompt, new, temperature=0) for prompt in UNEQUAL]
    assert generate(model, UNEQUAL, new, temperature=0) == alone
    assert generate(model, UNEQUAL, new, temperature=0, use_cache=False) == alone
    assert [len(text) for text in alone] == [min(len(prompt) + new, 24) for prompt in UNEQUAL]


@pytest.mark.parametrize("new", [3, 12, 500])
def test_each_of_many_ends_at_its_own_stop_token(small_model, new):
    free = generate(small_model, UNEQUAL, new, temperature=0)
    stop = [free[0][5], free[2][9]]  # rows 0 and 2 end early; others may
    alone = [generate(small_model, prompt, new, temperature=0, stop=stop) for prompt in UNEQUAL]
    assert generate(small_model, UNEQUAL, new, temperature=0, stop=stop) == alone
    assert len({len(text) - len(prompt) for text, prompt in zip(alone, UNEQUAL, strict=True)}) > 1


@pytest.mark.parametrize("prompts", [[[1, 2, 3]] * 24, [[1, 2, 3], [4], [5, 6]] * 8])
@pytest.mark.parametrize("penalty", [None, 1.3])
def test_taking_ended_rows_out_of_the_cache_changes_no_text(small_model, monkeypatch, prompts, penalty):
    """Oracle: the loop that goes on with all rows until the last has ended."""
    texts, stop = [], [3, 7, 11, 13, 17, 19, 23, 29, 31, 37]
    for share in (0.75, 0.99, 0.0):  # of the running rows among those in the cache
        monkeypatch.setattr(generation, "MOST_RUNNING", share)
        texts.append(generate(small_model, prompts, 16, stop=stop, seed=3, repetition_penalty=penalty))
    assert texts[0] == texts[1] == texts[2]
    assert len(set(map(len, texts[0]))) > 5


def test_padding_is_no_token_that_was_seen(small_model):
    """A repetition penalty counts what a prompt holds, and not what filled its row."""
    rows, _ = pad_left(small_model, UNEQUAL)
    assert [set(row) for row in rows.tolist()] == [set(prompt) for prompt in UNEQUAL]
    settings = dict(max_new_tokens=10, temperature=0, repetition_penalty=3.0)
    assert generate(small_model, UNEQUAL, **settings) == [generate(small_model, p, **settings) for p in UNEQUAL]


def test_prompts_of_one_length_are_not_padded(small_model):
    equal = [[1, 2], [3, 4]]
    assert pad_left(small_model, equal)[1] is None
    assert generate(small_model, equal, 5, seed=1) == generate(small_model, torch.tensor(equal), 5, seed=1).tolist()
    assert generate(small_model, [PROMPT], 5, seed=1) == [generate(small_model, PROMPT, 5, seed=1)]
    full = [1] * 24
    assert generate(small_model, [full, [1]], 5, seed=0)[0] == full


def test_a_bad_prompt_among_many_gets_a_sentence(small_model):
    with pytest.raises(ValueError, match="the sequence is empty"):
        generate(small_model, [[1], []], 3)
    with pytest.raises(ValueError, match="has 25 tokens, this model was built for 24"):
        generate(small_model, [[1], [1] * 25], 3)


def test_what_was_generated_can_be_trained_on(small_model):
    """Rollouts feed a loss: their ids must not be tensors that autograd refuses."""
    ids = generate(small_model, torch.tensor([PROMPT]), 4, seed=0)
    small_model(ids).sum().backward()
    assert small_model.embedding.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("ids", "settings", "error", "sentence"),
    [
        ([], {}, ValueError, "the sequence is empty"),
        ([1] * 25, {}, ValueError, "has 25 tokens, this model was built for 24"),
        ([50], {}, UserError, "token id 50 is outside"),
        ([1], {"max_new_tokens": -1}, ValueError, "max_new_tokens is -1"),
        ([1], {"temperature": -1.0}, ValueError, "temperature is -1.0"),
        ([1], {"top_p": 2.0}, ValueError, "top_p is 2.0"),
        ([1], {"top_p": 0.5, "sampling": Sampling()}, ValueError, "both sampling and top_p are given"),
    ],
)
def test_bad_input_gets_a_sentence(small_model, ids, settings, error, sentence):
    with pytest.raises(error, match=sentence):
        generate(small_model, ids, **{"max_new_tokens": 3, **settings})
    with pytest.raises(error, match=sentence):
        list(stream(small_model, ids, **{"max_new_tokens": 3, **settings}))
