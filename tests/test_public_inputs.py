"""Whatever a public function is given: it answers, or refuses in a sentence of our own.

The values are of the right types and otherwise any: negative, huge, NaN, empty, half characters. "Of our own" means
that the error was raised in `minillm`, where the argument has its name, and not somewhere inside torch. What one
function promises about good input stands in its own tests, damaged files in `test_damage.py`.
"""

import dataclasses
import traceback
from pathlib import Path

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st

import minillm
from minillm import (
    DPOConfig,
    GRPOConfig,
    ModelConfig,
    PPOConfig,
    RewardConfig,
    Tokenizer,
    TrainConfig,
    Transformer,
    generate,
    load,
    pretrain,
    quantize,
    save,
    stream,
    world,
)
from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
from minillm.model.accounting import count_parameters
from minillm.posttraining.sft import ChatData, encode_conversations
from minillm.training.pretraining import TextData

PACKAGE = str(Path(minillm.__file__).parent)
REFUSALS = (ValueError, IndexError, FloatingPointError, FileNotFoundError, NotADirectoryError)
integers = st.integers(-3, 60) | st.sampled_from([-(2**63), 2**31, 2**63 - 1])
floats = st.floats() | st.sampled_from([0.0, 1.0, 0.5, 1e-320, 1e-30, 1e30])
sizes = st.sampled_from([1, 2, 4, 8, 16])
tokens = st.lists(st.integers(0, 49), min_size=1, max_size=30) | st.lists(integers, max_size=3)
words = st.text(st.characters() | st.sampled_from("\ud800\x00\u2028 a"), max_size=8)


@pytest.fixture(autouse=True)
def _as_users_call_it(as_users_call_it):
    """No shape checks of the test run in front of our own."""


def asked(function, *arguments, **named):
    """What the function answers, or None where it refuses as it should."""
    try:
        return function(*arguments, **named)
    except REFUSALS as refusal:
        error = refusal
    where = traceback.extract_tb(error.__traceback__)[-1]
    ours = where.filename.startswith(PACKAGE) and "raise " in str(where.line)  # an error from C code has no line there
    assert ours, f"{type(error).__name__} from {where.filename}, line {where.lineno}: {error}"
    return None


NUMBERS = ("vocab_size", "d_model", "n_layers", "n_heads", "max_seq_len", "n_kv_heads", "d_head", "d_ff")
WORDS = dict(
    norm=st.sampled_from(["rmsnorm", "layernorm"]),
    activation=st.sampled_from(["swiglu", "gelu", "relu2"]),
    position=st.sampled_from(["rotary", "learned", "sinusoidal", "alibi", "none"]),
    bias=st.sampled_from([True, False, "qkv", "attention"]),
    qk_norm=st.booleans(),
    tie_embeddings=st.booleans(),
    causal=st.booleans(),
)
odd = st.fixed_dictionaries(
    {},
    optional={name: integers for name in NUMBERS}
    | {name: floats for name in ("norm_eps", "rope_theta", "embedding_std")}
    | {name: words for name in ("norm", "activation", "position", "bias")},
)


@given(
    st.fixed_dictionaries(
        {name: sizes for name in NUMBERS[:5]}, optional={name: sizes for name in NUMBERS[5:]} | WORDS
    ),
    st.just({}) | odd,
)
def test_a_shape_is_refused_or_computes(shape, odd):
    config = asked(ModelConfig, **shape | odd)
    if config is None or count_parameters(config) > 100_000:
        return  # refused, or too large to build here
    model = Transformer(config)
    assert model(torch.tensor([[0]])).shape == (1, 1, config.vocab_size)


@given(
    tokens | st.lists(tokens, max_size=3),
    st.integers(-2, 40) | integers,
    st.fixed_dictionaries(
        {},
        optional=dict(
            temperature=floats,
            top_k=integers,
            top_p=floats,
            min_p=floats,
            repetition_penalty=floats,
            stop=st.lists(integers, max_size=2),
            seed=integers,
            use_cache=st.booleans(),
        ),
    ),
)
def test_a_text_goes_on_in_tokens_that_exist_or_is_refused(ids, max_new_tokens, options):
    model = lively(Transformer(small_config()))
    texts = asked(generate, model, ids, max_new_tokens, **options)
    if texts is None:
        return
    rows = [(ids, texts)] if isinstance(texts[0], int) else zip(ids, texts, strict=True)
    for prompt, text in rows:
        assert text[: len(prompt)] == prompt
        assert len(text) <= min(len(prompt) + max_new_tokens, 24)
        assert all(0 <= token < 50 for token in text)
    if isinstance(texts[0], int) and "seed" in options:
        options.pop("use_cache", None)
        assert list(stream(model, ids, max_new_tokens, **options)) == texts[len(ids) :]


@given(
    st.lists(words, max_size=4),
    st.integers(250, 300) | integers,
    st.lists(words, max_size=2),
    st.sampled_from(["gpt2", "smollm", "llama3", "qwen2", "gpt-2"]),
    words,
    st.lists(integers | st.integers(0, 300), max_size=5),
    st.booleans(),
)
def test_a_vocabulary_is_refused_or_gives_every_text_back(texts, size, marks, rule, text, ids, allow_special):
    tokenizer = asked(Tokenizer.train, texts, size, special_tokens=marks, pre_tokenizer=rule)
    if tokenizer is None:
        return
    encoded = asked(tokenizer.encode, text, allow_special=allow_special)
    if encoded is not None:
        assert tokenizer.decode(encoded) == text
    asked(tokenizer.decode, ids)
    asked(tokenizer.encode_batch, [text, *texts])
    asked(lambda: list(tokenizer.encode_iterable([text, *texts])))


