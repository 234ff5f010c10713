"""A model with other parts: the right part changes nothing, a wrong one does, and afterwards the model is whole."""

import math
from functools import partial

import pytest
import torch
from helpers import lively, small_config, writing
from torch import nn

from minillm import generate, load, quantize
from minillm.analysis import surgery
from minillm.analysis.tracing import sublayers
from minillm.errors import UserError
from minillm.inference.decode import next_logits
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

assert_close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)  # sums in another order
IDS = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])


def embedding(ids, table):
    return torch.stack([table[i] for i in ids])


def rotation(x, positions, base):
    half = x.shape[1] // 2
    angle = positions[:, None] * base ** (-torch.arange(half) / half)
    first, second = x[:, :half], x[:, half:]
    return torch.cat([first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()], dim=1)


def causal_mask(T):
    return torch.ones(T, T).tril().bool()


def attention(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[1])
    return scores.masked_fill(~visible, -math.inf).softmax(1) @ value


def norm(x, weight, eps):
    return x / (x.square().mean(1, keepdim=True) + eps).sqrt() * weight


def feed_forward(x, gate, up, down):
    return (x @ gate.T * (x @ gate.T).sigmoid() * (x @ up.T)) @ down.T


def linear(x, weight):
    return torch.stack([weight @ row for row in x])


def split_heads(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=1))


def batched_product(a, b):
    return torch.stack([x @ y for x, y in zip(a, b, strict=True)])


def softmax(scores):
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


def join_heads(heads):
    return torch.cat([*heads], dim=1)


RIGHT = dict(
    embedding=embedding, rotation=rotation, causal_mask=causal_mask, attention=attention, norm=norm,
    feed_forward=feed_forward, linear=linear, split_heads=split_heads, join_heads=join_heads,
)  # fmt: skip
STEPS = dict(batched_product=batched_product, softmax=softmax)  # in place of attention


def average(query, key, value, visible):
    return visible / visible.sum(1, keepdim=True) @ value


def small(**changes):
    torch.manual_seed(0)
    return lively(Transformer(small_config(**changes)))


@torch.no_grad()
def logits(model, ids=IDS, **more):
    return model(ids, **more)


def greedy(model, ids, n):
    """The likeliest tokens, each from the whole text: what a cache must not change."""
    ids = list(ids)
    for _ in range(n):
        ids.append(int(logits(model, torch.tensor([ids]))[0, -1].argmax()))
    return ids[-n:]


BY_STEPS = {name: part for name, part in RIGHT.items() if name != "attention"} | STEPS
PARTS = [*({name: part} for name, part in (RIGHT | STEPS).items()), RIGHT, BY_STEPS, {"order": [0, 1]}]
SHAPES = [
    ({}, PARTS),
    ({"qk_norm": True, "n_kv_heads": 4}, PARTS),
    (
        {"position": "learned", "bias": "attention", "sliding_window": 3},
        [{"attention": attention}, STEPS, {"linear": linear}, {"norm": norm}],
    ),
    ({"position": "alibi"}, [{"causal_mask": causal_mask}, {"join_heads": join_heads}, {"norm": norm}]),
    (
        {"activation": "relu2", "norm": "layernorm", "bias": False},
        [{"feed_forward": lambda x, up, down: (x @ up.T).relu().square() @ down.T}, {"linear": linear}],
    ),
    (
        {"norm": "layernorm", "bias": True},
        [{"norm": lambda x, weight, eps: nn.functional.layer_norm(x, weight.shape, weight, None, eps)}],
    ),
]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [pytest.param(c, parts, id=f"{c} {' '.join(parts)}") for c, several in SHAPES for parts in several],
)
def test_the_right_part_gives_the_same_logits(changes, parts):
    model = small(**changes)
    for parameter in model.parameters():
        if parameter.dim() == 1:  # weights and biases of norms: not all ones and zeros
            nn.init.normal_(parameter, mean=1, std=0.3)
    whole = logits(model)
    padded = {"segments": torch.tensor([[0, 0, 1, 1, 2, 2], [1, 1, 1, 1, 1, 1]])}
    with_padding, seen = logits(model, **padded), padded["segments"] > 0
    with surgery.replaced(model, **parts):
        assert_close(logits(model), whole)
        assert_close(logits(model, **padded)[seen], with_padding[seen])
        cache = model.new_cache(2)
        steps = [logits(model, IDS[:, start:end], cache=cache) for start, end in ((0, 2), (2, 4), (4, 5), (5, 6))]
    assert_close(torch.cat(steps, dim=1), whole)


