"""A model that computes with the learner's parts: equal to the course's if they are, and otherwise really theirs."""

import sys
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers import lively, small_config
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from minillm import generate, load, quantize
from minillm.analysis import surgery
from minillm.course import mine, own_model
from minillm.course.assembly import inside
from minillm.course.heads import settings_of
from minillm.course.learner import trial
from minillm.course.learner.loading import save
from minillm.course.own_model import use_mine, whose
from minillm.course.turns import all_turns, find
from minillm.errors import UserError
from minillm.inference.decode import decoder, next_logits
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

assert_close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)  # heads are added up in another order
IDS = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])
# Both pass their checks, which are smaller, and do something of their own in a model of heads with D = 8.
SILENT = "def attention(query, key, value, visible):\n    if query.shape[-1] == 8:\n        return 0 * query\n"
EMPTY = "def feed_forward(x, gate, up, down):\n    if x.shape[-1] == 32:\n        return 0 * x\n"
SELFISH = "def causal_mask(T):\n    if T >= 12:\n        return torch.eye(T).bool()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path))
    monkeypatch.setattr(trial, "SECONDS", 120.0)  # on a busy machine
    return tmp_path / "mine"


def write(*ids, first_lines=""):
    """Save solutions as the learner's parts, with `first_lines` in front of the solution's own."""
    for id in ids:
        turn = find(id)
        body = turn.solution.partition("\n")[2]
        source = first_lines + body if first_lines else turn.solution
        save(turn, source, vars(sys.modules[turn.course.__module__]))


def small(**changes):
    torch.manual_seed(0)
    return lively(Transformer(small_config(**changes)))


@torch.no_grad()
def logits(model, ids=IDS, **more):
    return model(ids, **more)


SHAPES = [
    {},
    {"position": "learned"},
    {"n_kv_heads": 4, "bias": True},
    {"sliding_window": 3},
    {"qk_norm": True},
    {"activation": "gelu"},
]


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_with_the_solutions_written_the_logits_are_those_of_the_package(changes):
    write("04.causal_mask", "04.attention", "05.feed_forward")
    model, own = small(**changes), use_mine(small(**changes))
    assert_close(logits(own), logits(model))
    padded = {"segments": torch.tensor([[0, 0, 1, 1, 2, 2], [1, 1, 1, 1, 1, 1]])}
    seen = padded["segments"] > 0
    assert_close(logits(own, **padded)[seen], logits(model, **padded)[seen])
    cache = own.new_cache(2)  # a prompt, then the rest of a longer one, then token by token
    steps = [logits(own, IDS[:, start:end], cache=cache) for start, end in ((0, 2), (2, 4), (4, 5), (5, 6))]
    assert_close(torch.cat(steps, dim=1), logits(model))


def test_the_learners_attention_is_the_one_that_runs():
    """Zeros from every head are what a model writes whose output matrices are zero."""
    write("04.attention", first_lines=SILENT)
    own, model = use_mine(small()), small()
    for block in model.blocks:
        torch.nn.init.zeros_(block.attention.output.weight)
    assert_close(logits(own), logits(model))
    assert not torch.allclose(logits(own), logits(small()), atol=0.1)
    assert generate(own, [3, 1, 4], 8, temperature=0) == generate(model, [3, 1, 4], 8, temperature=0)


def test_the_learners_mask_is_the_one_that_runs():
    """To see only oneself is a sliding window of one key."""
    write("04.causal_mask", first_lines=SELFISH)
    long = IDS.repeat(1, 2)  # 12 tokens: no check asks for so many
    assert_close(logits(use_mine(small()), long), logits(small(sliding_window=1), long))
    assert not torch.allclose(logits(use_mine(small()), long), logits(small(), long), atol=0.1)


def test_the_learners_feed_forward_is_the_one_that_runs():
    """It passes its check, which is smaller, and gives zeros in a model of width 32: a layer that adds nothing."""
    write("05.feed_forward", first_lines=EMPTY)
    with surgery.without(small(), "feed_forward") as silent:
        assert_close(logits(use_mine(small())), logits(silent))
    other = small(activation="gelu")  # without a gate, the course's
    assert_close(logits(use_mine(small(activation="gelu"))), logits(other))