def drawn_settings(config_class):
    """Settings of the class's own fields: any value of each one's type."""
    kinds = {"int": integers, "float": floats, "bool": st.booleans()}
    fields = {}
    for field in dataclasses.fields(config_class):
        kind, _, optional = getattr(field.type, "__name__", str(field.type)).partition(" | ")
        if kind in kinds:
            fields[field.name] = kinds[kind] | (st.none() if optional else st.nothing())
        else:
            fields[field.name] = st.sampled_from(["adamw", "muon", "cosine", "wsd", ""])
    return st.fixed_dictionaries({}, optional=fields)


@pytest.mark.parametrize("config_class", [TrainConfig, DPOConfig, RewardConfig, PPOConfig, GRPOConfig])
@given(st.data())
def test_settings_are_refused_or_tell_how_far_a_run_is(config_class, data):
    config = asked(config_class, **data.draw(drawn_settings(config_class)))
    assert config is None or 0 <= config.progress(0, 0.0) < 1


@given(drawn_settings(TrainConfig), st.integers(1, 2))
def test_settings_are_refused_or_train(options, steps):
    config = asked(TrainConfig, **options | dict(steps=steps, compile=False))
    if config is None or config.accumulate > 60:
        return
    data = TextData.from_ids([[1, 2, 3]] * 8, [[1, 2, 3]], end_id=0, max_seq_len=8, batch_size=4, seed=0)
    trained = asked(pretrain, lively(Transformer(small_config())), data, config)
    if trained is not None:
        assert trained[1][-1]["step"] <= steps


@given(integers, st.integers(-3, 3), words)
def test_a_world_writes_or_refuses(seed, count, text):
    documents = asked(lambda: world.World(seed).documents(count))
    if documents is not None:
        assert len(documents) == count
        assert all(document.log_prob < 0 for document in documents)
    log_prob = asked(lambda: world.World(seed).log_prob(text))
    assert log_prob is None or log_prob <= 0


@given(words, words)
def test_no_name_opens_a_model_that_is_not_there(name, weights):
    assert asked(load, name) is None
    assert asked(load, "smollm2-135m-instruct", weights=weights) is None


@given(st.integers(1, 80), st.integers(1, 4), words | st.sampled_from(["int4", "int8"]))
def test_any_shape_is_quantised_or_a_layer_is_named(vocab_size, heads, weights):
    model = Transformer(small_config(vocab_size=vocab_size, d_model=8 * heads, n_heads=heads, n_kv_heads=1))
    smaller = asked(quantize, model, weights)
    assert smaller is None or smaller(torch.tensor([[0]])).shape == (1, 1, vocab_size)


counts = st.integers(1, 8) | integers
documents = st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=30), max_size=4)  # a row has 32 bits a token


@given(documents, documents, st.integers(-1, 60), counts, counts, integers)
def test_documents_are_refused_or_become_batches(train, validation, end_id, max_seq_len, batch_size, seed):
    if max_seq_len > 100 or batch_size > 100:
        return  # legal, and too large to make here
    data = asked(TextData.from_ids, train, validation, end_id, max_seq_len, batch_size, seed)
    if data is not None:
        x, y = data.train[0]
        assert x.shape == y.shape == (batch_size, max_seq_len)


roles = st.sampled_from(["system", "user", "assistant"]) | words
said = st.lists(st.fixed_dictionaries({"role": roles, "content": words}), max_size=3)
alternating = st.lists(words, min_size=2, max_size=4).map(
    lambda texts: [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
)


@given(st.lists(alternating | said, max_size=3), counts)
def test_conversations_are_refused_or_become_batches(conversations, batch_size):
    tokenizer = chat_tokenizer(Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=SPECIAL_TOKENS))
    examples = asked(encode_conversations, tokenizer, conversations)
    if examples is not None and batch_size < 100:
        asked(ChatData.from_examples, examples, examples[:1], tokenizer.eos_id, 256, batch_size, seed=0)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8), words)
def test_what_is_saved_is_loaded_or_the_place_is_refused(tmp_path_factory, name, text):
    tokenizer = asked(Tokenizer.train, [f"a{text}"], vocab_size=256)
    if tokenizer is None:
        return
    folder = tmp_path_factory.mktemp("saved") / f"run{name}"
    model = Transformer(small_config(vocab_size=256))
    if asked(lambda: save(model, tokenizer, folder) or True):
        assert load(folder)[0].config == model.config


@given(st.lists(words, max_size=3), st.integers(0, 2))
def test_a_floor_is_refused_or_a_number(texts, drawn):
    tokenizer = asked(Tokenizer.train, ["a", *texts], vocab_size=256)
    floor = tokenizer and asked(world.floor, world.World(0).documents(drawn), tokenizer)
    assert floor is None or floor.nats_per_token > 0
