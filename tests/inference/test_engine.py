"""The engine against `generate` for each request alone, whoever else is in the batch."""

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.data.chat import encode_chat
from minillm.errors import UserError
from minillm.inference import decode
from minillm.inference.engine import Engine, Request
from minillm.inference.generate import generate
from minillm.inference.native import NativeStep, unavailable
from minillm.inference.sampling import Sampling
from minillm.inference.scoring import log_probs
from minillm.model import quantized_linear
from minillm.model.transformer import Transformer
from minillm.pretrained import load, quantize
from minillm.tokenizer import Tokenizer

LETTERS = [chr(33 + n) for n in range(50)]
TOKENIZER = Tokenizer({n: letter.encode() for n, letter in enumerate(LETTERS)}, [], {})  # a letter a token
GREEDY, DRAWN = Sampling(temperature=0), Sampling(temperature=0.9, top_k=20, repetition_penalty=1.3)
FILTERED = Sampling(temperature=1.4, top_p=0.9, min_p=0.01)
PROMPTS = [[3, 14, 15, 9], [7], [21, 2, 2, 40, 5, 11, 30, 1], [8, 8], [3, 14, 15, 2, 2]]


def model_of(**changes):
    torch.manual_seed(0)
    return lively(Transformer(small_config(**changes)))


MODEL = model_of()


def tokens_of(answer):
    return [event.token for event in answer if event.token is not None]


def alone(request, model=MODEL):
    """What `generate` says to one request."""
    ids = list(request.prompt)
    text = generate(model, ids, request.max_new_tokens, request.sampling, stop=request.stop, seed=request.seed)
    return text[len(ids) :]


SETTINGS = st.fixed_dictionaries(
    dict(
        prompt=st.sampled_from(PROMPTS),
        max_new_tokens=st.integers(1, 22),
        sampling=st.sampled_from([GREEDY, DRAWN, FILTERED]),
        stop=st.sampled_from([(), (4, 17, 30)]),
        seed=st.integers(0, 99),
    )
)


@settings(max_examples=15)
@given(st.lists(SETTINGS, min_size=1, max_size=6), st.integers(1, 4), st.data())
def test_a_text_is_that_of_its_request_alone_whoever_else_is_there(wishes, max_batch, data):
    """They come at any moment, wait, join, leave and find beginnings of each other's texts that were read before."""
    engine, answers, requests = Engine(MODEL, TOKENIZER, max_batch), [], [Request(**wish) for wish in wishes]
    for request in requests:
        answers.append(engine.submit(request))
        for _ in range(data.draw(st.integers(0, 5))):
            engine.step()
    assert [tokens_of(answer) for answer in answers] == [alone(request) for request in requests]
    assert not engine.step()


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "alibi", "none"])
def test_rows_move_with_every_kind_of_position(position):
    model = model_of(position=position)
    engine, requests = Engine(model, TOKENIZER, 3), [Request(prompt, 12, GREEDY) for prompt in PROMPTS]
    answers = [engine.submit(request) for request in requests]
    assert [tokens_of(answer) for answer in answers] == [alone(request, model) for request in requests]


def test_a_quantised_model_joins_and_leaves_too(monkeypatch):
    """The decode step on plain tensors, without the rounding of bfloat16 so that equal is equal."""
    monkeypatch.setattr(decode, "unavailable", lambda: "models are decoded by PyTorch, not in C")
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self)
    monkeypatch.setattr(quantized_linear.QuantizedLinear, "has_kernel", lambda self, device: True)
    monkeypatch.setattr(quantized_linear.Int8Linear, "_pack", lambda self: lambda x: x @ self.unpack(torch.float32))
    monkeypatch.setattr(quantized_linear, "autocast_dtype", lambda device: None)
    model = quantize(model_of(d_ff=64), "int8")
    engine, requests = Engine(model, TOKENIZER, 3), [Request(prompt, 9, GREEDY) for prompt in PROMPTS]
    answers = [engine.submit(request) for request in requests]
    assert [tokens_of(answer) for answer in answers] == [alone(request, model) for request in requests]


@pytest.mark.parametrize("weights", ["int4", "int8"])
def test_in_c_a_text_does_not_depend_on_the_others_in_its_batch(weights):
    """Equal without any tolerance: each row's numbers are added up in one order, however many rows there are."""
    if reason := unavailable():
        pytest.skip(reason)
    model = quantize(model_of(d_ff=64), weights)
    engine, requests = Engine(model, TOKENIZER, 3), [Request(prompt, 9, GREEDY) for prompt in PROMPTS]
    answers = [engine.submit(request) for request in requests]
    assert [tokens_of(answer) for answer in answers] == [alone(request, model) for request in requests]
    assert isinstance(decode.decoder(model), NativeStep)


