"""Check the shape legend in lessons and in the package's annotations; each violation is a sentence.

These checks are static. The shapes of the tensors are checked while a lesson is built (tools/shape_comments.py).
"""

import ast
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

from minillm.viz.figures.style import LEGEND
from tools.shape_comments import comments_of, function_shapes, letters_of, shapes_in

NAMES = {("Q", "K", "V")}  # in parentheses, these are common notation and not a shape
# Letters that the package uses for sizes, but no lesson does.
OWN = {"N": "things in a row (documents, words, vectors)", "G": "groups that a probe tells apart"}


def complaints(lesson: str, notebook: nbformat.NotebookNode) -> list[str]:
    """Return one sentence for every shape of a lesson that is not in the legend or differs from the package's."""
    shown = _shown_callables(notebook.cells)
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        found += [f"{lesson}, cell {number} {problem}" for problem in _letters(cell)]
        if cell.cell_type == "code":
            found += [f"{lesson}, cell {number} {problem}" for problem in _parameters(cell.source, shown)]
    return found


def _letters(cell: nbformat.NotebookNode) -> Iterator[str]:
    """Check that every capital letter of a shape, and of a figure's axes, is in the legend."""
    axes = []
    texts = [cell.source]
    if cell.cell_type == "code":
        tree = ast.parse(cell.source)
        texts = [*comments_of(cell.source).values(), *_strings(tree)]
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            axes += [keyword.value.value for keyword in call.keywords if _is_axes(keyword)]
    written = [(shape, letters_of(shape)) for text in texts for (shape, *_) in shapes_in(text)]
    written += [(f'axes="{text}"', re.findall(r"\b[A-Z]\b", text)) for text in axes]
    for shape, letters in written:
        unknown = [letter for letter in letters if letter not in LEGEND]
        if unknown and tuple(letters) not in NAMES:
            yield (
                f"writes {shape}, and {unknown[0]} is not in the shape legend ({', '.join(LEGEND)}); "
                "write a size of your own as a word: (pairs, C)"
            )


def _is_axes(keyword: ast.keyword) -> bool:
    return keyword.arg == "axes" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)


def _strings(tree: ast.AST) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _parameters(source: str, shown: dict[str, Callable]) -> Iterator[str]:
    """Check that a naive function uses the same letters as the package's function that the lesson shows.

    It may omit axes, such as the batch, but neither rename nor reorder them. If a lesson shows several functions with a
    parameter of that name, one of them must agree.
    """
    for function in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)):
        given, result = function_shapes(function)
        forms = {name: form for name, form in shown.items() if set(given) & set(annotated_shapes(form))}
        said = [(parameter, shape) for parameter, (shape, *_) in given.items()]
        said += [("return", shape) for (shape, *_) in result]
        for parameter, shape in said if function.name.startswith("naive_") else []:
            theirs = {axes: name for name, form in forms.items() for axes in annotated_shapes(form).get(parameter, [])}
            if theirs and not any(_fits(letters_of(shape), axes.split()) for axes in theirs):
                what = "the result" if parameter == "return" else parameter
                other = " and ".join(f"{name} has ({', '.join(axes.split())})" for axes, name in theirs.items())
                yield f"says that {what} of {function.name} is {shape}; of the package, which it shows, {other}"


def _fits(letters: list[str], axes: list[str]) -> bool:
    """Whether the letters are a subsequence of the axes that ends with the last; a *axis is any number of axes."""
    if not letters or not axes:
        return not letters
    if axes[-1].startswith("*"):
        return True
    if axes[-1].lstrip("#_") != letters[-1]:
        return False
    rest = letters[:-1]
    for position in range(len(axes) - 2, -1, -1):
        if axes[position].startswith("*"):
            return True
        if rest and axes[position].lstrip("#_") == rest[-1]:
            rest = rest[:-1]
    return not rest


def _shown_callables(cells: list[nbformat.NotebookNode]) -> dict[str, Callable]:
    """Find the package's functions whose source a lesson shows: all its names in a cell with getsource."""
    code = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
    imports = [node for tree in code[:1] for node in tree.body if _is_of_package(node)]
    names: dict[str, typing.Any] = {}
    exec(compile(ast.Module(imports, []), "<imports>", "exec"), names)
    shown = {}
    for tree in code:
        nodes = list(ast.walk(tree))
        if any(isinstance(node, ast.Attribute) and node.attr == "getsource" for node in nodes):
            for node in nodes:
                found = _looked_up(node, names)
                if inspect.isfunction(found) and found.__module__.startswith("minillm"):
                    shown[ast.unparse(node)] = found
    return shown


def _is_of_package(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "minillm"
    return isinstance(node, ast.Import) and all(alias.name.split(".")[0] == "minillm" for alias in node.names)


def _looked_up(node: ast.AST, names: dict[str, typing.Any]) -> typing.Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_looked_up(node.value, names), node.attr, None)
    return None


def annotated_shapes(function: Callable) -> dict[str, list[str]]:
    """Return the axes in the jaxtyping annotation of each parameter, and of the result ("return").

    >>> from minillm.model.attention import attention_weights
    >>> annotated_shapes(attention_weights)["key"]
    ['B K S D']
    """
    hints = typing.get_type_hints(function, include_extras=True)
    return {name: shapes for name, hint in hints.items() if (shapes := list(_axes_in(hint)))}


def _axes_in(hint: typing.Any) -> Iterator[str]:
    if isinstance(shape := getattr(hint, "dim_str", None), str):
        yield shape
    for part in typing.get_args(hint):
        yield from _axes_in(part)


def package_complaints(path: Path, name: str) -> Iterator[str]:
    """Yield one sentence for each undefined letter in a module's annotations and comments.

    HD is H times D; B1 is a size related to B. Words, numbers and `_` can stand for any size.
    """
    source = path.read_text(encoding="utf-8")
    allowed = LEGEND | OWN
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2:
            axes = node.slice.elts[1]
            for axis in str(axes.value).split() if isinstance(axes, ast.Constant) else []:
                size = axis.lstrip("*#_")
                if re.fullmatch("[A-Z]+1?", size) and not set(size.rstrip("1")) <= set(allowed):
                    yield f'{name}, line {node.lineno} annotates "{axes.value}", and {size} is not in the shape legend'
    for line, comment in comments_of(source).items():
        for shape, *_ in shapes_in(comment):
            if unknown := [letter for letter in letters_of(shape) if letter not in allowed]:
                yield f"{name}, line {line} writes {shape}, and {unknown[0]} is not in the shape legend"