@pytest.mark.parametrize(
    "parts",
    [
        {"embedding": lambda ids, table: table[ids * 0]},
        {"rotation": lambda x, positions, base: x},
        {"causal_mask": lambda T: torch.eye(T).bool()},
        {"attention": average},
        {"norm": lambda x, weight, eps: x},
        {"feed_forward": lambda x, gate, up, down: 0 * x},
        {"linear": lambda x, weight: x @ weight if len(weight) == weight.shape[1] else x @ weight.T},
        {"split_heads": lambda x, n_heads: x.reshape(n_heads, len(x), -1)},
        {"batched_product": lambda a, b: 0 * (a @ b)},
        {"softmax": lambda scores: scores.softmax(0)},
        {"join_heads": lambda heads: heads.reshape(heads.shape[1], -1)},
        {"order": [1, 0]},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_another_part_gives_other_logits_and_then_the_model_is_what_it_was(parts):
    model = small()
    whole, state = logits(model), [dict(vars(module)) for module in model.modules()]
    with surgery.replaced(model, **parts):
        assert not torch.allclose(logits(model), whole, atol=0.1)
    with pytest.raises(ZeroDivisionError), surgery.replaced(model, **parts):
        raise ZeroDivisionError
    assert [dict(vars(module)) for module in model.modules()] == state
    assert torch.equal(logits(model), whole)


def test_an_error_in_a_part_leaves_the_model_whole():
    model = small()
    whole = logits(model)
    with pytest.raises(ZeroDivisionError), surgery.replaced(model, attention=lambda *_: 1 / 0, order=[1, 1]):
        logits(model)
    with pytest.raises(UserError), surgery.replaced(model, attention=average, order=[2]):
        pass  # the second part is refused when the first is in
    assert torch.equal(logits(model), whole)


def test_blocks_inside_blocks():
    model = small()
    whole = logits(model)
    with surgery.replaced(model, attention=average):
        once = logits(model)
        with surgery.replaced(model, attention=attention), surgery.replaced(model, order=[0, 1]):
            assert_close(logits(model), whole)
        assert torch.equal(logits(model), once)


def of_blocks(model, order):
    """A model built with copies of these blocks, in this order."""
    other = Transformer(model.config.replace(n_layers=len(order)))
    other.load_state_dict(
        {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("blocks")}
        | {
            f"blocks.{place}.{name}": tensor
            for place, index in enumerate(order)
            for name, tensor in model.blocks[index].state_dict().items()
        }
    )
    return other.eval()


@pytest.mark.parametrize("order", [[0, 2], [1], [0, 2, 1], [0, 1, 1, 1, 2]], ids=str)
def test_other_blocks_are_a_model_built_of_them(order):
    model = small(n_layers=3)
    other = of_blocks(model, order)
    with surgery.replaced(model, order=order):
        assert_close(logits(model), logits(other))
        assert generate(model, [3, 1, 4], 8, temperature=0) == generate(other, [3, 1, 4], 8, temperature=0)
        assert list(surgery.continuation(model, [3, 1, 4], 8)) == greedy(other, [3, 1, 4], 8)
    assert len(model.blocks) == len(model.new_cache().keys) == 3


def test_layers_say_where():
    model = small(n_layers=3)
    nothing, parts = torch.zeros(model.config.d_model), sublayers(model)
    for layer in ([0, 2], 1):
        sites = [layer] if isinstance(layer, int) else layer
        with writing(nothing, *(parts[site, "attention"] for site in sites)):
            expected = logits(model)
        with surgery.replaced(model, attention=lambda query, key, value, visible: 0 * query, layers=layer):
            assert_close(logits(model), expected)
        with surgery.without(model, "attention", layer):
            assert_close(logits(model), expected)


def test_without_a_feed_forward_network_nothing_is_added():
    model = small()
    with writing(torch.zeros(model.config.d_model), sublayers(model)[1, "feedforward"]):
        expected = logits(model)
    with surgery.without(model, "feed_forward", layer=1):
        assert_close(logits(model), expected)


def test_without_norms_a_model_reads_the_stream_itself():
    model = small(n_layers=1)
    block, x = model.blocks[0], model.embedding(IDS)
    with torch.no_grad():
        x = x + block.attention(x, **model.context(IDS).for_layer(0))
        x = x + block.feedforward(x)
        expected = model.head(x), model.head(model.final_norm(x))
    for layer, right in zip((None, 0), expected, strict=True):
        with surgery.without(model, "norm", layer):
            assert_close(logits(model), right)


@pytest.mark.parametrize("kind", ["rotary", "alibi", "sinusoidal", "learned"])
def test_without_positions_a_model_is_one_that_has_none(kind):
    model, other = small(position=kind), Transformer(small_config(position="none")).eval()
    weights = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("position")}
    other.load_state_dict(weights)
    with surgery.without(model, "positions"):
        assert_close(logits(model), logits(other))
    assert not torch.allclose(logits(model), logits(other), atol=0.1)


def own_mask(query, key, value, visible):
    return attention(query, key, value, causal_mask(len(key))[: len(query)])


def whole_texts_only(query, key, value, visible):
    return attention(query, key, value, visible) + 0 * query[1]


LEAKS = {
    "a mask that hides nothing": {"causal_mask": lambda T: torch.ones(T, T).bool()},
    "attention without the mask": {"attention": lambda q, k, v, visible: (q @ k.T).softmax(1) @ v},
    "a softmax over the queries": {"attention": lambda q, k, v, visible: (q @ k.T).softmax(0) @ v},
    "a norm over the tokens": {"norm": lambda x, weight, eps: x / (x.square().mean(0) + eps).sqrt() * weight},
    "a mask of its own": {"attention": own_mask},
    "whole texts only": {"attention": whole_texts_only},
}


@pytest.mark.parametrize("parts", LEAKS.values(), ids=LEAKS)
def test_a_part_that_needs_the_whole_text_gets_it(parts):
    model = small()
    with surgery.replaced(model, **parts):
        assert list(surgery.continuation(model, [3, 1, 4, 1], 8)) == greedy(model, [3, 1, 4, 1], 8)


@pytest.mark.parametrize(
    ("parts", "read"),
    [({"attention": attention}, [4, 5, 1, 1, 1]), (LEAKS["a mask that hides nothing"], [4, 5, 1, 6, 7])],
)
def test_the_cache_is_used_where_it_gives_the_same(parts, read, monkeypatch):
    model, lengths = small(), []
    hidden = model.hidden
    monkeypatch.setattr(model, "hidden", lambda ids, cache=None: (lengths.append(ids.shape[1]), hidden(ids, cache))[1])
    with surgery.replaced(model, **parts):
        list(surgery.continuation(model, [3, 1, 4, 1], 4))
    assert lengths == read


def test_no_fast_step_computes_in_place_of_a_part():
    model = quantize(small(d_ff=64), "int4")
    before = next_logits(model, IDS, model.new_cache(2))
    with surgery.replaced(model, attention=average):
        assert_close(next_logits(model, IDS, model.new_cache(2)), logits(model))
    assert_close(next_logits(model, IDS, model.new_cache(2)), before)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"attention": lambda *_: None}, r"`attention` returned nothing \(None\)"),
        ({"attention": lambda q, k, v, visible: q @ k.T}, r"`attention` returned .* shape \(6, 6\).*one of \(6, 8\)"),
        ({"attention": lambda q, k, v, visible: v.double()}, r"`attention` .*float64.*must return one of .*float32"),
        ({"causal_mask": lambda T: torch.zeros(T, T)}, r"`causal_mask` .*float32.*must return one of .*bool"),
        ({"norm": lambda x, weight, eps: x.tolist()}, r"`norm` returned something of type list and no tensor"),
        ({"softmax": lambda scores: scores[0]}, r"`softmax` returned .*shape \(6, 6\).*one of \(4, 6, 6\)"),
        ({"batched_product": lambda a, b: a}, r"`batched_product` .*shape \(4, 6, 8\).*one of \(4, 6, 6\)"),
        ({"linear": lambda x, weight: x}, r"`linear` returned .*shape"),
        ({"split_heads": lambda x, n_heads: x}, r"`split_heads` .*shape \(6, 32\).*one of \(4, 6, 8\)"),
        ({"join_heads": lambda heads: heads}, r"`join_heads` .*shape \(4, 6, 8\).*one of \(6, 32\)"),
        ({"attention": average, "softmax": softmax}, "attention computes its own softmax; give one of the two"),
        ({"attention": 3}, "attention is of type int; give the function itself"),
        ({"attetion": average}, "no part 'attetion'; its parts are embedding, "),
        ({"order": []}, r"order is \[\]; it must list"),
        ({"order": [0, 5]}, r"order is \[0, 5\].*from 0 to 1"),
        ({"attention": average, "layers": 2}, "there is no layer 2; this model's are 0 to 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_part_is_said(parts, told):
    model = small()
    with pytest.raises(UserError, match=told), surgery.replaced(model, **parts):
        logits(model)


@pytest.mark.parametrize(
    ("changes", "parts", "told"),
    [
        ({"position": "alibi"}, {"attention": average}, "position='alibi', which attention knows"),
        ({"position": "alibi"}, {"softmax": softmax}, "position='alibi', which softmax knows"),
        ({"causal": False}, {"causal_mask": causal_mask}, "causal=False"),
        ({"position": "learned"}, {"rotation": rotation}, "position='learned'"),
        ({"bias": True}, {"feed_forward": feed_forward}, "biases"),
    ],
)
def test_a_model_that_a_part_does_not_fit_is_refused(changes, parts, told):
    with pytest.raises(UserError, match=told), surgery.replaced(small(**changes), **parts):
        pass


@pytest.mark.parametrize(
    ("changes", "part", "layer", "told"),
    [
        ({}, "heads", None, "without 'heads'. choose one of"),
        ({}, "attention", 7, "there is no layer 7"),
        ({"position": "none"}, "positions", None, "has no positions"),
        ({"position": "learned"}, "positions", 0, "once, before the first layer"),
    ],
)
def test_what_cannot_be_left_out_is_said(changes, part, layer, told):
    with pytest.raises(UserError, match=told), surgery.without(small(**changes), part, layer):
        pass


END = "<|endoftext|>"


@pytest.fixture
def tokenizer():
    return Tokenizer.train(["hit hit called saw Tom Bob"], 270, special_tokens=[END])


def of_vocabulary(tokenizer, **changes):
    return small(vocab_size=tokenizer.vocab_size, max_seq_len=300, **changes)


def test_a_text_ends_where_its_model_ends_it(tokenizer):
    model, chosen = of_vocabulary(tokenizer), [*tokenizer.encode("ab"), tokenizer.special_tokens[END], 5]
    left = iter(chosen)
    assert surgery.write(model, tokenizer, "x", 9, sampler=lambda logits: next(left)) == f"ab{END}"
    with surgery.replaced(model, norm=lambda x, weight, eps: x * math.nan):
        assert surgery.write(model, tokenizer, "x") == " [NaN]"
    assert surgery.write(model, tokenizer, "x", n=0) == ""
    ids = surgery.prompt_ids(tokenizer, "xy")
    assert ids == [tokenizer.special_tokens[END], *tokenizer.encode("xy")]
    assert surgery.write(model, tokenizer, ids, 3) == surgery.write(model, tokenizer, "xy", 3)
    for wrong, told in (
        (lambda logits: 999, "`sampler` returned 999"),
        (lambda logits: None, "`sampler` returned None"),
    ):
        with pytest.raises(UserError, match=told):
            surgery.write(model, tokenizer, "x", sampler=wrong)


NAMES = ("Tom", "Bob", "Anna", "Mary", "Jack", "Emma", "Peter", "Lucy")


def knowing(tokenizer, answers):
    """A model that answers these texts, and all others with one and the same token."""
    model = of_vocabulary(tokenizer)
    known = {
        (tokenizer.special_tokens[END], *tokenizer.encode(text)): tokenizer.encode(f" {answer}")[0]
        for text, answer in answers.items()
    }

    def hidden(ids):
        chosen = [known.get(tuple(row), 0) for row in ids.tolist()]
        return nn.functional.one_hot(torch.tensor(chosen), tokenizer.vocab_size).float()[:, None]

    model.hidden, model.head = hidden, nn.Identity()
    return model


def test_the_meters_count_right_answers():
    cities = {"France": "Paris", "Peru": "Lima", "Kenya": "Nairobi", "Cuba": "London"}
    text = " ".join([*NAMES, *cities.values()])
    tokenizer = Tokenizer.train([f"{text} {text}"], 400, special_tokens=[END])
    fights = {f"{a} {v} {b}. Then {b} {v}": a for a in NAMES for b in NAMES for v in ("hit", "called", "saw")}
    assert surgery.revenge(knowing(tokenizer, fights), tokenizer) == 84
    assert surgery.revenge(knowing(tokenizer, {k: v for k, v in fights.items() if "hit" in k}), tokenizer) == 28
    second = {text: text.split()[2].strip(".") for text in fights}
    assert surgery.revenge(knowing(tokenizer, second), tokenizer) == 0
    known = {f"The capital of {country} is": city for country, city in cities.items()}
    assert surgery.capitals(knowing(tokenizer, known), tokenizer) == 3


def test_preferred_compares_two_words_after_texts_of_any_length():
    text = " ".join(NAMES)
    tokenizer = Tokenizer.train([f"{text} {text} and"], 400, special_tokens=[END])
    model = knowing(tokenizer, {"Bob": "Tom", "Bob and Tom": "Anna", "Anna": "Lucy"})
    questions = [("Bob", "Tom", "Mary"), ("Bob and Tom", "Bob", "Anna"), ("Anna", "Lucy", "Tom"), ("Tom", "Bob", "Tom")]
    assert surgery.preferred(model, tokenizer, questions) == 2  # the last one is a tie
    assert surgery.preferred(model, tokenizer, []) == 0


def test_a_model_without_numbers_knows_nothing(tokenizer):
    model = of_vocabulary(tokenizer)
    with surgery.replaced(model, norm=lambda x, weight, eps: x * math.nan):
        assert surgery.capitals(model, tokenizer) == surgery.revenge(model, tokenizer) == 0
    with pytest.raises(UserError, match="reads at most 5 tokens"):
        surgery.capitals(small(vocab_size=tokenizer.vocab_size, max_seq_len=5), tokenizer)


@pytest.fixture(scope="module")
def real(real_weights):
    return load(real_weights)


@pytest.mark.slow
@pytest.mark.real
def test_smollm2_by_right_parts_is_smollm2(real):
    model, tokenizer = real
    prompt, ids = (
        "The bank of the river was",
        torch.tensor([surgery.prompt_ids(tokenizer, "The bank of the river was")]),
    )
    whole, text = logits(model, ids), surgery.write(model, tokenizer, prompt, 8)
    with surgery.replaced(model, **RIGHT):
        torch.testing.assert_close(logits(model, ids), whole, rtol=1e-3, atol=1e-3)
        assert surgery.write(model, tokenizer, prompt, 8) == text
    with surgery.replaced(model, attention=average):
        assert surgery.write(model, tokenizer, prompt, 8) != text


@pytest.mark.slow
@pytest.mark.real
def test_what_smollm2_knows_and_what_is_left_of_it(real):
    """Bounds, since a near tie may turn on another machine; the review measured 17 and 73, and 0 without positions."""
    model, tokenizer = real
    assert 16 <= surgery.capitals(model, tokenizer) <= 18
    assert 70 <= surgery.revenge(model, tokenizer) <= 76
    with surgery.without(model, "positions"):
        assert surgery.capitals(model, tokenizer) <= 1
