"""What passed is kept as a readable file, and `mine` hands it out; a damaged or hostile file never breaks a lesson."""

import importlib.util
import math
import re

import pytest
import torch
from answers import is_turn, on_file

from minillm.course import mine
from minillm.course.learner import loading, saved, trial
from minillm.course.learner.loading import load, run, save
from minillm.course.learner.source import CannotSave, source_of
from minillm.course.turns import all_turns, find
from minillm.course.turns import attention as versions

pytestmark = pytest.mark.usefixtures("as_users_call_it")

MASK = "def causal_mask(T):\n    return torch.ones(T, T).tril().bool()\n"
HEAD = """def attention(query, key, value, visible):
    scores = query @ key.T / sqrt(query.shape[-1])
    return F.softmax(scores.masked_fill(~visible, LOWEST), -1) @ value
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path))
    monkeypatch.setattr("minillm.course.versions._said", set())
    return tmp_path / "mine"


@pytest.fixture
def names():
    """The namespace of a notebook."""
    lines = "import math\nimport torch\nimport torch.nn.functional as F\nfrom math import sqrt\nfrom torch import nn"
    names = {"__name__": "__main__"}
    exec(f"{lines}\nLOWEST = -1e30", names)
    names.update({turn.name: turn.course for turn in all_turns()})
    return names


def saved_text(folder):
    return (folder / "attention.py").read_text(encoding="utf-8")


def test_the_file_is_readable_and_can_be_imported(folder, names):
    save(find("04.attention"), HEAD, names)
    save(find("04.causal_mask"), MASK, names)
    save(find("04.heads"), find("04.heads").solution, names)
    text = saved_text(folder)
    header = r"# Turn 04\.\w+, passed on \d{4}-\d\d-\d\d, check [0-9a-f]{12}\n"
    imports = r"import torch\nimport torch\.nn\.functional as F\nfrom math import sqrt\nfrom torch import nn\n"
    parts = ["def causal_mask.*?", r"LOWEST = -1e\+30\n\n\ndef attention.*?", "class MultiHead.*"]
    shape = rf'""".*?"""\n\n{imports}' + "".join(rf"\n\n{header}{part}\n" for part in parts)
    assert re.fullmatch(shape, text, re.DOTALL), text
    specification = importlib.util.spec_from_file_location("attention_of_the_learner", folder / "attention.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    heads = module.MultiHead(8, 2)
    theirs = versions.MultiHead(8, 2)
    theirs.load_state_dict(heads.state_dict())
    x, visible = torch.randn(5, 8), module.causal_mask(5)
    torch.testing.assert_close(heads(x, visible), theirs(x, visible))


def test_mine_hands_out_what_passed_and_the_courses_version_otherwise(names, capsys):
    assert mine.attention is versions.attention
    save(find("04.causal_mask"), MASK, names)
    assert mine.causal_mask is not versions.causal_mask
    assert mine.causal_mask is mine.causal_mask
    assert torch.equal(mine.causal_mask(3), versions.causal_mask(3))
    mine.report()
    told = capsys.readouterr().out
    assert told.startswith("Lesson 00: 0 of 2 parts are yours.\n")
    assert "Lesson 00b: 0 of 3 parts are yours.\n" in told
    assert (
        "Lesson 04: 1 of 4 parts are yours.\n"
        "  causal_mask          yours\n"
        "  attention            the course's\n"
        "  MultiHead            the course's\n"
    ) in told


def test_an_unknown_part_is_answered():
    with pytest.raises(
        AttributeError,
        match="mine has no 'atention'; it has next_token, .* causal_mask, attention, MultiHead",
    ):
        _ = mine.atention
    assert dir(mine) == sorted([*mine.__all__, *(turn.name for turn in all_turns())])


def test_a_part_calls_the_turns_before_it_yours_once_they_passed(folder, names):
    """Before: the course's, by an import. After: the one in the same file, and the import is gone."""
    heads = find("04.heads")
    save(heads, heads.solution, names)
    assert "from minillm.course.turns.attention import attention\n" in saved_text(folder)
    save(find("04.attention"), HEAD, names)
    assert "minillm.course.turns" not in saved_text(folder)
    assert mine.MultiHead.forward.__globals__["attention"] is mine.attention


