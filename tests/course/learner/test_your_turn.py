"""`@your_turn` in scripts, in IPython, in a kernel; unwritten, wrong, raising, endless, printing, right; twice, too."""

import re
import sys
from pathlib import Path

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from minillm.course import your_turn
from minillm.course.learner import calling, decorator
from minillm.course.learner.box import Box
from minillm.course.turns import all_turns, find
from minillm.course.turns.attention import attention as courses_attention
from minillm.course.turns.attention import causal_mask as courses_mask
from minillm.errors import UserError

pytestmark = pytest.mark.usefixtures("as_users_call_it")

IMPORTS = "import math\nimport torch\nfrom torch import nn\nfrom minillm.course import your_turn"
UNWRITTEN = """
@your_turn("04.attention")
def attention(query, key, value, visible):
    '''What each query reads: (T, D).'''
    ...
"""
NO_SCALE = UNWRITTEN.replace("...", "return (query @ key.T).masked_fill(~visible, -math.inf).softmax(-1) @ value")
RIGHT = NO_SCALE.replace("query @ key.T", "query @ key.T / math.sqrt(query.shape[-1])")
RIDDLE = UNWRITTEN.replace("...", "return value[: len(query)] * 0.3 + query.mean()")
RAISES = UNWRITTEN.replace("...", "return query @ key.T @ valeu")
LOOPS = UNWRITTEN.replace("...", "while True: pass")
PRINTS = NO_SCALE.replace("return", "print('first query', query[0].tolist())\n    return")
FIRST_CASE = "    query     [["
AGAIN, NO_MORE = (
    "For a hint, run the cell again as it is.",
    "That was the last hint. The solution is folded away below this cell.",
)
ITSELF = UNWRITTEN.replace("...", "return attention(query, key, value, visible)")
KERNEL = UNWRITTEN.replace("...", "return torch.nn.functional.scaled_dot_product_attention(query, key, value, visible)")


def forget(set_attribute=setattr):
    """Begin anew, as a kernel that has just started."""
    set_attribute(decorator, "_hints_given", type(decorator._hints_given)())
    set_attribute(decorator, "_tried", {})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    forget(monkeypatch.setattr)
    return tmp_path / "workbook" / "mine"


@pytest.fixture
def shell(monkeypatch):
    """IPython in this process, and what its cells display."""
    shell = InteractiveShell.instance()
    shell.reset(new_session=False)
    shown = []
    monkeypatch.setattr(shell.display_pub, "publish", lambda data, metadata=None, **_: shown.append(data))
    shell.shown = shown
    shell.run_cell(IMPORTS)
    yield shell
    shell.reset(new_session=False)
    InteractiveShell.clear_instance()


def run(shell, cell):
    """What the box of a cell says, as text."""
    result = shell.run_cell(cell)
    result.raise_error()
    return shell.shown.pop()["text/plain"]


def test_an_unwritten_turn_says_so_and_the_courses_version_stands_in(shell):
    assert run(shell, UNWRITTEN) == (
        "Your turn 04.attention: not written yet\n"
        "Until you write it, the course's `attention` runs in the cells below.\n"
        "For a hint, run the cell again as it is."
    )
    assert shell.user_ns["attention"] is courses_attention


@pytest.mark.parametrize(
    "body", ["pass", "raise NotImplementedError", 'raise NotImplementedError("later")', "... ; pass"]
)
def test_every_way_to_leave_it_unwritten_counts(shell, body):
    assert "not written yet" in run(shell, UNWRITTEN.replace("...", body))


def test_a_docstring_alone_is_unwritten_and_so_is_one_that_raises_it_later(shell):
    assert "not written yet" in run(shell, UNWRITTEN.replace("    ...\n", ""))
    later = UNWRITTEN.replace("...", "scores = query @ key.T\n    raise NotImplementedError")
    assert "not written yet" in run(shell, later)


