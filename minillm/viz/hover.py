"""Attention weights on hover: point at a token, or use the Tab key, to see what it attends to.

This is plain HTML and CSS: each token carries the weights of all queries, and CSS rules select the ones to show. It
works without a kernel and without scripts.
"""

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.explorer import Explorer
from minillm.viz.figures import INK, PAPER, attention_arcs, visible
from minillm.viz.figures.style import QUIET, RED_INK, tensor_of

MOST_TOKENS = 100  # every token carries a number per query: 10,000 numbers
NAMED = 3  # keys named in a token's label for screen readers

# `--own` is the weight of the marked query on a token, `--p7` that of query 7, in integer percent; `--p` is shown.
# Text is readable on all backgrounds from white to sky blue, and the page color is that of the figures in every theme.
LOOK = f"""
.minillm-tokens {{ background: {PAPER}; color: {INK}; padding: 6px; width: fit-content; max-width: 720px;
  font: 14px monospace; line-height: 1.3; }}
.minillm-tokens p {{ color: {QUIET}; font: 12px sans-serif; margin: 0 0 6px; }}
.minillm-tokens > div {{ display: flex; flex-wrap: wrap; gap: 2px; }}
.minillm-tokens span {{ --p: var(--own); display: inline-flex; flex-direction: column; align-items: center;
  min-width: 1.7em; min-height: 2.9em; padding: 1px 2px; border: 2px solid transparent; border-radius: 4px;
  box-sizing: border-box; cursor: default; background: rgb(86 180 233 / calc(var(--p) * 1%)); }}
.minillm-tokens span::after {{ counter-reset: share var(--p); content: counter(share); font-size: 12px;
  color: rgb(34 40 47 / calc(var(--p) * 100%)); }}
.minillm-tokens .asks, .minillm-tokens span:focus, .minillm-tokens span:hover {{ border-color: {RED_INK}; }}
.minillm-tokens > div:has(> span:focus) > .asks:not(:focus, :hover),
.minillm-tokens > div:has(> span:hover) > span:not(:hover) {{ border-color: transparent; }}
"""


def hover_tokens(tokens: Sequence[str], weights: Any, query: int) -> str:
    """Render one head's attention weights (T, T) as HTML; hovering over token t shows the weights of query t.

    Initially the row of `query` is shown. The number under a token is its weight in percent; below 0.5 % there is none.
    Raises `UserError` for weights of the wrong shape or outside [0, 1], for an invalid query, and for more than 100
    tokens.

    >>> page = hover_tokens(["The", " cat"], [[1.0, 0.0], [0.25, 0.75]], query=1)
    >>> page[page.index("<span"):page.index(">The")]
    '<span tabindex="0" role="img" aria-label="The takes 1.00 from The" style="--own:25;--p0:100;--p1:25"'
    """
    rows, T = tensor_of(weights), len(tokens)
    if rows.shape != (T, T) or T == 0:
        raise UserError(f"weights of shape {tuple(rows.shape)} for {T} tokens; give one head's square, (T, T)")
    if T > MOST_TOKENS:
        raise UserError(f"{T} tokens are too many to point at; give at most {MOST_TOKENS}")
    if not 0 <= query < T:
        raise UserError(f"there is no query {query}; the tokens are numbered 0 to {T - 1}")
    if not ((rows >= 0) & (rows <= 1.0001)).all():
        raise UserError("attention weights must be between 0 and 1; are these scores, from before the softmax?")
    percent = (100 * rows).round().int().mT.tolist()  # percent[s][t]: the weight of query t on key s
    spans = []
    for t, token in enumerate(tokens):
        numbers = ";".join(f"--p{q}:{value}" for q, value in enumerate(percent[t]))
        marked = ' class="asks"' if t == query else ""
        spans.append(
            f'<span{marked} tabindex="0" role="img" aria-label="{html.escape(_said(tokens, rows[t], t))}" '
            f'style="--own:{percent[t][query]};{numbers}">{html.escape(visible(token))}</span>'
        )
    return (
        f"<style>{LOOK}{_chosen(T, 'focus')}{_chosen(T, 'hover')}</style>"
        '<div class="minillm-tokens"><p>Point at a token, or reach it with the Tab key. The numbers say how many per '
        'cent it takes from each token.</p><div role="group" aria-label="the tokens, each with what it takes from the '
        f'others">{"".join(spans)}</div></div>'
    )


