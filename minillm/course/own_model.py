"""A whole model that computes with what the learner wrote, on any weights: those of SmolLM2, or of a run of their own.

`analysis.surgery` puts functions into a model; here are those of the workbook and of the page, and sentences about
whose code ran. (`mine.MultiHead` neither rotates nor caches, so it stays in its lesson.)
"""

import html
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any

from minillm.analysis import surgery
from minillm.course.checks.asking import describe_error
from minillm.course.learner.saved import file_of
from minillm.course.learner.turn import Turn
from minillm.course.screen import in_notebook
from minillm.course.versions import is_yours, origin, turn_of, version
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

REAL_MODEL = "smollm2-135m-instruct"
NAMES = {
    "embedding": "embed",
    "rotation": "rotate",
    "causal_mask": "causal_mask",
    "attention": "attention",
    "norm": "rms_norm",
    "feed_forward": "feed_forward",
}  # part of a model: name of the turn that asks for it, in a lesson that has it


def turns_in_a_model() -> dict[str, Turn]:
    """The turns whose functions a model can run, by the part that they are; all take what `surgery` gives."""
    found = {part: turn_of(name) for part, name in NAMES.items()}
    return {part: turn for part, turn in found.items() if turn is not None}


def whose() -> str:
    """One line that says whose parts a model of `use_mine` runs.

    >>> whose().startswith("In this model ")
    True
    """
    turns = turns_in_a_model().values()
    yours = [turn.name for turn in turns if is_yours(turn)]
    theirs = [turn.name for turn in turns if not is_yours(turn)]
    if not yours:
        return f"In this model everything is the course's so far. In lesson 04 you write {' and '.join(theirs)}."
    included = f", {theirs[0]} included," if theirs else ""
    return f"In this model {_are(yours)} yours. The rest{included} is the course's."


def _are(names: list[str]) -> str:
    return f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}"


def use_mine(model: Transformer) -> Transformer:
    """Let a model compute with every part that a turn asks for from now on; returns the model.

    Yours where it passed, else the course's. The model can still be trained, saved and cached; it is slower, since each
    head of each text is a call of its own. Raises `UserError` for a model whose attention needs more than queries,
    keys, values and a causal mask.

    >>> import torch
    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> expected = model(ids)
    >>> torch.allclose(use_mine(model)(ids), expected, atol=1e-6)
    True
    """
    surgery.replace(model, **{part: _named(version(turn), turn) for part, turn in turns_in_a_model().items()})
    return model


class Written(str):
    """What a model wrote, as a text; a notebook shows it once, when it is written, and not again as a result."""

    def _ipython_display_(self) -> None:
        """Nothing more."""


def write(
    prompt: str,
    n: int = 24,
    *,
    model: tuple[Transformer, Tokenizer] | None = None,
    sampler: Callable[..., int] | None = None,
    order: Sequence[int] | None = None,
    **parts: Any,
) -> str:
    """Let a model write with the given parts, show the text and whose code ran, and return what is new.

    `parts` are functions by name (`surgery.PARTS`): `attention=`, `causal_mask=`, `norm=`, ... With none, they are
    yours where your workbook has some. `order` lists blocks, `sampler` chooses a token's id from the logits. `model` is
    a loaded pair, by default SmolLM2. Raises `UserError` where one of your functions raises an error, with its name.
    """
    network, tokenizer = model or smollm2()
    given = {part: function for part, function in parts.items() if function is not None}
    if not parts and order is None:
        given = {part: version(turn) for part, turn in turns_in_a_model().items() if is_yours(turn)}
    own = {part: _named(function) for part, function in given.items()}
    with surgery.replaced(network, order=order, **own):
        text = surgery.write(network, tokenizer, prompt, n, sampler and _named(sampler))
    line = _ran(network, given, order, sampler, "SmolLM2" if model is None else "the model")
    _show(prompt, text, line)
    return Written(text)


@cache
def smollm2() -> tuple[Transformer, Tokenizer]:
    """SmolLM2-135M-Instruct and its tokenizer, loaded once per process."""
    return load(REAL_MODEL)


def _named(function: Callable[..., Any], turn: Turn | None = None) -> Callable[..., Any]:
    """A function whose errors are sentences that name it and, if it is saved, its file."""
    if not callable(function):
        return function  # `surgery` says what is wrong
    name = getattr(function, "__name__", type(function).__name__)
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    saved = turn is not None and file == str(file_of(turn.topic))

    @wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            how = describe_error(error, file)
            if saved:
                raise UserError(f"`{name}` in {file} {how}; mend it there, or in its lesson") from error
            raise UserError(f"`{name}` {how}") from error

    return call


def _ran(model: Transformer, given: dict[str, Any], order: Any, sampler: Any, weights: str) -> str:
    """The line about whose code ran."""
    ran = [_part(model, part, function) for part, function in given.items()]
    if order is not None:
        ran.append("blocks in another order")
    if sampler is not None:
        ran.append(_origin("sampler", sampler))
    if not ran:
        return f"Ran on: {weights}'s own parts, every one."
    return f"Ran on: {', '.join(ran)}; everything else {weights}'s own."


def _part(model: Transformer, part: str, function: Any) -> str:
    heads, layers = model.config.n_heads, len(model.blocks)
    where = {"attention": f" ({heads * layers} heads in {layers} layers)", "norm": f" ({2 * layers + 1} norms)"}
    return _origin(part, function) + where.get(part, "")


def _origin(part: str, function: Any) -> str:
    where = origin(function)
    name = getattr(function, "__name__", part)
    called = part if name in (part, NAMES.get(part), "<lambda>") else f"{name} as {part}"
    if where == "this page":
        return f"{called} from this page"
    return f"your {called}" if where == "yours" else f"the course's {called}"


def one_line(text: str) -> str:
    """A text on one line: line breaks as ⏎, other characters that do not print as their escapes.

    >>> one_line("Paris.\\n\\n\\x07")
    'Paris.⏎⏎\\\\x07'
    """
    broken = text.replace("\r\n", "⏎").replace("\n", "⏎")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in broken)


def _show(prompt: str, text: str, line: str) -> None:
    """Display both lines in a notebook; print them elsewhere."""
    before, after = one_line(prompt), one_line(text)
    plain = f"> {before}{after}\n{line}"
    if not in_notebook():
        print(plain)
        return
    from IPython.display import display  # a notebook's own library

    page = (
        f'<div style="max-width:52em;margin:4px 0">&gt; {html.escape(before)}<b>{html.escape(after)}</b>'
        f'<br><small style="opacity:.75">{html.escape(line)}</small></div>'
    )
    display({"text/html": page, "text/plain": plain}, raw=True)
