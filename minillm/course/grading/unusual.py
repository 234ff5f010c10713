"""List code that no answer needs, for the teacher to read.

These are the ways around the watch over forbidden functions, or into the process that runs an answer. They change no
points, and the list is no border: it tells a person where to look first.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from minillm.course.grading.notebook import RUN, WRITE, definition, own_nodes, parsed

LONG = 20_000  # characters of a cell; more isn't on the feedback page, nor compared
# Names that no answer needs. A word of everyday use among them (fork, ops) counts in code, and not in a string.
UNUSUAL = {
    "FunctionType", "CodeType", "__bases__", "__builtins__", "__closure__", "__code__", "__dict__", "__eq__",
    "__func__", "__getattr__", "__getattribute__", "__globals__", "__import__", "__loader__", "__main__", "__mro__",
    "__reduce__", "__reduce_ex__", "__self__", "__setstate__", "__spec__", "__subclasses__", "__traceback__",
    "__wrapped__", "_C", "_VF", "_decomp", "_dynamo", "_exit", "_functorch", "_getframe", "_inductor", "_prims",
    "_refs", "_thread", "attrgetter", "builtins", "call_tracing", "cloudpickle", "copyreg", "ctypes", "delattr",
    "dill", "eval", "exec", "execve", "f_back", "fork", "gc", "getattr", "globals", "importlib", "inspect", "jit",
    "locals", "marshal", "methodcaller", "ops", "pickle", "pkgutil", "posix_spawn", "runpy", "setattr", "setprofile",
    "settrace", "shelve", "socket", "start_new_thread", "subprocess", "tb_frame", "vars",
}  # fmt: skip
SPOKEN = {"fork", "gc", "inspect", "jit", "ops", "socket", "vars", "pickle", "dill"}
MODULE = re.compile(r"[\w./-]+\.py")


def unusual_code(cells: Sequence[tuple[str, str]], forbidden: Sequence[str]) -> list[str]:
    """List mentions of names that no answer needs, one sentence each.

    `forbidden` holds import names, such as "torch.nn.functional.softmax". A name that the notebook defines itself does
    not count, except as an attribute of an imported module.

    >>> unusual_code([("cell 2", "import ctypes"), ("cell 3", "x = 1"), ("cell 4", "%%writefile a.py\\nvars()")], [])
    ['cell 2 mentions ctypes', 'cell 4 mentions vars', 'cell 4 writes a.py']
    """
    last = {name.rsplit(".", 1)[-1] for name in forbidden} - {"minillm"}
    trees = [(title, source, _trees(source)) for title, source in cells]
    own, imported = _own([tree for *_, found in trees for tree in found])
    sentences = []
    for title, source, found in trees:
        reader = _Reader(own, imported)
        try:
            for tree in found:
                reader.visit(tree)
        except RecursionError:
            sentences.append(f"{title} is nested too deeply to read")
        runs = [run["path"] for run in RUN.finditer(source)]
        write = WRITE.match(source)
        writes = [write["path"]] if write and MODULE.fullmatch(write["path"]) else []
        names = reader.names & (UNUSUAL | last) | reader.strings & (last | UNUSUAL - SPOKEN) | reader.dotted
        sentences += [f"{title} mentions {name}" for name in sorted(names - {*writes, *runs})]
        sentences += [
            f"{path} was beside the notebook" if path == title else f"{title} writes {path}" for path in writes
        ]
        sentences += [f"{title} runs {path}" for path in runs]
        sentences += [f"{title} has {len(source):,} characters"] * (len(source) > LONG)
    return sentences


def defined_elsewhere(cells: Sequence[tuple[str, str]], functions: Sequence[str]) -> list[str]:
    """A sentence for each of these functions that no cell defines, although it was found when the notebook ran.

    >>> defined_elsewhere([("cell 1", "globals()['f'] = len\\ng = len")], ["f", "g"])
    ["no cell defines f, and it's there: see where it comes from"]
    """
    absent = [name for name in functions if not any(definition(source, name) for _, source in cells)]
    return [f"no cell defines {name}, and it's there: see where it comes from" for name in absent]


def _trees(source: str) -> list[ast.Module]:
    """The syntax tree of a cell, and that of the module that it writes."""
    write = WRITE.match(source)
    return [parsed(source), *([parsed(source[write.end() :])] if write else [])]


def _own(trees: Sequence[ast.Module]) -> tuple[set[str], set[str]]:
    """The names that the cells define at the top level or as methods, and the names of imported modules."""
    own, imported, deleted = set(), set(), set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
                deleted.add(node.id)
            elif isinstance(node, ast.ClassDef):
                own |= {method.name for method in node.body if isinstance(method, ast.FunctionDef)}
        own |= {name for statement in tree.body for name in _bound(statement)}
    return own - deleted - imported, imported


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds for certain: not in a branch that may never be taken."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        yield from _stored(statement)


def _stored(tree: ast.AST) -> Iterator[str]:
    """The names that a part of a tree binds by assignment."""
    for node in own_nodes(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


class _Reader(ast.NodeVisitor):
    """Collects the names in a tree, without the notebook's own and those of the function that they are in."""

    def __init__(self, own: set[str], imported: set[str]) -> None:
        self.own, self.imported = own, imported
        self.local: list[set[str]] = []
        self.names: set[str] = set()
        self.strings: set[str] = set()
        self.dotted: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id not in self.own.union(*self.local):
            self.names.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root = node.value
        while isinstance(root, ast.Attribute):
            root = root.value
        of_module = isinstance(root, ast.Name) and root.id in self.imported
        if of_module or node.attr not in self.own:
            self.names.add(node.attr)
        if node.attr == "modules" and of_module and not isinstance(node.value, ast.Attribute):
            self.dotted.add("sys.modules")
        self.visit(node.value)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            first, *_, name = [alias.name.split(".")[0], *alias.name.split(".")]
            self.names |= {name} | ({first} & UNUSUAL)
            if isinstance(node, ast.ImportFrom) and (node.module, alias.name) == ("sys", "modules"):
                self.dotted.add("sys.modules")
        self.names |= {*(getattr(node, "module", None) or "").split(".")} & UNUSUAL

    visit_ImportFrom = visit_Import

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and " " not in node.value:
            self.strings.update(re.findall(r"\w+", node.value))
            if MODULE.fullmatch(node.value):
                self.dotted.add(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        if not isinstance(node, ast.Lambda) and self.local == [] and node.name not in self.own:
            self.names.add(node.name)
        if not isinstance(node, ast.Lambda) and node.name.startswith("__"):  # a method that Python itself calls
            self.names.add(node.name)
        arguments = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        body = node.body if isinstance(node.body, list) else [node.body]
        stores = {name for part in body for name in _stored(part)}
        self.local.append(arguments | stores)
        self.generic_visit(node)
        self.local.pop()

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef
