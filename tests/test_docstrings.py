"""Whoever asks `help()` is answered: every public name of the package has a docstring, every main one an example."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import minillm

MODULES = sorted(room.name for room in pkgutil.walk_packages(minillm.__path__, "minillm."))


def public(room: ModuleType) -> list[tuple[str, object]]:
    """The functions and classes that a room defines, and the classes' methods and properties, by their whole names."""
    found = []
    for name, thing in vars(room).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != room.__name__:
            continue
        if inspect.isclass(thing):
            found.append((name, thing))
            fields = inspect.get_annotations(thing)  # the default of a field may be a function
            members = [member for member in vars(thing) if not member.startswith("_") and member not in fields]
            found += [(f"{name}.{member}", getattr(thing, member)) for member in members]
        elif inspect.isroutine(thing):
            found.append((name, thing))
    return found


def undocumented(room: ModuleType) -> list[str]:
    """Those that say nothing. A dataclass without words shows its signature; that is none."""
    silent = []
    for name, thing in public(room):
        if not (inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, property)):
            continue
        words = thing.__doc__ if inspect.isclass(thing) else inspect.getdoc(thing)
        if not words or (inspect.isclass(thing) and words.startswith(f"{thing.__name__}(")):
            silent.append(f"{room.__name__}.{name}")
    return silent


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_says_what_it_is(name):
    room = importlib.import_module(name)
    silent = undocumented(room)
    assert not silent, f"public, and without a docstring: {', '.join(silent)}"


def test_a_name_without_words_is_seen():
    room = ModuleType("room")
    exec("class Bare:\n    def method(self): ...\ndef loud():\n    'words'\ndef quiet(): ...", vars(room))
    vars(room)["__name__"] = "room"
    for thing in ("Bare", "loud", "quiet"):
        vars(room)[thing].__module__ = "room"
    assert undocumented(room) == ["room.Bare", "room.Bare.method", "room.quiet"]


@pytest.mark.parametrize("name", minillm.__all__)
def test_a_main_name_has_an_example(name):
    """Examples are run: all of `minillm` is searched for doctests (pyproject.toml)."""
    words = inspect.getdoc(getattr(minillm, name)) or ""
    assert ">>> " in words, f"minillm.{name} shows no example"
    assert len(words.splitlines()) > 3
