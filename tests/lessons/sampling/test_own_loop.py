"""The learner's loop, draw, cut and cache in a whole model: what comes out, whose it was, and what goes wrong."""

import sys

import pytest
import torch

from minillm import ModelConfig, Tokenizer, Transformer, generate
from minillm.course import own_loop
from minillm.course.learner import trial
from minillm.course.learner.loading import save
from minillm.course.own_loop import OwnEngine, OwnStep, Step, best_step, tell, whose_loop
from minillm.course.own_model import PartFailed
from minillm.course.turns import find
from minillm.course.turns.sampling import generate as loop
from minillm.errors import UserError
from minillm.inference.engine import Request
from minillm.inference.sampling import Sampling

TEXT = [3, 1, 4, 1, 5]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path))
    monkeypatch.setattr(trial, "SECONDS", 120.0)  # on a busy machine
    return tmp_path


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["the old man walked"], vocab_size=258, special_tokens=["<|endoftext|>"])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=258, d_model=24, n_layers=3, n_heads=6, n_kv_heads=2, d_ff=40, max_seq_len=64)
    model = Transformer(config).requires_grad_(False)
    for weight in model.parameters():
        weight.mul_(3)  # so that texts depend on what was read
    return model


def keep(id, source):
    turn = find(id)
    save(turn, source, vars(sys.modules[turn.course.__module__]))


def test_the_text_with_a_cache_equals_the_text_without(model):
    """Of greedy and drawn texts; and both equal the package's."""
    for temperature, p, seed in ((0, 1.0, 0), (1.0, 1.0, 1), (0.8, 0.9, 2)):
        texts = [loop(step, TEXT, 30, temperature, p, seed, -1) for step in
                 (OwnStep(model), OwnStep(model, remember=None), Step(model))]  # fmt: skip
        assert texts[0] == texts[1] == texts[2]
    assert loop(OwnStep(model), TEXT, 30, 0, 1.0, 0, -1) == generate(model, TEXT, 30, temperature=0)


def test_logits_with_a_cache_equal_those_without_and_it_reads_new_tokens_only(model):
    step, plain = OwnStep(model), OwnStep(model, remember=None)
    for end in (3, 4, 7, 8):
        torch.testing.assert_close(step(range(end)), plain(range(end)), rtol=1e-4, atol=1e-4)
    assert (step.reads, plain.reads) == ([3, 1, 3, 1], [3, 4, 7, 8])


def test_another_text_begins_with_an_empty_cache(model):
    step = OwnStep(model)
    step([1, 2, 3])
    torch.testing.assert_close(step([2, 2, 3, 4]), Step(model)([2, 2, 3, 4]), rtol=1e-4, atol=1e-4)
    step([2, 2, 3, 4])  # the same once more: nothing new, so it is read again
    assert step.reads == [3, 4, 4]


def test_after_an_error_the_text_is_read_again(model):
    fails = [True]

    def remember(cache, layer, key, value):
        if layer == 1 and fails[0]:
            raise ValueError("a bad day")
        return find("07.remember").course(cache, layer, key, value)

    step = OwnStep(model, remember)
    with pytest.raises(PartFailed, match="`remember` raised ValueError: a bad day"):
        step([1, 2, 3])
    fails[0] = False
    torch.testing.assert_close(step([1, 2, 3, 4]), Step(model)([1, 2, 3, 4]), rtol=1e-4, atol=1e-4)


def test_a_broken_cache_changes_the_text(model):
    """Controls of the equality above: caches as learners break them."""

    def forgets(cache, layer, key, value):
        cache[layer] = key, value
        return key, value

    def shared(cache, layer, key, value):
        return find("07.remember").course(cache, 0, key, value)

    for broken in (forgets, shared):
        step, right = OwnStep(model, broken), OwnStep(model)
        wrong = [(step(range(end)) - right(range(end))).abs().max() > 0.1 for end in (3, 4, 5)]
        assert wrong == [broken is shared, True, True], broken


def test_a_model_that_the_transformer_cannot_compute_runs_as_it_is():
    learned = Transformer(
        ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16, position="learned")
    )
    assert type(best_step(learned)) is Step


def test_tell_says_whose_code_ran(model, tokenizer, monkeypatch, capsys):
    monkeypatch.setattr(own_loop, "smollm2", lambda: (model, tokenizer))
    keep("07.sample", find("07.sample").solution)
    keep("07.top_p", find("07.top_p").solution)
    keep("07.generate", find("07.generate").solution)
    text = tell("the old", n=5, temperature=0)
    said = capsys.readouterr().out
    assert said.startswith(f"> the old{text}") or not text.isprintable()
    assert "T = 0, p = 1. Ran on: your generate, sample and top_p; the model is SmolLM2 as it is." in said
    tell("the old", n=2, generate=lambda step, ids, n, *rest: [*ids, 1, 2], step=OwnStep(model))
    assert "<lambda> from this page, the course's transformer" in capsys.readouterr().out
    assert whose_loop() == "It talks by your sample, top_p and generate, the course's remember."


def test_an_answer_comes_token_by_token_and_has_the_loops_text(model, tokenizer):
    engine = OwnEngine(model, tokenizer)
    request = Request(TEXT, 12, Sampling(temperature=0.9, top_p=0.8), stop=(300,), seed=7)
    answer = engine.submit(request)
    events = [*answer]
    tokens = [event.token for event in events if event.token is not None]
    assert [*TEXT, *tokens] == loop(Step(model), TEXT, 12, 0.9, 0.8, 7, 300)
    assert "".join(event.text for event in events) == tokenizer.decode(tokens)
    assert answer.finished == events[-1].finished == "length"
    assert all(event.log_prob < 0 for event in events[:-1])


def test_an_answer_ends_with_the_end_token_at_a_stop_string_in_a_full_context_and_when_cancelled(model, tokenizer):
    engine = OwnEngine(model, tokenizer)
    greedy = loop(Step(model), TEXT, 30, 0, 1.0, 0, -1)[len(TEXT) :]
    stopped = [*engine.submit(Request(TEXT, 30, Sampling(temperature=0), stop=(greedy[3],)))]
    assert stopped[-1].finished == "stop"
    assert [event.token for event in stopped[:-1]] == greedy[: greedy.index(greedy[3]) + 1]
    full = engine.submit(Request([*range(60)], 30, Sampling(temperature=0)))
    assert (len([*full]), full.finished) == (5, "context")
    cancelled = engine.submit(Request(TEXT, 30, Sampling(temperature=0)))
    next(cancelled)
    cancelled.cancel()
    assert len([*cancelled]) < 5
    assert cancelled.finished == "cancelled"


def test_settings_that_the_loop_does_not_know_and_errors_in_it_are_sentences(model, tokenizer):
    engine = OwnEngine(model, tokenizer)
    with pytest.raises(UserError, match="your loop knows --temperature, --top-p and --seed; leave --top-k out"):
        engine.submit(Request(TEXT, 3, Sampling(top_k=5)))
    with pytest.raises(UserError, match="leave --when-full out"):
        engine.submit(Request(TEXT, 3, when_full="slide"))
    source = find("07.generate").solution.replace(
        "    ids = list(ids)\n", "    ids = list(ids)\n    n == 9 and 1 / 0\n"
    )
    keep("07.generate", source)
    with pytest.raises(PartFailed, match=r"`generate` in .*sampling.py raised ZeroDivisionError"):
        [*engine.submit(Request(TEXT, 9))]
