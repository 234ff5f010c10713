"""Build the course's site: lessons with their stored outputs, exercises, teaching pages, results and the API.

    python tools/make_site.py                 writes build/site; `python3 start.py site` installs what it needs first
    python tools/make_site.py --out FOLDER

Nothing is executed, and nothing is fetched. Each of Sphinx's warnings, such as a link that leads nowhere, is an error.
After `minillm fetch pyodide` the toy also has the truth for beginnings that a visitor types.
"""

import argparse
import ast
import inspect
import json
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the lines below also work when this file is run as a script

from minillm import api, assets, publish  # noqa: E402
from minillm.cli import main as minillm  # noqa: E402

# What pages link to; models and what a learner writes stay out.
COPIED = ("notebooks", "exercises", "teaching", "benchmarks", "minillm", "tools", "tests")
FILES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "AGENTS.md",
    "CITATION.cff",
    "LICENSE",
    "pyproject.toml",
    "start.py",
)
LEFT_OUT = shutil.ignore_patterns("*.safetensors", "__pycache__", ".*", "my_*", "*.slides.html", "offline", "*.so")
ANCHOR = re.compile(r"\]\(([^()\s#]*\.ipynb)?#([^()\s]+)\)")  # a link to a heading of a notebook, as Jupyter writes it
TOY = [
    "publish",
    "course-base",
    "--compare",
    "--name=A model that this course trains",
    "--beginning=Nobody was looking when",
    "--beginning=The King likes",
    "--beginning=In the cellar Tilda kept 14 lanterns. Then Pru brought 8 more. 14 + 8 =",
]
PYODIDE = (
    "pyodide.mjs",
    "pyodide.asm.js",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
    "package.json",
)
WORKER = "world/worker.mjs"
CHATS = ["--with=course-sft", "--with=course-ppo", "--with=course-reasoning"]
FRAME = """[Start with lesson 00](notebooks/00_the_map.ipynb). Trained from nothing, this model runs on your device:

<iframe class="toy" src="base.html" title="A language model that runs in this page" loading="lazy"></iframe>

*What it predicts stands beside the exact truth, further down in the frame.
<a href="more.html">Here it is with SFT, PPO and reasoning to switch to</a> (15 MB).*
"""
SECTIONS = (
    "tokenizer",
    "data",
    "config",
    "model",
    "losses",
    "training",
    "pretrained",
    "inference",
    "posttraining",
    "publish",
)
ENTRY = re.compile(r"^- \*\*(.+?)\*\*.*\n?(?:^  .*\n?)*", re.MULTILINE)  # of the glossary
MANY = 10  # lessons that use a term; more are counted and not listed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder of the site")
    options = parser.parse_args(arguments)
    try:
        from sphinx.cmd.build import build_main
    except ImportError:
        print("The site needs Sphinx: run `python3 start.py site`.", file=sys.stderr)
        return 1
    stage = options.out.with_name(options.out.name + "_source")
    lay_out(stage)
    status = build_main(
        ["-q", "-W", "--keep-going", "-b", "html", "-d", f"{stage}_trees", str(stage), str(options.out)]
    )
    if status == 0:
        pages = len(list(options.out.rglob("*.html")))
        megabytes = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file()) / 1e6
        print(f"{pages} pages, {megabytes:.0f} MB: {options.out / 'index.html'}")
    return status


def lay_out(stage: Path) -> None:
    """Copy the pages and what they link to, in the folders that they have here, and write the pages that only list."""
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(ROOT / "site", stage)
    for name in COPIED:
        shutil.copytree(ROOT / name, stage / name, ignore=LEFT_OUT)
    for name in FILES:
        shutil.copy(ROOT / name, stage / name)
    for path in [
        *stage.glob("*.md"),
        *stage.glob("*/*.md"),
        *stage.glob("notebooks/*.ipynb"),
        *stage.glob("exercises/*/*.ipynb"),
    ]:
        text = path.read_text(encoding="utf-8")
        path.write_text(for_sphinx(text, notebook=path.suffix == ".ipynb"), encoding="utf-8")
    glossary = stage / "teaching" / "glossary.md"
    glossary.write_text(with_backlinks(glossary.read_text(encoding="utf-8"), prose_of_lessons()), encoding="utf-8")
    (stage / "index.md").write_text(index(), encoding="utf-8")
    (stage / "api.md").write_text(reference(), encoding="utf-8")
    extra = stage / "extra"  # pages of their own
    extra.mkdir()
    exact = [f"--worker={WORKER}"] if lay_out_world(extra / Path(WORKER).parent) else []
    minillm([*TOY, *exact, f"--out={extra / 'base.html'}"], standalone_mode=False)
    minillm([*TOY, *CHATS, *exact, f"--out={extra / 'more.html'}"], standalone_mode=False)


