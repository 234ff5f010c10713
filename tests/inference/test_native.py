"""The step in C against the readable model: every code path, number format and shape that this processor can run.

The oracle is the readable model in float64 with the same weights. The C step rounds inputs of quantized products to
integers up to 16,256, so they may differ by some thousandths of the logits' spread; in float32 and bfloat16 they differ
by float32's rounding.
"""

import itertools
import mmap
import threading

import pytest
import torch
from helpers import lively, small_config
from pretrained.gguf_files import settings_of, small_llama, small_tokenizer, tensors_of, write_gguf
from torch import nn

from minillm.c_library import NativeError
from minillm.config import RopeScaling
from minillm.errors import UserError
from minillm.inference import decode
from minillm.inference.engine import Engine, Request
from minillm.inference.generate import generate, stream
from minillm.inference.native import NativeStep, paths
from minillm.inference.native_library import PATHS
from minillm.inference.native_weights import CHUNK, SMALL, Arena, misfit, pack
from minillm.inference.speculative import PromptLookup, speculate
from minillm.model.kv_cache import KVCache
from minillm.model.quantized_linear import Int4Linear, QuantizedLinear
from minillm.model.transformer import Transformer
from minillm.pretrained import load, quantize

FORMATS = ("int8", "int4", "bfloat16", "float32")
SAME = {"int8": 6e-3, "int4": 6e-3, "bfloat16": 5e-5, "float32": 2e-5}  # as a share of the logits' spread
SHAPES = [
    {},
    {"tie_embeddings": False},
    {"n_kv_heads": 4},
    {"n_kv_heads": 1, "d_head": 16},
    {"bias": "qkv"},
    {"bias": True, "tie_embeddings": False},
    {"qk_norm": True},
    {"rope_scaling": RopeScaling(4.0)},
    {"sliding_window": 3},
    {"sliding_window": 1},
]


@pytest.fixture(scope="module", autouse=True)
def _library():
    try:
        paths()
    except NativeError as error:
        pytest.skip(str(error))


@pytest.fixture(params=PATHS)
def path(request):
    if request.param not in paths():
        pytest.skip(f"this processor cannot run {request.param}")
    return request.param


def small_packed(weights="int4", **changes) -> Transformer:
    """A small model with matrices in one of `FORMATS`, its biases and norms drawn at random."""
    model = lively(Transformer(small_config(**({"d_ff": 96, "norm_eps": 0.1} | changes))))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.5)
            elif "norm" in name:
                parameter.uniform_(0.5, 1.5)
    if weights in ("bfloat16", "float32"):
        return model.to(getattr(torch, weights)).eval()
    return quantize(model, weights)


def reference(model: Transformer, reads=lambda x: x) -> Transformer:
    """The readable model with the same weights in float64, whose quantized products read `reads` of their input."""
    config = model.config.replace(tie_embeddings=False)
    readable = Transformer(config).double().eval()
    known = readable.state_dict()
    state = {name: value for name, value in model.state_dict().items() if name in known}
    for name, layer in model.named_modules(remove_duplicate=False):
        if isinstance(layer, QuantizedLinear) and f"{name}.weight" in known:
            state[f"{name}.weight"] = layer.weight
            readable.get_submodule(name).register_forward_pre_hook(lambda _, inputs: reads(inputs[0]))
    state["embedding.weight"] = model.embedding.weight
    readable.load_state_dict({name: value.double() for name, value in state.items()})
    return readable


def double_cache(model: Transformer, batch: int) -> KVCache:
    c = model.config
    return KVCache(c.n_layers, batch, c.n_kv_heads, c.max_seq_len, c.d_head, torch.float64)


def assert_same(actual, expected, weights="int4"):
    assert (actual.double() - expected).abs().max() < SAME[weights] * expected.std()


@pytest.mark.parametrize("weights", FORMATS)
@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_a_step_is_that_of_the_readable_model(path, weights, changes):
    """A prompt of five tokens, then one, two and one: in three rows, with one and with three threads."""
    model = small_packed(weights, **changes)
    readable, ids = reference(model), torch.randint(0, 50, (3, 9))
    slow, one, three = double_cache(model, 3), *(small_cache(model) for _ in range(2))
    for columns in ids.split((5, 1, 2, 1), 1):
        with torch.no_grad():
            expected = readable(columns, slow)
        logits = NativeStep(model, path, 1)(columns, one)
        assert_same(logits, expected, weights)
        assert torch.equal(NativeStep(model, path, 3)(columns, three), logits)  # a row is one thread's
    assert one.length == slow.length == 9
    assert_same(one.keys[:, :, :, :9].transpose(0, 1), slow.keys[:, :, :, :9].transpose(0, 1), weights)
    assert_same(one.values[:, :, :, :9].transpose(0, 1), slow.values[:, :, :, :9].transpose(0, 1), weights)
    assert torch.equal(one.keys[:, :, :, 9:], torch.zeros_like(one.keys[:, :, :, 9:]))  # nothing else was written