def test_a_wrong_turn_names_the_mistake_and_shows_a_small_case(shell):
    lines = run(shell, NO_SCALE).splitlines()
    assert lines[0] == "Your turn 04.attention: not right yet"
    assert lines[1].startswith("The scores are not divided by sqrt(D). A dot product of D numbers")
    assert lines[2] == "The smallest case:"
    table = [line.split()[0] for line in lines[3:-2] if line[4] != " "]
    assert table == ["query", "key", "value", "visible", "expected", "got"]
    assert lines[3].startswith(FIRST_CASE)
    assert lines[-2] == "Until it is right, the course's `attention` runs in the cells below."
    assert lines[-1] == AGAIN
    assert shell.user_ns["attention"] is courses_attention


def test_a_hint_comes_only_where_a_cell_is_run_again_as_it_is(shell):
    said = [run(shell, cell).splitlines()[-1] for cell in (UNWRITTEN, NO_SCALE, RAISES, RIDDLE, NO_SCALE)]
    hints = find("04.attention").hints
    assert said == [AGAIN] * 5, "not even where no mistake is named"
    said = [run(shell, NO_SCALE).splitlines()[-1] for _ in range(5)]
    assert said[:3] == [f"Hint {number} of 3: {hint}" for number, hint in enumerate(hints, start=1)]
    assert said[3:] == [NO_MORE] * 2


def test_who_cannot_begin_gets_every_hint_that_is_asked_for(shell):
    said = [run(shell, UNWRITTEN).splitlines()[-1] for _ in range(5)]
    hints = find("04.attention").hints
    assert said[0] == AGAIN
    assert said[1:4] == [f"Hint {number} of 3: {hint}" for number, hint in enumerate(hints, start=1)]
    assert said[4] == NO_MORE


def test_a_notebook_folds_each_hint_inside_the_one_before_it(shell):
    def opened():
        shell.run_cell(UNWRITTEN)
        page = shell.shown.pop()["text/html"]
        folds = re.findall(r"<details( open)? [^>]*><summary[^>]*>Hint (\d) of 3</summary>", page)
        assert [number for _, number in folds] == ["1", "2", "3"]
        assert page.count("</details>") == 3
        assert page.rindex("</summary>") < page.index("</details>"), "each inside the one before it"
        return [bool(is_open) for is_open, _ in folds]

    assert [opened() for _ in range(3)] == [[False] * 3, [True, False, False], [True, True, False]]


def test_a_right_turn_is_kept_and_saved_and_running_it_twice_changes_nothing(shell, folder):
    first = run(shell, RIGHT)
    lines = first.splitlines()
    assert lines[:2] == [
        "Your turn 04.attention: right",
        f"Right, on all {sum(map(len, find('04.attention').calls(0)))} checks. `attention` is yours now: the cells "
        "below run on it, and `mine/attention.py` keeps it.",
    ]
    assert "    weights = scores.softmax(dim=-1)" in "\n".join(lines), "the course's version stands beside it"
    mine = shell.user_ns["attention"]
    assert mine is not courses_attention
    query, key, value = torch.randn(3, 2, 4)
    visible = courses_mask(2)
    assert torch.equal(mine(query, key, value, visible), courses_attention(query, key, value, visible))
    before = (folder / "attention.py").read_bytes()
    assert run(shell, RIGHT) == first
    assert (folder / "attention.py").read_bytes() == before


def test_what_is_saved_survives_a_wrong_and_an_unwritten_run(shell, folder):
    run(shell, RIGHT)
    before = (folder / "attention.py").read_bytes()
    for cell in (NO_SCALE, UNWRITTEN):
        assert "your `attention` in `mine/attention.py`, which passed before, runs in the cells below" in run(
            shell, cell
        )
        assert (folder / "attention.py").read_bytes() == before
        assert shell.user_ns["attention"] is not courses_attention, "what was saved"
        assert shell.user_ns["attention"].__code__.co_filename.endswith(str(Path("mine", "attention.py")))
    assert "the course's `causal_mask`" in run(shell, '@your_turn("04.causal_mask")\ndef causal_mask(T): return 7')


