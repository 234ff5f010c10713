"""The outcome of a turn: lines of text in a terminal, a small box with a colored edge in a notebook."""

import html
import sys
from dataclasses import dataclass

COLORS = {"not written yet": "#1f77b4", "not right yet": "#d9822b", "right": "#2e9e5b"}  # on light and dark ground
BOX = "border-left:4px solid {color};background:{color}1f;padding:6px 12px;margin:4px 0;max-width:52em"


@dataclass(frozen=True)
class Box:
    """A title, and below it paragraphs (text) and tables (dictionaries)."""

    turn: str
    state: str
    body: tuple[str | dict[str, str], ...]

    def __repr__(self) -> str:
        lines = [f"Your turn {self.turn}: {self.state}"]
        for part in self.body:
            if isinstance(part, str):
                lines.append(part)
            else:
                lines += [f"    {row}" for row in _rows(part)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        color = COLORS[self.state]
        parts = [f'<b style="color:{color}">Your turn {html.escape(self.turn)}: {self.state}</b>']
        for part in self.body:
            if isinstance(part, str):
                words = html.escape(part).split("`")  # every second piece is code
                text = "".join(f"<code>{word}</code>" if index % 2 else word for index, word in enumerate(words))
                parts.append(f'<p style="margin:4px 0">{text}</p>')
            else:
                rows = html.escape("\n".join(_rows(part)))
                parts.append(f'<pre style="margin:4px 0;background:none;white-space:pre-wrap">{rows}</pre>')
        return f'<div style="{BOX.format(color=color)}">{"".join(parts)}</div>'


def _rows(table: dict[str, str]) -> list[str]:
    """A line for each name, and more where a value has several."""
    width = max(map(len, table), default=0)
    rows = []
    for name, value in table.items():
        first, *others = value.split("\n")
        rows += [f"{name:{width}}  {first}".rstrip(), *(f"{'':{width}}  {line}" for line in others)]
    return rows


def show(box: Box) -> None:
    """Display a box in a notebook or IPython; print it elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(box)
        return
    from IPython.display import display  # a notebook's own library

    display(box)
