"""The fused kernels: equal to the readable forms, in float32 and bfloat16, forward and backward."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from minillm import ModelConfig, Transformer, c_library, kernels
from minillm.model.attention import attention, attention_by_matmul, causal_mask
from minillm.model.norm import RMSNorm
from minillm.model.position import rotary_angles, rotate
from minillm.training.pretraining import text_loss

ROOT = Path(__file__).resolve().parents[2]
FORMATS = [torch.float32, torch.bfloat16]
ERROR = {torch.float32: 2e-6, torch.bfloat16: 2**-7}  # of the largest number: some roundings of the format


@pytest.fixture(autouse=True)
def _available():
    if reason := kernels.unavailable():
        pytest.skip(reason)


@pytest.fixture(params=[1, 2], ids=["one_thread", "two_threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def close(found: torch.Tensor, exact: torch.Tensor) -> bool:
    """Whether `found` is `exact`, which is in float64, up to some roundings of its format."""
    return bool((found.double() - exact).abs().max() <= ERROR[found.dtype] * exact.abs().max().clamp(min=1))


def held_equal(fused, readable, inputs: list[torch.Tensor], calls: list[str], monkeypatch) -> None:
    """`fused` with the kernels gives what `readable` gives in float64, and so do its gradients; the kernels `calls`."""
    called, real = [], kernels._call
    monkeypatch.setattr(kernels, "_call", lambda name, *a, **k: (called.append(name), real(name, *a, **k)))
    mine = [x.detach().clone().requires_grad_() for x in inputs]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    with kernels.enabled():
        found = fused(*mine)
    wanted = readable(*exact)
    assert close(found, wanted)
    gradient = random(*found.shape, seed=9)
    found.backward(gradient.to(found.dtype))
    wanted.backward(gradient.to(found.dtype).double())
    for x, y in zip(mine, exact, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        assert x.grad.dtype == x.dtype
        scale = y.grad.abs().max().clamp(min=1)
        assert close(x.grad / scale, y.grad / scale)
    assert sorted(called) == sorted(calls)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("C", [1, 16, 37, 128])
@pytest.mark.usefixtures("threads")
def test_rms_norm(dtype, C, monkeypatch):
    norm, exact = RMSNorm(C, eps=1e-3), RMSNorm(C, eps=1e-3).double()
    norm.weight.data = exact.weight.data = random(C, seed=1) + 2
    exact.weight.data = norm.weight.data.double()
    plain = exact.forward.__func__
    # the readable form computes the mean square in float32; here it is the oracle, so in float64
    oracle = lambda x: x / (x.square().mean(-1, keepdim=True) + 1e-3).sqrt() * exact.weight  # noqa: E731
    assert plain(exact, random(3, C).double()).sub(oracle(random(3, C).double())).abs().max() < 1e-5
    held_equal(norm, oracle, [random(3, 5, C, dtype=dtype)], ["rms_norm", "rms_norm_backward"], monkeypatch)
    gradient, wanted = norm.weight.grad, exact.weight.grad
    assert gradient is not None
    assert wanted is not None
    assert (gradient - wanted).abs().max() < ERROR[dtype] * 60  # a sum over 15 rows


@pytest.mark.parametrize("view", ["heads", "every_second", "expanded", "reversed"])
def test_a_norm_of_a_view(view):
    """Rows may lie in memory in any order, or not beside each other; then they are copied."""
    base = random(2, 6, 4, 8)
    x = {
        "heads": base.transpose(1, 2),
        "every_second": base[:, ::2],
        "expanded": base[:, :1].expand(2, 6, 4, 8),
        "reversed": base.transpose(0, 3).transpose(0, 3).flip(1),
    }[view].requires_grad_()
    norm, gradient = RMSNorm(8), random(*x.shape, seed=3)
    wanted = torch.autograd.grad(norm(x), x, gradient)[0]
    with kernels.enabled():
        found = norm(x)
    assert torch.allclose(found, norm(x), atol=1e-6)
    assert torch.allclose(torch.autograd.grad(found, x, gradient)[0], wanted, atol=1e-5)


def test_a_norm_under_autocast_is_in_bfloat16():
    """The products that follow would round to it anyway, once each."""
    x, norm = random(4, 32), RMSNorm(32)
    with kernels.enabled(), torch.autocast("cpu", torch.bfloat16):
        assert norm(x).dtype == torch.bfloat16
        assert torch.equal(norm(x), norm(x.double()).bfloat16()) or close(norm(x), norm(x.double()).double())


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("positions", ["shared", "of_each_row"])
@pytest.mark.usefixtures("threads")
def test_rotate(dtype, positions, monkeypatch):
    B, T, H, D = 2, 5, 3, 12
    places = torch.arange(T) if positions == "shared" else torch.stack((torch.arange(T), torch.arange(T) + 7))
    cos, sin = rotary_angles(places, D, 100.0)
    held_equal(
        lambda x: rotate(x.transpose(1, 2), cos, sin),
        lambda x: rotate(x.transpose(1, 2), cos.double(), sin.double()),
        [random(B, T, H, D, dtype=dtype)],
        ["rotate", "rotate"],
        monkeypatch,
    )


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("n", [1, 100, 5000])
@pytest.mark.usefixtures("threads")
def test_swiglu(dtype, n, monkeypatch):
    inputs = [random(3, n, dtype=dtype) * 4, random(3, n, dtype=dtype, seed=1)]
    readable = lambda gate, up: F.silu(gate) * up  # noqa: E731
    held_equal(kernels.swiglu, readable, inputs, ["swiglu", "swiglu_backward"], monkeypatch)


def test_silu_at_both_ends():
    gate = torch.tensor([-1e30, -200.0, -88.0, 0.0, 88.0, 200.0, 1e30])
    with kernels.enabled():
        found = kernels.swiglu(gate, torch.ones(7))
    assert torch.allclose(found, F.silu(gate), atol=1e-30)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("V", [1, 7, 16, 100, 2048])
@pytest.mark.usefixtures("threads")
def test_cross_entropy(dtype, V):
    logits, targets = random(9, V, dtype=dtype) * 5, torch.arange(9) % V
    exact = logits.double().requires_grad_()
    wanted = F.cross_entropy(exact, targets, reduction="none")
    gradient = torch.autograd.grad(wanted.sum(), exact)[0]
    with kernels.enabled():
        losses = kernels.cross_entropy_(logits, targets)
    assert losses.dtype == torch.float32
    assert close(losses, wanted)
    assert close(logits, gradient)


@pytest.mark.usefixtures("threads")
def test_cross_entropy_of_the_longest_rows():
    """They fit on the stack of a thread, and keep their digits."""
    logits, targets = random(3, kernels.LONGEST_ROW) * 5, torch.tensor([0, 1, kernels.LONGEST_ROW - 1])
    wanted = F.cross_entropy(logits.double(), targets, reduction="none")
    gradient = logits.double().softmax(-1).scatter_add(-1, targets[:, None], -torch.ones(3, 1, dtype=torch.float64))
    with kernels.enabled():
        losses = kernels.cross_entropy_(logits, targets)
    torch.testing.assert_close(losses.double(), wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(logits.double(), gradient, rtol=1e-4, atol=1e-9)


def test_cross_entropy_of_extreme_logits():
    """A token may be impossible or certain, and what is not a number stays so, in the loss."""
    logits = torch.tensor([[0.0, -1e4], [0.0, -math.inf], [1e30, 0.0], [math.nan, 0.0], [0.0, math.nan]])
    with kernels.enabled():
        losses = kernels.cross_entropy_(logits, torch.tensor([1, 0, 0, 1, 0]))
    assert losses[:3].tolist() == [1e4, 0.0, 0.0]
    assert losses[3:].isnan().all()
    assert logits[:3].tolist() == [[1.0, -1.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("mask", ["causal", "of_all_rows", "of_each_row", "longer_past"])
@pytest.mark.parametrize("queries", [2, 128])
@pytest.mark.usefixtures("threads")
def test_attention(dtype, mask, queries, monkeypatch):
    monkeypatch.setattr(kernels._Attention, "QUERIES", queries)
    n_blocks = 1 if mask.startswith("of") else math.ceil(5 / queries)
    B, H, T, D = 2, 3, 5, 8
    S = T + 3 if mask == "longer_past" else T
    inputs = [random(B, H, n, D, dtype=dtype, seed=seed) for seed, n in enumerate((T, S, S))]
    visible = causal_mask(T, S)
    given = None if mask in ("causal", "longer_past") else visible.clone()
    if mask == "of_each_row":
        given = torch.stack((visible, visible & torch.eye(T, dtype=torch.bool)))
    shown = visible if given is None else given
    held_equal(
        lambda q, k, v: kernels.attention(q, k, v, given),
        lambda q, k, v: attention_by_matmul(q, k, v, shown),
        inputs,
        ["attention_softmax", "attention_softmax_backward"] * n_blocks,
        monkeypatch,
    )


@pytest.mark.parametrize("n_kv_heads", [1, 3])
@pytest.mark.parametrize("mask", [None, "(T, S)", "(B, T, S)", "(B, 1, T, S)"])
def test_attention_is_chosen_in_training(n_kv_heads, mask):
    """Where `attention` takes products of matrices: in bfloat16, under autocast."""
    B, H, T, D = 2, 3, 6, 8
    query, key, value = (random(B, h, T, D, seed=h).bfloat16() for h in (H, n_kv_heads, n_kv_heads))
    visible = {None: None, "(T, S)": causal_mask(T, T), "(B, T, S)": causal_mask(T, T).expand(B, T, T)}
    visible["(B, 1, T, S)"] = causal_mask(T, T).expand(B, 1, T, T)
    wanted = attention_by_matmul(query.double(), key.double(), value.double(), causal_mask(T, T))
    with kernels.enabled(), torch.autocast("cpu", torch.bfloat16):
        found = attention(query, key, value, visible[mask], is_causal=mask is None)
    assert close(found, wanted)


CONFIGS = {
    "usual": {},
    "shared_keys": {"n_kv_heads": 1},
    "qk_norm": {"qk_norm": True, "tie_embeddings": False},
    "gpt2": {"norm": "layernorm", "activation": "gelu", "position": "learned", "bias": True},
    "alibi": {"position": "alibi", "activation": "relu2"},
}


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_of_any_model(name, segments, bf16):
    """Loss and gradients are as near to those in float64 as the readable forms', or nearer than twice their error."""
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=50, d_model=24, n_layers=2, n_heads=2, max_seq_len=16, **CONFIGS[name])
    model, exact = Transformer(config), Transformer(config).double()
    exact.load_state_dict(model.state_dict())
    ids = torch.randint(50, (3, 17))
    batch = (ids[:, :-1], ids[:, 1:])
    if segments:
        numbers = torch.ones(3, 16, dtype=torch.long)
        numbers[:, 9:], numbers[1, 14:] = 2, 0
        batch = (ids[:, :-1], numbers, ids[:, 1:])

    def step(model: Transformer, fused: bool, bf16: bool) -> torch.Tensor:
        with kernels.enabled(fused), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = text_loss(model, batch)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        return torch.cat([part.detach().double().flatten() for part in (loss, *gradients)])

    gold = step(exact, False, False)
    readable, fused = (float((step(model, use, bf16) - gold).norm() / gold.norm()) for use in (False, True))
    assert fused <= 2 * readable, (readable, fused)
    assert fused < (0.02 if bf16 else 1e-6)