def test_helpers_and_constants_of_other_cells_are_saved_along(folder, names):
    import linecache

    cell = "def root(x):\n    return x ** HALF\n\ndef scaled(q, k):\n    return q @ k.T / root(q.shape[-1])\n"
    linecache.cache["<cell>"] = (len(cell), None, cell.splitlines(keepends=True), "<cell>")
    names["HALF"] = 0.5
    exec(compile(cell, "<cell>", "exec"), names)
    head = HEAD.replace("query @ key.T / sqrt(query.shape[-1])", "scaled(query, key)")
    save(find("04.attention"), head, names)
    text = saved_text(folder)
    assert text.index("HALF = 0.5") < text.index("def root") < text.index("def scaled") < text.index("def attention")
    assert mine.attention is not versions.attention


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (MASK.replace("T, T)", "T, T, out=buffer)"), "it uses `buffer`, a Tensor from another cell"),
        (MASK.replace("torch.ones(T, T)", "helper(T)"), "it calls `helper`, whose source cannot be found"),
    ],
)
def test_what_cannot_stand_alone_is_not_saved(folder, names, source, reason):
    names["buffer"] = torch.empty(0)
    exec("def helper(T): return torch.ones(T, T)", names)
    with pytest.raises(CannotSave, match=reason):
        save(find("04.causal_mask"), source, names)
    assert not (folder / "attention.py").exists()


def test_what_fails_in_a_file_of_its_own_is_not_saved(folder, names):
    """`around` is not in the notebook's names: it belongs to a function around this one."""
    with pytest.raises(CannotSave, match="in a file of its own it fails: `causal_mask` raised NameError"):
        save(find("04.causal_mask"), MASK.replace("T, T)", "T, around)"), names)
    assert not (folder / "attention.py").exists()


def test_a_name_with_two_meanings_is_not_saved(folder, names):
    save(find("04.attention"), HEAD, names)
    before = saved_text(folder)
    names["F"] = math
    source = MASK.replace("torch.ones(T, T)", "torch.ones(int(F.sqrt(T * T)), T)")
    with pytest.raises(CannotSave, match="`F` is something else in what you wrote before; rename it"):
        save(find("04.causal_mask"), source, names)
    names["LOWEST"] = 0
    with pytest.raises(CannotSave, match="`LOWEST` is defined in another way in what you wrote before"):
        save(find("04.causal_mask"), MASK.replace("tril()", "tril(LOWEST)"), names)
    assert saved_text(folder) == before


def test_a_later_answer_replaces_the_earlier_one_of_its_turn_only(folder, names):
    save(find("04.causal_mask"), MASK, names)
    save(find("04.attention"), HEAD, names)
    save(find("04.attention"), find("04.attention").solution, names)
    text = saved_text(folder)
    assert text.count("def attention") == text.count("def causal_mask") == 1
    assert "LOWEST" not in text
    assert "import torch.nn.functional as F" not in text
    assert "import math" in text


def test_the_day_stays_when_the_same_source_passes_again(folder, names):
    save(find("04.causal_mask"), MASK, names)
    old = re.sub(r"passed on [\d-]+", "passed on 2020-02-29", saved_text(folder))
    (folder / "attention.py").write_text(old, encoding="utf-8")
    save(find("04.causal_mask"), MASK, names)
    assert saved_text(folder) == old
    save(find("04.causal_mask"), MASK.replace("T, T)", "(T, T))"), names)
    assert "2020-02-29" not in saved_text(folder)


@pytest.mark.parametrize("answer", [pytest.param(a, id=str(a)) for a in on_file() if a.is_right and is_turn(a.id)])
def test_every_right_answer_on_file_can_be_saved_and_loaded(answer, names):
    from minillm.course.learner.source import globals_of

    turn = find(answer.id)
    save(turn, source_of(answer.thing), globals_of(answer.thing))
    assert getattr(mine, turn.name) is not turn.course


def test_an_edited_file_is_checked_again(folder, names, capsys):
    save(find("04.causal_mask"), MASK, names)
    path = folder / "attention.py"
    path.write_text(saved_text(folder).replace("torch.ones(T, T)", "torch.ones((T, T))"), encoding="utf-8")
    assert mine.causal_mask is not versions.causal_mask
    path.write_text(saved_text(folder).replace("tril", "triu"), encoding="utf-8")
    assert mine.causal_mask is versions.causal_mask
    assert capsys.readouterr().err == (
        "Your `causal_mask` does not pass its check any more (The mask is transposed: each query sees its own key and "
        "the later ones.). The course's version is used instead.\n"
    )
    assert mine.causal_mask is versions.causal_mask
    assert capsys.readouterr().err == "", "said once"
    mine.report()
    assert "the course's; yours does not pass its check any more" in capsys.readouterr().out


def test_a_new_check_is_made_once_and_decides(names, monkeypatch):
    save(find("04.causal_mask"), MASK, names)
    tried = []
    monkeypatch.setattr(loading, "try_out", lambda turn, thing, **_: tried.append(turn.id) or trial.Verdict("right"))
    run.cache_clear()
    assert mine.causal_mask is not versions.causal_mask
    assert tried == [], "the check that it passed is the present one"
    turn = find("04.causal_mask")
    monkeypatch.setattr(type(turn), "fingerprint", lambda self, source: "another")
    run.cache_clear()
    assert mine.causal_mask is mine.causal_mask
    assert tried == ["04.causal_mask"]