def small_cache(model: Transformer, batch=3, dtype=torch.float32) -> KVCache:
    c = model.config
    return KVCache(c.n_layers, batch, c.n_kv_heads, c.max_seq_len, c.d_head, dtype)


@pytest.mark.parametrize("weights", ["int4", "float32"])
@pytest.mark.parametrize("window", [None, 3])
def test_padded_rows_are_those_of_the_readable_model(path, window, weights, as_users_call_it):
    """Rows that begin late, and one that has ended and gets padding from then on."""
    model = small_packed(weights, sliding_window=window)
    readable, ids = reference(model), torch.randint(0, 50, (3, 9))
    segments = torch.tensor([[1] * 9, [0] * 3 + [1] * 6, [0] * 4 + [1, 1] + [0] * 3])
    step, slow, fast = NativeStep(model, path, 2), double_cache(model, 3), small_cache(model)
    for columns, its in zip(ids.split((5, 1, 2, 1), 1), segments.split((5, 1, 2, 1), 1), strict=True):
        with torch.no_grad():
            assert_same(step(columns, fast, its), readable(columns, slow, its), weights)
    assert torch.equal(fast.segments, slow.segments)


def test_many_rows_that_ended_at_different_times_are_those_of_the_readable_model(path):
    """As when answers are sampled: 70 rows of few prompts, then fewer and fewer of them."""
    model = small_packed("float32", qk_norm=True)
    readable, step = reference(model), NativeStep(model, path)
    prompts, segments = torch.randint(0, 50, (5, 6)), torch.ones(5, 6, dtype=torch.long)
    segments[1, :4] = segments[2, :1] = 0
    slow, fast = double_cache(model, 5), small_cache(model, 5)
    with torch.no_grad():
        assert_same(step(prompts, fast, segments), readable(prompts, slow, segments), "float32")
    copies = torch.arange(70) % 5
    slow, fast = slow.rows(copies), fast.rows(copies)
    for n in (70, 41, 9, 1):
        picked = torch.randperm(len(fast.segments))[:n].sort().values
        slow = slow.rows(fast.keep(picked))
        new, going_on = torch.randint(0, 50, (n, 1)), torch.ones(n, 1, dtype=torch.long)
        with torch.no_grad():
            assert_same(step(new, fast, going_on), readable(new, slow, going_on), "float32")


def test_it_differs_from_the_exact_model_by_the_rounding_of_its_inputs(path):
    """The bound: an input is off by half an integer at most, and to first order the logits by its gradient times that.

    Second order is left for by a factor of 1.5. Worst cases do not come together, so the difference is far smaller.
    """
    model = small_packed("int8", bias="qkv", n_kv_heads=1, d_head=16)
    ids, inputs = torch.randint(0, 50, (1, 6)), []

    def keep(x):
        inputs.append(x := x.clone().requires_grad_())
        return x

    logits = reference(model, keep)(ids)[0, -1]
    bound = torch.zeros_like(logits)
    for token in range(len(logits)):
        for x, gradient in zip(inputs, torch.autograd.grad(logits[token], inputs, retain_graph=True), strict=True):
            unit = x.detach().unflatten(-1, (-1, 32)).abs().amax(-1, keepdim=True) / 16_256
            bound[token] += (gradient.unflatten(-1, (-1, 32)).abs() * unit / 2).sum()
    difference = (NativeStep(model, path)(ids, small_cache(model, 1))[0, -1] - logits.detach()).abs()
    assert bool((difference <= 1.5 * bound).all())
    assert bool((difference > 1e-6).any()), "nothing was rounded"


