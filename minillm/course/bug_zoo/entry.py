"""How a bug is entered into the zoo, and how it is put into a model."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from torch import nn

from minillm.analysis.surgery import replaced
from minillm.errors import UserError
from minillm.model.transformer import Transformer


class Bug(NamedTuple):
    """A bug: its name, the part that it sits in, and how it is put into a model."""

    name: str
    part: str
    written: str  # one line: what was written
    put_in: Callable[[Transformer], AbstractContextManager]


ZOO: dict[str, Bug] = {}
Function = Callable[..., Any]


@contextmanager
def infected(model: Transformer, name: str) -> Iterator[Transformer]:
    """The model with this bug of the `ZOO`, inside a `with` block; raises `UserError` for a name that is not there."""
    if name not in ZOO:
        raise UserError(f"there is no bug {name!r}; choose one of {', '.join(ZOO)}")
    with ZOO[name].put_in(model):
        yield model


def _keep(name: str, part: str, function: Function, put_in: Callable[[Transformer], AbstractContextManager]) -> None:
    ZOO[name] = Bug(name, part, (function.__doc__ or "").splitlines()[0], put_in)


def part(name: str, part: str) -> Callable[[Function], Function]:
    """Enter a function that takes the place of a part of `surgery.replaced` everywhere."""

    def enter(function: Function) -> Function:
        given: dict[str, Any] = {part: function}
        _keep(name, part, function, lambda model: replaced(model, **given))
        return function

    return enter


def parts(name: str, part: str) -> Callable[[Function], Function]:
    """Enter a function that makes the parts for a model, by their names."""

    def enter(function: Function) -> Function:
        _keep(name, part, function, lambda model: replaced(model, **function(model)))
        return function

    return enter


def module(name: str, path: str = "") -> Callable[[Function], Function]:
    """Enter a function `forward(module, x, ...)` for this module of every block, the whole block, or `final_norm`."""

    def enter(function: Function) -> Function:
        @contextmanager
        def put_in(model: Transformer) -> Iterator[None]:
            if path == "final_norm":
                modules: list[nn.Module] = [model.final_norm]
            else:
                modules = [block.get_submodule(path) for block in model.blocks]
            with replaced(model):  # so that nothing computes a block in a way of its own
                try:
                    for module in modules:
                        vars(module)["forward"] = function.__get__(module)
                    yield
                finally:
                    for module in modules:
                        vars(module).pop("forward", None)

        _keep(name, path or "block", function, put_in)
        return function

    return enter
