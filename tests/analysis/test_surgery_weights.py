"""Single weights and neurons taken out or put in, outputs replaced: against formulas, and whole again afterwards."""

import pytest
import torch
import torch.nn.functional as F
from helpers import lively, small_config, writing

from minillm import quantize
from minillm.analysis import surgery
from minillm.analysis.tracing import sublayers, trace
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

IDS = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])
DOWN = "blocks.1.feedforward.down.weight"
WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return lively(Transformer(small_config())).requires_grad_(False)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>"])


@pytest.fixture(scope="module")
def reader():
    """A model of the tokenizer's vocabulary."""
    torch.manual_seed(1)
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)


@pytest.fixture(autouse=True)
def unchanged(model, reader):
    """Whatever a test does, the models are afterwards what they were, weights and outputs."""
    before = [
        ({name: value.clone() for name, value in each.state_dict().items()}, each(IDS)) for each in (model, reader)
    ]
    yield
    for each, (weights, logits) in zip((model, reader), before, strict=True):
        now = each.state_dict()
        assert now.keys() == weights.keys()
        assert all(torch.equal(now[name], weights[name]) for name in weights)
        assert torch.equal(each(IDS), logits)


def feed_forward(x, gate, up, down):
    return F.silu(x @ gate.T) * (x @ up.T) @ down.T


def test_the_entries_are_zero_inside_and_no_others(model):
    weight = model.blocks[1].feedforward.down.weight
    with surgery.zeroed(model, DOWN, (7, 3), (0, 5), (7, 3)):
        assert (weight == 0).nonzero().tolist() == [[0, 5], [7, 3]]
        with surgery.zeroed(model, DOWN, (0, 5), (1, 1)):
            assert len((weight == 0).nonzero()) == 3
        assert len((weight == 0).nonzero()) == 2
    with surgery.zeroed(model, "final_norm.weight", (4,)):
        assert model.final_norm.weight[4] == 0


def test_one_zero_takes_its_share_from_one_coordinate(model):
    x = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    network = model.blocks[1].feedforward
    hidden = F.silu(x @ network.gate.weight.T) * (x @ network.up.weight.T)
    whole, share = network(x), hidden[:, 3] * network.down.weight[7, 3]
    with surgery.zeroed(model, DOWN, (7, 3)):
        change = whole - network(x)
    torch.testing.assert_close(change[:, 7], share)
    assert change[:, torch.arange(32) != 7].abs().max() < 1e-5


@pytest.mark.parametrize(
    "context",
    [
        lambda model: surgery.zeroed(model, DOWN, (7, 3)),
        lambda model: surgery.zeroed_at_random(model, 50),
        lambda model: surgery.without_neurons(model, (0, 1), (1, 2)),
        lambda model: surgery.appended(model, 1, torch.ones(32), torch.ones(32), torch.ones(32)),
        lambda model: surgery.blurred(model, "attention", {0: torch.ones(32)}),
    ],
)
def test_an_error_inside_leaves_the_model_whole(model, context):
    logits = model(IDS)

    def fail():
        assert not torch.equal(model(IDS), logits)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), context(model):
        fail()
    assert torch.equal(model(IDS), logits)


def test_random_weights_are_as_many_as_asked_for_and_decided_by_the_seed(model):
    def zeros(count, seed):
        with surgery.zeroed_at_random(model, count, seed):
            weights = {name: (value == 0).nonzero().tolist() for name, value in model.state_dict().items()}
        assert all("feedforward" in name for name, places in weights.items() if places)
        return weights

    first = zeros(200, 0)
    assert sum(map(len, first.values())) == 200
    assert first == zeros(200, 0) != zeros(200, 1)
    assert sum(map(bool, first.values())) == 6  # all six matrices have some of 200
    total = sum(value.numel() for name, value in model.state_dict().items() if "feedforward." in name)
    assert sum(map(len, zeros(total, 0).values())) == total


def test_without_neurons_writes_what_the_others_write(model):
    x = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    network, keep = model.blocks[1].feedforward, [n for n in range(network_width(model)) if n not in (2, 5)]
    expected = feed_forward(x, network.gate.weight[keep], network.up.weight[keep], network.down.weight[:, keep])
    with surgery.without_neurons(model, (1, 2), (1, 5)):
        torch.testing.assert_close(network(x), expected)


def network_width(model):
    return model.blocks[0].feedforward.down.weight.shape[1]


