"""The library of the C step: compiled once and kept, done without where that fails, forked, and under sanitizers."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tomllib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from inference.test_native import small_cache, small_packed

from minillm import c_library, kernels
from minillm.c_library import NativeError, compiler, library_path
from minillm.cli import main as command_line
from minillm.inference import decode, native, native_library
from minillm.inference.generate import generate
from minillm.inference.native import NativeStep, unavailable
from minillm.inference.native_library import FLAGS, load_library

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("-O0", *FLAGS[1:])  # a second instead of six


@pytest.fixture
def afresh(monkeypatch, tmp_path):
    """No library yet, and nothing known about this computer."""
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(native, "load_library", lambda: load_library(QUICK))
    native._reason.cache_clear()
    yield
    native._reason.cache_clear()


@pytest.fixture(scope="module")
def _compiler():
    try:
        compiler()
    except NativeError as error:
        pytest.skip(str(error))


def copied_to(folder: Path) -> Path:
    """The C sources in another folder, which is made; returns the path of `native.c`."""
    folder.mkdir()
    for path in native_library.sources():
        shutil.copy(path, folder)
    return folder / native_library.SOURCE.name


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.usefixtures("_compiler")
def test_a_folder_may_have_spaces_and_umlauts_and_the_library_is_made_once(tmp_path, monkeypatch):
    home = tmp_path / "Größe mit Leerzeichen"
    monkeypatch.setenv("MINILLM_HOME", str(home))
    monkeypatch.setattr(native_library, "SOURCE", copied_to(tmp_path / "Übung 1"))
    load_library(QUICK)
    (library,) = (home / "native").glob("*.so")
    assert not list(home.rglob("*.partial"))
    monkeypatch.setattr(c_library, "compile_library", lambda *inputs: pytest.fail("compiled again"))
    load_library(QUICK)
    assert library_path(native_library.sources(), compiler(), QUICK) == library
    assert library_path(native_library.sources(), compiler(), FLAGS) != library
    for source in native_library.sources():
        text = source.read_text(encoding="utf-8")
        source.write_text(text + "\n", encoding="utf-8")
        assert library_path(native_library.sources(), compiler(), QUICK) != library  # another source, another library
        source.write_text(text, encoding="utf-8")


def test_what_the_c_code_includes_is_hashed_and_packaged():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = project["tool"]["setuptools"]["package-data"]["minillm"]
    names = {path.name for path in native_library.sources()}
    for source in native_library.sources():
        included = re.findall(r'^#include "(.*)"', source.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(included) <= names
        assert f"**/*{source.suffix}" in packaged
    assert "native_kernels.h" in names


def test_the_c_code_fits_on_a_screen():
    for source in [*native_library.sources(), kernels.SOURCE]:
        lines = source.read_text(encoding="utf-8").splitlines()
        assert not [(source.name, number) for number, line in enumerate(lines, 1) if len(line) > 100]


@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("path", [*native_library.sources(), kernels.SOURCE], ids=lambda path: path.name)
def test_each_c_file_stands_alone_and_gives_no_warning(path):
    strict = ["-x", "c", "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror"]
    strict += ["-Wno-unknown-pragmas", "-Wno-unused-parameter"]  # OpenMP's, and the number of its threads
    done = subprocess.run([*compiler(), *strict, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("_compiler", "afresh")
def test_a_lost_header_is_a_reason(tmp_path, monkeypatch):
    source = copied_to(tmp_path / "copy")
    source.with_name("native_kernels.h").unlink()
    monkeypatch.setattr(native_library, "SOURCE", source)
    assert "native_kernels.h" in unavailable()


@pytest.mark.usefixtures("_compiler")
def test_of_two_that_ask_at_once_one_compiles(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    compiled, real = [], c_library.compile_library
    monkeypatch.setattr(c_library, "compile_library", lambda *inputs: (compiled.append(1), real(*inputs)))
    threads = [threading.Thread(target=load_library, args=(QUICK,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compiled == [1]


@pytest.mark.usefixtures("_compiler", "afresh")
@pytest.mark.parametrize("named", [False, True])  # by CC
def test_the_compiler_of_pip_is_used_where_the_system_has_none(tmp_path, monkeypatch, named):
    real, package = compiler(), tmp_path / "ziglang"
    package.mkdir()
    (package / "__init__.py").touch()
    pretended = f"""
        import os, subprocess, sys
        assert "CC" not in os.environ  # zig would call itself without end
        cc, processor, *rest = sys.argv[1:]
        assert (cc, processor) == ("cc", "-mcpu=baseline")
        sys.exit(subprocess.call([*{real!r}, *rest]))
    """
    (package / "__main__.py").write_text(textwrap.dedent(pretended), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    ours = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]
    monkeypatch.setenv("CC", shlex.join(ours) if named else "")
    monkeypatch.setattr(c_library, "COMPILERS", ())
    assert compiler() == ours
    assert unavailable() is None


@pytest.mark.usefixtures("afresh")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("there-is-no-such-compiler", "CC names the compiler 'there-is-no-such-compiler', which is not here"),
        ("exit 0", "succeeded without writing a library"),
        ("echo native.c:1:1: error: no more memory >&2; exit 1", "failed: native.c:1:1: error: no more memory"),
        ("exit 3", "failed: it said nothing"),
        ('while [ "$1" != -o ]; do shift || exit 0; done; echo junk > "$2"', "cannot be kept in or loaded from"),
        (None, "there is no C compiler"),
    ],
)
def test_without_a_compiler_pytorch_goes_on_and_doctor_says_so(tmp_path, monkeypatch, command, reason):
    if command is None:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setattr(c_library.shutil, "which", lambda name: None)
        monkeypatch.setattr(c_library.importlib.util, "find_spec", lambda name: None)
    elif command.startswith("there"):
        monkeypatch.setenv("CC", command)
    else:
        monkeypatch.setenv("CC", script(tmp_path / "compiler", f'[ "$1" = --version ] && exit 0\n{command}'))
    said = unavailable()
    assert said.startswith("models are decoded by PyTorch, not in C: ")
    assert reason in said
    assert "\n" not in said
    model = small_packed("int4")
    assert len(generate(model, [1, 2, 3], 5, temperature=0)) == 8
    assert not isinstance(decode.decoder(model), NativeStep)
    with pytest.raises(NativeError):
        NativeStep(model)
    monkeypatch.undo()  # of the rest, doctor needs a computer that works
    monkeypatch.setattr(native, "unavailable", lambda: said)
    shown = CliRunner().invoke(command_line, ["doctor", "--json"])
    assert json.loads(shown.output.splitlines()[-1])["native_step"] == said


@pytest.mark.usefixtures("_compiler", "afresh")
def test_a_cache_that_cannot_be_written_is_a_reason(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "file"))
    assert "cannot be kept in or loaded from" in unavailable()


@pytest.mark.usefixtures("_compiler", "afresh")
@pytest.mark.parametrize("difference", [0.2, float("nan")])
def test_a_step_that_computes_something_else_is_not_used(monkeypatch, difference):
    monkeypatch.setattr(native, "self_test", lambda: difference)
    assert native.paths() == ["plain C"] or "of their spread off" in unavailable()
    assert unavailable() is not None


@pytest.mark.usefixtures("_compiler")
def test_structures_of_another_layout_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    monkeypatch.setattr(native_library, "Call", native_library.Matrix)
    with pytest.raises(NativeError, match="lays out structures differently"):
        load_library(QUICK)


@pytest.mark.usefixtures("_compiler")
def test_the_self_test_finds_a_wrong_kernel(tmp_path, monkeypatch):
    text, source = native_library.SOURCE.read_text(encoding="utf-8"), copied_to(tmp_path / "copy")
    assert native.self_test() <= native.TOLERANCE
    for right, wrong in (
        ("first * cosine - second", "first * cosine + second"),
        ("gate[i] / (1", "gate[i] / (2"),
        ("(int8_t)(code - 128 * high[i])", "0"),  # one byte in place of two
    ):
        assert text.count(right) == 1
        source.write_text(text.replace(right, wrong), encoding="utf-8")
        monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
        monkeypatch.setattr(native_library, "SOURCE", source)
        monkeypatch.setattr(native, "load_library", lambda: load_library(QUICK))
        assert native.self_test() > native.TOLERANCE


@pytest.mark.usefixtures("_compiler")
def test_ctrl_c_ends_a_loop_and_leaves_the_model_whole():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    model = small_packed("int4", max_seq_len=10_000)
    ids, step = torch.tensor([[1]]), NativeStep(model, n_threads=2)
    expected, cache = step(ids, small_cache(model, 1)), model.new_cache(1)

    def step_forever():
        while True:
            step(ids, cache)
            cache.truncate(0)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=lambda: (time.sleep(0.05), os.kill(os.getpid(), signal.SIGINT))).start()
        with pytest.raises(KeyboardInterrupt):
            step_forever()
    finally:
        signal.signal(signal.SIGINT, before)
    assert torch.equal(step(ids, small_cache(model, 1)), expected)


PRELUDE = f"""
import os, sys, torch
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from inference.test_native import small_packed, small_cache
from minillm.inference.native import NativeStep, paths
"""

FORKING = """
torch.set_num_threads(1)
model = small_packed("int4")
step, ids = NativeStep(model, n_threads=2), torch.tensor([[1, 2, 3]])
expected = step(ids, small_cache(model, 1))
children = []
for _ in range(4):
    if (child := os.fork()) == 0:
        os._exit(0 if torch.equal(step(ids, small_cache(model, 1)), expected) else 7)
    children.append(child)
    assert torch.equal(step(ids, small_cache(model, 1)), expected)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""