def _chosen(T: int, how: str) -> str:
    """The CSS rules that show the row of the token under the pointer; `hover` comes last and takes precedence."""
    rule = ".minillm-tokens > div:has(> :nth-child({}):{}) > span {{ --p: var(--p{}) }}"
    return "\n".join(rule.format(t + 1, how, t) for t in range(T))


def _said(tokens: Sequence[str], row: Any, t: int) -> str:
    """The label of token t for a screen reader: "bank takes 0.73 from river, ..."."""
    names = [token.strip() or visible(token) for token in tokens]
    largest = sorted(enumerate(row.tolist()), key=lambda pair: -pair[1])[:NAMED]
    takes = [f"{weight:.2f} from {names[s]}" for s, weight in largest if weight >= 0.005]
    return f"{names[t]} takes {', '.join(takes) or 'a little from each'}"


class TokenExplorer(Explorer):
    """An `Explorer` with hoverable tokens: `draw(**values)` returns a figure, its sentence and the tokens' HTML.

    The tokens are between the controls and the figure. A stored notebook keeps the figure and the sentence.

    >>> from minillm.viz.figures import attention_arcs
    >>> tokens, weights = ["The", " cat"], [[1.0, 0.0], [0.25, 0.75]]
    >>> def look(token):
    ...     figure = attention_arcs(tokens, weights[token], token)
    ...     return figure, f"Token {token} looks.", hover_tokens(tokens, weights, token)
    >>> explorer = TokenExplorer(look, token=range(2))
    >>> explorer
    TokenExplorer(token=0): Token 0 looks.
    >>> "The takes 1.00 from The" in explorer.tokens.value
    True
    """

    def __init__(self, draw: Callable[..., tuple[Figure, str, str]], **controls: Any) -> None:
        self.tokens = widgets.HTML()

        def picture_and_sentence(**values: Any) -> tuple[Figure, str]:
            figure, sentence, self.tokens.value = draw(**values)
            return figure, sentence

        super().__init__(picture_and_sentence, **controls)
        parts = list(self.children)
        parts.insert(parts.index(self.picture), self.tokens)
        self.children = tuple(parts)


class HeadExplorer(TokenExplorer):
    """All heads of a model on one text: sliders for layer, head and token, hoverable tokens, and arcs.

    `weights` are (L, H, T, T). It begins with the given layer, head and token, by default the last one. Raises
    `UserError` for weights that do not fit the tokens, and for a layer, head or token that there is not.

    >>> HeadExplorer(["The", " cat"], [[[[1.0, 0.0], [0.25, 0.75]]]], layer=0, head=0)
    HeadExplorer(layer=0, head=0, token=1): Layer 0, head 0: " cat" reads most from " cat" (0.75).
    """

    def __init__(self, tokens: Sequence[str], weights: Any, layer: int, head: int, token: int | None = None) -> None:
        heads, T = tensor_of(weights), len(tokens)
        if heads.dim() != 4 or heads.shape[2:] != (T, T):
            raise UserError(
                f"weights of shape {tuple(heads.shape)} for {T} tokens; give those of all heads, (L, H, T, T)"
            )
        L, H = heads.shape[:2]
        first = T - 1 if token is None else token
        if not (0 <= layer < L and 0 <= head < H and 0 <= first < T):
            raise UserError(
                f"there is no token {first} of head {layer}.{head}; here are {T} tokens, {L} layers, {H} heads"
            )

        def look(layer: int, head: int, token: int) -> tuple[Figure, str, str]:
            row = heads[layer, head, token]
            most = int(row.argmax())
            sentence = (
                f'Layer {layer}, head {head}: "{tokens[token]}" reads most from "{tokens[most]}" ({row[most]:.2f}).'
            )
            return attention_arcs(tokens, row, token), sentence, hover_tokens(tokens, heads[layer, head], token)

        super().__init__(
            look,
            layer=widgets.IntSlider(layer, 0, L - 1),
            head=widgets.IntSlider(head, 0, H - 1),
            token=widgets.IntSlider(first, 0, T - 1),
        )
