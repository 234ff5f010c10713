"""Speculative decoding writes what the model alone would: the same greedy text, the same chances of sampled ones."""

import copy
import itertools
from collections import Counter
from functools import cache

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.errors import UserError
from minillm.inference import speculative
from minillm.inference.decode import Decoder
from minillm.inference.generate import stream
from minillm.inference.sampling import Sampling
from minillm.inference.speculative import PromptLookup, Tally, residual, speculate
from minillm.model import quantized_linear
from minillm.model.transformer import Transformer
from minillm.pretrained import quantize

PROMPT = [3, 14, 15, 9]


def unrelated(**changes) -> Transformer:
    """A draft that knows nothing of the model."""
    return lively(Transformer(small_config(n_layers=1, d_model=16, **changes)))


def near(model: Transformer, noise: float = 0.02) -> Transformer:
    """A draft that agrees with the model most of the time."""
    draft = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in draft.parameters():
            parameter += noise * torch.randn_like(parameter)
    return draft


def drafts(model: Transformer) -> dict[str, Transformer | PromptLookup]:
    return {"itself": model, "near": near(model), "unrelated": unrelated(), "look-up": PromptLookup(1)}


@pytest.mark.parametrize(
    ("position", "n_draft"),
    [("rotary", 1), ("rotary", 4), ("rotary", 30), ("learned", 4), ("sinusoidal", 4), ("alibi", 4), ("none", 4)],
)
def test_a_greedy_text_is_that_of_stream(position, n_draft):
    model = lively(Transformer(small_config(position=position)))
    for new in (0, 1, 9, 500):  # the last one fills the context
        expected = list(stream(model, PROMPT, new, temperature=0))
        for name, draft in drafts(model).items():
            assert list(speculate(model, PROMPT, new, draft, temperature=0, n_draft=n_draft)) == expected, name


@settings(max_examples=15)
@given(st.lists(st.integers(0, 49), min_size=1, max_size=24), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99))
def test_whatever_the_prompt_the_greedy_text_is_that_of_stream(prompt, n_draft, n, seed):
    torch.manual_seed(seed)
    model = lively(Transformer(small_config()))
    choice = dict(temperature=0, stop=[7, 8, 9, 10], repetition_penalty=1.0 + seed % 3)
    expected = list(stream(model, prompt, 12, **choice))
    for draft in (PromptLookup(n), near(model)):
        assert list(speculate(model, prompt, 12, draft, n_draft=n_draft, **choice)) == expected


def test_a_stop_token_is_the_last_one_also_among_accepted_proposals(small_model):
    free = list(stream(small_model, PROMPT, 15, temperature=0))
    for place in range(len(free)):
        stopped = list(speculate(small_model, PROMPT, 15, small_model, temperature=0, stop=[free[place]]))
        assert stopped == free[: free.index(free[place]) + 1]


def test_a_fast_step_is_taken_where_the_model_has_one(monkeypatch):
    """Quantised models have one; so where nothing is proposed, nothing is slower than `stream`."""
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 9.0)
    monkeypatch.setattr("minillm.inference.decode.unavailable", lambda: "models are decoded by PyTorch, not in C")
    monkeypatch.setattr(PromptLookup, "propose", lambda *inputs: [])
    model = quantize(lively(Transformer(small_config(d_ff=64, norm_eps=0.1))), "int8")
    taken = []
    step = Decoder.__call__
    monkeypatch.setattr(Decoder, "__call__", lambda *inputs: taken.append(1) or step(*inputs))
    text = list(speculate(model, PROMPT, 6, PromptLookup(), temperature=0))
    assert len(taken) == 5  # the prompt is read by the model itself
    assert text == list(stream(model, PROMPT, 6, temperature=0))


# What is sampled, against its exact distribution: all texts of three tokens over a vocabulary of four. Thousands of
# runs ask for the logits of the same 85 texts, so each is computed once, by a whole pass without a cache.

V, NEW, RUNS = 4, 3, 2000
SMALL = dict(vocab_size=V, d_model=8, n_layers=1, n_heads=2, n_kv_heads=2, max_seq_len=16)
REPEATING = [0, 1, 2, 0, 1, 3, 0, 1]
EVERY_FILTER = dict(temperature=0.8, top_k=3, top_p=0.95, min_p=0.02, repetition_penalty=1.3)


def little_model(seed: int) -> Transformer:
    torch.manual_seed(seed)
    return lively(Transformer(small_config(**SMALL)))


@cache
def logits_after(model: Transformer, text: tuple[int, ...]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([text]))[0, -1]