CHECKED = """
torch.manual_seed(0)
possible = paths()
for trial in range(24):
    heads = [1, 2, 4][trial % 3]
    changes = dict(
        vocab_size=[1, 16, 33, 50][trial % 4], d_model=32 * (1 + trial % 2), n_heads=2 * heads, n_kv_heads=heads,
        d_head=16, d_ff=32 * (1 + trial % 5), n_layers=1, qk_norm=trial % 2 == 0, bias=["qkv", False, True][trial % 3],
        sliding_window=[None, 2][trial % 2],
    )
    model = small_packed(["int4", "int8", "bfloat16", "float32"][trial % 4], **changes)
    B, T = 1 + trial % 6, 1 + trial % 7
    cache = small_cache(model, B, [torch.float32, torch.float16, torch.bfloat16][trial % 3])
    segments = torch.ones(B, T, dtype=torch.long)
    segments[0, : T // 2] = 0
    step = NativeStep(model, possible[trial % len(possible)], 1 + trial % 3)
    for _ in range(2):
        ids = torch.randint(0, changes["vocab_size"], (B, T))
        assert step(ids, cache, segments if trial % 2 else None).isfinite().all()
        segments = torch.ones_like(segments)
    cache = small_cache(model, B)  # full to the last position
    cache.length = 24 - T
    assert step(ids, cache).isfinite().all()
    step(ids, small_cache(model, B), n_last=1)
print("checked")
"""