@pytest.mark.parametrize("number_format", ["Q4_1", "Q8_0"])
def test_the_layers_of_a_gguf_file_are_used_as_they_are(tmp_path, path, number_format):
    tokenizer = small_tokenizer()
    plain = small_llama(tokenizer, norm_eps=0.1)
    file = write_gguf(tmp_path / "a.gguf", settings_of(plain, tokenizer), tensors_of(plain), number_format)
    model, _ = load(file, weights="native")
    ids, cache = torch.arange(6).reshape(2, 3), model.new_cache(2)
    with torch.no_grad():
        assert_same(NativeStep(model, path)(ids, cache), reference(model)(ids))


@pytest.mark.parametrize("number_format", ["Q4_1", "Q8_0"])
def test_codes_at_their_limits_do_not_overflow(path, number_format):
    """The largest inputs with the largest codes of either sign: sums that would saturate 16 bits if they could."""
    layer = nn.Linear(64, 48, bias=False)
    largest = torch.tensor([-128.0, 127.0])[torch.arange(48 * 64).view(48, 64) // 64 % 2]
    model = small_packed("int8", vocab_size=48, d_model=64, n_heads=4, tie_embeddings=False)
    model.final_norm.weight.data.fill_(1.0)
    head = quantize(Transformer(model.config), "int8").head
    if number_format == "Q8_0":
        head.codes.data.copy_(largest)
        head.scale.data.fill_(1.0)
    else:
        head = Int4Linear.from_linear(layer)
        head.codes.data.fill_(255)
        head.codes.data[..., ::2] = 0
        head.scale.data.fill_(1.0)
        head.zero.data.fill_(-3.0)
    model.head = head
    with torch.no_grad():
        for block in model.blocks:  # the stream is the embedding: all numbers of one size
            block.attention.output.scale.zero_()
            block.feedforward.down.scale.zero_()
        model.embedding.weight.copy_(torch.ones(48, 64))
        model.embedding.weight[1] = -1.0
        ids = torch.tensor([[0, 1]])
        torch.testing.assert_close(
            NativeStep(model, path)(ids, small_cache(model, 1)).double(), reference(model)(ids), rtol=1e-5, atol=1e-3
        )


class RoundedCache(KVCache):
    """Keys and values in 16 bits, which the readable model gets back in float64."""

    def append(self, layer, key, value):
        keys, values = super().append(layer, key.float(), value.float())
        return keys.double(), values.double()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_cache_may_have_16_bits(path, dtype):
    model = small_packed("int4")
    c, ids = model.config, torch.randint(0, 50, (3, 8))
    slow = RoundedCache(c.n_layers, 3, c.n_kv_heads, c.max_seq_len, c.d_head, dtype)
    fast, readable, step = small_cache(model, 3, dtype), reference(model), NativeStep(model, path)
    for columns in ids.split((6, 1, 1), 1):
        with torch.no_grad():
            expected = readable(columns, slow)
        logits = step(columns, fast)
        assert ((logits - expected).abs().max() / expected.std()) < 0.05  # a key may round to either neighbor
    apart = (fast.keys.float() - slow.keys.float()).abs()
    assert (apart == 0).float().mean() > 0.9  # a number in the middle may round to either neighbor


@pytest.mark.parametrize("number", [0.0, 1.0, -1.0, 65504.0, 1e-5, -3e-7, 1.0009765625, 2.0**-14, 2.0**-24, 1 / 3])
def test_numbers_in_16_bits_are_rounded_as_torch_does(path, number):
    """Through the cache: with a value of one number in all places, the mixed value is that number."""
    for dtype in (torch.bfloat16, torch.float16):
        model = small_packed("int4", bias="qkv", n_layers=1)
        attention = model.blocks[0].attention
        attention.value.scale.data.zero_()
        attention.value.zero.data.zero_()
        attention.value.bias.data.fill_(number)
        cache = KVCache(1, 1, 2, 24, 8, dtype)
        NativeStep(model, path)(torch.tensor([[1]]), cache)
        assert cache.values[0, 0, 0, 0, 0] == torch.tensor(number).to(dtype)


def test_a_long_prompt_goes_through_in_pieces(path):
    model = small_packed("int4", max_seq_len=300)
    ids = torch.randint(0, 50, (2, 150))  # 128 vectors in a call
    with torch.no_grad():
        expected = reference(model)(ids)
    cache = small_cache(model, 2)
    assert_same(NativeStep(model, path)(ids, cache), expected)
    assert cache.length == 150
    for n_last in (1, 3, 64, 100, 150):  # 64 tokens in each row are the first call, 22 the last
        last = NativeStep(model, path)(ids, small_cache(model, 2), n_last=n_last)
        assert last.shape == (2, n_last, 50)
        assert_same(last, expected[:, -n_last:])


def test_numbers_that_are_not_finite_stay_so(path):
    model = small_packed("int8", tie_embeddings=False)
    model.embedding.weight.data[3, 5] = float("nan")
    logits = NativeStep(model, path)(torch.tensor([[1], [3]]), small_cache(model, 2))
    assert logits[0].isfinite().all()
    assert logits[1].isnan().all()


@pytest.mark.parametrize("weights", FORMATS)
def test_greedy_texts_are_those_of_the_readable_model(path, weights):
    """Or tie with them: each token's logit is the largest, up to what rounding its inputs can do."""
    model = small_packed(weights)
    decode.install(model, NativeStep(model, path))
    prompts = torch.randint(0, 50, (3, 4))
    texts = generate(model, prompts, 12, temperature=0)
    with torch.no_grad():
        logits = reference(model)(texts)[:, 3:-1]
    chosen = logits.gather(2, texts[:, 4:, None])[..., 0]
    assert (logits.amax(2) - chosen).max() < 2 * SAME[weights] * logits.std()
    assert (logits.argmax(2) == texts[:, 4:]).float().mean() > 0.9


def counted(model: Transformer) -> list[int | None]:
    """Install a step that notes, for each call, after how many tokens it was asked for logits."""
    step, calls = NativeStep(model), []

    def note(ids, cache, segments=None, n_last=None):
        calls.append(n_last)
        return step(ids, cache, segments, n_last)

    note.most_vectors = None
    decode.install(model, note)
    return calls


def test_prompts_and_steps_of_every_loop_go_through_it():
    model = small_packed("int8", vocab_size=256)
    texts = {name: loop(model) for name, loop in LOOPS.items()}
    calls = counted(model)
    for name, loop in LOOPS.items():
        calls.clear()
        assert len(loop(model)) == len(texts[name])
        assert [n is None for n in calls] == [False] + [True] * (len(calls) - 1), name  # the prompt, then steps
        assert calls[0] == (5 if name == "speculate" else 1)
        assert len(calls) >= 2


def engine_text(model: Transformer) -> list:
    answer = Engine(model, small_tokenizer()).submit(Request([1, 2, 3], max_new_tokens=5, seed=0))
    return [event.token for event in answer]


LOOPS = {
    "generate": lambda model: generate(model, [[1, 2, 3], [4]], 5, temperature=0),
    "stream": lambda model: list(stream(model, [1, 2, 3], 5, temperature=0)),
    "engine": engine_text,
    "speculate": lambda model: list(speculate(model, [1, 2, 1, 2], 5, PromptLookup(1), temperature=0)),
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"norm": "layernorm"}, "not of Llama's shape"),
        ({"activation": "gelu"}, "not of Llama's shape"),
        ({"position": "alibi"}, "not of Llama's shape"),
        ({"causal": False}, "not of Llama's shape"),
        ({"d_model": 48}, "d_model is 48, which is not a multiple of 32"),
        ({"d_head": 4}, r"n_heads \* d_head is 16"),
        ({"d_ff": 80}, "d_ff is 80"),
        ({"n_kv_heads": 1}, r"n_kv_heads \* d_head is 8, which is not a multiple of 16"),
    ],
)
def test_what_does_not_fit_is_refused(changes, reason):
    model = Transformer(small_config(**({"d_ff": 64} | changes))).bfloat16()
    with pytest.raises(UserError, match=reason):
        NativeStep(model)


