"""The right answers of exercise 06, against models that are built and run."""

import pytest
import torch
from torch import nn

from minillm.analysis.tracing import trace
from minillm.config import ModelConfig
from minillm.course.checks.transformer.deepen import deepen
from minillm.course.checks.transformer.experts import mixture_parameters
from minillm.course.checks.transformer.folding import fold
from minillm.course.checks.transformer.shares import head_shares
from minillm.model.norm import LayerNorm, RMSNorm
from minillm.model.transformer import Transformer


def small(n_layers, **changes):
    shape = dict(vocab_size=11, d_model=8, n_heads=2, max_seq_len=8) | changes
    model = Transformer(ModelConfig(n_layers=n_layers, **shape))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


@pytest.mark.parametrize("chosen", [1, 3, 5])
def test_the_parameters_of_a_mixture_are_those_of_one_that_is_built(chosen):
    V, C, L, H, K, D, F, E = 13, 8, 3, 4, 2, 6, 10, 5
    model = Transformer(ModelConfig(V, C, L, H, 4, n_kv_heads=K, d_head=D, d_ff=F, tie_embeddings=False))
    per_expert = [block.feedforward for block in model.blocks]
    for layer in model.blocks:
        layer.feedforward = nn.ModuleList(type(layer.feedforward)(C, F, "swiglu") for _ in range(E))
        layer.router = nn.Linear(C, E, bias=False)
    total = sum(parameter.numel() for parameter in model.parameters())
    unused = (E - chosen) * sum(p.numel() for one in per_expert for p in one.parameters())
    assert mixture_parameters(V, C, L, H, K, D, F, E, chosen) == (total, total - unused)


@pytest.mark.parametrize("settings", [{}, {"activation": "gelu", "bias": True}, {"n_kv_heads": 1}])
@pytest.mark.parametrize("tied", [False, True])
def test_a_folded_model_has_the_same_logits_and_norms_of_1(tied, settings):
    model = small(3, tie_embeddings=tied, **settings)
    weights = model.state_dict()
    if tied:
        del weights["head.weight"]
    folded = small(3, tie_embeddings=False, **settings)
    folded.load_state_dict(fold(weights))
    ids = torch.tensor([[1, 2, 3, 4]])
    torch.testing.assert_close(folded(ids), model(ids), rtol=1e-4, atol=1e-4)
    norms = [weight for name, weight in folded.state_dict().items() if name.endswith("norm.weight")]
    assert len(norms) == 7
    assert all((weight == 1).all() for weight in norms)
    assert torch.equal(folded.embedding.weight, model.embedding.weight)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("after", [[0], [2], [1, 2], [2, 0, 1]])
def test_a_deeper_model_says_the_same_and_can_learn(after, bias):
    settings = dict(norm="layernorm", activation="gelu", bias=True) if bias else {}
    model, deeper = small(3, **settings), small(3 + len(after), **settings)
    deeper.load_state_dict(deepen(model.state_dict(), after))
    ids = torch.tensor([[1, 2, 3, 4]])
    torch.testing.assert_close(deeper(ids), model(ids))
    deeper(ids).square().mean().backward()
    for number in after:
        new = deeper.blocks[number + 1 + sum(other < number for other in after)]
        for part in (new.attention.output, new.feedforward.down):
            assert part.weight.abs().sum() == 0
            assert part.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_shares_of_heads_add_up_to_that_of_attention_in_a_real_forward_pass(norm):
    model = small(2, norm=norm)
    ids, heard = torch.tensor([[1, 2, 3, 4]]), []
    output = model.blocks[1].attention.output
    hook = output.register_forward_pre_hook(lambda _module, inputs: heard.append(inputs[0][0, -1].detach()))
    seen = trace(model, ids, weights=False)
    hook.remove()
    stream, write = seen.stream[-1, 0, -1], seen.attention[1, 0, -1]
    direction = (model.head.weight[3] - model.head.weight[5]).detach()
    weight = model.final_norm.weight.detach()
    shares = head_shares(heard[0].view(2, 4), output.weight.detach(), stream, norm, weight, direction)
    centred = write - write.mean() if norm == "layernorm" else write
    size = (stream.var(correction=0) if norm == "layernorm" else stream.square().mean()) + 1e-5
    torch.testing.assert_close(shares.sum(), (centred / size.sqrt() * weight) @ direction)


def test_the_shares_of_a_stream_that_heads_alone_wrote_are_its_logits():
    heads, output, direction = torch.randn(3, 2), torch.randn(6, 6), torch.randn(6)
    stream = output @ heads.flatten()
    for norm in (RMSNorm(6), LayerNorm(6)):
        kind = "rmsnorm" if isinstance(norm, RMSNorm) else "layernorm"
        shares = head_shares(heads, output, stream, kind, norm.weight.detach(), direction)
        torch.testing.assert_close(shares.sum(), norm(stream).detach() @ direction)
