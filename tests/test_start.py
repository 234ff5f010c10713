"""start.py: its decisions with stand-ins for pip and the network, and one whole set-up of a toy course, for real."""

import argparse
import ast
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from starting import ROOT, SOURCE, course_folder, load_start, make_toy_course, start_py

from minillm.assets import REGISTRY
from minillm.data.corpora import FETCHED

OPTIONS = argparse.Namespace(here=False, torch_index=None)
posix = pytest.mark.skipif(os.name == "nt", reason="shell scripts as stand-ins, or a home that HOME names")


@pytest.fixture
def folder(tmp_path):
    """A folder with start.py in it, at a path with spaces and letters beyond ASCII."""
    return course_folder(tmp_path)


@pytest.fixture
def start(folder):
    """That start.py as a module: its ROOT is the folder."""
    return load_start(folder)


@pytest.fixture
def recorded(start, monkeypatch):
    """Every command that start.py would run, in order, instead of running it."""
    commands = []
    monkeypatch.setenv("HOME", str(start.ROOT))
    monkeypatch.setenv("MINILLM_WORKBOOK", "")
    monkeypatch.setenv("PATH", os.environ["PATH"])  # both are set for JupyterLab
    monkeypatch.setattr(start, "make_venv", lambda: "PYTHON")
    monkeypatch.setattr(start, "read_stamp", lambda: {"extras": ["lab"]})
    monkeypatch.setattr(start, "served", lambda python, root: None)
    monkeypatch.setattr(start, "install", lambda python, extras, options: commands.append([python, sorted(extras)]))
    monkeypatch.setattr(start, "run", lambda command, listen=None: commands.append(command) or 0)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    return commands


# -- an old Python -------------------------------------------------------------------------------------------------


def test_an_old_python_can_parse_it():
    ast.parse(SOURCE, feature_version=(3, 6))
    with pytest.raises(SyntaxError):  # the parser does notice what is too new
        ast.parse("if (a := 1): pass", feature_version=(3, 6))


def test_it_needs_the_standard_library_only():
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= sys.stdlib_module_names


def test_it_asks_for_the_python_that_pyproject_asks_for(start):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">={}.{}".format(*start.OLDEST)


def as_if_python_were(version, folder, path):
    pretend = f"import sys, runpy; sys.version_info = {version}; runpy.run_path('start.py', run_name='__main__')"
    environment = {**os.environ, "PATH": str(path)}
    return subprocess.run([sys.executable, "-c", pretend], cwd=folder, env=environment, capture_output=True, text=True)