def test_events_tell_the_text_and_what_the_model_thought_of_each_token():
    answer = Engine(MODEL, TOKENIZER).submit(Request(PROMPTS[0], 10, DRAWN, seed=3))
    events = list(answer)
    new = [event.token for event in events]
    assert "".join(event.text for event in events) == TOKENIZER.decode(new)
    assert [event.finished for event in events] == [None] * 9 + ["length"]
    expected = log_probs(MODEL, PROMPTS[0] + new)[len(PROMPTS[0]) - 1 :]
    torch.testing.assert_close(torch.tensor([event.log_prob for event in events]), expected)


def test_log_probs_of_half_precision_logits_are_summed_in_float32():
    answer = Engine(MODEL, TOKENIZER).submit(Request(PROMPTS[0], 1, DRAWN, seed=3))
    logits = (3 * torch.randn(1, MODEL.config.vocab_size)).bfloat16()
    token, log_prob = answer._choose(logits)
    assert log_prob == pytest.approx(logits.float().log_softmax(-1)[0, token].item(), abs=1e-6)


def test_reasons_of_the_end():
    free = alone(Request(PROMPTS[0], 10, GREEDY))
    text = TOKENIZER.decode(free)

    def end(**changes):
        events = list(Engine(MODEL, TOKENIZER).submit(Request(**dict(prompt=PROMPTS[0], max_new_tokens=10) | changes)))
        return [event.token for event in events], "".join(event.text for event in events), events[-1].finished

    greedy = dict(sampling=GREEDY)
    assert end(**greedy) == (free, text, "length")
    place = free.index(free[4])
    assert end(stop=[free[4]], **greedy) == (free[: place + 1], TOKENIZER.decode(free[:place]), "stop")
    place = text.index(text[3:5])
    assert end(stop_strings=[text[3:5], "no such"], **greedy) == (free[: place + 2], text[:place], "stop")
    assert end(stop_strings=[text[-1] + "!"], **greedy)[1:] == (text, "length")  # it waited, and did not come
    tokens, _, reason = end(max_new_tokens=500, **greedy)
    assert (len(tokens), reason) == (24 - len(PROMPTS[0]), "context")
    assert end(prompt=[1] * 24) == ([None], "", "context")


def test_a_text_that_slides_forgets_its_older_half():
    def by_hand(ids, new):
        window, chosen = list(ids), []
        for _ in range(new):
            window = window[-12:] if len(window) == 24 else window
            window.append(int(MODEL(torch.tensor([window]))[0, -1].argmax()))
            chosen.append(window[-1])
        return chosen

    engine = Engine(MODEL, TOKENIZER)
    prompts = [*PROMPTS[:3], [5, 6] * 12]
    answers = [engine.submit(Request(prompt, 30, GREEDY, when_full="slide")) for prompt in prompts]
    for prompt, answer in zip(prompts, answers, strict=True):
        assert tokens_of(answer) == by_hand(prompt, 30)
        assert answer.finished == "length"


@pytest.mark.parametrize("moment", [0, 1, 6])
def test_cancelling_leaves_the_others_alone(moment):
    engine = Engine(MODEL, TOKENIZER, 2)
    requests = [Request(prompt, 9, DRAWN, seed=1) for prompt in PROMPTS]
    answers = [engine.submit(request) for request in requests]
    for _ in range(moment):
        engine.step()
    for number in (0, 3):
        answers[number].cancel()
        answers[number].cancel()  # again: nothing happens
        events = list(answers[number])
        assert (events[-1].token, events[-1].finished) == (None, "cancelled")
        assert "".join(event.text for event in events) == TOKENIZER.decode(e.token for e in events[:-1])
        assert [event.token for event in events[:-1]] == alone(requests[number])[: len(events) - 1]
    for number in (1, 2, 4):
        assert tokens_of(answers[number]) == alone(requests[number])


@pytest.fixture
def read(monkeypatch):
    """The number of tokens in each pass through the model."""
    passes = []
    hook = MODEL.embedding.register_forward_hook(lambda module, inputs, output: passes.append(inputs[0].numel()))
    yield passes
    hook.remove()


def test_what_was_read_is_not_read_again(read):
    engine = Engine(MODEL, TOKENIZER)
    first = tokens_of(engine.submit(Request(PROMPTS[0], 6, GREEDY)))
    assert read == [4, 1, 1, 1, 1, 1]  # the prompt, and all but the last new token
    read.clear()
    turn = PROMPTS[0] + first + [1, 2]
    events = list(engine.submit(Request(turn, 3, GREEDY)))
    assert read == [3, 1, 1]  # the last token of the answer was never read
    assert [event.token for event in events] == alone(Request(turn, 3, GREEDY))
    expected = log_probs(MODEL, turn + [event.token for event in events])[len(turn) - 1 :]
    torch.testing.assert_close(torch.tensor([event.log_prob for event in events]), expected)
    read.clear()
    list(engine.submit(Request(turn, 1, GREEDY)))
    list(engine.submit(Request([*PROMPTS[0][:3], 5, 5], 1, GREEDY)))
    assert read == [1, 2]  # all but the last token was known; the same three tokens and then two others


