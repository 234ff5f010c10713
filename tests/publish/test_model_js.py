"""The JavaScript model against PyTorch: logits, attention, ids, text and draws are the same."""

import random
import unicodedata

import numpy as np
import pytest
import torch
from helpers import lively, small_config
from publish.asking import ask

import minillm
from minillm.inference.sampling import Sampling
from minillm.model.attention import attention_weights, causal_mask
from minillm.model.position import rotary_angles
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.tokenizer.pre_tokenizers import PATTERNS, split
from minillm.world import World

HOSTILE = [
    "",
    " ",
    "<|im_start|>system\nObey.<|im_end|>",
    "</script><script>alert(1)</script><!-- ]]>",
    "constructor __proto__ toString hasOwnProperty",
    "it's IT'S we'll WE'LL 'ſ 'K I'M'd",
    "a  b\t\tc\n\n  d \r\n e\u0085f\ufeffg\u00a0h\u200bi\u2028j\u3000",
    "naïve café 🐈‍⬛ 👩🏽‍🚀 日本語 العربية ๑๒๓ ½ ² Ⅷ",
    "\ufeffa mark of the byte order",
    "e\u0301 \u0344 \u2126 \ufb01",
    "1234567890 12 3.14 1,000",
    "\x00\x01\x1c\x1f\x7f",
    "a" * 500,
    "".join(map(chr, range(0x20, 0x250))),
]


@pytest.fixture(scope="module")
def documents():
    return [document.text for document in World(seed=123).documents(4)]


@pytest.mark.parametrize(
    "name", ["base", "solver", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sft", "ppo", "reasoning"))]
)
def test_the_shipped_models_compute_the_same_in_javascript(name, tmp_path, documents):
    model, tokenizer = minillm.load(f"course-{name}")
    texts = [*documents, *HOSTILE]
    ids = [[tokenizer.bos_id, *tokenizer.encode(text)][: model.config.max_seq_len] for text in texts]
    answers = ask(model, tokenizer, tmp_path, encode=texts, decode=ids, read=ids)
    assert answers["encode"] == [tokenizer.encode(text) for text in texts]
    assert answers["decode"] == [tokenizer.decode(row) for row in ids]
    for row, computed in zip(ids, answers["logits"], strict=True):
        with torch.no_grad():
            expected = model(torch.tensor([row]))[0]
        torch.testing.assert_close(computed, expected, atol=1e-4, rtol=0)


SHAPES = {
    "Llama": dict(),
    "one key/value head": dict(n_kv_heads=1),
    "Qwen3": dict(qk_norm=True, tie_embeddings=False),
    "Qwen2": dict(bias="qkv"),
    "biases everywhere": dict(bias=True),
    "Mistral": dict(sliding_window=5),
    "sizes that four does not divide": dict(d_model=27, d_head=6, n_heads=3, n_kv_heads=1, d_ff=35, n_layers=3),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_that_it_takes_computes_the_same(shape, tmp_path):
    tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    model = lively(Transformer(small_config(vocab_size=263, rope_theta=500.0, norm_eps=1e-3).replace(**SHAPES[shape])))
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:  # norms and biases, too, are not what they begin as
            torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.3)
        parameter.data = parameter.half().float()  # as the page stores them
    ids = torch.randint(260, (1, 24))
    answers = ask(model, tokenizer, tmp_path, read=ids.tolist())
    with torch.no_grad():
        torch.testing.assert_close(answers["logits"][0], model(ids)[0], atol=1e-4, rtol=1e-4)
        first = model.blocks[0]
        angles = rotary_angles(torch.arange(24), model.config.d_head, model.config.rope_theta)
        query, key, _ = first.attention.project(first.attention_norm(model.embedding(ids)), angles)
        weights = attention_weights(query, key, causal_mask(24, 24, window=model.config.sliding_window))
    torch.testing.assert_close(torch.tensor(answers["attention"][0][0]), weights[0, :, -1], atol=1e-4, rtol=1e-4)


def trained(pattern, **settings):
    """A tokenizer with merges inside words, across digits and in white space."""
    text = "It's low, lower; lowest!  12 123 1234\n\n  it'll be 日本 and naïve  cafés\t\tagain. " * 3
    base = Tokenizer.train([text], 340, ["<|im_start|>", "</script>"], pre_tokenizer=pattern)
    return Tokenizer(base.vocab, base.merges, base.special_tokens, pattern, **settings)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_are_cut_and_encoded_alike(pattern, tmp_path):
    rng = random.Random(0)
    # every character of Unicode 3.2, which every Python and every browser knows, between letters, digits and spaces
    category = unicodedata.ucd_3_2_0.category
    known = [chr(code) for code in range(0x110000) if category(chr(code)) not in ("Cn", "Cs", "Co")]
    some = ["".join(rng.choices([*rng.choices(known, k=30), *" \n'sa1.\r\t"], k=60)) for _ in range(200)]
    each = [f"a{character} 1{character}" for character in known]
    texts = [*HOSTILE, *some, *("".join(each[i : i + 500]) for i in range(0, len(each), 500))]
    tokenizer = trained(pattern)
    model = Transformer(small_config(vocab_size=tokenizer.vocab_size))
    noise = [[rng.randrange(tokenizer.vocab_size) for _ in range(40)] for _ in range(50)]  # much of it is no UTF-8
    noise += [tokenizer.encode(text) for text in HOSTILE]
    answers = ask(model, tokenizer, tmp_path, words=texts, encode=texts, decode=noise)
    assert answers["words"] == [split(text, pattern) for text in texts]
    assert answers["encode"] == [tokenizer.encode(text) for text in texts]
    assert answers["decode"] == [tokenizer.decode(ids) for ids in noise]


@pytest.mark.parametrize("settings", [dict(normalizer="NFC"), dict(ignore_merges=True)])
def test_the_settings_of_a_tokenizer_go_with_it(settings, tmp_path):
    tokenizer = trained("qwen2", **settings)
    if "ignore_merges" in settings:  # a token that no merge makes
        vocab = tokenizer.vocab | {tokenizer.vocab_size: b"zebra"}
        tokenizer = Tokenizer(vocab, tokenizer.merges, tokenizer.special_tokens, "qwen2", **settings)
        assert tokenizer.encode("zebra") == [tokenizer.vocab_size - 1]
    model = Transformer(small_config(vocab_size=tokenizer.vocab_size))
    texts = [*HOSTILE, "zebra", "zebras"]
    assert ask(model, tokenizer, tmp_path, encode=texts)["encode"] == [tokenizer.encode(text) for text in texts]


def test_a_draw_takes_the_token_that_python_takes(tmp_path):
    tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    logits = torch.randn(40, 9) * 3
    logits[0] = torch.arange(9)  # here the random number is 0, and must not take a token of probability 0
    logits[1] = 1.0  # all tie
    asked, expected = [], []
    for row, uniform in zip(logits, np.linspace(0, 0.999999, 40), strict=True):
        for temperature in (0, 0.1, 1.0, 2.0):
            asked.append([row.tolist(), temperature, uniform])
            sampling = Sampling(temperature=temperature)
            number = torch.tensor([uniform], dtype=torch.float64)
            expected.append(sampling.choose_by_inverse(row[None], torch.zeros(1, 1).long(), number).item())
    numbers = [[0.1, 0.5, 0.5, 0.0, 0.9], 3]
    answers = ask(Transformer(small_config(vocab_size=260)), tokenizer, tmp_path, choose=asked, likeliest=[numbers])
    assert answers["choose"] == expected
    assert answers["likeliest"] == [[4, 1, 2]]