def test_a_turn_whose_decorator_is_lost_is_noticed_at_another_turn(shell):
    mask = "def causal_mask(T):\n    return torch.ones(T, T)"
    shell.run_cell(mask)
    lost = f"`causal_mask` was not tried: does its cell still begin with `{find('04.causal_mask').decorator}`?"
    assert lost in run(shell, RIGHT).splitlines()
    assert run(shell, UNWRITTEN).splitlines()[-1] == lost
    run(shell, f'@your_turn("04.causal_mask")\n{mask}')
    assert "was not tried" not in run(shell, RIGHT)
    forget()
    shell.run_cell("from minillm.course.mine import causal_mask")
    assert "was not tried" not in run(shell, RIGHT)


def test_an_error_is_told_with_its_line(shell):
    text = run(shell, RAISES)
    assert "`attention` raised NameError: name 'valeu' is not defined" in text
    assert "\n    return query @ key.T @ valeu\n" in text
    assert "    query    [[" in text
    assert "    got" not in text
    assert "    expected" not in text, "that would answer a question nobody has come to yet"


def test_an_endless_loop_ends(shell, monkeypatch):
    monkeypatch.setattr(calling, "SECONDS", 0.05)
    text = run(shell, LOOPS)
    assert "`attention` has not finished after 5 seconds of computing, or 60 of waiting. Does a loop never end?" in text
    assert "    query    [[" in text
    assert "expected" not in text
    assert shell.user_ns["attention"] is courses_attention


def test_a_right_function_may_print_and_nobody_hears_it(shell, capsys):
    assert ": right" in run(shell, RIGHT.replace("return", "print('hello')\n    return"))
    assert capsys.readouterr() == ("", "")


def test_a_wrong_one_shows_what_it_prints_in_that_case(shell, capsys):
    text = run(shell, PRINTS)
    assert "It printed:\n    first query [" in text
    assert text.count("first query") == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("statement", ["raise SystemExit", "import sys; sys.exit(3)", "raise BaseException", "exit()"])
def test_leaving_python_does_not_leave_the_notebook(shell, statement):
    assert "not right yet" in run(shell, UNWRITTEN.replace("...", statement))


def test_an_endless_recursion_ends(shell):
    assert "goes more than 1,000 calls deep" in run(
        shell,
        UNWRITTEN.replace("...", "return attention.__wrapped__").replace(
            "attention.__wrapped__", "(lambda f: f(f))(lambda f: f(f))"
        ),
    )


def test_a_function_that_calls_itself_does_not_pass_by_its_stand_in(shell):
    run(shell, UNWRITTEN)
    text = run(shell, ITSELF)
    assert "`attention` goes more than 1,000 calls deep. Does it call itself? Inside `attention`, that name" in text
    assert shell.user_ns["attention"] is courses_attention, "the name is the stand-in's again"


@pytest.mark.parametrize(
    ("body", "whose"),
    [
        ("return torch.nn.functional.scaled_dot_product_attention(query, key, value, visible)", "torch's own"),
        ("from minillm.model import attention as theirs; return theirs.attention_by_matmul("
         "query[None, None], key[None, None], value[None, None], visible)[0, 0]", "the course's own"),
        ("from minillm.course import mine; return mine.attention(query, key, value, visible)", "the course's own"),
        ("from minillm.course.turns.attention import attention as f; return f(query, key, value, visible)",
         "the course's own"),
    ],
)  # fmt: skip
def test_somebody_elses_function_passes_and_is_not_counted(shell, folder, body, whose):
    text = run(shell, UNWRITTEN.replace("...", body))
    assert f"checks, by {whose}" in text
    assert "does not count as written" in text
    assert not (folder / "attention.py").exists()
    assert shell.user_ns["attention"] is not courses_attention, "the cells below run on it"


def test_the_turns_before_may_be_called(shell):
    """A layer of heads calls the course's `attention` where the learner has none, and counts as written."""
    shell.run_cell("from minillm.course.turns.attention import attention")
    assert "`MultiHead` is yours now" in run(shell, f'@your_turn("04.heads")\n{find("04.heads").solution}')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import numpy as np\n    return np.tril(np.ones((T, T))).astype(bool)", "a numpy array"),
        ("import numpy as np\n    return np.ones((T, T))", "a numpy array"),
        ("return [[s <= t for s in range(T)] for t in range(T)]", "a list"),
    ],
)
def test_what_was_really_returned_is_judged(shell, body, said):
    text = run(shell, f'@your_turn("04.causal_mask")\ndef causal_mask(T):\n    {body}')
    assert f"`causal_mask` returns {said}; the cells below need a torch tensor." in text