HEADER = "# Turn 04.causal_mask, passed on 2027-01-01, check 0123456789ab\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe\x00binary", "is lost: mine/attention.py is not text; move it away"),
        (b"def (", "is lost: its first lines are damaged"),
        (f"{HEADER}def causal_mask(".encode(), "raised SyntaxError: '\\(' was never closed"),
        (f"{HEADER}raise SystemExit".encode(), "raised SystemExit"),
        (f"{HEADER}import os; os.abort_if_there_were_such = 1/0".encode(), "raised ZeroDivisionError"),
        (f"{HEADER}while True: pass".encode(), "does not end"),
        (f"{HEADER}causal_mask = 5".encode(), "asks for a function, `causal_mask`; yours is of type int"),
        (f"{HEADER}x = 5".encode(), "does not define `causal_mask`"),
        (f"{HEADER}print('hello')\ndef causal_mask(T): ...".encode(), r"\(not written yet\)"),
        (b"# nothing\n" * 200_000, "is larger than 1,000,000 bytes"),
    ],
)
def test_a_damaged_or_hostile_file_is_told_and_the_courses_version_used(folder, capsys, monkeypatch, content, sentence):
    monkeypatch.setattr(loading, "SECONDS", 0.2)
    folder.mkdir()
    (folder / "attention.py").write_bytes(content)
    assert mine.causal_mask is versions.causal_mask
    output = capsys.readouterr()
    assert re.search(sentence, output.err), output.err
    assert output.err.startswith("Your `causal_mask` ")
    assert output.err.endswith(" The course's version is used instead.\n")
    assert output.out == ""


def test_a_folder_in_place_of_the_file_is_told(folder, capsys):
    (folder / "attention.py").mkdir(parents=True)
    assert mine.attention is versions.attention
    assert "mine/attention.py cannot be read (Is a directory); move it away" in capsys.readouterr().err


def test_a_damaged_part_does_not_harm_the_others(folder, names):
    for turn, source in (("04.causal_mask", MASK), ("04.attention", HEAD)):
        save(find(turn), source, names)
    save(find("04.heads"), find("04.heads").solution, names)
    path = folder / "attention.py"
    path.write_text(saved_text(folder).replace("return F.softmax", "return F.softmax("), encoding="utf-8")
    loaded = load("attention")
    assert loaded.yours.keys() == {"04.causal_mask", "04.heads"}
    assert mine.MultiHead.forward.__globals__["attention"] is versions.attention


def test_a_file_that_somebody_changed_is_kept_beside_the_new_one(folder, names):
    save(find("04.causal_mask"), MASK, names)
    changed = "# my own notes\n" + saved_text(folder)
    (folder / "attention.py").write_text(changed, encoding="utf-8")
    save(find("04.attention"), HEAD, names)
    assert (folder / "attention.py.old").read_text(encoding="utf-8") == changed
    (folder / "attention.py").write_bytes(b"\xff")
    save(find("04.attention"), HEAD, names)
    assert (folder / "attention.py.old").read_bytes() == b"\xff"
    changed = saved_text(folder).replace("scores =", "scores =  ")
    (folder / "attention.py").write_text(changed, encoding="utf-8")
    save(find("04.attention"), HEAD, names)
    assert (folder / "attention.py.old").read_text(encoding="utf-8") == changed
    assert "scores = query" in saved_text(folder)


def test_an_interrupted_write_leaves_the_old_file(folder, names, monkeypatch):
    save(find("04.causal_mask"), MASK, names)
    before = saved_text(folder)

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("minillm.files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(find("04.attention"), HEAD, names)
    assert saved_text(folder) == before
    assert [path.name for path in folder.iterdir() if path.suffix == ".partial"] == []


def test_where_the_workbook_is(tmp_path, monkeypatch):
    monkeypatch.delenv("MINILLM_WORKBOOK")
    course = tmp_path / "course"
    (course / "minillm").mkdir(parents=True)
    (course / "start.py").touch()
    (course / "notebooks").mkdir()
    monkeypatch.chdir(course / "notebooks")
    assert saved.workbook() == course / "workbook"
    (course / "workbook" / "exercises").mkdir(parents=True)
    for inside in ("workbook", "workbook/exercises", "notebooks", "."):
        monkeypatch.chdir(course / inside)
        assert saved.workbook() == course / "workbook"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert saved.workbook() == tmp_path / "elsewhere" / "workbook"
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "chosen"))
    assert saved.file_of("attention") == tmp_path / "chosen" / "mine" / "attention.py"