def test_the_same_bits_again():
    x, weight = random(64, 3, 32), torch.ones(32, requires_grad=True)
    gradients = []
    for _ in range(2):
        with kernels.enabled():
            y = kernels.rms_norm(x, weight, 1e-5)
        gradients.append(torch.autograd.grad(y, weight, torch.ones_like(y))[0])
    assert torch.equal(*gradients)


def test_where_they_are_not_used(monkeypatch):
    x = torch.ones(2, 4)
    assert not kernels.usable(x)  # not asked for
    with kernels.enabled():
        assert kernels.usable(x)
        assert not kernels.usable(x.double())
        assert not kernels.usable(x.half())
        assert not kernels.usable(x, x.bfloat16())
        assert not kernels.usable(x.to("meta"))
        assert not kernels.usable(x[:0])
        assert kernels.usable(torch.ones(1, kernels.LONGEST_ROW))
        assert not kernels.usable(torch.ones(1, kernels.LONGEST_ROW + 1))
        assert not kernels.usable(torch.nn.Parameter(x))  # an activation is a plain tensor
        with kernels.enabled(False):
            assert not kernels.usable(x)
        assert kernels.usable(x)
        monkeypatch.setenv(c_library.SWITCH, "0")
        assert not kernels.usable(x)
        assert kernels.unavailable() == "models are trained without fused kernels: MINILLM_NATIVE=0 switches them off"
    assert not kernels.usable(x)