@pytest.fixture
def read_once(monkeypatch, as_users_call_it):
    def logits(reader, text, places):
        return torch.stack([logits_after(reader.model, tuple(text[: len(text) - n])) for n in reversed(range(places))])

    monkeypatch.setattr(speculative._Reader, "logits", logits)


def exact_distribution(model: Transformer, **choice) -> dict[tuple[int, ...], float]:
    """The probability of every continuation."""
    chances, sampling = {}, Sampling(**choice)
    for new in itertools.product(range(V), repeat=NEW):
        chances[new] = 1.0
        for n in range(NEW):
            text = (*REPEATING, *new[:n])
            logits = sampling.filter(logits_after(model, text)[None], torch.tensor([text]))
            chances[new] *= float(logits.softmax(-1)[0, new[n]])
    return chances


def surprise(found: Counter, chances: dict[tuple[int, ...], float]) -> tuple[float, float]:
    """Chi-square of the counts, and the value that it exceeds once in ten thousand times.

    Texts that are expected fewer than ten times are counted as one; an impossible one is infinitely surprising.
    """
    runs = sum(found.values())
    if any(chances[text] == 0 for text in found):
        return float("inf"), 0.0
    rare = [text for text, chance in chances.items() if runs * chance < 10]
    cells = [(found[text], runs * chance) for text, chance in chances.items() if text not in rare]
    if rare:
        cells.append((sum(found[text] for text in rare), runs * sum(chances[text] for text in rare)))
    cells = [(count, expected) for count, expected in cells if expected > 0]
    degrees = len(cells) - 1
    value = sum((count - expected) ** 2 / expected for count, expected in cells)
    # Wilson and Hilferty 1931: the cube root of chi-square over its degrees is nearly normal; 3.72 is 1 in 10,000.
    return value, degrees * (1 - 2 / (9 * degrees) + 3.72 * (2 / (9 * degrees)) ** 0.5) ** 3


def sampled(model: Transformer, draft: Transformer | PromptLookup, tally: Tally, **choice) -> Counter:
    texts = (speculate(model, REPEATING, NEW, draft, n_draft=2, tally=tally, **choice) for _ in range(RUNS))
    return Counter(tuple(text) for text in texts)


DRAFTS = {
    "bad": lambda model: little_model(5),
    "good": lambda model: near(model, 0.1),
    "look-up": lambda model: PromptLookup(1),
}


@pytest.mark.parametrize("choice", [{}, EVERY_FILTER], ids=["plain", "every filter"])
@pytest.mark.parametrize("draft", DRAFTS)
def test_sampled_texts_follow_the_models_own_distribution(read_once, draft, choice):
    model, tally = little_model(1), Tally()
    found = sampled(model, DRAFTS[draft](model), tally, **choice)
    value, limit = surprise(found, exact_distribution(model, **choice))
    assert value < limit
    assert 0 < tally.accepted < tally.proposed  # the rule had something to do


