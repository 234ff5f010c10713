"""Make a deck of slides of a lesson with turns.

    python3 start.py deck 04    writes notebooks/04_attention.slides.html

The deck shows the stored outputs; nothing is executed. By default, the browser that opens a deck loads reveal.js,
jQuery, require.js and MathJax from the web: no package that the course installs has them. Two packages do. Once they
are installed, their files are copied to `offline/` beside the deck, and it needs no network:

    pip install --no-deps sphinx-revealjs nbclassic
"""

import argparse
import importlib.util
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the lines below also work when this file is run as a script

from minillm.course.workbook import short_name  # noqa: E402
from tools.lesson_form import has_turns  # noqa: E402

COPIES = {  # setting of nbconvert: a package, the file or folder in it, and what the address has after its name
    "reveal_url_prefix": ("sphinx_revealjs", "_static/revealjs", ""),
    "jquery_url": ("nbclassic", "static/components/jquery/jquery.min.js", ""),
    "require_js_url": ("nbclassic", "static/components/requirejs/require.js", ""),
    "mathjax_url": ("nbclassic", "static/components/MathJax", "/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full,Safe"),
}
NO_MERMAID = "data:text/javascript,export default {initialize() {}}"  # nbconvert asks for it; no lesson draws with it
FONTS = re.compile(r"@import url\(https?:[^)]*\);")  # of the web; the themes name others, too
INSTALL = "pip install --no-deps sphinx-revealjs nbclassic"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="start.py deck", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lessons", nargs="+", metavar="NN", help="number of a lesson with turns, such as 04")
    parser.add_argument("--out", type=Path, default=ROOT / "notebooks", help="folder of the decks")
    arguments = parser.parse_args()
    settings = copy_libraries(arguments.out)
    for page in chosen(arguments.lessons):
        path = write_deck(page, arguments.out, settings)
        print(f"{path}: {'needs no network' if settings else f'needs a network, unless you first run `{INSTALL}`'}")


def chosen(names: Iterable[str], folder: Path = ROOT / "notebooks") -> list[Path]:
    """Find built notebooks by number or file name; `SystemExit` for an unknown one."""
    pages = {short_name(path.name): path for path in sorted(folder.glob("*.ipynb"))}
    numbers = [short_name(f"{Path(name).stem}.ipynb") for name in names]
    if unknown := [number for number in numbers if number not in pages]:
        raise SystemExit(f"there is no lesson {unknown[0]!r}; there are {', '.join(pages) or 'none'}")
    return [pages[number] for number in numbers]


def copy_libraries(out: Path) -> dict[str, str]:
    """Copy the JavaScript libraries to `out`/offline; returns nbconvert's settings, or {} if a package is missing."""
    sources = {}
    for setting, (package, path, _) in COPIES.items():
        found = importlib.util.find_spec(package)  # does not import it, so what it depends on may be missing
        if found is None or not found.submodule_search_locations:
            return {}
        sources[setting] = Path(found.submodule_search_locations[0]) / path
    for source in sources.values():
        target = out / "offline" / source.name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    for theme in (out / "offline" / sources["reveal_url_prefix"].name).glob("dist/theme/*.css"):
        theme.write_text(FONTS.sub("", theme.read_text(encoding="utf-8")), encoding="utf-8")
    copies = {setting: f"offline/{source.name}{COPIES[setting][2]}" for setting, source in sources.items()}
    return copies | {"mermaid_js_url": NO_MERMAID}


def write_deck(page: Path, out: Path, settings: dict[str, str]) -> Path:
    """Write the deck of a built notebook; `SystemExit` for a page without turns, whose cells have no screens."""
    from nbconvert.exporters import SlidesExporter  # of the extra `lab`, which the tests of this file may lack

    notebook = nbformat.read(page, as_version=4)
    if not has_turns(notebook.cells):
        raise SystemExit(f"{page.stem} is no deck: only lessons in which the learner writes are; choose another")
    html, _ = SlidesExporter(reveal_scroll=True, **settings).from_notebook_node(
        notebook, {"metadata": {"name": page.stem}}
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{page.stem}.slides.html"
    path.write_text(html, encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