def test_other_formats_and_devices_are_refused():
    config = small_config(d_ff=64)
    assert "in torch.float16; take float32 or bfloat16" in misfit(Transformer(config).half())
    assert "on meta" in misfit(Transformer(config).bfloat16().to("meta"))
    with pytest.raises(UserError, match="head is a Identity; the C step takes nn.Linear and quantized layers"):
        pack("head", nn.Identity(), 32, 32)


def damage(model, name, shape):
    """Give a tensor another shape than the configuration says."""
    layer, _, part = name.rpartition(".")
    setattr(model.get_submodule(layer), part, nn.Parameter(torch.zeros(shape).to(getattr(
        model.get_submodule(layer), part).dtype), requires_grad=False))  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "name", "shape"),
    [
        ("int4", "blocks.0.attention.query.codes", (1, 16, 16)),
        ("int4", "blocks.0.attention.key.scale", (1, 15)),
        ("int4", "blocks.1.feedforward.down.zero", (2, 32)),
        ("int4", "blocks.1.feedforward.down.codes", (99, 16, 32)),
        ("int8", "blocks.0.feedforward.up.codes", (95, 32)),
        ("int8", "head.scale", (49,)),
        ("int8", "blocks.0.attention.query.bias", (31,)),
        ("int8", "final_norm.weight", (31,)),
        ("int8", "blocks.1.attention_norm.weight", (1,)),
        ("int8", "blocks.1.attention.key_norm.weight", (9,)),
        ("bfloat16", "blocks.0.attention.output.weight", (32, 64)),
        ("bfloat16", "head.weight", (1_000, 32)),
        ("float32", "blocks.0.feedforward.down.weight", (96, 32)),
    ],
)
def test_tensors_of_other_sizes_are_refused_before_c_reads_them(weights, name, shape):
    model = small_packed(weights, bias="qkv", qk_norm=True)
    damage(model, name, shape)
    with pytest.raises(UserError, match="and the configuration says .* they must agree"):
        NativeStep(model)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda cache: KVCache(1, 2, 2, 24, 8), "this model needs"),
        (lambda cache: KVCache(2, 3, 2, 24, 8), "this model needs"),
        (lambda cache: KVCache(2, 2, 1, 24, 8), "this model needs"),
        (lambda cache: KVCache(2, 2, 2, 24, 16), "this model needs"),
        (lambda cache: KVCache(2, 2, 2, 24, 8, torch.float64), "in torch.float64"),
        (lambda cache: KVCache(2, 2, 2, 24, 8, device="meta"), "on meta"),
        (lambda cache: setattr(cache, "values", cache.values[:, :, :, :5]) or cache, "this model needs"),
        (lambda cache: setattr(cache, "values", cache.values.half()) or cache, "in torch.float16"),
        (lambda cache: setattr(cache, "keys", cache.keys.mT.contiguous().mT) or cache, "strides"),
        (lambda cache: setattr(cache, "length", 25) or cache, "holds 25 of 24"),
        (lambda cache: setattr(cache, "length", -9) or cache, "holds -9 of 24"),
        (lambda cache: setattr(cache, "length", 24) or cache, "25 tokens, this model was built for 24"),
        (lambda cache: KVCache(2, 2, 2, 0, 8), "0 of at most 0 positions; 1 more do not fit"),
    ],
)
def test_a_cache_that_does_not_fit_is_refused(change, reason):
    model = small_packed("int4")
    with pytest.raises(UserError, match=reason):
        NativeStep(model)(torch.tensor([[1], [2]]), change(small_cache(model, 2)))


