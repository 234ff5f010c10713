"""GGUF: what was written comes back, number by number; what is damaged is refused in a sentence."""

import re
import struct
import tracemalloc

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFValueType, dequantize, quantize
from hypothesis import given
from hypothesis import strategies as st
from pretrained.gguf_files import (
    FLOAT,
    INT,
    LIST,
    STRING,
    halves_to_pairs,
    settings_of,
    small_llama,
    small_tokenizer,
    tensors_of,
    write_gguf,
)

from minillm.pretrained import gguf, load
from minillm.pretrained.gguf_file import FORMATS, GGUFFile

IDS = torch.arange(40).reshape(2, 20)
TOKENIZER = small_tokenizer()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a good file."""
    torch.manual_seed(0)
    model = small_llama(TOKENIZER)
    path = tmp_path_factory.mktemp("gguf") / "whole.gguf"
    return write_gguf(path, settings_of(model, TOKENIZER), tensors_of(model)).read_bytes()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("gguf") / "damaged.gguf"


def refused(path, sentence=None):
    """The sentence with which a file is refused; it begins with the file's name and is one line."""
    with pytest.raises(ValueError, match=sentence) as caught:
        gguf.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    "changes", [{}, {"tie_embeddings": False}, {"d_head": 16}, {"n_kv_heads": 4}, {"sliding_window": 5}]
)
def test_the_model_comes_back(tmp_path, changes):
    model = small_llama(TOKENIZER, **changes)
    settings = settings_of(model, TOKENIZER)
    if "d_head" in changes:
        settings |= {"llama.attention.key_length": (16, INT), "llama.attention.value_length": (16, INT)}
    if "sliding_window" in changes:
        settings |= {"llama.attention.sliding_window": (5, INT)}
    path = write_gguf(tmp_path / "a.gguf", settings, tensors_of(model))
    loaded, tokenizer = load(path)
    assert loaded.config == model.config
    assert not loaded.training
    assert torch.equal(loaded(IDS), model(IDS))
    assert (loaded.head.weight is loaded.embedding.weight) == model.config.tie_embeddings
    for attribute in ("vocab", "merges", "special_tokens", "chat_template", "bos_token", "eos_token"):
        assert getattr(tokenizer, attribute) == getattr(TOKENIZER, attribute)
    assert tokenizer.model.pre_tokenizer == TOKENIZER.model.pre_tokenizer


@pytest.mark.parametrize("number_format", FORMATS)
def test_every_number_format_is_unpacked(tmp_path, number_format):
    model = small_llama(TOKENIZER)
    path = write_gguf(tmp_path / "a.gguf", settings_of(model, TOKENIZER), tensors_of(model), number_format)
    loaded, _ = gguf.load(path)
    kind = GGMLQuantizationType[number_format]
    with torch.no_grad():  # the model that the packed numbers stand for
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.from_numpy(dequantize(quantize(parameter.numpy(), kind), kind)))
    assert torch.equal(loaded(IDS), model(IDS))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_a_loaded_model_no_longer_needs_its_file(tmp_path):
    model = small_llama(TOKENIZER)
    path = write_gguf(tmp_path / "a.gguf", settings_of(model, TOKENIZER), tensors_of(model))
    loaded, _ = gguf.load(path)
    with path.open("r+b") as file:  # a model that still looked into the file would now see zeros
        file.write(bytes(path.stat().st_size))
    assert torch.equal(loaded(IDS), model(IDS))
    loaded(IDS).sum().backward()  # and its parameters can be trained
    assert loaded.embedding.weight.grad is not None