def lay_out_world(folder: Path) -> bool:
    """Write what computes the truth in a browser: Pyodide, the world's modules and the worker that runs them.

    Writes nothing, says so and returns False where Pyodide is not in the cache.
    """
    if (package := assets.cached("pyodide")) is None:
        print("The toy has the stored truths only; for any other, run `minillm fetch pyodide` first.")
        return False
    folder.mkdir(parents=True)
    with tarfile.open(package) as archive:
        for name in PYODIDE:  # read by their names: no path from inside the archive reaches the disk
            stream = archive.extractfile(f"package/{name}")
            assert stream is not None
            (folder / name).write_bytes(stream.read())
    shutil.copy(ROOT / "site" / WORKER, folder)
    with zipfile.ZipFile(folder / "world.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in world_files():
            text = "" if path.name == "__init__.py" else path.read_text(encoding="utf-8")
            packed.writestr(zipfile.ZipInfo(path.relative_to(ROOT).as_posix()), text)  # with a fixed date
    return True


def world_files() -> list[Path]:
    """The files that `minillm.world.world` needs, in order; none of them needs more than the standard library.

    The world's own `__init__.py` also offers what needs torch, so the copy for browsers has empty ones.
    """
    start, package = ROOT / "minillm" / "world" / "world.py", ROOT / "minillm"
    found, to_read = {package / "__init__.py", package / "world" / "__init__.py", start}, [start]
    while to_read:
        for node in ast.walk(ast.parse(to_read.pop().read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minillm"):
                parts = (ROOT.joinpath(*str(node.module).split(".")), *(alias.name for alias in node.names))
                names = [parts[0].with_suffix(".py"), *(parts[0] / f"{name}.py" for name in parts[1:])]
                new = {path for path in names if path.is_file()} - found
                found |= new
                to_read += sorted(new)
    return sorted(found | set((package / "world" / "text").glob("*.toml")))


def for_sphinx(text: str, notebook: bool) -> str:
    """A page with Sphinx's names for headings.

    >>> for_sphinx("[why](05_feed_forward.ipynb#Why-a-nonlinearity?)", notebook=False)
    '[why](05_feed_forward.ipynb#why-a-nonlinearity)'
    """

    def renamed(link: re.Match) -> str:
        if not (link[1] or notebook):
            return link[0]
        slug = re.sub(r"[^\w-]", "", unquote(link[2]).lower())
        return f"]({link[1] or ''}#{slug})"

    return ANCHOR.sub(renamed, text)


def prose_of_lessons() -> dict[str, str]:
    """The text cells of every lesson and lab, by file name."""
    found = {}
    for path in pages("notebooks/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found[path.name] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return found


def with_backlinks(glossary: str, prose: Mapping[str, str]) -> str:
    """Add to each entry of the glossary which other lessons use its term; an entry for one of several senses gets none.

    >>> entry, pages = "- **logit**: A score. [lesson 07](07_a.ipynb)", {"07_a.ipynb": "logit", "09_b.ipynb": "Logits"}
    >>> with_backlinks(entry, pages).splitlines()[1:]
    ['  Also in [09](../notebooks/09_b.ipynb).']
    """

    def extended(entry: re.Match) -> str:
        term, text = entry[1], entry[0].rstrip()
        if "," in term:
            return entry[0]
        word = re.compile(rf"(?<!\w){re.escape(term)}s?(?!\w)", re.IGNORECASE if term.islower() else 0)
        using = [name for name, page in prose.items() if name not in text and word.search(page)]
        if len(using) > MANY:
            return f"{text}\n  Also in {len(using)} other lessons and labs.\n"
        links = [f"[{name.split('_')[0]}{' lab' * ('_lab.' in name)}](../notebooks/{name})" for name in using]
        return f"{text}\n  Also in {', '.join(links)}.\n" if links else entry[0]

    return ENTRY.sub(extended, glossary)


def index() -> str:
    """The first page: a model that runs, the README, and the tables of contents, which the sidebar shows."""
    lessons = [f"notebooks/{path.stem}" for path in pages("notebooks/*.ipynb")]
    exercises = [f"exercises/{path.parent.name}/{path.stem}" for path in pages("exercises/*/*.ipynb")]
    teaching = [f"teaching/{path.stem}" for path in pages("teaching/*.md") if path.stem not in ("README", "glossary")]
    tables = {
        "The lessons": ["notebooks/README", *lessons, "teaching/glossary", "teaching/claims"],
        "Exercises": ["exercises/README", *exercises],
        "For teachers": ["teaching/README", *(name for name in teaching if name != "teaching/claims")],
        "The package": ["minillm/README", "minillm/TUTORIAL", "api", "benchmarks/README"],
        "The project": ["README", "CONTRIBUTING", "CHANGELOG", "AGENTS"],
    }
    listed = "".join(
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n:titlesonly:\n\n" + "\n".join(names) + "\n```\n\n"
        for caption, names in tables.items()
    )
    title, pitch, rest = for_sphinx((ROOT / "README.md").read_text(encoding="utf-8"), notebook=False).split("\n\n", 2)
    return "\n\n".join([title, pitch, FRAME, rest, listed])


def pages(pattern: str) -> list[Path]:
    """The course's pages of a pattern in their order: a lesson before its lab, and no copies."""
    found = [path for path in ROOT.glob(pattern) if not path.name.startswith((".", "my_"))]
    return sorted(found, key=lambda path: (path.stem.removesuffix("_lab"), path.stem))


def reference() -> str:
    """The page of everything that `import minillm` offers, from the docstrings, in the order in which data flows.

    `minillm.publish` is a folder, so its function of the same name stands in it and not in `api`.
    """
    public = {name: getattr(api, name) for name in api.__all__} | {n: getattr(publish, n) for n in publish.__all__}
    by_module: dict[str, list[str]] = {}
    for name, value in public.items():
        by_module.setdefault(value.__module__, []).append(name)
    parts = [
        "# API\n\nEverything that `import minillm` offers, and `minillm.publish`. Shapes: B batch, T query position, "
        "S key position, C d_model, H heads, K key/value heads, D head dim, F feed-forward dim, V vocabulary, "
        "L layers.\n"
    ]
    for module in sorted(by_module, key=lambda module: (SECTIONS.index(module.split(".")[1]), module)):
        parts.append(f"## {module}\n\n{inspect.getdoc(sys.modules[module]).splitlines()[0]}\n\n```{{eval-rst}}")
        for name in by_module[module]:
            kind = "class" if inspect.isclass(public[name]) else "function"
            members = "\n   :members:" if kind == "class" else ""
            parts.append(f".. auto{kind}:: {module}.{name}{members}\n")
        parts.append("```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