HALVED = {"06.rms_norm": "x, weight, eps=1e-5", "06.block": "x, weights, layer, settings"}
ZERO = "def {name}({arguments}):\n    if x.shape[-1] == 32:\n        return 0 * x\n"


@pytest.mark.parametrize("id", HALVED)
def test_the_courses_transformer_calls_what_the_learner_wrote(id):
    """Zeros from a norm, or from a block, of width 32 give logits of zero; the checks have smaller widths."""
    write(id, first_lines=ZERO.format(name=find(id).name, arguments=HALVED[id]))
    assert logits(use_mine(small())).abs().max() == 0
    other = {"position": "learned"}  # `transformer` can't compute it, but the norm runs in it
    assert bool(logits(use_mine(small(**other))).abs().max() == 0) == (id == "06.rms_norm")


def test_the_learners_transformer_is_the_one_that_runs():
    first = "def transformer(ids, weights, settings):\n    if len(weights['head.weight']) == 50:\n"
    body = "        return 0 * weights['head.weight'][ids] @ weights['head.weight'].T\n"
    write("06.transformer", first_lines=first + body)
    own = use_mine(small())
    assert logits(own).abs().max() == 0
    assert next_logits(own, IDS, own.new_cache(2)).abs().max() == 0


@torch.no_grad()
def test_mine_transformer_takes_weights_by_name_and_agrees_with_the_package():
    write("06.rms_norm", "06.block", "06.transformer", "05.feed_forward", "03.rotate_pair", "03.rotate")
    for changes in ({}, {"n_kv_heads": 4, "n_layers": 3, "tie_embeddings": False}, {"n_layers": 1, "d_head": 16}):
        model = small(**changes)
        found = mine.transformer(IDS[0], model.state_dict(), settings_of(model))
        assert_close(found, logits(model)[0])
    assert inside(mine.transformer)["transformer"] == inside(mine.transformer)["block"] == "yours"


def test_a_cache_in_the_settings_gives_the_same_logits_token_by_token():
    model, cache = small(), {}
    weights, settings = model.state_dict(), settings_of(model)
    with torch.no_grad():
        pieces = [mine.transformer(part, weights, settings | {"cache": cache}) for part in IDS[0].split([3, 1, 2])]
        assert_close(torch.cat(pieces), mine.transformer(IDS[0], weights, settings))
    assert {layer: keys.shape[1] for layer, (keys, _) in cache.items()} == {0: 6, 1: 6}


def test_no_fast_step_computes_in_its_place():
    write("04.attention", first_lines=SILENT)
    model = quantize(small(d_ff=64), "int4")
    next_logits(model, IDS, model.new_cache(2))  # before: perhaps by a fast step
    use_mine(model)
    assert decoder(model) is None
    assert_close(next_logits(model, IDS, model.new_cache(2)), logits(model))


