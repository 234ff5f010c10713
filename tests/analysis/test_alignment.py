"""A chat model's report against scripted answers and against the world's own rules."""

import math
from dataclasses import replace

import pytest
import torch
from helpers import lively, small_config

from minillm.analysis import alignment
from minillm.analysis.alignment import Answer, Estimate, answer, askable, assess, distinct, win_rate
from minillm.data.chat import CHATML, encode_chat
from minillm.inference.generate import generate
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instructions
from minillm.world.raters import candidates, utility

INSTRUCTIONS = Instructions(0, "held-out").instructions(12)


@pytest.fixture(scope="module")
def chatty():
    torch.manual_seed(0)
    prompts = [instruction.prompt for instruction in INSTRUCTIONS]
    tokenizer = Tokenizer.train(prompts, 300, ["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template, tokenizer.eos_token = CHATML, "<|im_end|>"
    return lively(Transformer(small_config(vocab_size=tokenizer.vocab_size, max_seq_len=600))), tokenizer


def test_batched_greedy_answers_equal_those_of_each_prompt_alone(chatty, monkeypatch):
    model, tokenizer = chatty
    monkeypatch.setattr(alignment, "ROWS", 5)
    answers = answer(model, tokenizer, INSTRUCTIONS, 0.0, max_new_tokens=6)
    for instruction, said in zip(INSTRUCTIONS, answers, strict=True):
        ids = encode_chat(tokenizer, instruction.messages[:-1])
        new = generate(model, ids, 6, temperature=0, stop=[tokenizer.eos_id])[len(ids) :]
        assert said.ended == (new[-1] == tokenizer.eos_id)
        assert list(said.ids) == new
        assert said.text == tokenizer.decode(new[:-1] if said.ended else new)
        assert said.log_ratio is None


def test_the_kl_from_itself_is_zero_and_from_another_model_positive(chatty):
    model, tokenizer = chatty
    same = answer(model, tokenizer, INSTRUCTIONS, reference=model, max_new_tokens=6)
    assert [said.log_ratio for said in same] == pytest.approx([0.0] * 12, abs=1e-4)
    torch.manual_seed(1)
    other = lively(Transformer(model.config))
    assert Estimate.of([said.log_ratio for said in answer(model, tokenizer, INSTRUCTIONS, 1.0, other)]).mean > 1


def test_instructions_longer_than_the_context_are_skipped(chatty):
    model, tokenizer = chatty
    stream = Instructions(0).instructions(40)
    lengths = [len(encode_chat(tokenizer, instruction.messages[:-1])) for instruction in stream]
    limit = sorted(lengths)[20]  # half of them fit
    small = Transformer(replace(model.config, max_seq_len=limit))
    fitting = [instruction for instruction, length in zip(stream, lengths, strict=True) if length < limit]
    assert 0 < len(fitting) < 40
    assert askable(small, tokenizer, stream, 3) == fitting[:3]
    assert answer(lively(small), tokenizer, askable(small, tokenizer, stream, 40), max_new_tokens=1)
    with pytest.raises(ValueError, match=r"none of 80 instructions fits into a context of 4 \(max_seq_len\)"):
        askable(Transformer(replace(model.config, max_seq_len=4)), tokenizer, stream, 40)


def test_a_report_summarizes_the_answers(chatty, monkeypatch):
    """Every second greedy answer is right; the sampled answers are a different candidate for each instruction."""
    sampled = [candidates(instruction)[n] for n, instruction in enumerate(INSTRUCTIONS)]

    def scripted(model, tokenizer, instructions, temperature=1.0, reference=None, seed=0):
        if temperature == 0:
            return [Answer(i.answer if n % 2 else "Perhaps.", (), True) for n, i in enumerate(instructions)]
        return [Answer(text, (7, n), n > 2, 0.5 * n) for n, text in enumerate(sampled)]

    monkeypatch.setattr(alignment, "answer", scripted)
    reward_model = RewardModel.from_language_model(chatty[0])
    torch.nn.init.normal_(reward_model.head.weight)
    report = assess(*chatty, INSTRUCTIONS, reference=chatty[0], reward_model=reward_model)
    assert report.n == 12
    assert report.accuracy.mean == 0.5
    assert report.accuracy.stderr == pytest.approx(math.sqrt(0.25 / 11))
    for family, accuracy in report.families.items():
        members = [n for n, instruction in enumerate(INSTRUCTIONS) if instruction.family == family]
        assert accuracy == sum(n % 2 for n in members) / len(members)
    points = [utility(instruction, text) for instruction, text in zip(INSTRUCTIONS, sampled, strict=True)]
    assert report.utilities == tuple(points)
    assert report.utility.mean == pytest.approx(sum(points) / 12)
    assert report.length == pytest.approx(sum(len(text.split()) for text in sampled) / 12)
    assert report.ended == 0.75
    assert report.kl.mean == 2.75
    assert report.texts == tuple(sampled)
    prompts = [encode_chat(chatty[1], instruction.messages[:-1]) for instruction in INSTRUCTIONS]
    rewards = [reward_model(torch.tensor([[*prompt, 7, n]])).item() for n, prompt in enumerate(prompts)]
    assert report.reward.mean == pytest.approx(sum(rewards) / 12, abs=1e-4)
    assert assess(*chatty, INSTRUCTIONS).kl is None


def test_distinct_n_counts_over_all_answers():
    assert distinct(["a b a", "a b"], 1) == 2 / 5
    assert distinct(["a b a", "a b"], 2) == 2 / 3
    assert distinct(["one"], 2) == 0.0


def test_the_interval_is_wilsons():
    """The bounds are the rates p with |rate - p| = 1.96 sqrt(p (1 - p) / n)."""
    for wins, n in ((81, 100), (10, 10)):
        found = win_rate([1.0] * wins + [0.0] * (n - wins), [0.5] * n)
        assert found.rate == wins / n
        for bound in (found.low, found.high):
            assert abs(found.rate - bound) == pytest.approx(1.96 * math.sqrt(bound * (1 - bound) / n), abs=1e-7)
        assert found.low < min(found.rate, found.high)


def test_a_tie_is_half_a_win():
    assert win_rate([1.0, 2.0], [1.0, 2.0]).rate == 0.5


def test_invalid_input_is_rejected(chatty):
    model, tokenizer = chatty
    with pytest.raises(ValueError, match="no instructions"):
        assess(model, tokenizer, [])
    with pytest.raises(ValueError, match="2 answers against 1"):
        win_rate([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="no end token"):
        answer(model, Tokenizer.train(["a"], 258), INSTRUCTIONS)
    assert Estimate.of([1.0]).stderr == math.inf
