"""What every test shares: seeds, devices, and a model small enough to build in a millisecond."""

import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # before torch loads; why: see minillm/__init__.py

import jaxtyping
import pytest
import torch
from helpers import lively, small_config
from hypothesis import settings

from minillm import assets
from minillm.cli.common import REAL_MODEL
from minillm.model.transformer import Transformer

# No deadline: nothing timed is a test. Derandomised: a red run is red again on the next machine.
settings.register_profile("minillm", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=5_000)  # MINILLM_EXAMPLES=long
settings.load_profile(os.environ.get("MINILLM_EXAMPLES", "minillm"))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _main_module():
    """IPython's shell puts a module of its own in the place of `__main__`, and then no process can be spawned."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def as_users_call_it():
    """Without the shape checks of the test run: a wrong type reaches our own error message, as it does for users."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no NVIDIA card here")
    return torch.device(request.param)


@pytest.fixture
def small_model() -> Transformer:
    return lively(Transformer(small_config()))


@pytest.fixture(scope="session")
def real_weights():
    """Where SmolLM2's weights are; a test that needs them says why it is skipped where they were never fetched."""
    path = assets.cached(REAL_MODEL)
    if path is None:
        pytest.skip(f"the real weights are not in the cache; once, with a network: minillm fetch {REAL_MODEL}")
    return path
