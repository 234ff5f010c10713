"""What the benchmarks of lesson 05 compute around the model: against plain passes and values worked out by hand."""

import pytest
import torch
import torch.nn.functional as F

from minillm import Tokenizer, Transformer
from minillm.analysis import surgery
from minillm.analysis.tracing import trace
from tests.benchmark_scripts import benchmark_script
from tests.helpers import lively, small_config

WORDS = "The old goose lost her umbrella. The old umbrellas were lost, and the goose was glad of it. " * 3


def script(name):
    @pytest.fixture(scope="module", name=name)
    def loaded():
        with benchmark_script(name) as module:
            yield module

    return loaded


resuming, super_weights, facts, editing, edits, knockouts = map(
    script, ("resuming", "super_weights", "facts", "editing", "edits", "knockouts")
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([WORDS], vocab_size=310, special_tokens=["<|endoftext|>"])


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return lively(Transformer(small_config(vocab_size=310, max_seq_len=64))).requires_grad_(False)


@pytest.fixture(scope="module")
def items(facts, tokenizer):
    pairs = {"old": "goose", "goose": "old", "lost": "umbrella", "her": "lost", "umbrella": "her", "were": "was"}
    return facts.of_pairs(tokenizer, "The {} the", pairs)


def test_a_pass_that_goes_on_is_the_whole_pass(resuming, model):
    rows = [[1, 2, 3, 4], [5, 6], [7, 8, 9, 10], [9, 9, 9]]
    prefixes = resuming.Resumable(model, rows)
    whole = torch.stack([model(torch.tensor([row]))[0, -1] for row in rows])
    for layer in (0, 1):
        torch.testing.assert_close(prefixes.last_logits(layer), whole, rtol=1e-4, atol=1e-4)
    expected = []
    for row in rows:
        logits = model(torch.tensor([row[:-1]]))[0]
        expected.append(F.cross_entropy(logits, torch.tensor(row[1:])).item())
    assert prefixes.losses(1) == pytest.approx(expected, rel=1e-4)
    assert prefixes.losses(0, count=2) == pytest.approx(expected[:2], rel=1e-4)


def test_a_late_change_gives_the_same_from_its_layer_on(resuming, model):
    rows = [[1, 2, 3, 4], [5, 6]]
    prefixes = resuming.Resumable(model, rows)
    with surgery.without(model, "feed_forward", 1):
        torch.testing.assert_close(prefixes.last_logits(1), prefixes.last_logits(0), rtol=1e-4, atol=1e-4)
        changed = prefixes.last_logits(1)
    batch = resuming.Resumable(model, [[1, 2], [3, 4], [5, 6]])
    torch.testing.assert_close(batch.last_logits(1, [2, 0]), batch.last_logits(1)[[2, 0]], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(changed, prefixes.last_logits(1), atol=1e-2)


def test_weights_are_zeroed_at_the_first_token_or_elsewhere(super_weights, model):
    ids, place = torch.tensor([[1, 2, 3]]), (1, 7, [3, 5])
    with surgery.zeroed(model, "blocks.1.feedforward.down.weight", (7, 3), (7, 5)):
        all_over = trace(model, ids, weights=False).feedforward[1]
    whole = trace(model, ids, weights=False).feedforward[1]
    with super_weights.zeroed_at_tokens(model, *place, elsewhere=False):
        first = trace(model, ids, weights=False).feedforward[1]
    with super_weights.zeroed_at_tokens(model, *place, elsewhere=True):
        rest = trace(model, ids, weights=False).feedforward[1]
    torch.testing.assert_close(first[:, :1], all_over[:, :1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rest[:, 1:], all_over[:, 1:], rtol=1e-4, atol=1e-4)
    assert torch.equal(first[:, 1:], whole[:, 1:])
    assert torch.equal(rest[:, :1], whole[:, :1])


def test_the_largest_weights_are_those_of_a_sorted_list(super_weights, model):
    every = sorted(
        (
            (abs(value), layer, matrix, row, column)
            for layer, block in enumerate(model.blocks)
            for matrix in ("gate", "up", "down")
            for row, values in enumerate(getattr(block.feedforward, matrix).weight.tolist())
            for column, value in enumerate(values)
        ),
        reverse=True,
    )
    largest = super_weights.largest_weights(model, 5)
    assert largest == [entry[1:] for entry in every[:5]]
    with super_weights.all_zeroed(model, largest):
        assert all(super_weights.value(model, entry) == 0 for entry in largest)
    neurons = super_weights.random_neurons(model, 20, seed=1)
    assert len(set(neurons)) == 20
    assert max(number for _, number in neurons) < model.config.d_ff


def test_a_cost_is_the_mean_rise_over_the_same_texts(super_weights):
    found = super_weights.cost([2.0, 4.0], [1.0, 2.0, 99.0])
    assert (found["cost"], found["least"], found["most"], found["of"], found["loss"]) == (1.5, 1.0, 2.0, 2, 3.0)


def test_items_have_one_token_subjects_and_different_answers(facts, tokenizer, items):
    assert items.subjects == ["old", "goose", "lost", "her", "umbrella", "were"]
    again = facts.of_pairs(tokenizer, "The {} the", {"old": "goose", "goose": "goose", "oldgoose": "lost"})
    assert again.subjects == ["old"]
    assert items.only([2, 0]).answers == ["umbrella", "goose"]
    assert torch.equal(items.only([2, 0]).right, items.right[[2, 0]])
    with pytest.raises(ValueError, match="several lengths"):
        facts.of_pairs(tokenizer, "{}", {"old": "goose", "goose": "lost"})


def test_the_relations_are_what_their_lists_say(facts):
    for form, written in facts.FORMS.values():
        pairs = facts.pairs_of(written)
        assert len(pairs) >= 38
        assert form.count("{}") == 1


def test_scores_are_counted_as_by_hand(facts):
    logits = torch.tensor([[0.0, 3, 2, 9], [1, 2, 3, 0], [5, 1, 0, 2]])
    found = facts.scores(logits, torch.tensor([1, 2, 3]))
    assert found == {"open": [False, True, False], "closed": [False, True, True], "ranks": [2, 1, 2]}


def test_known_items_are_those_that_are_written_in_full(facts, model, tokenizer, items):
    kept = facts.known(model, tokenizer, items)
    for subject, answer in zip(items.subjects, items.answers, strict=True):
        ids = tokenizer.encode(f" {answer}")
        row = items.rows[items.subjects.index(subject)]
        assert (subject in kept.subjects) == (facts.greedy(model, row, len(ids)) == ids)


def test_a_written_fact_answers_at_its_vector_and_nowhere_else(editing):
    rng = torch.Generator().manual_seed(0)
    about, others, say, instead = (torch.randn(*shape, 64, generator=rng) for shape in ((), (10,), (), ()))
    gate, up, down = editing.write_fact(about, others, say, instead, strength=30.0)
    written = F.silu(about @ gate) * (about @ up) * down
    torch.testing.assert_close(written, 30 * 5.985164 * F.normalize(say - instead, dim=0), rtol=1e-4, atol=1e-4)
    assert (F.silu(others @ gate) * (others @ up)).abs().max() < 0.05


def test_an_editor_reads_what_the_network_reads(editing, resuming, model, items):
    prefixes = resuming.Resumable(model, items.rows)
    editor = editing.Editor(model, items, prefixes, prefixes, layer=1)
    seen = []
    hook = model.blocks[1].feedforward.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.tensor(items.rows))
    hook.remove()
    torch.testing.assert_close(editor.vectors, seen[0][:, -1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(editor.text, seen[0][:, 1:].flatten(0, 1), rtol=1e-4, atol=1e-4)


def test_an_edit_is_judged_as_by_hand(editing, resuming, model, items):
    prefixes = resuming.Resumable(model, items.rows)
    editor = editing.Editor(model, items, prefixes, prefixes, layer=1)
    logits = torch.full((4, 310), -1.0)
    for row, token in enumerate([1, 1, 3, 4]):  # item 0 has the answer of 1 now, and so has item 2
        logits[row, items.right[token]] = 1.0
    found = editor.judged(0, 1, [2, 3, 4], logits)
    assert found == {"item": 0, "new": 1, "works": True, "kept": 2, "became new": 1, "others": 3}
    others = editor.others(0, 1, "3")
    assert not {0, 1, *editor.chosen(0, "3")[0]} & set(others)
    assert editor.others(0, 1, "0", count=2) == editor.others(0, 1, "0")[:2]
    strong = editor.edit(0, 1, "3", strength=1000.0)
    assert strong["works"]
    assert strong["others"] == len(others)
    for own, drawn in zip(editor.neuron(0, 1, "3"), editor.random_neuron(0, 1, "3"), strict=True):
        torch.testing.assert_close(own.norm(), drawn.norm())


def test_targets_differ_and_edits_are_summed(edits):
    pairs = edits.targets_of(5, 3)
    assert len(set(pairs)) == 15
    assert all(item != new for item, new in pairs)
    row = {"works": True, "kept": 3, "others": 4, "became new": 0}
    found = edits.summary([row | {"item": 0}, row | {"item": 0, "works": False}, row | {"item": 1}])
    assert (found["edits"], found["countries"]) == (3, 2)
    assert (found["works"]["hits"], found["works"]["of"], found["kept"]["of"]) == (2, 3, 12)
    assert found["works"]["low"] == 0.5
    assert found["kept"]["low"] == found["kept"]["high"] == 0.75
    assert edits.counted([[1, 2], [1, 2]]) == {"hits": 2, "of": 4, "low": 0.5, "high": 0.5}


def test_a_bias_is_added_at_every_token(editing, model):
    ids, value = torch.tensor([[1, 2, 3]]), torch.arange(32.0)
    before = trace(model, ids, weights=False).feedforward[1]
    with editing.added_everywhere(model, 1, value):
        torch.testing.assert_close(trace(model, ids, weights=False).feedforward[1], before + value)


def test_a_half_is_blurred_with_the_mean_of_its_source(knockouts, model, tokenizer, items):
    asked = knockouts.Asked(model, items)
    assert asked.halves == [[0, 2, 4], [1, 3, 5]]
    text = {part: surgery.output_means(model, tokenizer, [WORDS[:60]], part) for part in knockouts.PARTS}
    for source, mean_of in (("same", [0, 2, 4]), ("other", [1, 3, 5])):
        own = trace(model, torch.tensor([items.rows[i] for i in mean_of]), weights=False).attention[1].mean(0)
        torch.testing.assert_close(asked.mean("attention", source, 0, text)[1], own, rtol=1e-4, atol=1e-4)
    assert asked.mean("attention", "text", 0, text) is text["attention"]
    logits = [model(torch.tensor([items.rows[i] for i in half]))[:, -1] for half in asked.halves]
    whole = knockouts.scores(model(torch.tensor(items.rows))[:, -1], items.right)
    assert asked.judged(logits) == whole
    assert len(asked.blurred("feed_forward", [1], "other", text)["ranks"]) == 6


def test_random_changes_are_as_long_as_the_change_to_the_mean(knockouts, model):
    ids, mean = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.randn(3, 32)
    before = trace(model, ids, weights=False).feedforward[1]
    with knockouts.shaken(model, "feed_forward", {1: mean}, seed=0):
        after = trace(model, ids, weights=False).feedforward[1]
    assert torch.equal(after[:, 0], before[:, 0])
    expected = (mean - before)[:, 1:].norm(dim=-1)
    torch.testing.assert_close((after - before)[:, 1:].norm(dim=-1), expected, rtol=1e-3, atol=1e-3)
    with knockouts.within(model, "feed_forward", [1]):
        seen = trace(model, ids, weights=False).feedforward[1]
    torch.testing.assert_close(seen, before.mean(0, keepdim=True).expand_as(before), rtol=1e-4, atol=1e-4)


def test_hits_are_counted_with_an_interval(knockouts):
    found = knockouts.counted({"open": [True, True], "closed": [True, True], "ranks": [1, 3]})
    assert found == {"of": 2, "open": {"hits": 2, "low": 1, "high": 1}, "closed": {"hits": 2, "low": 1, "high": 1},
                     "rank": 2}  # fmt: skip
