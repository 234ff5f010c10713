"""Writing text elsewhere than on the CPU: the same texts there (`pytest -m cuda` asks a card)."""

import copy

import pytest
import torch
from helpers import lively, small_config

from minillm.inference.generate import generate, stream
from minillm.inference.speculative import PromptLookup, speculate
from minillm.model.transformer import Transformer
from minillm.pretrained import quantize

UNEQUAL = [[3, 14, 15, 9], [7], [21, 2, 2, 40, 5, 11, 30, 1]]


@pytest.mark.parametrize("position", ["rotary", "learned", "sinusoidal", "alibi", "none"])
def test_a_device_writes_what_the_cpu_writes(device, position):
    here = lively(Transformer(small_config(position=position)))
    there = copy.deepcopy(here).to(device)
    for choice in ({}, {"repetition_penalty": 1.5}, {"stop": [1, 2, 3, 4, 5]}):
        for prompts in (UNEQUAL, UNEQUAL[0]):
            expected = generate(here, prompts, 12, temperature=0, **choice)
            assert generate(there, prompts, 12, temperature=0, **choice) == expected


def test_a_seed_repeats_on_a_device(device, small_model):
    model = small_model.to(device)
    one, again, other = (generate(model, UNEQUAL, 12, top_k=9, top_p=0.9, min_p=0.01, seed=seed) for seed in (7, 7, 8))
    assert one == again != other


def test_speculation_writes_the_same_text_on_a_device(device, small_model):
    model = small_model.to(device)
    expected = list(stream(model, UNEQUAL[0], 15, temperature=0))
    for draft in (model, lively(Transformer(small_config(n_layers=1))).to(device), PromptLookup(1)):
        assert list(speculate(model, UNEQUAL[0], 15, draft, temperature=0)) == expected
    assert len(list(speculate(model, UNEQUAL[0], 15, PromptLookup(1), seed=0))) == 15


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantised_layers_compute_the_same_on_a_device(device, weights):
    here = quantize(lively(Transformer(small_config(d_ff=64, norm_eps=0.1))), weights)
    there, ids = copy.deepcopy(here).to(device), torch.tensor([UNEQUAL[2]])
    with torch.no_grad():
        expected, found = here(ids), there(ids.to(device)).cpu()
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()  # either may round vectors to bfloat16
    assert len(generate(there, UNEQUAL[0], 5, seed=0)) == 9