def test_requests_of_one_moment_share_what_they_have_in_common(read):
    engine = Engine(MODEL, TOKENIZER)
    answers = [engine.submit(Request([9, 8, 7, 6, last], 1, GREEDY)) for last in (1, 2, 3)]
    engine.step()
    assert read == [5, 1, 1]
    assert [tokens_of(answer) for answer in answers] == [alone(answer.request) for answer in answers]


def test_what_is_kept_is_bounded(read):
    engine, prompts = Engine(MODEL, TOKENIZER, kept_tokens=10), PROMPTS[:3]  # of 4, 1 and 8 tokens, and 1 answered one
    for prompt in prompts * 2:
        list(engine.submit(Request(prompt, 1, GREEDY)))
    assert read == [4, 1, 8, 4, 1, 8]  # 4 + 1 + 8 are too many: each drove out the first of the others


@pytest.mark.parametrize("broken", [MODEL.blocks[1], MODEL.head])
@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_step_that_fails_can_be_taken_again(broken, moment):
    """Memory may run out, or someone may press Ctrl-C, while one is running and two are being read."""
    engine, answers = Engine(MODEL, TOKENIZER, 3), []
    for prompt in PROMPTS[:4]:
        answers.append(engine.submit(Request(prompt, 6, DRAWN, seed=2)))
        if len(answers) == 1:
            engine.step()
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == moment:
            raise MemoryError

    hook = broken.register_forward_pre_hook(fail)
    with pytest.raises(MemoryError):
        engine.step()
    hook.remove()
    assert [tokens_of(answer) for answer in answers] == [alone(answer.request) for answer in answers]


def test_tokens_that_only_the_model_knows_are_not_drawn():
    small = Tokenizer({n: letter.encode() for n, letter in enumerate(LETTERS[:3])}, [], {})
    answer = Engine(MODEL, small).submit(Request([1], 20, seed=0))
    events = list(answer)
    assert {event.token for event in events} <= {0, 1, 2}
    assert events[0].log_prob == pytest.approx(log_probs(MODEL, [1, events[0].token]).item(), abs=1e-5)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Request([1], 0), ValueError, "max_new_tokens is 0"),
        (lambda: Request([1], 1, stop_strings=[""]), ValueError, "a stop string is empty"),
        (lambda: Request([1], 1, when_full="jump"), ValueError, "when_full is 'jump'; choose one of stop, slide"),
        (lambda: Request([], 1), ValueError, "the sequence is empty"),
        (lambda: Request([1] * 25, 1), ValueError, "has 25 tokens, this model was built for 24"),
        (lambda: Request([50], 1), UserError, "token id 50 is outside"),
    ],
)
def test_a_bad_request_gets_a_sentence_and_disturbs_nobody(make, error, sentence, as_users_call_it):
    engine = Engine(MODEL, TOKENIZER)
    other = engine.submit(Request([3], 5, GREEDY))
    engine.step()
    with pytest.raises(error, match=sentence):
        engine.submit(make())
    assert tokens_of(other) == alone(other.request)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"max_batch": 0}, "max_batch is 0"), ({"kept_tokens": -1}, "kept_tokens -1")],
)
def test_sizes_that_mean_nothing_are_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        Engine(MODEL, TOKENIZER, **settings)
    with pytest.raises(ValueError, match="causal=False has no KV cache"):
        Engine(model_of(causal=False), TOKENIZER)


@pytest.mark.slow
@pytest.mark.real
def test_the_real_model_answers_several_at_once(real_weights):
    model, tokenizer = load("smollm2-135m-instruct")
    questions = ["What is the capital of France?", "Name three colours.", "What is 2 + 2?"]
    prompts = [encode_chat(tokenizer, [{"role": "user", "content": question}]) for question in questions]
    engine = Engine(model, tokenizer)
    answers = [engine.submit(Request(prompt, 10, GREEDY, stop=[tokenizer.eos_id])) for prompt in prompts]
    texts = ["".join(event.text for event in answer) for answer in answers]
    assert [tokenizer.encode(text) for text in texts] == [
        [id for id in alone(answer.request, model) if id != tokenizer.eos_id] for answer in answers
    ]
    assert "Paris" in texts[0]