def test_without_threads_of_ones_own_they_are_for_one_thread(monkeypatch, threads):
    alone = kernels.library()._replace(has_threads=False)
    monkeypatch.setattr(kernels, "library", lambda: alone)
    with kernels.enabled():
        assert kernels.usable(torch.ones(2)) == (threads == 1)


def test_a_second_derivative_is_refused():
    x = random(2, 8).requires_grad_()
    with kernels.enabled():
        y = kernels.rms_norm(x, torch.ones(8), 1e-5)
    first = torch.autograd.grad(y.square().sum(), x, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.slow
def test_training_goes_the_same_way(tmp_path):
    """Thirty steps with and without end at one loss, up to rounding; a compiler that is missing says nothing."""
    program = """
import torch
from minillm import ModelConfig, TrainConfig, Transformer, kernels
from minillm.training.pretraining import TextData, pretrain
torch.manual_seed(0)
torch.set_num_threads(1)
config = ModelConfig(vocab_size=20, d_model=16, n_layers=1, n_heads=2, max_seq_len=16)
data = TextData.from_ids([list(range(20))] * 200, [list(range(20))], 0, 16, 4, 0)
_, history = pretrain(Transformer(config), data, TrainConfig(steps=30, bf16=False))
print(kernels.unavailable() is None, history[-1]["loss"])
"""
    results = []
    for switch, c_compiler in (("1", ""), ("0", ""), ("1", "/nowhere/cc")):
        environment = {"MINILLM_NATIVE": switch, "CC": c_compiler, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        environment |= {"MINILLM_HOME": str(tmp_path)} if c_compiler else {"HOME": str(Path.home())}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        used, loss = done.stdout.split()
        results.append((used == "True", float(loss)))
    assert [used for used, _ in results] == [True, False, False]
    assert results[1] == results[2]
    assert abs(results[0][1] - results[1][1]) < 1e-3
    assert results[1][1] < math.log(20)


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined"])
def test_a_sanitizer_finds_nothing(tmp_path, sanitizer):
    """All kernels on odd shapes, in a process whose memory is watched."""
    command = c_library.compiler()
    library = tmp_path / "watched.so"
    flags = ["-O1", "-g", "-std=gnu11", "-shared", "-fPIC", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    made = subprocess.run(
        [*command, *flags, str(kernels.SOURCE), "-o", str(library), "-lm"], capture_output=True, text=True, check=False
    )
    found = subprocess.run([*command, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    if made.returncode or not Path(found.stdout.strip()).is_absolute():
        pytest.skip("this compiler has no address sanitizer")
    plugin = f"""
import ctypes

def pytest_sessionstart():
    from minillm import kernels
    functions = ctypes.CDLL({str(library)!r})
    for name, types in kernels.ARGUMENTS.items():
        getattr(functions, name).restype, getattr(functions, name).argtypes = None, types
    alone = kernels.Library(functions, False)
    kernels.library = lambda: alone
"""
    (tmp_path / "watched_kernels.py").write_text(plugin, encoding="utf-8")
    environment = {"LD_PRELOAD": found.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0", "OMP_NUM_THREADS": "1"}
    environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PATH": os.environ["PATH"], "HOME": str(Path.home())}
    options = ["-q", "-p", "no:cacheprovider", "-p", "watched_kernels", "-k", "one_thread or any_model or view"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, __file__],
        env=environment, capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
