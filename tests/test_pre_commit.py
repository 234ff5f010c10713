"""The hooks of a commit: each passes clean files and refuses those with its error; what the check of prose finds."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools import prose

ROOT = Path(__file__).resolve().parent.parent
HOOKS = {
    hook["id"]: hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repository["hooks"]
}
CLEAN, FAULTY = {}, {}
CLEAN["ruff-check"], FAULTY["ruff-check"] = ("a.py", "import math\n\nprint(math.pi)\n"), ("a.py", "import math\n")
CLEAN["ruff-format"], FAULTY["ruff-format"] = ("a.py", 'print("a")\n'), ("a.py", "print( 'a' )\n")
CLEAN["prose"], FAULTY["prose"] = ("a.md", "We learned it.\n"), ("a.md", "We learnt it.\n")


def run(name, folder, content):
    """The hook on one file, as pre-commit calls it: from the top of the repository, with the file's name."""
    path = folder / content[0]
    path.write_text(content[1], encoding="utf-8")
    program, *arguments = shlex.split(HOOKS[name]["entry"])
    assert program == "python", "that of the active environment"
    command = [sys.executable, *arguments, "--no-cache"] if "ruff" in arguments else [sys.executable, *arguments]
    return subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_every_hook_is_local_and_has_what_pre_commit_needs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"], "another one would be downloaded"
    assert set(HOOKS) == {"ruff-check", "ruff-format", "prose"}
    for hook in HOOKS.values():
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["language"] == "system"


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_passes_a_clean_file_and_refuses_a_faulty_one(name, tmp_path):
    clean = run(name, tmp_path, CLEAN[name])
    assert clean.returncode == 0, clean.stdout + clean.stderr
    faulty = run(name, tmp_path, FAULTY[name])
    assert faulty.returncode == 1, faulty.stdout + faulty.stderr
    assert "a.py" in faulty.stdout or f"{tmp_path / 'a.md'}:1: 'learnt': write learned" in faulty.stdout


def test_the_hook_of_prose_is_given_the_pages_that_are_read():
    hook = HOOKS["prose"]
    names = [path.relative_to(ROOT).as_posix() for path in prose.pages()]
    assert {"README.md", "teaching/glossary.md", "notebooks/src/04_attention.py"} <= set(names)
    given = [name for name in names if re.search(hook["files"], name) and not re.search(hook["exclude"], name)]
    assert given == names
    assert not [name for name in prose.LEFT_OUT if not re.search(hook["exclude"], name)]
    assert not re.search(hook["files"], "minillm/losses.py")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in prose.pages()])
def test_a_page_has_none_of_the_listed_words(path):
    found = list(prose.complaints(path))
    assert not found, found


def test_only_prose_is_read():
    unread = '`learnt` and $nought$ and [a](whilst) and <b whoever> and "guesser"\n```\nwhilst\n```\n<!-- learnt -->\n'
    assert not list(prose.findings(unread))
    assert list(prose.findings(unread + "Learnt.\n")) == [(6, "'Learnt': write learned")]
    source = '# %% [markdown]\n# Fine.\n# %%\nprint("learnt")  # whilst\n# %% [markdown] tags=["a"]\n# By lot.\n'
    assert list(prose.findings(prose.text_cells(source))) == [(6, "'By lot': write at random")]
    assert list(prose.complaints(ROOT / "tests" / "turns" / "gone.txt")) == []


def test_a_doubled_word_and_an_endless_sentence_are_found():
    assert list(prose.findings("He had had that that.\n\nThe\nthe end. End\n\nend x x\n")) == [
        (3, "'The the' stands twice")
    ]
    words = " ".join(f"w{'abcdefghij'[i % 10]}{i}" for i in range(61))
    assert list(prose.findings(f"Short one. {words}.\n")) == [(1, "a sentence of 61 words; cut it in two")]
    assert not list(prose.findings(f"{words[:200]}. {words[200:]}\n- {words[:200]}\n- {words[200:]}\n"))