def test_a_result_beside_something_else_is_found(shell):
    both = RIGHT.replace("return", "weights = 0; return weights,")
    assert "is a tuple of 2, and part 2 of it is right: return only that" in run(shell, both)


def test_lines_below_an_unwritten_function_are_noticed(shell):
    outside = "There are lines below the function. Do they belong inside it, indented?"
    assert outside in run(shell, UNWRITTEN + "scores = 1\nprint(scores)")
    assert outside not in run(shell, UNWRITTEN)


def test_a_cell_whose_decorator_is_lost_after_it_passed_is_noticed_at_once(shell, capsys):
    run(shell, RIGHT)
    capsys.readouterr()
    shell.run_cell(RIGHT.replace('@your_turn("04.attention")\n', ""))
    assert capsys.readouterr().out == (
        '`attention` was not tried, and runs below as it is: `@your_turn("04.attention")` is missing above it.\n'
    )
    shell.run_cell("def helper(x):\n    return x")
    assert capsys.readouterr().out == ""


def test_a_lost_turn_is_noticed(shell):
    lost = "Not run so far: `causal_mask`. `python3 start.py reset 04` brings a lost cell back."
    assert run(shell, RIGHT).splitlines()[-1] == lost
    run(shell, '@your_turn("04.causal_mask")\ndef causal_mask(T):\n    ...')
    assert lost not in run(shell, RIGHT)


def test_a_misspelled_forward_is_not_unwritten(shell):
    text = run(shell, f'@your_turn("04.heads")\n{find("04.heads").solution.replace("def forward", "def foward")}')
    assert "`MultiHead` has no `forward`; it has `__init__`, `foward`." in text


def test_a_forward_may_be_inherited(shell):
    """As where somebody keeps the layers in one class and adds a second name for it."""
    shell.run_cell("from minillm.course.turns.attention import attention, MultiHead as Base")
    inherited = (
        '@your_turn("04.heads")\nclass MultiHead(Base):\n    def __init__(self, *sizes): super().__init__(*sizes)'
    )
    assert "has no `forward`" not in run(shell, inherited + "\n    def extra(self): return 1")


def test_an_input_that_is_changed_is_told_and_is_not_changed_for_the_next(shell):
    assert "changed the input that it was given" in run(shell, UNWRITTEN.replace("...", "query *= 0; return query"))
    assert ": right" in run(shell, RIGHT)


def test_a_class_can_be_a_turn(shell, folder):
    heads = find("04.heads")
    unwritten = f'@your_turn("04.heads")\n{heads.stub}'
    assert "not written yet" in run(shell, unwritten)
    assert shell.user_ns["MultiHead"] is heads.course
    wrong = unwritten.replace("...", "return self.output(self.value(x))")
    text = run(shell, wrong)
    assert "    d_model   4" in text
    assert "    n_heads   2" in text
    shell.run_cell("from minillm.course.turns.attention import attention")
    assert ": right" in run(shell, f'@your_turn("04.heads")\n{heads.solution}')
    assert shell.user_ns["MultiHead"](4, 2)(torch.zeros(3, 4), courses_mask(3)).shape == (3, 4)
    assert "from minillm.course.turns.attention import attention\n" in (folder / "attention.py").read_text()


def test_a_class_with_nothing_in_it_is_unwritten(shell):
    for body in ("...", "'''Several heads.'''", "pass"):
        assert "not written yet" in run(shell, f'@your_turn("04.heads")\nclass MultiHead(nn.Module):\n    {body}')


def test_a_cell_that_is_timed_works_too(shell, folder, capsys):
    assert ": right" in run(shell, "%%time\n" + RIGHT)
    assert "not written yet" in run(shell, "%%time\n" + UNWRITTEN)