def in_a_process(program: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", PRELUDE + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=os.environ | environment)


@pytest.mark.usefixtures("_compiler")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_children_of_a_fork_compute_the_same():
    done = in_a_process(FORKING)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("_compiler")
def test_threads_of_openmp_and_its_own_compute_the_same(monkeypatch):
    model, ids = small_packed("int4"), torch.tensor([[1, 2, 3], [4, 5, 6]])
    steps = [NativeStep(model, n_threads=n) for n in (1, 2, 3)]
    texts = [step(ids, small_cache(model, 2)) for step in steps]
    monkeypatch.setattr(native, "_is_forked", True)
    texts += [step(ids, small_cache(model, 2)) for step in steps]
    assert all(torch.equal(text, texts[0]) for text in texts)


@pytest.mark.parametrize(("said", "flags"), [("cc (Debian) 14.2.0", ("-fopenmp",)), ("Apple clang version 17.0.0", ())])
def test_openmp_is_asked_of_gcc_only(tmp_path, monkeypatch, said, flags):
    monkeypatch.setenv("CC", shlex.quote(script(tmp_path / "cc", f"echo '{said}'")))
    assert c_library.openmp() == flags


def sanitized(sanitizer: str, program: str, home: Path) -> subprocess.CompletedProcess:
    """Run a program with a library that the compiler's sanitizer watches."""
    name = {"address": "libasan.so", "undefined": "libubsan.so", "thread": "libtsan.so"}[sanitizer]
    libraries = []
    for wanted in (name, "libstdc++.so.6"):  # else the sanitizer cannot pass on PyTorch's exceptions
        command = [*compiler(), f"-print-file-name={wanted}"]
        found = Path(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip())
        if not found.is_absolute() or not found.exists():
            pytest.skip(f"the C compiler has no {wanted}")
        libraries.append(str(found.resolve()))
    flags = ("-O1", "-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", *FLAGS[1:])
    done = in_a_process(
        f"""
from minillm.inference import native, native_library
native.load_library = lambda: native_library.load_library({flags!r})
{program}""",
        LD_PRELOAD=" ".join(libraries),
        ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0:allocator_may_return_null=1",
        MINILLM_HOME=str(home),
        OMP_NUM_THREADS="1",
    )
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("this kernel places memory where the thread sanitizer cannot have it")
    return done


@pytest.mark.slow
@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("sanitizer", ["address", "undefined", "thread"])
def test_a_sanitizer_finds_nothing_in_odd_shapes(tmp_path, sanitizer):
    """Every buffer and small matrix is a tensor of its own, so an access past its end is one past an allocation.

    Without OpenMP, whose barriers the thread sanitizer does not know.
    """
    done = sanitized(sanitizer, CHECKED, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("checked\n")


FUZZING = """
from inference.native_fuzz import main
main({seed}, {trials})
"""


@pytest.mark.usefixtures("_compiler")
def test_damaged_and_absurd_models_never_end_the_process():
    done = in_a_process(FUZZING.format(seed=0, trials=200), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr[-3000:]
    computed = int(done.stdout.split()[0])
    assert 10 < computed < 190  # some are refused, and some damage is harmless


@pytest.mark.slow
@pytest.mark.usefixtures("_compiler")
def test_damaged_and_absurd_models_touch_no_foreign_memory(tmp_path):
    done = sanitized("address", FUZZING.format(seed=1_000, trials=400), tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("computed\n")