def test_an_old_python_gets_one_sentence(folder, tmp_path):
    done = as_if_python_were((3, 9, 18), folder, path=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, and" in done.stderr
    assert "is Python 3.9: install a newer one from https://www.python.org" in done.stderr


@posix
def test_an_old_python_is_told_of_the_newest_one_that_runs(folder, tmp_path):
    for name, status in {"python3.13": 1, "python3.12": 0, "python3.11": 0, "python3.10": 0}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = as_if_python_were((3, 10, 1), folder, path=tmp_path)
    assert done.stderr.endswith("is Python 3.10: run `python3.12 start.py`.\n")


@pytest.mark.parametrize("minor", range(6, 11))
def test_a_real_old_python_gets_the_sentence(folder, minor):
    name = f"python3.{minor}"
    if not shutil.which(name) or subprocess.run([name, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"no {name} here")
    done = subprocess.run([name, "start.py", "setup"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"is Python 3.{minor}: " in done.stderr
    assert "Traceback" not in done.stderr


# -- the command line ------------------------------------------------------------------------------------------------


def test_a_wrong_command_gets_the_near_one(start, recorded, capsys):
    assert start.main(["tset"]) == 1
    assert capsys.readouterr().err == "start.py: there is no command 'tset'; did you mean 'test'?\n"
    assert start.main(["xyzzy"]) == 1
    assert "the commands are lab, setup, reset, test, tour, doctor, deck, site, bundle." in capsys.readouterr().err
    assert start.main(["--hree"]) == 1
    assert "'lab' takes no '--hree'; " in capsys.readouterr().err
    assert start.main(["setup", "everything"]) == 1
    assert "'setup' takes no 'everything'; " in capsys.readouterr().err
    for arguments in (["reset"], ["reset", "--solved"], ["deck"], ["deck", "--out"]):
        assert start.main(arguments) == 1
        assert f"{arguments[0]!r} needs the number of a lesson: `" in capsys.readouterr().err
    assert recorded == []


def test_a_deck_is_made_with_what_setup_installed(start, recorded):
    assert start.main(["deck", "04"]) == 0
    assert Path(recorded[-1][1]).parts[-2:] == ("tools", "deck.py")
    assert recorded[-1][2:] == ["04"]
    assert ["PYTHON", ["lab"]] in recorded
    code = f"import sys; sys.modules['jupytext'] = None; sys.path.insert(0, {str(ROOT)!r}); import tools.deck"
    subprocess.run([sys.executable, "-c", code], check=True)  # jupytext is not among what it installs


def test_help_names_every_command(start, capsys):
    with pytest.raises(SystemExit):
        start.main(["--help"])
    out = capsys.readouterr().out
    assert all(f"start.py {command} " in out for command in start.COMMANDS if command != "lab")


@pytest.mark.parametrize("arguments", [["setup", "--here"], ["--here", "setup"]])
def test_here_installs_into_the_python_that_runs(start, recorded, arguments, capsys):
    assert start.main(arguments) == 0
    assert recorded == [
        [sys.executable, ["lab"]],
        [sys.executable, "-c", start.COMPILE],
        [sys.executable, *LAID_OUT[1:]],
    ]
    assert capsys.readouterr().out.strip().endswith("opens JupyterLab on your home page.")


def test_setup_says_what_comes_next(start, recorded, capsys):
    assert start.main(["setup"]) == 0
    # so that the course may begin where no network is, and no lesson waits for a compiler
    assert recorded == [["PYTHON", ["lab"]], ["PYTHON", "-c", start.COMPILE], LAID_OUT]
    last_lines = capsys.readouterr().out
    assert "start.py` opens JupyterLab" in last_lines
    assert "activate`" in last_lines


def test_setup_promises_no_command_that_it_does_not_install(start, recorded, capsys):
    assert start.main(["setup"]) == 0
    promised = capsys.readouterr().out.split("the commands ")[1].split(" are at hand")[0].split(" and ")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    installed = {"minillm", *(re.split(r"\W", requirement)[0].removesuffix("lab") for requirement in extras["lab"])}
    assert promised == ["minillm", "jupyter"]
    assert set(promised) <= installed


FETCHES = [["PYTHON", "-m", "minillm", "fetch", name] for name in ("smollm2-135m-instruct", "gpt2-tokenizer")]
WORKBOOK = ["PYTHON", "-m", "minillm", "workbook"]
LAID_OUT = [*WORKBOOK, "--fetch=smollm2-135m-instruct", "--fetch=gpt2-tokenizer"]
STATIC = [
    ["PYTHON", "-m", "ruff", "check", "."],
    ["PYTHON", "-m", "ruff", "format", "--check", "."],
    ["PYTHON", "-m", "pyright", "--pythonpath", "PYTHON"],
]
PARALLEL = ["-n", "auto", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder"]
TESTS = ["PYTHON", "-m", "pytest", *PARALLEL, "-m", "not browser and not slow"]
ALL_TESTS = ["PYTHON", "-m", "pytest", *PARALLEL, "-m", "not browser"]
LESSONS = ["PYTHON", "-m", "pytest", "--nbval", *PARALLEL, "notebooks/"]
PAIR = ["-n", "auto", "--maxprocesses=2", "--dist=worksteal"]
BROWSER = ["PYTHON", "-m", "pytest", *PAIR, "-m", "browser", "tests/notebooks", "tests/publish"]
MODELS = ["PYTHON", "-m", "minillm.course.models"]
ALL_EXTRAS = ["grading", "lab", "site", "test"]


def test_it_fetches_what_lessons_need_but_for_the_large_corpora(start):
    needed = {name for name, asset in REGISTRY.items() if asset.for_lessons}
    assert set(start.ASSETS) == needed - set(FETCHED)


@pytest.mark.parametrize(
    ("arguments", "extras", "commands"),
    [
        (["tour"], ["lab"], [*FETCHES, ["PYTHON", "-m", "minillm", "tour"]]),
        (["reset", "06", "--solved"], ["lab"], [[*WORKBOOK, "--reset", "06", "--solved"]]),
        (["doctor", "--json"], ["lab"], [["PYTHON", "-m", "minillm", "doctor", "--json"]]),
        (["site", "--out", "web"], ["lab", "site"], [["PYTHON", "tools/make_site.py", "--out", "web"]]),
        (["bundle", "stick"], ["lab"], [*FETCHES, ["PYTHON", "-m", "minillm", "bundle", "stick"]]),
        (["test", "--quick"], ALL_EXTRAS, [*FETCHES, *STATIC, TESTS]),
        (["test"], ALL_EXTRAS, [*FETCHES, *STATIC, TESTS, LESSONS]),
        (["test", "--all"], ALL_EXTRAS, [*FETCHES, *STATIC, MODELS, ALL_TESTS, LESSONS, BROWSER]),
        (
            ["test", "-k", "gguf", "--quick", "-x"],
            ALL_EXTRAS,
            [*FETCHES, *STATIC, [*TESTS, "-k", "gguf", "-x"]],
        ),
    ],
)
def test_each_command_runs_what_it_says(start, recorded, arguments, extras, commands):
    assert start.main(arguments) == 0
    assert recorded == [["PYTHON", extras], *commands]


@pytest.mark.parametrize("arguments", [["04"], ["--all", "04", "11a", "-x"], ["4"]])
def test_the_number_of_a_lesson_is_left_to_what_knows_lessons(start, recorded, arguments):
    assert start.main(["test", *arguments]) == 0
    assert recorded == [["PYTHON", ALL_EXTRAS], *FETCHES, ["PYTHON", "tools/check_lesson.py", *arguments]]


def test_a_number_that_an_option_of_pytests_is_given_is_no_lesson(start, recorded):
    assert start.main(["test", "--quick", "--maxfail", "2"]) == 0
    assert recorded[-1] == [*TESTS, "--maxfail", "2"]


def test_a_failed_check_does_not_hide_the_later_ones(start, recorded, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(start, "run", lambda command: ran.append(command) or int("--check" in command))
    assert start.main(["test"]) == 1
    assert ran[-1] == LESSONS
    assert "Failed: ruff format. " in capsys.readouterr().out


def test_without_the_real_weights_it_says_so_and_goes_on(start, recorded, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(start, "run", lambda command: ran.append(command) or int("fetch" in command))
    assert start.main(["tour"]) == 0
    assert ran == [FETCHES[0], ["PYTHON", "-m", "minillm", "tour"]]
    assert "Continuing without smollm2-135m-instruct" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["tour", "lab", "doctor"])
def test_the_c_step_is_compiled_when_the_environment_is_new(start, recorded, monkeypatch, command):
    monkeypatch.setattr(start, "install", lambda python, extras, options: True)
    assert start.main([command]) == 0
    assert recorded[0] == ["PYTHON", "-c", start.COMPILE]
    assert recorded.count(recorded[0]) == 1


def test_an_installation_says_whether_it_changed_the_environment(start, monkeypatch):
    start.VENV.mkdir()
    (start.ROOT / "pyproject.toml").write_text("[project]\ndependencies = []\n", encoding="utf-8")
    monkeypatch.setattr(start, "pip", lambda *arguments: None)
    assert start.install("PYTHON", {"lab"}, OPTIONS) is True
    assert start.install("PYTHON", {"lab"}, OPTIONS) is False
    here = argparse.Namespace(here=True, torch_index=None)
    assert start.install("PYTHON", {"lab"}, here) is False  # asked of pip each time, so nobody knows


def test_without_a_c_compiler_setup_says_so_and_goes_on(start, tmp_path):
    """The command itself, in a Python with the real package."""
    environment = {**os.environ, "MINILLM_HOME": str(tmp_path), "CC": "no-such-compiler", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", start.COMPILE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Text is generated more slowly: models are decoded by PyTorch, not in C: CC names")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("user", "display", "flags"), [(0, "", ["--allow-root", "--no-browser"]), (1000, ":0", []), (None, ":0", [])]
)
def test_jupyterlab_as_root_and_without_a_screen(start, recorded, monkeypatch, user, display, flags):
    monkeypatch.setattr(start.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    if user is None:  # Windows
        monkeypatch.delattr(os, "geteuid", raising=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert start.main([]) == 0
    lab = recorded[-1]
    assert lab[:3] == ["PYTHON", "-m", "jupyterlab"]
    assert lab[3:9] == [
        f"--ServerApp.root_dir={start.ROOT}",
        "--LabApp.default_url=/lab/tree/workbook/00_the_map.ipynb",  # there is no home page
        f"--FileContentsManager.preferred_dir={start.ROOT / 'workbook'}",
        "--LabApp.custom_css=True",
        f"--ServerApp.tornado_settings=static_custom_path={start.JUPYTER / 'custom'}",
        f"--LabApp.extra_labextensions_path={start.JUPYTER / 'labextensions'}",
    ]
    assert lab[9:] == flags
    assert recorded[-2] == LAID_OUT
    assert os.environ["MINILLM_WORKBOOK"] == str(start.ROOT / "workbook")  # for its kernels
    assert os.environ["PATH"].split(os.pathsep)[0] == os.getcwd()  # for its terminals: the folder of "PYTHON"
    assert os.environ["JUPYTER_CONFIG_PATH"] == str(start.JUPYTER)


def test_jupyterlab_opens_the_home_page_and_keeps_the_users_own_settings(start, recorded, monkeypatch):
    (start.ROOT / "workbook").mkdir()
    (start.ROOT / "workbook" / "Home.md").write_text("# Home", encoding="utf-8")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/their/own")
    assert start.main([]) == 0
    assert "--LabApp.default_url=/lab/tree/workbook/Home.md" in recorded[-1]
    assert os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [str(start.JUPYTER), "/their/own"]


def test_the_settings_and_the_style_are_there():
    folder = ROOT / "minillm" / "course" / "jupyter"
    settings = json.loads((folder / "labconfig" / "default_setting_overrides.json").read_text(encoding="utf-8"))
    assert settings["@jupyterlab/docmanager-extension:plugin"] == {"defaultViewers": {"markdown": "Markdown Preview"}}
    assert "minillm-go" in (folder / "custom" / "custom.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("options", [["--no-browser"], ["--port", "9999", "--ip=::1"], ["--port=1"]])
def test_jupyterlab_is_given_its_options(start, recorded, options):
    assert start.main(options) == 0
    assert recorded[-1][-len(options) :] == options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port"], "--port needs a value, such as `{} start.py --port=9999`."),
        (["--ip="], "--ip needs a value, such as `{} start.py --ip=127.0.0.1`."),
        (["--prot", "1"], "'lab' takes no '--prot'; `{} start.py --help` shows what there is."),
    ],
)
def test_an_option_that_jupyterlab_is_not_given_is_refused_at_once(start, recorded, capsys, options, said):
    assert start.main(options) == 1
    assert capsys.readouterr().err == f"start.py: {said.format(start.PYTHON)}\n"
    assert recorded == []


LOG = """\
[I 2026-11-29 11:45:02.1 ServerApp] jupyterlab | extension was successfully loaded.
a warning of Python, which belongs to the line above
[I 2026-11-29 11:45:03.1 ServerApp] Jupyter Server 2.17.0 is running at:
[I 2026-11-29 11:45:03.2 ServerApp] http://localhost:8888/lab/tree/workbook/Home.md?token=4f
[I 2026-11-29 11:45:03.2 ServerApp]     http://127.0.0.1:8888/lab/tree/workbook/Home.md?token=4f
[C 2026-11-29 11:45:03.3 ServerApp]

    To access the server, open this file in a browser:
        file:///home/jpserver-5-open.html
[W 2026-11-29 11:45:06.4 ServerApp] Notebook workbook/00_the_map.ipynb is not trusted
[IPKernelApp] WARNING | Kernel is running over TCP without encryption.
[E 2026-11-29 11:45:07.4 ServerApp] Uncaught exception
    Traceback (most recent call last):
"""


def test_of_jupyterlabs_log_its_address_and_errors_are_left(start, tmp_path, capsys):
    (tmp_path / "Home.md").write_text(
        '# Home\n\n<p class="minillm-go"><a href="04_it.ipynb">Go on with 04 · Q&amp;A</a> 65 minutes</p>\n',
        encoding="utf-8",
    )
    log = start.JupyterLog(tmp_path / "Home.md")
    for line in LOG.splitlines(keepends=True):
        log.line(line)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "Your course: http://localhost:8888/lab/tree/workbook/Home.md?token=4f",
        "Next: Go on with 04 · Q&A.",
        "Ctrl-C twice in this window ends it.",
    ]
    assert said.err == "".join(LOG.splitlines(keepends=True)[-2:])


def test_ctrl_c_while_jupyterlab_starts_shows_no_traceback(start, recorded, monkeypatch, capsys):
    def interrupted(command, listen=None):
        if listen:
            listen("Traceback (most recent call last):\n")
            raise KeyboardInterrupt
        return 0

    monkeypatch.setattr(start, "run", interrupted)
    assert start.main([]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_why_jupyterlab_does_not_start_is_not_kept_back(start, recorded, monkeypatch, capsys):
    def fails(command, listen=None):
        if listen:
            listen("[C 2026-11-29 11:45:03.3 ServerApp] Bad config encountered during initialization\n")
        return int(listen is not None)

    monkeypatch.setattr(start, "run", fails)
    assert start.main([]) == 1
    assert capsys.readouterr().err.endswith("ServerApp] Bad config encountered during initialization\n")


def test_what_a_command_writes_to_stderr_can_be_listened_to(start):
    lines = []
    command = [sys.executable, "-c", "import sys; print('one\\ntwo', file=sys.stderr); sys.exit(3)"]
    assert start.run(command, lines.append) == 3
    assert lines == ["one\n", "two\n"]


def test_a_workbook_in_another_place_is_what_jupyterlab_serves(start, recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINILLM_WORKBOOK", "my pages")
    assert start.main([]) == 0
    assert f"--ServerApp.root_dir={tmp_path / 'my pages'}" in recorded[-1]
    assert "--LabApp.default_url=/lab/tree/00_the_map.ipynb" in recorded[-1]
    assert os.environ["MINILLM_WORKBOOK"] == str(tmp_path / "my pages")


@pytest.mark.parametrize("command", [[], ["setup"]])
def test_without_a_workbook_nothing_is_promised(start, recorded, monkeypatch, capsys, command):
    monkeypatch.setattr(start, "run", lambda command: recorded.append(command) or int(command == LAID_OUT))
    assert start.main(command) == 1
    assert recorded[-1] == LAID_OUT
    assert capsys.readouterr().out == ""


def test_ctrl_c_waits_for_the_command_and_is_told_in_a_sentence(start, recorded, monkeypatch, capsys):
    waits = []

    class Interrupted:
        returncode = None

        def __init__(self, command, cwd):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def poll(self):
            return self.returncode

        def wait(self):
            waits.append(1)
            if len(waits) == 1:
                raise KeyboardInterrupt
            self.returncode = 0

    monkeypatch.undo()
    monkeypatch.setattr(start, "make_venv", lambda: "PYTHON")
    monkeypatch.setattr(start, "read_stamp", lambda: {"extras": ["lab"]})
    monkeypatch.setattr(start, "install", lambda *arguments: None)
    monkeypatch.setattr(start.subprocess, "Popen", Interrupted)
    assert start.main(["doctor"]) == 130
    assert len(waits) == 2
    assert capsys.readouterr().err.strip() == (
        "start.py: interrupted. Run the same command again, and it goes on from here."
    )


def test_ctrl_c_lets_pip_end_before_it_is_told(start, monkeypatch):
    told = []

    class Interrupted:
        returncode = 1

        class Pipe:
            def __iter__(self):
                told.append("read")
                raise KeyboardInterrupt
                yield

            def read(self):
                told.append("read")

        stdout = Pipe()

        def __init__(self, command, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            told.append("closed")

    monkeypatch.setattr(start.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        start.pip("PYTHON", "torch")
    assert told == ["read", "read", "closed"]  # a pipe that is closed first makes pip stumble over its own words


# -- a home that may not be written to -------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("refusing", [".", ".local/share"])
def test_who_may_not_write_at_home_gets_a_home_in_the_course(start, recorded, tmp_path, monkeypatch, capsys, refusing):
    home = tmp_path / "home"
    (home / ".local/share").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    may = os.access
    monkeypatch.setattr(start.os, "access", lambda path, mode: Path(path) != home / refusing and may(path, mode))
    homes = []
    monkeypatch.setattr(start, "run", lambda command: bool(homes.append(os.environ["HOME"])))
    assert start.main(["tour"]) == 0
    assert homes == [str(start.ROOT / ".home")] * 3
    assert (start.ROOT / ".home").is_dir()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{home / refusing} is not writable")
    assert shlex.split(second.split("first run: ")[1]) == ["export", f"HOME={start.ROOT / '.home'}"]


def test_a_home_that_can_be_written_to_stays(start, recorded, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert start.main(["tour"]) == 0
    assert os.environ["HOME"] == str(tmp_path)
    assert capsys.readouterr().out == ""


# -- PyTorch's index -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "driver", "own", "answers", "index", "words"),
    [
        ("linux", False, False, True, True, "PyTorch's smaller CPU build comes from"),
        (
            "linux",
            False,
            False,
            False,
            False,
            "does not answer, so PyTorch comes with gigabytes of CUDA. For PyTorch's",
        ),
        ("linux", False, True, None, False, "comes from where pip is configured to look. For PyTorch's smaller CPU"),
        ("linux", True, None, None, False, ""),
        ("darwin", None, None, None, False, ""),
        ("win32", None, None, None, False, ""),
    ],
)
def test_where_pytorch_comes_from(start, monkeypatch, capsys, platform, driver, own, answers, index, words):
    """None stands for a question that must not be asked: calling it is an error."""
    monkeypatch.setattr(start.sys, "platform", platform)
    for name, answer in {"nvidia_driver": driver, "own_index": own, "answers": answers}.items():
        monkeypatch.setattr(start, name, None if answer is None else lambda *arguments, answer=answer: answer)
    assert start.choose_index("PYTHON") == (start.CPU_INDEX if index else None)
    told = capsys.readouterr().out
    assert words in told
    assert ("--torch-index" in told) == bool(words)


def test_an_index_of_pips_own_is_noticed(start, monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert not start.own_index(sys.executable)
    monkeypatch.setenv("PIP_TIMEOUT", "60")
    assert not start.own_index(sys.executable)
    with monkeypatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", str(tmp_path))
        assert start.own_index(sys.executable)
    (tmp_path / "pip.conf").write_text("[global]\nextra-index-url = https://packages.example\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert start.own_index(sys.executable)


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_a_server_answers_or_does_not(start):
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert start.answers(f"http://127.0.0.1:{server.server_port}/")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not start.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)
    assert not start.answers("http://127.0.0.1:9/")
    assert not start.answers("no address at all")


@pytest.fixture
def pip_calls(start, monkeypatch):
    """What pip would be asked, on a computer without PyTorch and with 9 GB free."""
    calls = []
    monkeypatch.setattr(start, "pip", lambda python, *arguments: calls.append(list(arguments)))
    monkeypatch.setattr(start.subprocess, "call", lambda command: 1)
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=9e9))
    return calls


PYPROJECT = '[project]\ndependencies = ["numpy>=1.26", "torch>=2.6", "torchvision"]\n'
GIVEN = argparse.Namespace(here=False, torch_index="https://given.example")


def test_pytorch_alone_comes_from_its_index_in_the_range_of_pyproject(start, pip_calls, monkeypatch):
    monkeypatch.setattr(start, "choose_index", lambda python: "https://chosen.example")
    start.install_torch("PYTHON", PYPROJECT, OPTIONS)
    start.install_torch("PYTHON", PYPROJECT, GIVEN)
    assert pip_calls == [
        ["--no-deps", "--index-url", "https://chosen.example", "torch>=2.6"],
        ["--force-reinstall", "--no-deps", "--index-url", "https://given.example", "torch>=2.6"],
    ]


def test_pytorch_is_left_to_pip_or_alone(start, pip_calls, monkeypatch):
    monkeypatch.setattr(start, "choose_index", lambda python: None)
    start.install_torch("PYTHON", PYPROJECT, OPTIONS)
    monkeypatch.setattr(start, "choose_index", None)  # not asked if PyTorch is there
    monkeypatch.setattr(start.subprocess, "call", lambda command: 0)
    start.install_torch("PYTHON", PYPROJECT, OPTIONS)
    assert pip_calls == []


def test_an_index_that_fails_is_fatal_only_if_a_person_chose_it(start, pip_calls, monkeypatch, capsys):
    def fails(python, *arguments):
        raise start.Stop("no such build.")

    monkeypatch.setattr(start, "pip", fails)
    monkeypatch.setattr(start, "choose_index", lambda python: "https://chosen.example")
    start.install_torch("PYTHON", PYPROJECT, OPTIONS)
    assert "did not come from https://chosen.example: no such build. It comes with the rest" in capsys.readouterr().out
    with pytest.raises(start.Stop, match="no such build"):
        start.install_torch("PYTHON", PYPROJECT, GIVEN)


def test_a_disk_that_is_too_small_is_told_before_the_download(start, pip_calls, monkeypatch):
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=1.24e9))
    with pytest.raises(start.Stop, match=r"the disk has 1\.2 GB free, and the course needs 3\. Make room"):
        start.install_torch("PYTHON", PYPROJECT, OPTIONS)
    with pytest.raises(start.Stop, match=r"the disk has 1\.2 GB free"):
        start.make_venv()
    assert pip_calls == []
    assert not start.VENV.exists()


# -- the stamp -------------------------------------------------------------------------------------------------------


def test_what_is_installed_is_not_installed_again(start, pip_calls):
    start.VENV.mkdir()
    pyproject = start.ROOT / "pyproject.toml"
    pyproject.write_text("[project]\ndependencies = []\n", encoding="utf-8")
    steps = []

    def install(*extras, options=OPTIONS):
        pip_calls.clear()
        start.install("PYTHON", set(extras), options)
        steps.append([arguments[-1] for arguments in pip_calls])

    install("lab")
    install("lab")
    install("lab", "test")  # one extra more
    install("lab")  # less than there is
    pyproject.write_text("[project]\ndependencies = ['numpy']\n", encoding="utf-8")
    install("lab")  # the list has changed, and what was there stays
    start.STAMP.unlink()
    install("lab")  # an install that was interrupted left no stamp
    install("lab", options=argparse.Namespace(here=True, torch_index=None))  # an environment that is not ours
    assert steps == [[".[lab]"], [], [".[lab,test]"], [], [".[lab,test]"], [".[lab]"], [".[lab]"]]


def test_an_install_that_fails_leaves_no_stamp(start, monkeypatch):
    start.VENV.mkdir()
    (start.ROOT / "pyproject.toml").write_text("[project]\ndependencies = []\n", encoding="utf-8")
    start.STAMP.write_text("{}", encoding="utf-8")

    def interrupted(python, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "pip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start.install("PYTHON", {"lab"}, OPTIONS)
    assert not start.STAMP.exists()


# -- what can go wrong -----------------------------------------------------------------------------------------------

BROKEN = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError(': Failed to establish a connection: [Errno -3] Temporary failure in name resolution')'\n"
    "ERROR: Could not find a version that satisfies the requirement torch>=2.6 (from versions: none)\n"
    "ERROR: No matching distribution found for torch>=2.6"
)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (BROKEN, "the package index cannot be reached. Check the network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: [WinError 112] There is not enough space on the disk", "the disk is full"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'x'",
            "may not be written to",
        ),
        ("error: externally-managed-environment\n\n× This environment is externally managed", "Leave out --here"),
        ("/usr/bin/python3: No module named pip", "this Python has no pip. Add it (`python -m ensurepip`) and"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "cannot be reached"),
        (
            "ERROR: No matching distribution found for torch>=2.6\n",
            "(ERROR: No matching distribution found for torch>=2.6)",
        ),
        ("", "(no reason was given)"),
    ],
)
def test_what_pip_says_becomes_a_sentence_with_a_remedy(start, said, sentence):
    told = start.diagnose(said)
    assert sentence in told
    assert "un the same command again" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(13, "Permission denied", "/course/.venv"), "a file or folder here may not be written to."),
        (OSError(28, "No space left on device"), "the disk is full: "),
        (FileNotFoundError(2, "No such file or directory", "pyproject.toml"), "'pyproject.toml'"),
    ],
)
def test_an_error_of_the_disk_is_a_sentence_and_no_traceback(start, recorded, monkeypatch, capsys, error, sentence):
    def fails():
        raise error

    monkeypatch.setattr(start, "make_venv", fails)
    assert start.main(["setup"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("start.py: ")
    assert sentence in told
    assert told.count("\n") == 1


def test_a_python_without_venv_names_debians_package(start, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ensurepip", None)  # importing it now fails, as on a bare Debian
    assert start.main(["setup"]) == 1
    version = "{}.{}".format(*sys.version_info)
    assert (
        f"this Python lacks venv. On Debian or Ubuntu: `sudo apt install python{version}-venv`"
        in capsys.readouterr().err
    )
    assert not start.VENV.exists()


@pytest.mark.parametrize("kind", ["a file", "a folder with notes"])
def test_a_dot_venv_of_somebody_elses_is_not_touched(start, kind, capsys):
    if kind == "a file":
        start.VENV.write_text("mine", encoding="utf-8")
    else:
        (start.VENV / "lib").mkdir(parents=True)
        (start.VENV / "notes.txt").write_text("mine", encoding="utf-8")
    assert start.main(["setup"]) == 1
    assert "is not an environment of start.py's making. Move it away" in capsys.readouterr().err
    mine = start.VENV if kind == "a file" else start.VENV / "notes.txt"
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("text", ["", "[", "[]", "7", '{"folder": 3}', "\0"])
def test_a_spoilt_stamp_counts_as_none(start, text):
    start.VENV.mkdir()
    start.STAMP.write_text(text, encoding="utf-8")
    assert isinstance(start.read_stamp(), dict)
    assert start.read_stamp().get("extras", ()) == ()


# -- looking first, two at a time, little room, a server that runs ------------------------------------------------


def test_uv_runs_it_alone(start):
    header = re.search(r"# /// script\n((?:# .*\n)+)# ///\n", SOURCE)[1]
    asked = tomllib.loads(re.sub("(?m)^# ", "", header))
    assert asked == {"requires-python": ">={}.{}".format(*start.OLDEST)}


@pytest.mark.parametrize(
    ("free", "online", "status", "said"),
    [
        (9e9, True, 0, "Disk: 9.0 GB free\nNetwork: https://pypi.org/simple/pip/ answers\n"),
        (1e9, True, 1, "Disk: 1.0 GB free, and the course needs 3\n"),
        (9e9, False, 1, "does not answer; a bundle needs no network\n"),
    ],
)
def test_doctor_looks_before_anything_is_installed(start, monkeypatch, capsys, free, online, status, said):
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    monkeypatch.setattr(start, "make_venv", lambda: pytest.fail("it installs"))
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    monkeypatch.setattr(start, "own_index", lambda python: False)
    monkeypatch.setattr(start, "answers", lambda url: online)
    assert start.main(["doctor"]) == status
    told = capsys.readouterr().out
    assert said in told
    assert "Nothing is set up here yet. Next: `" in told


def test_a_second_start_waits_until_the_first_has_set_up(start, monkeypatch, capsys):
    done = []

    def second():
        with start.alone():
            done.append("second")

    waiting = threading.Event()
    monkeypatch.setattr(start.time, "sleep", lambda seconds: waiting.set())
    with start.alone():
        other = threading.Thread(target=second)
        other.start()
        assert waiting.wait(30)
        done.append("first")
    other.join(30)
    assert done == ["first", "second"]
    assert capsys.readouterr().out == "Another start.py sets up here; waiting until it is done ...\n"


def test_pip_unpacks_beside_the_environment_where_temporary_files_have_little_room(start, monkeypatch):
    start.VENV.mkdir()
    with start.temporary_files() as environment:
        assert environment is None
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=1e9))
    with start.temporary_files() as environment:
        assert Path(environment["TMPDIR"]).is_dir()
        assert Path(environment["TMPDIR"]).is_relative_to(start.VENV)
    assert list(start.VENV.iterdir()) == []


PIP = """Collecting torch<3,>=2.6
  Downloading https://files.example/torch-2.13.0-cp311.whl (190.5 MB)
Progress 0 of 1000
Progress 437 of 1000
Collecting six
  Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)
Installing collected packages: six, torch
Successfully installed six-1.17.0 torch-2.13.0
"""


def test_pip_is_one_line_on_a_terminal(start, capsys):
    line = start.ProgressLine(True)
    for each in PIP.splitlines(keepends=True):
        line.show(each)
    line.clear()
    told = capsys.readouterr().out
    assert told.endswith("\r" + " " * len("Installing collected packages: six, torch") + "\rInstalled packages: 2.\n")
    assert told.count("\n") == 1
    seen = [text.strip() for text in told.split("\r") if text.strip()]
    assert seen[1:4] == [f"Downloading torch-2.13.0-cp311.whl (190.5 MB){part}" for part in ("", "  0 %", "  43 %")]


def test_elsewhere_large_downloads_and_the_end_are_told(start, capsys):
    line = start.ProgressLine(False)
    for each in PIP.splitlines(keepends=True):
        line.show(each)
    line.clear()
    assert capsys.readouterr().out == ("Downloading torch-2.13.0-cp311.whl (190.5 MB)\nInstalled packages: 2.\n")


def test_a_course_that_is_open_is_not_opened_again(start, recorded, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(start, "served", lambda python, root: "http://localhost:8888/lab?token=abc")
    monkeypatch.setattr(start, "headless", lambda: False)
    monkeypatch.setattr(start.webbrowser, "open", opened.append)
    assert start.main([]) == 0
    assert recorded[-1][-3:-1] != ["-m", "jupyterlab"]
    assert "Your course is open already: http://localhost:8888/lab?token=abc\n" in capsys.readouterr().out
    assert opened == ["http://localhost:8888/lab?token=abc"]
    start.main(["--no-browser"])
    assert len(opened) == 1
    start.main(["--port=9999"])  # asked for by name
    assert "--port=9999" in recorded[-1]


def test_the_server_of_this_folder_is_found(start, monkeypatch, tmp_path):
    here = {"url": "http://localhost:8889/", "root_dir": str(start.ROOT), "token": "abc"}
    listed = [{**here, "root_dir": "/elsewhere", "url": "http://localhost:1/"}, [], {"url": 3}, here]
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    for number, server in enumerate(listed):
        (tmp_path / f"jpserver-{number}.json").write_text(json.dumps(server, indent=2), encoding="utf-8")
    (tmp_path / "jpserver-9.json").write_text("{", encoding="utf-8")
    asked = []
    monkeypatch.setattr(start, "answers", lambda url, seconds: asked.append(url) or True)
    pytest.importorskip("jupyter_core")
    assert start.served(sys.executable, start.ROOT) == "http://localhost:8889/lab?token=abc"
    assert asked == ["http://localhost:8889/api"]
    monkeypatch.setattr(start, "answers", lambda url, seconds: False)  # it has ended without a word
    assert start.served(sys.executable, start.ROOT) is None


# -- for real --------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy_course(folder):
    return make_toy_course(folder)


@pytest.mark.slow
def test_a_whole_set_up_is_done_once_and_mended_when_broken(toy_course):
    venv = toy_course / ".venv"
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    first = start_py(toy_course, "setup")
    assert "Installed packages: 1." in first
    assert first.strip().endswith("are at hand.")
    where = subprocess.run(
        [python, "-c", "import minillm; print(*minillm.__path__)"], cwd=venv, capture_output=True, encoding="utf-8"
    )
    assert Path(where.stdout.strip()) == toy_course / "minillm", where.stderr

    again = start_py(toy_course, "setup")  # not a word of pip's
    assert again.startswith("minillm.compile_native()\nminillm workbook --fetch=")
    assert start_py(toy_course, "doctor", "--json") == "minillm doctor --json\n"

    # An environment whose making was interrupted has no pip.
    shutil.rmtree(next(venv.glob("[Ll]ib/**/site-packages/pip")))
    mended = start_py(toy_course, "setup")
    assert re.search(r"cannot be used: its pip is broken\. It is removed and made anew\.", mended)
    assert "Installed packages: 1." in mended


def test_a_broken_environment_is_recognised(start):
    python = str(start.VENV / "bin" / "python")
    start.VENV.mkdir()
    assert start.venv_fault(python) == "it is half-made"
    (start.VENV / "pyvenv.cfg").write_text("home = /nowhere\n", encoding="utf-8")
    assert start.venv_fault(python) == "it is half-made"  # the scripts that activate it come last
    (start.VENV / "bin").mkdir()
    (start.VENV / "bin" / "activate").touch()
    assert start.venv_fault(python) == "its Python does not start"
    start.STAMP.write_text('{"folder": "/elsewhere/.venv"}', encoding="utf-8")
    assert start.venv_fault(python) == "it was made for another folder"
    start.STAMP.unlink()
    assert start.venv_fault(sys.executable) is None


@posix
def test_an_environment_with_an_old_python_is_recognised(start):
    (start.VENV / "bin").mkdir(parents=True)
    (start.VENV / "pyvenv.cfg").write_text("home = /nowhere\n", encoding="utf-8")
    python = start.VENV / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    python.with_name("activate").touch()
    assert start.venv_fault(str(python)) == "its Python is too old or broken"