@pytest.mark.parametrize("n", [1, 3])
def test_neurons_that_are_appended_add_their_formula(model, n):
    rng = torch.Generator().manual_seed(n)
    x, gate, up, down = (torch.randn(*shape, 32, generator=rng) for shape in ((6,), (n,), (n,), (n,)))
    network = model.blocks[1].feedforward
    expected = network(x) + feed_forward(x, gate, up, down.T)
    given = (gate[0], up[0], down[0]) if n == 1 else (gate, up, down)
    with surgery.appended(model, 1, *given):
        torch.testing.assert_close(network(x), expected)
        with surgery.appended(model, 1, *given):
            torch.testing.assert_close(network(x), expected + feed_forward(x, gate, up, down.T), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("part", ["feed_forward", "linear"])
def test_a_function_in_place_of_a_part_meets_the_appended_neuron_in_either_order(model, part):
    neuron = torch.ones(32), torch.ones(32), torch.arange(32.0)
    own = {part: feed_forward if part == "feed_forward" else lambda x, weight: x @ weight.T}
    with surgery.appended(model, 1, *neuron):
        expected = model(IDS)
        with surgery.replaced(model, **own):
            inner = model(IDS)
    with surgery.replaced(model, **own), surgery.appended(model, 1, *neuron):
        outer = model(IDS)
    torch.testing.assert_close(inner, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outer, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model(IDS), expected, atol=1e-2)


def test_a_network_without_a_gate_takes_a_neuron_without_one():
    plain = lively(Transformer(small_config(activation="relu2"))).requires_grad_(False)
    x, up, down = torch.randn(5, 32), torch.randn(32), torch.randn(32)
    network = plain.blocks[0].feedforward
    expected = network(x) + F.relu(x @ up).square()[:, None] * down
    with surgery.appended(plain, 0, None, up, down):
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-3)
    with pytest.raises(UserError, match="no gate; give None"), surgery.appended(plain, 0, up, up, down):
        pass


@pytest.mark.parametrize(("part", "kind"), [("attention", "attention"), ("feed_forward", "feedforward")])
def test_blurred_everywhere_the_part_writes_the_mean(model, part, kind):
    mean = torch.randn(32, generator=torch.Generator().manual_seed(0))
    with writing(mean, sublayers(model)[1, kind]):
        expected = model(IDS)
    with surgery.blurred(model, part, {1: mean}):
        torch.testing.assert_close(model(IDS), expected, rtol=1e-4, atol=1e-4)


def test_blurred_at_chosen_tokens_leaves_the_others(model):
    mean, own = torch.ones(32), trace(model, IDS, weights=False).feedforward
    with surgery.blurred(model, "feed_forward", {1: mean}, tokens=[0, 3, 99]):
        seen = trace(model, IDS, weights=False).feedforward
    assert torch.equal(seen[0], own[0])
    assert torch.equal(seen[1][:, [1, 2, 4, 5]], own[1][:, [1, 2, 4, 5]])
    assert torch.equal(seen[1][:, [0, 3]], mean.expand(2, 2, -1))


def test_a_row_per_position_leaves_later_positions(model):
    rows, own = torch.randn(4, 32), trace(model, IDS, weights=False).attention
    with surgery.blurred(model, "attention", {1: rows}, tokens=range(1, 50)):
        seen = trace(model, IDS, weights=False).attention[1]
    assert torch.equal(seen[:, [0, 4, 5]], own[1][:, [0, 4, 5]])
    assert torch.equal(seen[0, 1:4], rows[1:])


def test_a_cache_knows_which_token_is_blurred(reader, tokenizer):
    zero = torch.zeros(32)
    for tokens in ([0], range(1, 64), [3]):
        with surgery.blurred(reader, "feed_forward", {0: zero, 1: zero}, tokens):
            ids = surgery.prompt_ids(tokenizer, "The")
            cached = list(surgery.continuation(reader, ids, 8))
            for _ in range(8):
                ids.append(int(reader(torch.tensor([ids]))[0, -1].argmax()))
        assert cached == ids[-8:]


def test_the_mean_is_that_of_all_tokens_but_the_first(reader, tokenizer):
    texts = ["The old goose", "umbrella was glad of it"]
    means = surgery.output_means(reader, tokenizer, texts, "feed_forward")
    rows = [trace(reader, torch.tensor([surgery.prompt_ids(tokenizer, text)]), weights=False) for text in texts]
    for layer in range(2):
        expected = torch.cat([row.feedforward[layer][0, 1:] for row in rows]).mean(0)
        torch.testing.assert_close(means[layer], expected)
    same = surgery.output_means(reader, tokenizer, ["The goose"], "attention", by_position=True)
    only = trace(reader, torch.tensor([surgery.prompt_ids(tokenizer, "The goose")]), weights=False)
    torch.testing.assert_close(same[1], only.attention[1][0])


