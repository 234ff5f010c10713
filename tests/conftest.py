"""What every test shares: seeds, devices, and a model small enough to build in a millisecond."""

import jaxtyping
import pytest
import torch
from helpers import lively, small_config
from hypothesis import settings

from minillm.model.transformer import Transformer

# No deadline: nothing timed is a test. Derandomised: a red run is red again on the next machine.
settings.register_profile("minillm", deadline=None, derandomize=True)
settings.load_profile("minillm")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


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