@given(heads=st.integers(1, 4), half=st.integers(1, 4), columns=st.integers(1, 3))
def test_pairs_to_halves_undoes_the_converter(heads, half, columns):
    weight = np.arange(heads * 2 * half * columns, dtype=np.float32).reshape(-1, columns)
    shuffled = torch.from_numpy(halves_to_pairs(weight, heads))
    assert torch.equal(gguf.pairs_to_halves(shuffled, heads), torch.from_numpy(weight))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"llama.block_count": None}, "the setting llama.block_count is missing"),
        ({"llama.block_count": ("2", STRING)}, "llama.block_count is of type str; expected int"),
        ({"llama.block_count": (0, INT)}, "n_layers is 0"),
        ({"llama.block_count": (3, INT)}, "tensors are missing: 'blk.2.attn_k.weight'.* and 6 more"),
        ({"llama.block_count": (1, INT)}, "no place for: 'blk.1.attn_k.weight'.* and 6 more"),
        ({"llama.block_count": (2**31, INT)}, "asks for 2,147,483,648 layers .* one of the two is damaged"),
        ({"llama.feed_forward_length": (2**31, INT)}, "'blk.0.ffn_.*' has the shape .*2147483648"),
        ({"llama.embedding_length": (2**32 - 8, INT), "llama.rope.dimension_count": None}, "one of the two is damaged"),
        ({"llama.feed_forward_length": (96, INT)}, r"has the shape \(64, 32\), its configuration asks for \(96, 32\)"),
        ({"llama.attention.head_count": (3, INT)}, "n_heads .3. must be a multiple of n_kv_heads"),
        ({"llama.attention.head_count": ([4, 4], LIST)}, "llama.attention.head_count is of type list"),
        ({"llama.attention.layer_norm_rms_epsilon": (-1.0, FLOAT)}, "norm_eps is -1.0"),
        ({"llama.attention.layer_norm_rms_epsilon": (float("nan"), FLOAT)}, "norm_eps is nan"),
        ({"llama.attention.value_length": (4, INT)}, "value_length is 4; only 8 can be run"),
        ({"llama.rope.dimension_count": (4, INT)}, "dimension_count is 4; only 8 can be run"),
        ({"llama.rope.scaling.type": ("yarn", STRING)}, "scaling.type is 'yarn'; only 'none' can be run"),
        ({"llama.rope.scaling.factor": (4.0, FLOAT)}, "scaling.factor is 4.0; only 1.0 can be run"),
        ({"llama.expert_count": (8, INT)}, "expert_count is 8; only 0 can be run"),
        ({"general.alignment": (0, INT)}, "general.alignment is 0"),
        ({"general.alignment": ("32", STRING)}, "general.alignment is of type str"),
        ({"tokenizer.ggml.model": ("llama", STRING)}, "of the kind 'llama'; only 'gpt2'"),
        ({"tokenizer.ggml.pre": ("deepseek-llm", STRING)}, "the pre-tokenizer 'deepseek-llm' is not known"),
        ({"tokenizer.ggml.tokens": (["a"], LIST)}, r"'token_embd.weight' has the shape \(264, 32\).* \(1, 32\)"),
        ({"tokenizer.ggml.tokens": ([1] * 264, LIST)}, "tokens holds int; expected str"),
        ({"tokenizer.ggml.tokens": (["a"] * 264, LIST)}, "'a'"),
        ({"tokenizer.ggml.token_type": ([1, 3], LIST)}, "264 tokens, but 2 token types"),
        ({"tokenizer.ggml.token_type": ([5] * 264, LIST)}, "is of type 5; only 1 .normal. and 3 .control."),
        ({"tokenizer.ggml.token_type": ([1] * 264, LIST)}, "im_start"),
        ({"tokenizer.ggml.merges": (["low"], LIST)}, "'low' does not name two tokens"),
        ({"tokenizer.ggml.merges": (["z z"], LIST)}, "zz"),
        ({"tokenizer.ggml.bos_token_id": (264, INT)}, "bos_token_id is 264, but there are 264 tokens"),
        ({"tokenizer.ggml.eos_token_id": (100, INT)}, "eos_token"),
        ({"tokenizer.chat_template": (7, INT)}, "tokenizer.chat_template is of type int; expected str"),
    ],
)
def test_settings_that_lie(tmp_path, changes, sentence):
    model = small_llama(TOKENIZER)
    path = write_gguf(tmp_path / "a.gguf", settings_of(model, TOKENIZER) | changes, tensors_of(model))
    refused(path, sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"blk.0.attn_q.weight": None}, "tensors are missing: 'blk.0.attn_q.weight'$"),
        ({"rope_freqs.weight": np.ones(4, np.float32)}, "no place for: 'rope_freqs.weight'$"),
        ({"output_norm.weight": np.ones(31, np.float32)}, r"'output_norm.weight' has the shape \(31,\), .* \(32,\)"),
        ({"blk.1.attn_k.weight": np.ones((32, 16), np.float32)}, "'blk.1.attn_k.weight' .* another shape"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, changes, sentence):
    model = small_llama(TOKENIZER)
    path = write_gguf(tmp_path / "a.gguf", settings_of(model, TOKENIZER), tensors_of(model) | changes)
    refused(path, sentence)


def test_other_formats_and_architectures_are_refused_by_name(tmp_path):
    model = small_llama(TOKENIZER)
    settings, tensors = settings_of(model, TOKENIZER), tensors_of(model)
    refused(write_gguf(tmp_path / "a.gguf", settings, tensors, "Q5_0"), "is in the format Q5_0; only F32, F16")
    refused(write_gguf(tmp_path / "b.gguf", settings, tensors, architecture="gpt2"), "the architecture 'gpt2'")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty"),
        (b"GG", "truncated or damaged"),
        (b"PK\x03\x04 and more", "not a GGUF file: it begins with b'PK"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(16), "GGUF version 1 cannot be read"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(16), "version 50331648"),  # big-endian
    ],
)
def test_what_is_no_gguf_file(scratch, content, sentence):
    scratch.write_bytes(content)
    refused(scratch, sentence)


def test_a_file_cut_off_anywhere_is_refused(whole, scratch):
    header = range(0, 6_000, 23)
    for end in [*range(32), *header, *range(6_000, len(whole), 2_003), len(whole) - 1]:
        scratch.write_bytes(whole[:end])
        refused(scratch)


