"""Preferences as pairs of ids: what is read of them, what is left out, and how they share batches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.chat import CHATML, encode_chat
from minillm.data.conversations import Example
from minillm.data.pairs import POOL, Pair, PairBatches, encode_preferences, in_order
from minillm.data.rankings import Preference
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
    [pair] = encode_preferences(tokenizer, [said], 99).pairs
    prompt = encode_chat(tokenizer, said.prompt)
    for text, answer in ((pair.chosen, "Bram."), (pair.rejected, "No.")):
        assert text.ids == prompt + tokenizer.encode(answer) + [tokenizer.eos_id]
        assert text.counts == [False] * len(prompt) + [True] * (len(text.ids) - len(prompt))


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


def pairs_of(lengths: list[int]) -> list[Pair]:
    """Pair number n, its ids all n + 1, the rejected text one token shorter."""
    return [
        Pair(*(Example([n + 1] * size, [False] * (size - 1) + [True]) for size in (length + 1, length)))
        for n, length in enumerate(lengths)
    ]


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40), batch_size=st.integers(1, 5))
def test_every_pair_comes_equally_often_and_whole(lengths, batch_size):
    pairs = pairs_of(lengths)
    batches = PairBatches(pairs, batch_size, seed=3)
    steps = POOL * len(pairs)  # so many pools, each of POOL batches: a whole number of epochs
    seen = torch.cat([batches[step][-1] for step in range(steps)]).bincount(minlength=len(pairs))
    assert (seen == steps * batch_size // len(pairs)).all()
    for step in (0, steps - 1):
        ids, segments, is_answer, numbers = batches[step]
        for row, number in enumerate(numbers.tolist()):
            for place, text in enumerate((pairs[number].chosen, pairs[number].rejected)):
                length = len(text.ids)
                assert ids[row, place, :length].tolist() == text.ids
                assert segments[row, place].tolist() == [1] * length + [0] * (ids.shape[2] - length)
                assert is_answer[row, place].nonzero().flatten().tolist() == [length - 1]


def test_batches_depend_on_the_seed_alone_and_hold_pairs_of_like_length():
    pairs = pairs_of([1 + n % 50 for n in range(400)])
    one, same, other = (PairBatches(pairs, 4, seed) for seed in (0, 0, 1))
    assert all(torch.equal(one[step][0], same[step][0]) for step in (7, 3, 40))
    assert not torch.equal(one[7][-1], other[7][-1])
    spread = [one[step][0].shape[2] - (1 + one[step][-1] % 50).min().item() for step in range(POOL)]
    assert sum(spread) / POOL < 10  # of 50; at random it would be about 30
    widths = [one[step][0].shape[2] for step in range(POOL)]
    assert widths not in (sorted(widths), sorted(widths, reverse=True))  # short and long ones in no order


def test_measuring_takes_every_pair_once():
    batches = in_order(pairs_of([5, 2, 9, 2, 7]), batch_size=2)
    assert sorted(torch.cat([batch[-1] for batch in batches]).tolist()) == [0, 1, 2, 3, 4]
    assert [batch[0].shape[2] for batch in batches] == [3, 8, 10]
