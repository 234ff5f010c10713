"""Preferences as pairs of ids: what is read of them, what is left out, and how they share batches."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.chat import CHATML, encode_chat
from minillm.data.pairs import Pair, PairBatches, encode_preferences, hold_out_preferences
from minillm.data.preferences import Preference
from minillm.tokenizer import Tokenizer

END = "<|im_end|>"


def chat_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=["<|im_start|>", END])
    tokenizer.chat_template, tokenizer.eos_token = CHATML, END
    return tokenizer


def preference(question: str = "Who?", chosen: str = "Bram.", rejected: str = "No.") -> Preference:
    return Preference(({"role": "user", "content": question},), chosen, rejected, rater="Ada")


def test_a_pair_is_the_prompt_as_it_is_asked_and_the_answer_as_it_is_drawn():
    tokenizer, said = chat_tokenizer(), preference()
    turns = ({"role": "assistant", "content": "Good day."}, {"role": "user", "content": "Why?"})
    for one in (said, replace(said, prompt=said.prompt + turns)):  # what was answered before is no answer to judge
        [pair] = encode_preferences(tokenizer, [one], 199).pairs
        assert pair.prompt == tuple(encode_chat(tokenizer, one.prompt))
        for found, answer in ((pair.chosen, "Bram."), (pair.rejected, "No.")):
            assert found == (*tokenizer.encode(answer), tokenizer.eos_id)
        assert pair.length == len(pair.prompt) + len(pair.chosen)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_no_prompt_is_both_learnt_and_measured(numbers, chance):
    """An answer to a prompt that was learnt from tells nothing; and the order of the file changes nothing."""
    said = [preference(f"question {number}", f"answer {place}") for place, number in enumerate(numbers)]
    if len(set(numbers)) < 2:
        with pytest.raises(ValueError, match="1 distinct conversations; at least 2 are needed"):
            hold_out_preferences(said)
        return
    learnt, measured = hold_out_preferences(said)
    assert sorted([*learnt, *measured], key=said.index) == said
    prompts = [{one.prompt[0]["content"] for one in part} for part in (learnt, measured)]
    assert not prompts[0] & prompts[1]
    assert len(prompts[1]) == max(1, len(set(numbers)) // 10)
    again = [one.prompt for one in hold_out_preferences(chance.sample(said, len(said)))[1]]
    assert {one[0]["content"] for one in again} == prompts[1]


def test_what_cannot_be_read_is_left_out_and_the_rest_stays_in_step():
    said = [preference("first"), preference("second", "x" * 200), preference("third")]
    encoded = encode_preferences(chat_tokenizer(), said, 60)
    assert encoded.preferences == [said[0], said[2]]
    assert len(encoded.pairs) == 2
    assert len(encoded.skipped) == 1
    assert "preference 1 of Ada: it has" in encoded.skipped[0]


def test_nothing_to_learn_from_is_said():
    with pytest.raises(ValueError, match="none was given"):
        encode_preferences(chat_tokenizer(), [], 60)
    with pytest.raises(ValueError, match="the model reads 5 at once"):
        encode_preferences(chat_tokenizer(), [preference()], 5)
    with pytest.raises(ValueError, match="no chat template"):
        encode_preferences(Tokenizer.train(["a"], 258), [preference()], 60)
    with pytest.raises(ValueError, match="0 pairs in batches of 4"):
        PairBatches([], 4, 0)


@given(prompts=st.lists(st.integers(1, 9), min_size=1, max_size=40), batch_size=st.integers(1, 5))
def test_every_prompt_comes_equally_often_with_all_its_pairs(prompts, batch_size):
    pairs = [Pair((prompt,), (10 + number,), (5,)) for number, prompt in enumerate(prompts)]
    batches = PairBatches(pairs, batch_size, seed=3)
    steps = len(set(prompts))  # times batch_size prompts: a whole number of epochs
    seen = torch.cat([batches[step][0] for step in range(steps)]).bincount(minlength=len(pairs))
    assert (seen == batch_size).all()
    for step in range(steps):
        numbers = batches[step][0].tolist()
        groups = [[n for n, prompt in enumerate(prompts) if prompt == prompts[number]] for number in numbers]
        assert all(numbers.count(other) == numbers.count(group[0]) for group in groups for other in group)


def test_batches_depend_on_the_seed_alone():
    pairs = [Pair((n,), (5,), (6,)) for n in range(400)]
    one, same, other = (PairBatches(pairs, 4, seed) for seed in (0, 0, 1))
    assert all(torch.equal(one[step][0], same[step][0]) for step in (7, 3, 140))
    assert not torch.equal(one[7][0], other[7][0])