def test_unknown_tokens_paths_and_threads_are_refused():
    model = small_packed("int4")
    step, cache = NativeStep(model), small_cache(model, 1)
    with pytest.raises(UserError, match="token id 50 is outside the vocabulary"):
        step(torch.tensor([[1, 50]]), cache)
    assert cache.length == 0
    with pytest.raises(UserError, match="the path is 'AMX'; this processor can run plain C"):
        NativeStep(model, "AMX")
    for n_threads in (0, 65):
        with pytest.raises(UserError, match=f"n_threads is {n_threads}; choose 1 to 64"):
            NativeStep(model, n_threads=n_threads)


def test_two_models_and_two_threads_do_not_disturb_each_other():
    first, second = small_packed("int4"), small_packed("int8", qk_norm=True)
    ids = torch.randint(0, 50, (1, 20))
    work = [(NativeStep(model, n_threads=2), model) for model in (first, second, first)]
    alone = [step(ids, small_cache(model, 1)) for step, model in work]
    together = [[] for _ in work]

    def repeat(number):
        step, model = work[number]
        together[number] += [step(ids, small_cache(model, 1)) for _ in range(20)]

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for expected, results in zip(alone, together, strict=True):
        assert len(results) == 20
        assert all(torch.equal(result, expected) for result in results)


def test_tiny_numbers_are_computed_as_before_the_library_was_loaded():
    """-ffast-math would make the processor take them for zero, in the whole process."""
    assert torch.tensor([1e-40]) * 1.0 == torch.tensor([1e-40])
    assert 1e-310 * 1.0 != 0