WRONG = {
    "every guess is kept": ("verify", lambda token, *rest: token),
    "a refused guess is drawn anew": ("residual", lambda target_probs, draft_probs: target_probs),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("draft", ["bad", "look-up"])
def test_a_wrong_rule_is_found_by_the_same_test(read_once, monkeypatch, draft, mistake):
    monkeypatch.setattr(speculative, *WRONG[mistake])
    model = little_model(1)
    value, limit = surprise(sampled(model, DRAFTS[draft](model), Tally()), exact_distribution(model))
    assert value > limit


@given(st.integers(0, 2**31), st.floats(0.1, 10), st.booleans())
def test_accepting_and_replacing_make_up_the_wanted_distribution(seed, spread, certain):
    """min(p, q) + P(refused) (p - q)+ / |(p - q)+| = p, with tokens that one of the two rules out."""
    generator = torch.Generator().manual_seed(seed)
    wanted, offered = (spread * torch.randn(2, 9, generator=generator, dtype=torch.float64)).softmax(-1)
    wanted = (wanted * torch.rand(9, generator=generator).gt(0.3)).clamp(min=0)
    wanted = torch.full_like(wanted, 1 / 9) if wanted.sum() == 0 else wanted / wanted.sum()
    if certain:
        offered = torch.eye(9, dtype=torch.float64)[seed % 9]
    kept = torch.minimum(wanted, offered)
    torch.testing.assert_close(kept + (1 - kept.sum()) * residual(wanted, offered), wanted)


def test_equal_distributions_leave_the_wanted_one():
    same = torch.tensor([0.25, 0.75])
    assert torch.equal(residual(same, same), same)
    assert torch.equal(residual(same, same + 1e-7), same)  # by rounding, more is offered of both


def test_the_share_that_is_kept_is_what_the_two_distributions_have_in_common(read_once):
    """Leviathan et al. 2023, corollary 3.6: a guess stays with probability sum of min(p, q)."""
    model, draft, tally = little_model(1), little_model(5), Tally()
    for _ in range(RUNS):
        list(speculate(model, REPEATING, 2, draft, n_draft=1, tally=tally))
    share = torch.minimum(*(logits_after(one, tuple(REPEATING)).softmax(-1) for one in (model, draft))).sum().item()
    kept = tally.accepted / tally.proposed
    # one guess in each run, and a second pass where it was refused
    assert tally.proposed == RUNS
    assert tally.passes == 2 * RUNS - tally.accepted
    assert kept == pytest.approx(share, abs=4 * (share * (1 - share) / RUNS) ** 0.5)


def test_a_model_that_drafts_for_itself_writes_n_draft_and_one_in_each_pass(small_model):
    tally = Tally()
    list(speculate(small_model, PROMPT, 15, small_model, temperature=0, n_draft=4, tally=tally))
    assert tally == Tally(passes=3, proposed=12, accepted=12, tokens=15)
    assert tally.tokens_per_pass == 5
    assert Tally().tokens_per_pass == 0


def test_a_seed_repeats_and_another_differs(small_model):
    def text(seed):
        return list(speculate(small_model, PROMPT, 15, near(small_model), seed=seed))

    draws = torch.manual_seed(0), text(7), torch.manual_seed(0), text(7), torch.manual_seed(0), text(8)
    assert draws[1] == draws[3] != draws[5]


def test_gradients_are_off_inside_and_on_outside(small_model):
    for _ in speculate(small_model, PROMPT, 3, PromptLookup(1), seed=0):
        assert torch.is_grad_enabled()  # of the caller's own work between two tokens


@pytest.mark.parametrize(
    ("n", "text", "expected"),
    [
        (2, [1, 2, 9, 8, 1, 2], [9, 8, 1]),
        (2, [1, 2, 9, 1, 2, 8, 1, 2], [8, 1, 2]),  # the latest place
        (3, [1, 2, 9, 8, 1, 2], []),
        (1, [4, 4], [4, 4, 4]),  # it runs on into what it copied
        (2, [6, 7, 6, 7], [6, 7, 6]),
        (5, [1, 2], []),
        (2, [1, 2], []),
        (1, [1], []),
    ],
)
def test_look_up_by_hand(n, text, expected):
    assert PromptLookup(n).propose(text, 3) == expected
    assert PromptLookup(n).propose(text, 0) == []


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(1, 4), st.integers(0, 6))
def test_look_up_by_its_definition(text, n, most):
    """A proposal is what a longer text would say there: somewhere before, the last n tokens and it stand in a row."""
    proposal = PromptLookup(n).propose(text, most)
    earlier = [end for end in range(n, len(text)) if text[end - n : end] == text[-n:]]
    assert len(proposal) == (most if earlier else 0)
    if earlier:
        grown = text + proposal
        assert proposal == grown[max(earlier) : max(earlier) + most]


@pytest.mark.parametrize(
    ("ids", "changes", "error", "sentence"),
    [
        ([], {}, ValueError, "the sequence is empty"),
        ([1] * 25, {}, ValueError, "has 25 tokens, this model was built for 24"),
        ([50], {}, UserError, "token id 50 is outside"),
        ([1], {"max_new_tokens": -1}, ValueError, "max_new_tokens is -1"),
        ([1], {"temperature": -1.0}, ValueError, "temperature is -1.0"),
        ([1], {"n_draft": 0}, ValueError, "n_draft is 0; let the draft propose at least 1 token, or use stream"),
        ([1], {"draft": unrelated(vocab_size=49)}, ValueError, "a vocabulary of 49 tokens and the model one of 50"),
        ([1] * 7, {"draft": unrelated(max_seq_len=9)}, ValueError, "become 10 tokens long, and the draft .* for 9"),
        ([1], {"draft": unrelated(causal=False)}, ValueError, "the draft has causal=False"),
    ],
)
def test_bad_input_gets_a_sentence(small_model, ids, changes, error, sentence):
    with pytest.raises(error, match=sentence):
        list(speculate(small_model, ids, **{"max_new_tokens": 3, "draft": PromptLookup(), **changes}))


def test_a_model_that_sees_ahead_and_a_look_up_of_nothing_are_refused():
    with pytest.raises(ValueError, match="causal=False would see the proposals"):
        list(speculate(lively(Transformer(small_config(causal=False))), PROMPT, 3, PromptLookup()))
    with pytest.raises(ValueError, match="n is 0; look up at least the last 1 token"):
        PromptLookup(0)