def test_a_planted_weight_is_found(reader, tokenizer):
    """One entry of `down` is made to write more than all others; its neuron fires at one token."""
    ids = torch.tensor([surgery.prompt_ids(tokenizer, "The old goose lost her umbrella")])
    normed = []
    hook = reader.blocks[1].feedforward.register_forward_pre_hook(lambda _, inputs: normed.append(inputs[0][0]))
    reader(ids)
    hook.remove()
    about = normed[0][3] / normed[0][3].square().sum() * 20
    column = torch.zeros(32)
    column[11] = -9.0
    with surgery.appended(reader, 1, about, about, column):
        first, second = surgery.super_weight_candidates(reader, tokenizer, "The old goose lost her umbrella", n=2)
    assert (first.layer, first.row, first.column, first.token) == (1, 11, network_width(reader), 3)
    assert (first.weight, first.name) == (-9.0, DOWN)
    assert first.written == pytest.approx(-9 * 20 * 20, rel=1e-3)
    assert abs(second.written) < abs(first.written)


def test_the_candidates_are_the_largest_of_a_plain_search(reader, tokenizer):
    text, every = "The goose was glad", []
    ids = torch.tensor([surgery.prompt_ids(tokenizer, text)])
    for layer, block in enumerate(reader.blocks):
        seen = []
        hook = block.feedforward.down.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0][0]))
        reader(ids)
        hook.remove()
        products = (seen[0][:, None] * block.feedforward.down.weight).abs().amax(0)  # (T, C, F) -> (C, F)
        every += [(products[row, column].item(), layer, row, column) for row in range(32) for column in range(85)]
    expected = sorted(every, reverse=True)[:6]
    found = surgery.super_weight_candidates(reader, tokenizer, text, n=6)
    assert [(each.layer, each.row, each.column) for each in found] == [each[1:] for each in expected]
    assert [abs(each.written) for each in found] == pytest.approx([each[0] for each in expected], rel=1e-5)


NAME = "blocks.1.feedforward.down.weights"
ONES = torch.ones(32)


@pytest.mark.parametrize(
    ("context", "told"),
    [
        (lambda m: surgery.zeroed(m, NAME, (0, 0)), "no weight 'blocks.1.feedforward.down.weights'"),
        (lambda m: surgery.zeroed(m, DOWN, (32, 0)), r"has shape \(32, 85\), so there is no position \(32, 0\)"),
        (lambda m: surgery.zeroed(m, DOWN, (0, -1)), r"no position \(0, -1\)"),
        (lambda m: surgery.zeroed(m, DOWN, (0,)), r"no position \(0,\)"),
        (lambda m: surgery.zeroed_at_random(m, 10**6), "count is 1000000; the feed-forward networks have 16,320"),
        (lambda m: surgery.zeroed_at_random(m, -1), "count is -1"),
        (lambda m: surgery.without_neurons(m, (0, 85)), "no neuron 85; this model's are 0 to 84"),
        (lambda m: surgery.without_neurons(m, (2, 0)), "no layer 2"),
        (lambda m: surgery.appended(m, 1, None, ONES, ONES), "a gate; give one"),
        (lambda m: surgery.appended(m, 1, ONES, ONES, torch.ones(31)), r"down has shape \(1, 31\); give \(32,\)"),
        (lambda m: surgery.appended(m, 1, ONES.expand(2, -1), ONES, ONES), r"gate has shape \(2, 32\)"),
        (lambda m: surgery.blurred(m, "mlp", {0: ONES}), "part is 'mlp'; choose attention or feed_forward"),
        (lambda m: surgery.blurred(m, "attention", {2: ONES}), "no layer 2"),
        (lambda m: surgery.blurred(m, "attention", {0: torch.ones(31)}), r"mean of layer 0 has shape \(31,\)"),
        (lambda m: surgery.blurred(m, "attention", {0: ONES}, tokens=[-1]), "give numbers from 0"),
    ],
)
def test_what_does_not_fit_is_refused(model, context, told):
    with pytest.raises(UserError, match=told), context(model):
        pass


def test_texts_that_have_no_mean_are_refused(reader, tokenizer):
    for texts, more, told in [
        ([], {}, "at least one text"),
        ([""], {}, "at least two tokens"),
        (["The", "The goose lost"], {"by_position": True}, "needs equal lengths"),
    ]:
        with pytest.raises(UserError, match=told):
            surgery.output_means(reader, tokenizer, texts, "attention", **more)
    with pytest.raises(UserError, match="part is 'mlp'"):
        surgery.output_means(reader, tokenizer, ["The goose"], "mlp")
    with pytest.raises(UserError, match="n is 0; ask for 1 to 2,720"):
        surgery.super_weight_candidates(reader, tokenizer, "The goose", n=0)


def test_quantized_weights_and_biases_are_refused(model):
    small = quantize(lively(Transformer(small_config())), "int8")
    for context in (
        lambda: surgery.zeroed(small, DOWN, (0, 0)),
        lambda: surgery.zeroed_at_random(small, 3),
        lambda: surgery.appended(small, 0, ONES, ONES, ONES),
    ):
        with pytest.raises(UserError, match="quantized"), context():
            pass
    biased = Transformer(small_config(bias=True))
    with pytest.raises(UserError, match="biases"), surgery.appended(biased, 0, ONES, ONES, ONES):
        pass