def divergences(texts: list[list[int]], expected: list[list[int]], logits_of, n_prompt: list[int]) -> list[float]:
    """Where two texts part, how much larger the reference's logit of its own token is than that of the other."""
    gaps = []
    for text, other, n in zip(texts, expected, n_prompt, strict=True):
        places = [i for i in range(n, min(len(text), len(other))) if text[i] != other[i]]
        if places:
            logits = logits_of(other[: places[0]])
            gaps.append(float(logits[other[places[0]]] - logits[text[places[0]]]))
    return gaps


@pytest.mark.parametrize("weights", ["int4", "int8"])
def test_twenty_greedy_texts_are_the_reference_s_until_two_tokens_tie(path, weights):
    model = small_packed(weights)
    decode.install(model, NativeStep(model, path))
    readable, prompts = reference(model), torch.randint(0, 50, (20, 4)).tolist()
    texts, expected = (generate(form, prompts, 12, temperature=0) for form in (model, readable))
    with torch.no_grad():
        gaps = divergences(texts, expected, lambda ids: readable(torch.tensor([ids]))[0, -1], [4] * 20)
        spread = readable(torch.tensor(prompts)).std()
    assert all(0 <= gap < 2 * SAME[weights] * spread for gap in gaps)
    assert len(gaps) <= 3


BEGINNINGS = """The capital of France is|Water boils at|Once upon a time, there was|The river bank was|def add(a, b):
The opposite of hot is|My favorite color is|In 1969, astronauts|A triangle has|The recipe needs two cups of
To learn a language, you should|The largest planet is|She opened the door and|The train leaves at|Dogs and cats are
Photosynthesis is the process|The answer to 12 + 7 is|Dear Sir or Madam,|Shakespeare wrote|A good night's sleep"""


@pytest.mark.slow
@pytest.mark.real
def test_twenty_greedy_texts_of_the_real_model_are_those_of_float32_until_two_tokens_tie(real_weights):
    """The reference has the same weights and rounds nothing else; a tie is a quarter of a logit, e^0.25 = 1.3 times."""
    model, tokenizer = load("smollm2-135m-instruct", weights="native")
    exact, _ = load("smollm2-135m-instruct")
    prompts = [tokenizer.encode(text) for line in BEGINNINGS.splitlines() for text in line.split("|")]
    assert len(prompts) == 20
    texts, expected = (generate(form, prompts, 24, temperature=0) for form in (model, exact))
    with torch.no_grad():
        gaps = divergences(texts, expected, lambda ids: exact(torch.tensor([ids]))[0, -1], [*map(len, prompts)])
    assert all(0 <= gap < 0.25 for gap in gaps)
    assert len(gaps) <= 10


@pytest.mark.slow
@pytest.mark.real
def test_the_real_model_answers_as_its_float32_form(real_weights):
    """Each greedy token is the exact model's choice, or within rounding of it."""
    model, tokenizer = load("smollm2-135m-instruct", weights="native")
    exact, _ = load("smollm2-135m-instruct")
    ids = tokenizer.encode("The capital of France is")
    text = generate(model, ids, 24, temperature=0)
    assert "Paris" in tokenizer.decode(text)
    with torch.no_grad():
        logits = exact(torch.tensor([text]))[0, len(ids) - 1 : -1]
    chosen = logits.gather(1, torch.tensor(text[len(ids) :])[:, None])[:, 0]
    assert (logits.amax(1) - chosen).max() <= 0.5


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system has no large pages to ask for")
def test_an_arena_keeps_large_tensors_side_by_side():
    arena, sizes = Arena(), [SMALL, SMALL - 1, 3 * SMALL + 1, CHUNK + 5, SMALL, 2**18]
    tensors = [torch.randint(0, 256, (size,), dtype=torch.uint8) for size in sizes]
    kept = [arena.keep(tensor) for tensor in tensors]
    assert all(map(torch.equal, kept, tensors))
    assert [old is new for old, new in zip(tensors, kept, strict=True)] == [size < SMALL for size in sizes]
    assert all(tensor.data_ptr() % 64 == 0 for tensor in kept)
    assert kept[2].data_ptr() - kept[0].data_ptr() == SMALL
    numbers = torch.randn(200, 100)
    assert torch.equal(arena.keep(numbers), numbers)


def test_all_paths_agree():
    model = small_packed("int4", bias="qkv", qk_norm=True)
    ids = torch.randint(0, 50, (5, 7))  # tiles of eight or four vectors, and single ones
    logits = [NativeStep(model, path)(ids, small_cache(model, 5)) for path in paths()]
    for one, other in itertools.pairwise(logits):
        assert_same(one, other.double())
