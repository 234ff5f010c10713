"""A CUDA card that exists only in torch's bookkeeping: tensors with a device and a shape, and no numbers.

On it, code that makes a tensor in the wrong place is found without a card. torch (2.13) lacks two things for that: a
build without CUDA has no device guard for it (slices, `.to` and much else abort), and nothing may ask for a number.
So this runs in a process of its own, after `guard` was compiled there where torch brings none:

    python tests/fake_card.py [GUARD]        prints {case: null, or the error that it met} as JSON
"""

import ctypes
import inspect
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from minillm import config
from minillm.config import ModelConfig
from minillm.inference.generate import continuations, generate
from minillm.inference.sampling import Sampling
from minillm.losses import _FusedLinearCrossEntropy
from minillm.model import context, quantized_linear, transformer
from minillm.model.quantized_linear import QuantizedLinear
from minillm.model.transformer import Transformer
from minillm.pretrained.quantize import Bits, quantize
from minillm.training.optim import make_optimizer

GUARD = """
#include <c10/core/impl/DeviceGuardImplInterface.h>
C10_REGISTER_GUARD_IMPL(CUDA, c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA>)
"""


def compile_guard(folder: Path) -> Path | None:
    """A guard that does nothing, as a library; None where torch has a card's own.

    Raises `RuntimeError` saying what is missing where it cannot be made.
    """
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is not None:
        raise RuntimeError("a PyTorch built for CUDA asks its driver; without a card only another build plays one")
    compiler = shutil.which("c++")
    if sys.platform != "linux" or compiler is None:
        raise RuntimeError("a PyTorch without CUDA needs a guard that only Linux with a C++ compiler can make here")
    home = Path(torch.__file__).parent
    source, library = folder / "guard.cpp", folder / "guard.so"
    source.write_text(GUARD, encoding="utf-8")
    options = ["-std=c++20", "-shared", "-fPIC", f"-I{home / 'include'}", f"-L{home / 'lib'}", "-lc10"]
    done = subprocess.run([compiler, str(source), "-o", str(library), *options], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the guard could not be compiled: {done.stderr[-300:]}")
    return library


def model_on_card(**changes) -> Transformer:
    shape = dict(vocab_size=50, d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, max_seq_len=24)
    with torch.device("cuda"):  # for the building alone: around `forward` it would hide what is being looked for
        return Transformer(ModelConfig(**{**shape, **changes}))


def prompt() -> torch.Tensor:
    return torch.zeros(2, 7, dtype=torch.long, device="cuda")


def on_card(*tensors: torch.Tensor | None) -> None:
    for tensor in tensors:
        assert tensor is not None
        assert tensor.device.type == "cuda", f"a tensor is on the device {tensor.device}"


@torch.no_grad()
def forward(position: str, norm: str, activation: str) -> None:
    bias = norm == "layernorm"  # with and without, in half the cases each
    model = model_on_card(position=position, norm=norm, activation=activation, bias=bias, qk_norm=not bias)
    on_card(model(prompt()))


@torch.no_grad()
def decode(position: str, padded: bool = False) -> None:
    """Prefill, then three tokens at once (a mask that begins in the middle), then one."""
    model = model_on_card(position=position)
    cache = model.new_cache(batch=2)
    for new in (7, 3, 1):
        segments = torch.ones(2, new, dtype=torch.long, device="cuda") if padded and new == 7 else None
        on_card(model(prompt()[:, :1].expand(2, new), cache, segments))
    on_card(cache.keys, cache.values)
    assert cache.length == 11


def sample(use_cache: bool, **settings) -> None:
    torch.Tensor.__bool__ = lambda tensor: False  # "has every row ended?" has no answer where there are no numbers
    on_card(generate(model_on_card(), prompt(), 3, stop=[1, 2], use_cache=use_cache, **settings))


def sample_padded(copies: bool, **settings) -> None:
    """Rows of unequal length, some of which end before the others; with `copies`, each prompt has two answers."""
    torch.Tensor.__bool__ = lambda tensor: False
    segments = torch.ones(2, 7, dtype=torch.long, device="cuda")
    picked = torch.zeros(4, dtype=torch.long, device="cuda") if copies else None
    steps = continuations(model_on_card(), prompt(), segments, 3, Sampling(**settings), [1], copies=picked)
    with changed(torch.Tensor, "__int__", lambda tensor: 17):  # the longest row's room: the loop asks for that too
        for chosen, running in steps:
            on_card(chosen, running)


def sample_quantised(weights: str) -> None:
    """A card takes the portable product: the matrix is unpacked there and kept."""
    torch.Tensor.__bool__ = lambda tensor: False
    model = quantize(model_on_card(d_ff=64), weights)
    on_card(generate(model, prompt(), 3, temperature=0))
    on_card(*(module._matrix for module in model.modules() if isinstance(module, QuantizedLinear)))


def loss() -> None:
    """The loss in chunks; its backward pass cannot run here, the gradients that it made on the way can be looked at."""
    model = model_on_card()
    hidden = model.hidden(prompt()).flatten(0, 1)
    value = _FusedLinearCrossEntropy.apply(hidden, model.head.weight, prompt().flatten(), True)
    on_card(value, *value.grad_fn.saved_tensors)


def step(optimizer: str) -> None:
    model = model_on_card(bias=True)
    mover = make_optimizer(optimizer, model, 0.01, 0.1)
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        mover.step()
    on_card(*model.parameters(), *(value for state in mover.state.values() for value in state.values()))


def resume(optimizer: str) -> None:
    """State that comes from a file lies on the CPU; after loading it, a step must find it where the weights are."""
    model = model_on_card()
    mover = make_optimizer(optimizer, model, 0.01, 0.1)
    for parameter in model.parameters():
        parameter.grad = torch.empty_like(parameter)
    mover.step()
    kept = mover.state_dict()
    kept["state"] = {
        index: {key: torch.zeros(value.shape) for key, value in state.items()} for index, state in kept["state"].items()
    }
    mover.load_state_dict(kept)
    on_card(*(value for state in mover.state.values() for value in state.values()))
    mover.step()


@contextmanager
def changed(place: object, name: str, value: object) -> Iterator[None]:
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


def made_on_the_cpu(place: object, name: str, case: Callable[[], None]) -> None:
    """The case with one function that forgets its `device`, or the device of what it is given."""
    right = getattr(place, name)

    def wrong(*arguments, **named):
        bound = inspect.signature(right).bind(*arguments, **named)
        bound.arguments.pop("device", None)
        moved = [a.new_empty(a.shape, device="cpu") if isinstance(a, torch.Tensor) else a for a in bound.args]
        return right(*moved, **bound.kwargs)

    with changed(place, name, wrong):
        case()


def cases() -> dict[str, Callable[[], None]]:
    """Every case by its name. Those whose name begins with "wrong" hold a mistake, and must not pass."""
    made: dict[str, Callable[[], None]] = {}
    positions = get_args(config.Position)
    activations = itertools.cycle(get_args(config.Activation))
    for position, norm in itertools.product(positions, get_args(config.Norm)):
        names = position, norm, next(activations)
        made["forward " + " ".join(names)] = lambda names=names: forward(*names)
    for position in positions:
        made[f"decode {position}"] = lambda position=position: decode(position)
        made[f"decode {position} with segments"] = lambda position=position: decode(position, padded=True)
    every = dict(temperature=0.8, top_k=5, top_p=0.9, min_p=0.01, repetition_penalty=1.1)
    for name, settings in (("greedy", dict(temperature=0)), ("every setting", every)):
        made[f"generate {name}"] = lambda settings=settings: sample(True, **settings)
        made[f"generate {name} without a cache"] = lambda settings=settings: sample(False, **settings)
        made[f"generate {name} from padded rows"] = lambda settings=settings: sample_padded(False, **settings)
        made[f"generate {name}, two answers each"] = lambda settings=settings: sample_padded(True, **settings)
    for weights in get_args(Bits):
        made[f"generate {weights}"] = lambda weights=weights: sample_quantised(weights)
    made["loss"] = loss
    for optimizer in ("adamw", "muon"):
        made[f"step {optimizer}"] = lambda optimizer=optimizer: step(optimizer)
        made[f"resume {optimizer}"] = lambda optimizer=optimizer: resume(optimizer)
    wrong: dict[str, tuple[object, str, Callable[[], None]]] = {
        "rotary angles": (context, "rotary_angles", lambda: forward("rotary", "rmsnorm", "swiglu")),
        "sines": (transformer.SinusoidalPosition, "forward", lambda: forward("sinusoidal", "rmsnorm", "gelu")),
        "alibi bias": (context, "alibi_bias", lambda: forward("alibi", "rmsnorm", "swiglu")),
        "mask of the second part": (context, "causal_mask", lambda: decode("rotary")),
        "mask of segments": (context, "segment_mask", lambda: decode("alibi", padded=True)),
        "positions of segments": (context, "segment_positions", lambda: decode("learned", padded=True)),
        "cache": (transformer, "KVCache", lambda: decode("none")),
        "mask of padded rows": (context, "segment_mask", lambda: sample_padded(False, temperature=0)),
        "unpacked codes": (quantized_linear, "_unpack", lambda: sample_quantised("int4")),
        "choice": (Sampling, "choose", lambda: sample(True, temperature=0)),
    }
    for name, mistake in wrong.items():
        made[f"wrong {name}"] = lambda mistake=mistake: made_on_the_cpu(*mistake)
    return made


def main() -> None:
    if len(sys.argv) > 1:
        ctypes.CDLL(sys.argv[1])
    met: dict[str, str | None] = {}
    for name, case in cases().items():
        try:
            with FakeTensorMode():
                case()
            met[name] = None
        except Exception as error:
            met[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(met))


if __name__ == "__main__":
    main()
