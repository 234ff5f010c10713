"""When the C step is compiled, what is said about it, and how to do without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from inference.test_native import small_packed

import minillm
from minillm import c_library
from minillm.c_library import SWITCH, NativeError, compiler, library_path
from minillm.cli import main as command_line
from minillm.cli.doctor import native_step
from minillm.errors import UserError
from minillm.inference import decode, native, native_library
from minillm.inference.native_library import FLAGS, load_library

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("-O0", *FLAGS[1:])  # a second instead of six
NO = "models are decoded by PyTorch, not in C: "


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A cache without a library, in a process that has not asked for one."""
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(native, "load_library", lambda: load_library(QUICK))
    native._reason.cache_clear()
    monkeypatch.setattr(native.kernels, "unavailable", lambda: None)  # the other C code
    c_library.announce.cache_clear()
    yield tmp_path
    native._reason.cache_clear()


@pytest.fixture
def never(monkeypatch):
    """No compiler may be started."""
    monkeypatch.setattr(c_library, "compile_library", lambda *inputs: pytest.fail("compiled"))


@pytest.fixture
def _works(home):
    """Skip where models cannot be decoded in C at all; leaves no library."""
    try:
        compiler()
        if native.paths() == ["plain C"]:
            pytest.skip("for this processor there is only the slow form in plain C")
    except NativeError as error:
        pytest.skip(str(error))
    for path in (home / "native").iterdir():
        path.unlink()
    c_library.announce.cache_clear()


def write_text() -> type | None:
    """Generate with a new model of 4 bits; returns which fast step it took."""
    model = small_packed("int4")
    minillm.generate(model, [1, 2, 3], 4, temperature=0)
    return type(decode.decoder(model))


@pytest.mark.usefixtures("_works")
def test_one_sentence_on_stderr_says_that_a_compiler_is_started(home, capfd):
    assert write_text() is native.NativeStep
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == (
        "minillm compiles its decoding step in C, which takes some seconds, once per computer. "
        f"It is kept in {home / 'native'}; MINILLM_NATIVE=0 does without it.\n"
    )
    for path in (home / "native").iterdir():
        path.unlink()
    native._reason.cache_clear()
    assert write_text() is native.NativeStep  # compiled once more
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("_works")
def test_a_library_in_the_cache_is_used_without_a_word(monkeypatch, capfd):
    load_library(QUICK)
    capfd.readouterr()
    c_library.announce.cache_clear()
    monkeypatch.setattr(c_library, "compile_library", lambda *inputs: pytest.fail("compiled again"))
    assert write_text() is native.NativeStep
    assert minillm.compile_native().is_file()
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("_works")
def test_compile_native_makes_the_library_that_generate_takes(home, monkeypatch, capfd):
    path = minillm.compile_native()
    assert [path] == list((home / "native").glob("*.so"))
    assert path == library_path(native_library.sources(), compiler(), QUICK)
    assert "compiles its decoding step in C" in capfd.readouterr().err
    monkeypatch.setattr(c_library, "compile_library", lambda *inputs: pytest.fail("compiled again"))
    assert write_text() is native.NativeStep
    assert native_step() == f"{native.paths()[-1]}, compiled in {home / 'native'}"


@pytest.mark.usefixtures("home", "never")
def test_compile_native_without_a_compiler_is_a_user_error(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(UserError, match=f"^{NO}CC names the compiler 'no-such-compiler', which is not here"):
        minillm.compile_native()
    monkeypatch.delenv("CC")
    monkeypatch.setattr(c_library, "COMPILERS", ())
    monkeypatch.setattr(c_library.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="there is no C compiler"):
        minillm.compile_native()
    assert native_step() == native.unavailable()


@pytest.mark.usefixtures("_works")
def test_compile_native_asks_again_once_there_is_a_compiler(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert write_text() is not native.NativeStep
    monkeypatch.delenv("CC")
    assert write_text() is not native.NativeStep  # the answer is kept for the process
    assert minillm.compile_native().is_file()
    assert write_text() is native.NativeStep


@pytest.mark.usefixtures("home", "never")
def test_switched_off_nothing_is_compiled_and_pytorch_writes_the_same(monkeypatch, capfd):
    monkeypatch.setenv(SWITCH, "0")
    model = small_packed("int4")
    written = minillm.generate(model, [1, 2, 3], 8, temperature=0)
    assert not isinstance(decode.decoder(model), native.NativeStep)
    with torch.no_grad():
        decode.install(model, None)  # the readable form
        assert minillm.generate(model, [1, 2, 3], 8, temperature=0) == written
    assert capfd.readouterr() == ("", "")
    assert native_step() == native.unavailable() == f"{NO}MINILLM_NATIVE=0 switches the C step off"
    with pytest.raises(UserError, match="MINILLM_NATIVE=0 switches the C step off"):
        minillm.compile_native()
    with pytest.raises(NativeError, match="MINILLM_NATIVE=0 switches the C step off"):
        native.NativeStep(model)


@pytest.mark.usefixtures("_works")
def test_the_switch_counts_for_models_that_come_after_it(monkeypatch):
    assert write_text() is native.NativeStep
    monkeypatch.setenv(SWITCH, "0")
    assert write_text() is not native.NativeStep
    for on in ("1", ""):
        monkeypatch.setenv(SWITCH, on)
        assert write_text() is native.NativeStep


@pytest.mark.usefixtures("home", "never")
@pytest.mark.parametrize("value", ["off", "2", "false", " 0"])
def test_another_value_of_the_switch_is_a_sentence(monkeypatch, value):
    monkeypatch.setenv(SWITCH, value)
    sentence = f"MINILLM_NATIVE is {value!r}; set it to 0 (without compiled C) or 1 (with it, the default)"
    for call in (minillm.compile_native, native.unavailable, write_text):
        with pytest.raises(UserError) as caught:
            call()
        assert str(caught.value) == sentence
    shown = CliRunner().invoke(command_line, ["doctor", "--device", "cpu"])
    assert sentence in shown.output


def test_the_command_line_and_a_float_model_start_no_compiler(tmp_path):
    """In a process of its own: neither the import, nor --help, nor a model in float32 needs the C step."""
    program = """
import minillm
from minillm import c_library
from minillm.cli import main
c_library.compiler = lambda: 1 / 0
config = minillm.ModelConfig(vocab_size=48, d_model=32, n_layers=1, n_heads=2, d_ff=64, max_seq_len=16)
print(len(minillm.generate(minillm.Transformer(config).eval(), [1, 2], 3)))
main(["--help"])
"""
    environment = {**os.environ, "MINILLM_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5\n")
    assert not list(tmp_path.iterdir())