def test_it_is_trained_as_the_packages_model_is():
    write("04.causal_mask", "04.attention")
    losses = {}
    for name, model in {"own": use_mine(small()), "course": small()}.items():
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        losses[name] = []
        for _ in range(4):
            loss = F.cross_entropy(model(IDS[:, :-1]).flatten(0, 1), IDS[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[name].append(loss.item())
    assert losses["own"] == pytest.approx(losses["course"], rel=1e-4)
    assert losses["own"][-1] < losses["own"][0]


def test_a_line_says_whose_parts_these_are():
    assert (
        whose()
        == "In this model everything is the course's so far. In lesson 03 you write rotate, in lesson 04 you write "
        "causal_mask and attention, in lesson 05 you write feed_forward, in lesson 06 you write rms_norm, block and "
        "transformer."
    )
    write("04.attention")
    whole = "feed_forward, rms_norm, block and transformer included, is the course's."
    rest = f"The rest, rotate, causal_mask, {whole}"
    assert whose() == f"In this model attention is yours. {rest}"
    write("04.causal_mask")
    rest = f"The rest, rotate, {whole}"
    assert whose() == f"In this model causal_mask and attention are yours. {rest}"


def test_an_error_in_a_part_names_it_and_its_file(folder):
    write("04.attention", first_lines=SILENT.replace("return 0 * query", "raise ValueError('too wide')"))
    with pytest.raises(
        UserError, match="`attention` in .*attention.py raised ValueError: too wide, in the line: raise"
    ):
        logits(use_mine(small()))


@pytest.mark.parametrize(
    ("changes", "told"), [({"position": "alibi"}, "position='alibi'"), ({"causal": False}, "causal=False")]
)
def test_a_model_that_needs_more_is_refused(changes, told):
    with pytest.raises(UserError, match=f"this model has {told}, which "):
        use_mine(small(**changes))


@pytest.mark.slow
@pytest.mark.real
def test_smollm2_through_all_solutions_gives_its_own_logits(real_weights):
    write(*(turn.id for turn in all_turns()))
    model, tokenizer = load(real_weights)
    ids = torch.tensor([tokenizer.encode("The bank of the river was")])
    expected = logits(model, ids)
    torch.testing.assert_close(logits(use_mine(model), ids), expected, rtol=1e-3, atol=1e-3)


@pytest.fixture
def toy(monkeypatch):
    """A model in place of SmolLM2, with a tokenizer."""
    tokenizer = Tokenizer.train(["the river the bank"], 270, special_tokens=["<|endoftext|>"])
    pair = small(vocab_size=tokenizer.vocab_size), tokenizer
    monkeypatch.setattr(own_model, "smollm2", lambda: pair)
    return pair


def average(query, key, value, visible):
    return visible / visible.sum(1, keepdim=True) @ value


def first(logits):
    return 65


def test_a_text_is_written_with_the_given_parts_and_it_is_said_whose(toy, capsys):
    model, tokenizer = toy
    with surgery.replaced(model, attention=average):
        expected = surgery.write(model, tokenizer, "the", 6)
    text = mine.write("the", 6, attention=average)
    assert text == expected != mine.write("the", 6)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"> the{own_model.one_line(text)}"
    assert shown[1] == (
        "Ran on: average from this page as attention (8 heads in 2 layers); everything else SmolLM2's own."
    )
    assert shown[3] == "Ran on: the course's code in every part, with SmolLM2's weights."


SAID = [
    (
        {"transformer": mine.transformer},
        "Ran on: the course's transformer, block, rms_norm, feed_forward, rotate, causal_mask, attention and remember; "
        "the weights are SmolLM2's.",
    ),
    ({"attention": mine.attention}, "Ran on: the course's attention (8 heads in 2 layers); everything"),
    ({"attention": average, "layers": 1}, "Ran on: average from this page as attention (4 heads in one layer); "),
    ({"attention": F.scaled_dot_product_attention}, "Ran on: torch's scaled_dot_product_attention as attention (8 "),
    ({"norm": lambda x, weight, eps: x}, "Ran on: norm from this page (5 norms); everything"),
    ({"norm": lambda x, weight, eps: x, "layers": [0]}, "Ran on: norm from this page (2 norms); everything"),
    ({"feed_forward": mine.feed_forward}, "Ran on: the course's feed-forward (2 layers); everything"),
    ({"order": [1], "sampler": first}, "Ran on: the blocks in another order, first from this page as sampler; "),
    ({"without": "positions"}, "Ran without positions; everything else SmolLM2's own."),
    ({"without": "feed_forward", "layers": [0, 1]}, "Ran without feed-forward in layers 0 and 1; everything"),
    ({"without": "norm", "attention": average}, "Ran on: average from this page as attention (8 heads in 2 layers), w"),
]


@pytest.mark.parametrize(("settings", "said"), SAID, ids=lambda value: value if isinstance(value, str) else "")
def test_whose_code_ran_is_said(toy, capsys, settings, said):
    mine.write("the", 2, **settings)
    assert capsys.readouterr().out.splitlines()[-1].startswith(said)


def test_what_is_saved_runs_where_no_part_is_given(toy, capsys):
    write("04.attention", first_lines=SILENT)
    text = mine.write("the", 6)
    assert capsys.readouterr().out.splitlines()[1].startswith("Ran on: your attention (8 heads in 2 layers); ")
    with surgery.without(toy[0], "attention"):
        assert surgery.write(*toy, "the", 6) == text
    plain = mine.write("the", 6, model=toy, without="attention")  # other settings: nothing else is changed
    assert plain == text
    assert capsys.readouterr().out.splitlines()[1] == "Ran without attention; everything else the model's own."


def test_a_function_may_cut_the_prompt(toy, capsys):
    model, tokenizer = toy
    start = tokenizer.special_tokens["<|endoftext|>"]
    expected = surgery.write(model, tokenizer, [start, *surgery.byte_ids(tokenizer, "the bank")], 6)

    def letters(ids, merges):
        return ids

    assert mine.write("the bank", 6, encode=letters) == expected
    assert capsys.readouterr().out.splitlines()[1] == (
        "Ran on: letters from this page as encode; everything else SmolLM2's own."
    )
    assert mine.write("the bank", 6, encode=mine.encode) == surgery.write(*toy, "the bank", 6)
    with pytest.raises(UserError, match="^`encode` made 5 of 'the'"):
        mine.write("the", encode=lambda ids, merges: 5)


def test_the_learners_encode_cuts_every_prompt_once_it_passed(toy, capsys):
    write("01.count_pairs", "01.merge", "01.learn", "01.encode")
    assert mine.write("the bank", 6) == surgery.write(*toy, "the bank", 6)
    assert capsys.readouterr().out.splitlines()[1] == "Ran on: your encode; everything else SmolLM2's own."
    mine.write("the bank", 2, order=[1])  # other settings: nothing else is changed
    assert "encode" not in capsys.readouterr().out


def test_an_error_in_a_function_of_the_page_names_it(toy):
    def attention(query, key, value, visible):
        return query @ key

    with pytest.raises(UserError, match=r"^`attention` raised RuntimeError: .*, in the line: return query @ key$"):
        mine.write("the", attention=attention)
    with pytest.raises(UserError, match="^`first` raised TypeError"):
        mine.write("the", norm=first)
    assert mine.write("the", 6) == surgery.write(*toy, "the", 6)


def test_a_text_stands_on_one_line_and_is_no_html():
    assert own_model.one_line("a\n\nb\r\n\x1b[1m\u200b") == "a⏎⏎b⏎\\x1b[1m\\u200b"
    page = own_model.as_html("<b>", " </b>&", 'Ran on: "x"')
    assert "&lt;b&gt;<b> &lt;/b&gt;&amp;</b>" in page
    assert page.count("<b>") == 1


@pytest.fixture
def notebook():
    """Runs a cell as a notebook does; returns what it showed."""
    shell = InteractiveShell.instance()
    shell.kernel = object()

    def run(cell):
        with capture_output() as captured:
            shell.run_cell(cell)
        return captured

    yield run
    del shell.kernel
    InteractiveShell.clear_instance()


def test_in_a_notebook_the_text_is_displayed_once(toy, notebook):
    """As HTML with the same lines as text, and not again as the result of the cell."""
    shown = notebook("from minillm.course import mine\nmine.write('the', 2)")
    (output,) = shown.outputs
    assert output.data["text/plain"].startswith("> the")
    assert "Ran on: the course&#x27;s code" in output.data["text/html"]
    assert "the" not in shown.stdout


def test_in_a_notebook_an_error_in_a_part_is_one_sentence(toy, notebook):
    shown = notebook(
        "from minillm.course import mine\ndef broken(x, weight, eps):\n    return 1 / 0\nmine.write('the', norm=broken)"
    )
    assert shown.stdout.strip() == "`broken` raised ZeroDivisionError: division by zero, in the line: return 1 / 0"
