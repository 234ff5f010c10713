"""A diagram of one prompt on its way through a language model, with the shape of everything on the way."""

from collections.abc import Sequence
from typing import Any

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import box
from minillm.viz.diagrams.canvas import Diagram, wrapped
from minillm.viz.diagrams.flow import arrow, flow
from minillm.viz.diagrams.parts import Panel
from minillm.viz.diagrams.theme import BLUE, GREEN, ORANGE
from minillm.viz.figures.style import TINY, visible

SHOWN = 5  # tokens of the vocabulary
WIDEST = 2.2  # inches, of the text


def journey(
    text: str,
    tokens: Sequence[str],
    ids: Sequence[int],
    embedded: Any,
    final: Any,
    likeliest: Sequence[tuple[str, float, float]],
    vocabulary: int,
    layers: int,
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw a text on its way: tokens, ids, vectors, the layers, logits, probabilities, one more token.

    `tokens` may begin with one that stands for no text. `embedded` and `final` are (T, C), the vectors before the first
    and after the last of the `layers`. `likeliest` are the tokens with the highest scores, as (token, logit,
    probability), the first one first, out of a `vocabulary`. Raises `UserError` for numbers of tokens, ids and vectors
    that differ, and for no token at all.

    >>> import torch
    >>> x = torch.eye(2)
    >>> picture = journey("Hello", ["Hel", "lo"], [3, 7], x, x, [(" you", 2.0, 0.75), ("!", 0.9, 0.25)], 2, layers=30)
    >>> picture.alt.split(". ")[0]
    'Diagram: "Hello" goes in, " you" comes out'
    """
    T = len(tokens)
    if not T or not likeliest or not T == len(ids) == len(embedded) == len(final):
        raise UserError(
            f"{T} tokens, {len(ids)} ids, {len(embedded)} and {len(final)} vectors; give one of each per token"
        )
    words = [visible(token) for token in tokens]
    best = [(visible(token), logit, p) for token, logit, p in likeliest[:SHOWN]]
    more = ("...",) if vocabulary > len(best) else ()
    parts = [
        Panel("text", tuple(wrapped(visible(text).replace("␣", " "), WIDEST, TINY)), least=0.8),
        arrow("tokenizer"),
        Panel(f"ids: T = {T}", tuple(f"{word}  {id}" for word, id in zip(words, ids, strict=True))),
        arrow("embedding", "one row of a\ntable per id"),
        box("vectors", embedded, "T C", rows=words, accent=BLUE),
        arrow(f"{layers} layers", "attention,\nfeed-forward"),
        box("vectors", final, "T C", rows=words, accent=BLUE),
        arrow("unembedding", "of the\nlast row"),
        Panel(f"logits: V = {vocabulary:,}", (*(f"{token}  {logit:.2f}" for token, logit, _ in best), *more), ORANGE),
        arrow("softmax"),
        Panel("probabilities: V", (*(f"{token}  {p:.3f}" for token, _, p in best), *more), GREEN),
        arrow("choose one"),
        Panel("one more token", (best[0][0],), GREEN),
    ]
    title = title or f'"{text}" goes in, "{likeliest[0][0]}" comes out'
    return flow(parts, title, "The new token joins the text, and everything runs again", theme, rows=3)
