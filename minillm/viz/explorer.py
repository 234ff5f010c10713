"""Interactive figures: controls that redraw a figure and its caption.

An `Explorer` is an ipywidgets container. A stored notebook without a kernel shows its first figure and caption, because
the explorer also provides them as PNG and text.
"""

import base64
import gc
import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.figures import png, shown_size

Draw = Callable[..., tuple[Figure, str]]


class Pictured(widgets.VBox):
    """Widgets above a figure with a caption; a stored notebook keeps the figure and the caption."""

    def __init__(self, above: Sequence[widgets.Widget]) -> None:
        # Not widgets.Image, which has no alternative text (a tooltip instead breaks it in ipywidgets 8.1).
        self.picture = widgets.HTML()
        self.caption = widgets.HTML()
        self.png = b""
        self.sentence = ""
        super().__init__([*above, self.picture, self.caption])

    def _show(self, figure: Figure, sentence: str) -> None:
        self.png = png(figure)
        width, height = shown_size(self.png)
        source = base64.b64encode(self.png).decode()
        size = f'width="{width}" height="{height}"'
        self.picture.value = f'<img src="data:image/png;base64,{source}" alt="{html.escape(sentence)}" {size}>'
        self._say(sentence)

    def _say(self, sentence: str) -> None:
        self.sentence = sentence
        self.caption.value = f'<p role="status"><em>{html.escape(sentence)}</em></p>'

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        width, height = shown_size(self.png)
        return (
            {**data, "image/png": self.png, "text/plain": repr(self)},
            {**metadata, "image/png": {"alt": self.sentence, "width": width, "height": height}},
        )


class Explorer(Pictured):
    """Controls above a figure: `draw(**values)` returns a figure and a sentence that describes it.

    Each keyword is one control, labeled with its name. A `range` makes an integer slider, `(low, high, step)` a float
    slider, a list a dropdown, a bool a checkbox, a string a text field; an ipywidgets control is used as it is. All can
    be operated with the keyboard. If `draw` raises for a setting, its message replaces the caption and the controls
    stay usable; if it raises for the initial setting, so does the explorer. Raises `UserError` for an unknown kind of
    control.

    >>> from minillm.viz.figures import bars
    >>> explorer = Explorer(lambda n: (bars(["n"], [n], unit=""), f"One bar of length {n}."), n=range(1, 5))
    >>> explorer
    Explorer(n=1): One bar of length 1.
    >>> explorer.controls["n"].value = 3
    >>> explorer.sentence
    'One bar of length 3.'
    """

    def __init__(self, draw: Draw, **controls: Any) -> None:
        if not controls:
            raise UserError("an Explorer without controls is a figure: name at least one, for example head=range(4)")
        self.draw = draw
        self.controls: dict[str, Any] = {name: _control(name, kind) for name, kind in controls.items()}
        super().__init__(list(self.controls.values()))
        for control in self.controls.values():
            control.observe(self._update, "value")
        self._redraw()
        gc.collect()  # takes 0.25 s with a large model in memory: better now than while a slider moves

    @property
    def values(self) -> dict[str, Any]:
        """The current values of the controls, by name."""
        return {name: control.value for name, control in self.controls.items()}

    def _update(self, _change: Any = None) -> None:
        try:
            self._redraw()
        except Exception as error:  # display whatever a learner's draw raises, so that the widget stays usable
            self._say(f"No picture for this setting: {error} ({type(error).__name__}). The last one stays.")

    def _redraw(self) -> None:
        self._show(*self.draw(**self.values))

    def close(self) -> None:
        """Remove the explorer and all its widgets from the page; closing twice is safe."""
        if self.comm is None:
            return
        for control in self.controls.values():
            control.unobserve(self._update, "value")
        for part in (*self.children, self):
            widgets.Widget.close(part)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{type(self).__name__}({settings}): {self.sentence}"


def _control(name: str, kind: Any) -> widgets.Widget:
    """The ipywidgets control for one keyword; raises `UserError` for an unknown kind."""
    label, whole_label = name.replace("_", " "), {"description_width": "initial"}
    if isinstance(kind, widgets.ValueWidget):
        ready: Any = kind  # its traits are made at run time
        ready.description = ready.description or label
        ready.style, ready.layout.width = whole_label, ready.layout.width or "28em"
        return ready
    look: dict[str, Any] = {"description": label, "style": whole_label, "layout": widgets.Layout(width="28em")}
    if isinstance(kind, bool):
        return widgets.Checkbox(kind, **look)
    if isinstance(kind, str):
        return widgets.Text(kind, **look)
    if isinstance(kind, range) and len(kind) > 0:
        return widgets.IntSlider(kind[0], min=kind[0], max=kind[-1], step=kind.step, **look)
    if isinstance(kind, tuple) and len(kind) == 3:
        low, high, step = kind
        return widgets.FloatSlider(low, min=low, max=high, step=step, **look)
    if isinstance(kind, list) and kind:
        return widgets.Dropdown(options=kind, value=kind[0], **look)
    raise UserError(
        f"no control for {name}={kind!r}; give a non-empty range, a (low, high, step), a list, a bool, a text "
        "or an ipywidgets control"
    )