@given(flips=st.lists(st.tuples(st.integers(0, 2**30), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes_are_refused_or_do_no_harm(whole, scratch, flips):
    content = bytearray(whole)
    for place, bits in flips:
        content[place % len(whole)] ^= bits
    scratch.write_bytes(content)
    try:
        gguf.load(scratch)
    except ValueError as error:
        assert str(error).startswith(f"{scratch}: ")  # noqa: PT017 - it need not raise


@given(place=st.integers(0, 5_000), value=st.sampled_from([0, 2**16, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]))
def test_absurd_numbers_anywhere_in_the_header(whole, scratch, place, value):
    scratch.write_bytes(whole[:place] + struct.pack("<Q", value) + whole[place + 8 :])
    try:
        gguf.load(scratch)
    except ValueError as error:
        assert str(error).startswith(f"{scratch}: ")  # noqa: PT017 - it need not raise


def header(n_tensors, n_settings, rest=b""):
    return b"GGUF" + struct.pack("<IQQ", 3, n_tensors, n_settings) + rest


def text(characters, length=None):
    return struct.pack("<Q", len(characters) if length is None else length) + characters


def setting(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def tensor(name, shape, kind, offset):
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


KIND = GGUFValueType
HUGE = 2**62


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (header(0, HUGE), "truncated or damaged"),
        (header(HUGE, 0), "truncated or damaged"),
        (header(0, 1, text(b"key", HUGE)), "announces 4,611,686,018,427,387,904 more bytes"),
        (header(0, 1, text(b"k" * 1000) + bytes(9)), "it has a name of 1,000 characters"),
        (header(0, 1, text(b"\xff\xfe") + bytes(9)), "utf-8"),
        (header(0, 1, setting(b"key", KIND.STRING, text(b"value", HUGE))), "truncated or damaged"),
        (header(0, 1, setting(b"key", 99, bytes(8))), "it has 99, not a GGUFValueType"),
        (header(0, 1, setting(b"key", KIND.ARRAY, struct.pack("<IQ", KIND.UINT8, HUGE))), "truncated or damaged"),
        (header(0, 1, setting(b"key", KIND.ARRAY, struct.pack("<IQ", KIND.STRING, HUGE))), "truncated or damaged"),
        (header(0, 1, setting(b"key", KIND.ARRAY, struct.pack("<IQ", KIND.ARRAY, HUGE))), "a list of lists"),
        (header(0, 2, setting(b"key", KIND.UINT8, b"1") * 2), "the file has 'key' twice"),
        (header(2, 0, tensor(b"t", [1], 0, 0) * 2), "the file has 't' twice"),
        (header(1, 0, tensor(b"t", [1] * 5, 0, 0)), "5 dimensions"),
        (header(1, 0, text(b"t") + struct.pack("<I", 2**31)), "2147483648 dimensions"),
        (header(1, 0, tensor(b"t", [1], 99, 0)), "it has 99, not a GGMLQuantizationType"),
        (header(1, 0, tensor(b"t", [], 0, 0)), "cannot be cut into blocks"),
        (header(1, 0, tensor(b"t", [33], GGMLQuantizationType.Q8_0, 0)), "cannot be cut into blocks of 32"),
        (header(1, 0, tensor(b"t", [2**32, 2**32], 0, 0)), "the file is truncated: tensor 't'"),
        (header(1, 0, tensor(b"t", [1], 0, 2**64 - 64)), "the file is truncated: tensor 't'"),
        (header(2, 0, tensor(b"t", [4], 0, 0) + tensor(b"u", [4], 0, 8) + bytes(99)), "tensor 'u' overlaps"),
    ],
)
def test_counts_and_lengths_are_not_believed(scratch, content, sentence):
    scratch.write_bytes(content)
    tracemalloc.start()
    try:
        refused(scratch, sentence)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000  # bytes: what was announced was never reserved


def test_the_container_by_hand(scratch):
    content = header(
        1,
        3,
        setting(b"an int", KIND.INT16, struct.pack("<h", -2))
        + setting(b"a list", KIND.ARRAY, struct.pack("<IQ??", KIND.BOOL, 2, True, False))
        + setting(b"a float", KIND.FLOAT32, struct.pack("<f", 1e-5))
        + tensor(b"t", [3, 2], 0, 0),  # GGUF names the columns first
    )
    content += bytes(-len(content) % 32) + np.arange(6, dtype="<f4").tobytes()
    scratch.write_bytes(content)
    file = GGUFFile(scratch)
    assert file.settings == {"an int": -2, "a list": [True, False], "a float": 1e-5}
    assert file.read("t").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_header_of_the_small_file_is_as_long_as_the_tests_assume(whole):
    assert 5_000 < whole.index(b"blk.1.ffn_down.weight") < len(whole)


def test_messages_quote_no_novel(tmp_path):
    model = small_llama(TOKENIZER)
    for key in ("tokenizer.ggml.model", "tokenizer.ggml.pre"):
        settings = settings_of(model, TOKENIZER) | {key: ("x" * 5000, STRING)}
        assert re.search(r"x\.\.\.x", refused(write_gguf(tmp_path / "a.gguf", settings, tensors_of(model))))
