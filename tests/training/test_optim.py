import pytest
import torch
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.training.optim import Muon, adamw, make_optimizer, muon, orthogonalise


def test_adamw_by_its_formula():
    """One step from zero state: m = (1 - b1) g, v = (1 - b2) g^2, both bias-corrected back to g and g^2."""
    layer = nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    layer.weight.grad, layer.bias.grad = torch.randn(2, 3), torch.randn(2)
    adamw(layer, lr=0.1, weight_decay=0.5).step()
    moved = 0.1 * layer.weight.grad / (layer.weight.grad.abs() + 1e-8)
    torch.testing.assert_close(layer.weight.detach(), weight * (1 - 0.1 * 0.5) - moved)
    torch.testing.assert_close(layer.bias.detach(), bias - 0.1 * layer.bias.grad / (layer.bias.grad.abs() + 1e-8))


@pytest.mark.parametrize("kind", [adamw, muon])
@pytest.mark.parametrize("of", [lambda model: model, lambda model: model.named_parameters()])
def test_modules_and_named_parameters_move_alike(kind, of):
    torch.manual_seed(0)
    models = [Transformer(small_config(bias=True)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, params in zip(models, (models[0], of(models[1])), strict=True):
        optimizer = kind(params, lr=0.01, weight_decay=0.1, betas=(0.8, 0.9), eps=1e-3)
        torch.manual_seed(1)
        for p in model.parameters():
            p.grad = torch.randn_like(p)
        optimizer.step()
    for p, q in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(p, q)


def test_plain_parameters_betas_and_eps_are_those_of_torch():
    ours, theirs = ([nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(2))] for _ in range(2))
    options = {"betas": (0.8, 0.9), "eps": 1e-2}
    optimizers = [
        adamw(iter(ours), lr=0.1, weight_decay=0.5, **options),
        torch.optim.AdamW([{"params": theirs[:1], "weight_decay": 0.5}, {"params": theirs[1:], "weight_decay": 0.0}],
                          lr=0.1, **options),
    ]  # fmt: skip
    for _ in range(3):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_without_names_every_matrix_is_muons():
    parameters = [nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, 2, 2))]
    kinds = [(group["kind"], len(group["params"])) for group in muon(parameters, lr=0.1).param_groups]
    assert kinds == [("muon", 1), ("adamw", 1), ("adamw", 1)]
    for kind in (adamw, muon):
        with pytest.raises(ValueError, match="none of 1 parameters needs a gradient"):
            kind([torch.ones(2)], lr=0.1)


@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 10_000))
def test_orthogonalise_keeps_the_singular_vectors_and_evens_out_the_values(rows, columns, seed):
    """The oracle is the decomposition that Newton-Schulz avoids."""
    torch.manual_seed(seed)
    left, _, right = torch.linalg.svd(torch.randn(rows, columns, dtype=torch.float64), full_matrices=False)
    values = torch.empty(min(rows, columns), dtype=torch.float64).uniform_(0.05, 1)
    x = orthogonalise((left * values) @ right)
    in_its_own_axes = left.mT @ x @ right.mT  # diagonal, if the singular vectors are still the same
    torch.testing.assert_close(in_its_own_axes, in_its_own_axes.diagonal().diag(), rtol=0, atol=1e-9)
    assert in_its_own_axes.diagonal().min() > 0.65
    assert in_its_own_axes.diagonal().max() < 1.25


def test_a_batch_of_matrices_is_orthogonalised_one_by_one():
    matrices = torch.randn(3, 5, 4)
    torch.testing.assert_close(orthogonalise(matrices), torch.stack([orthogonalise(m) for m in matrices]))
    assert orthogonalise(torch.zeros(2, 3)).abs().max() == 0  # and not 0 / 0


class Blocks(nn.Module):
    """As little as Muon needs: a matrix inside, a table and a vector outside."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(2, 2, bias=False)])
        self.table, self.vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))


def test_two_steps_of_muon_by_hand(monkeypatch):
    """On diagonal gradients the polynomial can be followed entry by entry."""
    monkeypatch.setattr("minillm.training.optim.autocast_dtype", lambda device: None)  # float32 on every processor

    def five_times(values):
        values = [value / sum(v * v for v in values) ** 0.5 for value in values]
        for _ in range(5):
            values = [3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5 for s in values]
        return torch.tensor(values).diag()

    model = Blocks()
    weight = model.blocks[0].weight
    with torch.no_grad():
        weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    expected = weight.detach().clone()
    optimizer = Muon(model, lr=0.1, weight_decay=0.5, momentum=0.9)
    # M = G, then 0.9 M + G = (3, 1) * 1.9; the step looks one more ahead, G + 0.9 M.
    for gradient, ahead in (((3.0, 1.0), (5.7, 1.9)), ((1.0, 2.0), (1 + 0.9 * 3.7, 2 + 0.9 * 2.9))):
        weight.grad = torch.tensor(gradient).diag()
        optimizer.step()
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * 0.2 * 2**0.5 * five_times(ahead)
        torch.testing.assert_close(weight.detach(), expected)


def test_outside_the_blocks_muon_is_adamw():
    torch.manual_seed(1)
    one, two = (lively(Transformer(small_config(tie_embeddings=False, bias=True))) for _ in range(2))
    two.load_state_dict(one.state_dict())
    optimizers = [make_optimizer(name, model, 0.01, 0.1) for name, model in (("muon", one), ("adamw", two))]
    before = {name: p.detach().clone() for name, p in one.named_parameters()}
    for _ in range(3):
        for (name, p), q in zip(one.named_parameters(), two.parameters(), strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
            assert p.shape == q.shape, name
        for optimizer in optimizers:
            optimizer.step()
    for (name, p), q in zip(one.named_parameters(), two.parameters(), strict=True):
        inside = p.dim() == 2 and name.startswith("blocks.")
        assert torch.equal(p, q) != inside, name
        assert not torch.equal(p, before[name]), name


def test_muon_moves_an_entry_about_as_far_as_adamw_does():
    """Liu et al. 2025, section 2.2: the root mean square of a step is 0.2 learning rates, whatever the shape."""
    for shape in ((64, 64), (192, 64), (64, 192)):
        model = Blocks()
        model.blocks[0] = nn.Linear(shape[1], shape[0], bias=False)
        weight = model.blocks[0].weight
        before = weight.detach().clone()
        weight.grad = torch.randn(shape)
        Muon(model, lr=0.1, weight_decay=0.0).step()
        step = (weight.detach() - before).square().mean().sqrt()
        assert step == pytest.approx(0.2 * 0.1, rel=0.25)


@pytest.mark.parametrize("make", [adamw, muon])
@pytest.mark.usefixtures("as_users_call_it")
def test_groups_of_parameters_are_refused(make):
    with pytest.raises(UserError, match="params holds a dict; give a model or its parameters"):
        make([{"params": list(nn.Linear(3, 2).parameters())}], lr=0.1)


def test_decay_groups():
    """Matrices and tables are decayed, vectors are not, and frozen parameters are left out."""
    model = Transformer(small_config(bias=True, norm="layernorm"))
    model.blocks[0].attention.key.weight.requires_grad_(False)
    for name in ("adamw", "muon"):
        groups = make_optimizer(name, model, 0.1, 0.3).param_groups
        decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
        trained = [p for p in model.parameters() if p.requires_grad]
        assert decay.keys() == {id(p) for p in trained}
        assert all(decay[id(p)] == (0.3 if p.dim() == 2 else 0.0) for p in trained)