def test_a_definition_inside_a_block_and_below_other_decorators_is_found(shell, folder):
    nested = "if True:\n" + "".join(f"    {line}\n" for line in RIGHT.strip().splitlines())
    assert "`mine/attention.py` keeps it" in run(shell, nested)
    decorated = RIGHT.replace("def attention", "@torch.enable_grad()\ndef attention")
    assert "`mine/attention.py` keeps it" in run(shell, decorated)
    text = (folder / "attention.py").read_text(encoding="utf-8")
    assert "@torch.enable_grad()\ndef attention" in text
    assert "your_turn" not in text


def test_restart_and_run_all_says_the_same_again(shell):
    cells = [UNWRITTEN, NO_SCALE, RIGHT, '@your_turn("04.causal_mask")\ndef causal_mask(T): ...']
    run(shell, RIGHT)

    def all_cells():
        forget()
        shell.reset(new_session=False)
        shell.run_cell(IMPORTS)
        return [run(shell, cell) for cell in cells]

    assert all_cells() == all_cells()


def test_the_output_holds_no_path_no_time_and_no_address(shell, tmp_path):
    text = "".join(run(shell, cell) for cell in (UNWRITTEN, NO_SCALE, RAISES, PRINTS, RIGHT))
    assert str(tmp_path) not in text
    assert "0x" not in text
    assert "ipython" not in text


def test_the_box_is_html_that_escapes_what_the_learner_wrote(shell):
    shell.run_cell(UNWRITTEN.replace("...", "raise ValueError('<script>alert(1)</script> `x')"))
    data = shell.shown.pop()
    assert "<script>" not in data["text/html"]
    assert "&lt;script&gt;" in data["text/html"]
    assert data["text/html"].count("<code>") == data["text/html"].count("</code>")
    assert "<script>" in data["text/plain"]


def test_a_script_gets_the_text_printed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.delitem(sys.modules, "IPython")

    @your_turn("04.causal_mask")
    def causal_mask(T):
        return torch.ones(T, T).triu().bool()

    assert causal_mask is courses_mask
    assert capsys.readouterr().out.startswith("Your turn 04.causal_mask: not right yet\nThe mask is transposed")


def test_a_source_that_cannot_be_found_is_said_and_the_function_is_used(capsys, folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython")
    names = {"__name__": "elsewhere"}
    exec(f"{IMPORTS}\n{RIGHT}", names)
    assert capsys.readouterr().out.splitlines()[1] == (
        f"Right, on all {sum(map(len, find('04.attention').calls(0)))} checks. `attention` is yours now. It is not "
        "saved, since its source cannot be found: write it in a notebook or in a file."
    )
    assert names["attention"] is not courses_attention
    assert not folder.exists()
    exec(f"{IMPORTS}\n{UNWRITTEN}", names)
    assert "not written yet" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_said(shell, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "file"))
    assert "It is not saved: mine/attention.py cannot be written (Not a directory)." in run(shell, RIGHT)


def test_a_turn_without_a_name_is_answered():
    with pytest.raises(UserError, match=r"write the name of the turn in the decorator: @your_turn"):
        your_turn(courses_mask)


def test_an_unknown_turn_is_answered():
    with pytest.raises(UserError, match="no turn is called '04.atention'"):
        your_turn("04.atention")


@pytest.mark.parametrize("thing", [5, None, torch, "text", torch.zeros(2)])
def test_any_thing_may_be_decorated(thing, capsys):
    for turn in all_turns():
        assert your_turn(turn.id)(thing) is turn.course


def test_a_box_shows_tables_and_code():
    box = Box("Your turn 04.x: right", "right", ("Use `a < b`.", {"T": "3", "expected": "[[1],\n [2]]"}))
    assert repr(box) == "Your turn 04.x: right\nUse `a < b`.\n    T         3\n    expected  [[1],\n               [2]]"
    assert "<code>a &lt; b</code>" in box._repr_html_()
    assert "T         3\nexpected  [[1],\n           [2]]</pre>" in box._repr_html_()
