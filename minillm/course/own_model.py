"""A whole model that computes with what the learner wrote, on any weights: those of SmolLM2, or of a run of their own.

`analysis.surgery` puts functions into a model; here are those of the workbook and of the page, and sentences about
whose code ran. (`mine.MultiHead` neither rotates nor caches, so it stays in its lesson.)
"""

import html
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache, wraps
from pathlib import Path
from traceback import extract_tb
from typing import Any

from torch import Tensor

from minillm.analysis import surgery
from minillm.course.assembly import assembled, by_owner, inside, listed, once_per_text
from minillm.course.checks.asking import describe_error
from minillm.course.learner.saved import file_of
from minillm.course.learner.turn import Turn
from minillm.course.screen import in_notebook
from minillm.course.versions import is_yours, origin, turn_of, version
from minillm.errors import UserError
from minillm.model.linear import Linear
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

REAL_MODEL = "smollm2-135m-instruct"
WHOLE_MODEL = "the whole model: "  # a part that leaves nothing to the package
# part of a model: the turn that asks for it
NAMES = {
    "rotation": "rotate",
    "causal_mask": "causal_mask",
    "attention": "attention",
    "feed_forward": "feed_forward",
    "norm": "rms_norm",
    "block": "block",
    "transformer": "transformer",
}


def turns_in_a_model(model: Transformer | None = None) -> dict[str, Turn]:
    """The turns whose functions this model, or SmolLM2, can run, by the part that they are.

    Each takes what `surgery` gives it. A rotation is left out where a model has other positions, and a feed-forward
    layer where it has another activation, biases, or quantized weights. A norm is left out of a model that has another,
    and a block and the whole where they could not compute all of it (`surgery.reason_against`).
    """
    found = {part: turn_of(name) for part, name in NAMES.items()}
    if model is not None and (model.config.position != "rotary" or model.config.rope_scaling is not None):
        del found["rotation"]
    if model is not None and not all(_is_plain_swiglu(block.feedforward) for block in model.blocks):
        del found["feed_forward"]
    if model is not None and (model.config.norm != "rmsnorm" or model.config.norm_eps != 1e-5):
        del found["norm"]
    if model is not None and surgery.reason_against(model):
        del found["block"], found["transformer"]
    return {part: turn for part, turn in found.items() if turn is not None}


def _is_plain_swiglu(layer: Any) -> bool:
    """Whether three plain matrices are all that a feed-forward layer has."""
    matrices = [layer.gate, layer.up, layer.down]
    return all(type(matrix) is Linear and matrix.bias is None for matrix in matrices)


def whose() -> str:
    """One line that says whose parts a model of `use_mine` runs.

    >>> whose().startswith("In this model ")
    True
    """
    turns = turns_in_a_model().values()
    yours = [turn.name for turn in turns if is_yours(turn)]
    theirs = [turn for turn in turns if not is_yours(turn)]
    if not yours:
        asked: dict[str, list[str]] = {}
        for turn in theirs:
            asked.setdefault(f"in lesson {turn.id.partition('.')[0]} you write", []).append(turn.name)
        lessons = ", ".join(f"{where} {listed(names)}" for where, names in asked.items())
        return f"In this model everything is the course's so far. {lessons[0].upper()}{lessons[1:]}."
    included = f", {listed([turn.name for turn in theirs])} included," if theirs else ""
    return (
        f"In this model {listed(yours)} {'are' if len(yours) > 1 else 'is'} yours. The rest{included} is the course's."
    )


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
    surgery.replace(model, **_ready(_functions(turns_in_a_model(model))))
    return model


def _ready(functions: dict[str, Any]) -> dict[str, Any]:
    """Functions by part, as a model calls them."""
    told = {part: with_its_name(function) for part, function in functions.items()}
    return told | ({"transformer": once_per_text(told["transformer"])} if "transformer" in told else {})


def _functions(turns: dict[str, Turn]) -> dict[str, Any]:
    """The function of each part. A block runs inside of `transformer`, which calls yours wherever you wrote some."""
    found = {part: version(turn) for part, turn in turns.items() if part not in ("block", "transformer")}
    return found | ({"transformer": assembled("transformer")} if turns.keys() & {"block", "transformer"} else {})


class PartFailed(UserError):
    """An error inside one of the functions that a model runs."""


class Written(str):
    """What a model wrote; a notebook shows it when it is written, and not once more as the result of its cell."""

    def _ipython_display_(self) -> None:
        """Show nothing."""


def write(
    prompt: str,
    n: int = 24,
    *,
    model: tuple[Transformer, Tokenizer] | None = None,
    sampler: Callable[..., int] | None = None,
    order: Sequence[int] | None = None,
    without: str | None = None,
    layers: int | Sequence[int] | None = None,
    vector: Tensor | None = None,
    encode: surgery.EncodeWord | None = None,
    **parts: Any,
) -> str:
    """Let a model write with these parts, show the text and whose code ran, and return what is new (at most n tokens).

    `parts` are functions by name, such as attention, norm or softmax (all of them, with their arguments:
    `analysis.surgery.parts`). If none is given, they are yours where your workbook has some. `encode` cuts each word of
    the prompt, from the ids of its bytes and the merges; it's yours, too, if it passed. `order` lists blocks, `without`
    leaves a part out ("attention", "feed_forward", "norm", "positions"), `layers` says where, counted from 0, and
    `sampler` chooses a token's id from the logits. A `vector` (C,) stands in place of `???` in the prompt. `model` is a
    loaded pair, by default SmolLM2. Raises `UserError` where one of these functions raises an error, with its name.
    """
    network, tokenizer = smollm2() if model is None else model
    asked: str | list[int] = prompt
    if vector is not None:
        if "embedding" in parts or encode is not None:
            raise UserError("give `vector` alone, without `embedding` and `encode`: it comes in by a lookup of its own")
        asked, parts["embedding"] = surgery.ids_around(tokenizer, prompt), surgery.embedding_with(tokenizer, vector)
    given = {part: function for part, function in parts.items() if function is not None}
    if not parts and without is None and order is None:
        given = _functions({part: turn for part, turn in turns_in_a_model(network).items() if is_yours(turn)})
        encode = encode or _own_encode(tokenizer)
    if encode is not None:
        asked = _cut(tokenizer, prompt, encode)
    told = _ready(given)
    left_out = nullcontext() if without is None else surgery.without(network, without, layers)
    with left_out, surgery.replaced(network, order=order, layers=layers, **told):
        text = surgery.write(network, tokenizer, asked, n, None if sampler is None else with_its_name(sampler))
    if "transformer" in given:  # it computes all of the model, and the other parts are inside of it
        given = {"transformer": given["transformer"]}
    ran = [_part(network, part, function, layers) for part, function in given.items()]
    ran = ran if vector is None else [f"a vector in place of {surgery.HOLE}", *ran[:-1]]
    ran = ran if encode is None else [_whose("encode", encode), *ran]
    ran += ["the blocks in another order"] if order is not None else []
    ran += [_whose("sampler", sampler)] if sampler is not None else []
    left = "" if without is None else f"without {without.replace('_', '-')}{_places(layers)}"
    show_written(prompt, text, _ran(ran, left, "SmolLM2" if model is None else "the model"))
    return Written(text)


def _own_encode(tokenizer: Tokenizer) -> Any:
    """The learner's function that encodes a word, if it passed and fits the tokenizer."""
    turn = turn_of("encode")
    if turn is None or not is_yours(turn):
        return None
    try:
        surgery.merges_of(tokenizer)
    except UserError:
        return None
    return version(turn)


def _cut(tokenizer: Tokenizer, prompt: str, encode: Any) -> list[int]:
    """The ids of a prompt, as `surgery.prompt_ids`, but each word encoded by a function."""
    start = tokenizer.special_tokens.get("<|endoftext|>", tokenizer.bos_id)
    ids = surgery.cut(tokenizer, prompt, with_its_name(encode))
    return ids if start is None else [start, *ids]


@cache
def smollm2() -> tuple[Transformer, Tokenizer]:
    """SmolLM2-135M-Instruct and its tokenizer, loaded once per process."""
    return load(REAL_MODEL)


def with_its_name(function: Any) -> Any:
    """A function whose errors are sentences that name it and, if it is saved in the workbook, its file.

    Where it calls other functions of the workbook, the one that raised the error is named.
    """
    if not callable(function):
        return function  # `surgery` says what is wrong

    @wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except PartFailed:  # of a function inside of it, with its name
            raise
        except Exception as error:
            name = getattr(function, "__name__", type(function).__name__)
            file = getattr(getattr(function, "__code__", None), "co_filename", None)
            for frame in extract_tb(error.__traceback__):
                if Path(frame.filename).parent == file_of("any").parent:
                    name, file = frame.name, frame.filename
            how = describe_error(error, file)
            saved = file is not None and Path(file).parent == file_of("any").parent
            where, then = (f" in {file}", "; mend it there, or in its lesson") if saved else ("", "")
            raise PartFailed(f"`{name}`{where} {how}{then}") from error

    return call


def _ran(parts: Sequence[str], left_out: str, weights: str) -> str:
    """The line about whose code ran.

    >>> _ran(["your attention"], "without norm", "SmolLM2")
    "Ran on: your attention, without norm; everything else SmolLM2's own."
    """
    if not parts and not left_out:
        return f"Ran on: the course's code in every part, with {weights}'s weights."
    if parts and parts[0].startswith(WHOLE_MODEL):
        return f"Ran on: {', '.join(parts).removeprefix(WHOLE_MODEL)}; the weights are {weights}'s."
    changes = f"Ran on: {', '.join([*parts, left_out]).removesuffix(', ')}" if parts else f"Ran {left_out}"
    return f"{changes}; everything else {weights}'s own."


def _part(model: Transformer, part: str, function: Any, layers: int | Sequence[int] | None) -> str:
    """A part, whose it is, and in how much of the model it ran."""
    if part == "transformer":
        return WHOLE_MODEL + by_owner(inside(function))
    n = len(model.blocks) if layers is None else 1 if isinstance(layers, int) else len(set(layers))
    where = f"{n} layers" if n > 1 else "one layer"
    counts = {
        "attention": f" ({n * model.config.n_heads} heads in {where})",
        "rotation": f" ({n * (model.config.n_heads + model.config.n_kv_heads)} heads in {where})",
        "norm": f" ({2 * n + (layers is None)} norms)",
        "feed_forward": f" ({where})",
        "batched_product": f" (twice in {'each of ' if n > 1 else ''}{where})",
        "softmax": f" ({where})",
        "split_heads": f" ({where})",
        "join_heads": f" ({where})",
        "linear": f" (all matrices of {where})",
    }
    return _whose(part, function) + counts.get(part, "" if layers is None else f" ({where})")


def _places(layers: int | Sequence[int] | None) -> str:
    if layers is None:
        return ""
    numbers = [layers] if isinstance(layers, int) else list(layers)
    return f" in layer{'s' if len(numbers) > 1 else ''} {listed([str(layer) for layer in numbers])}"


def _whose(part: str, function: Any) -> str:
    where, name = origin(function), getattr(function, "__name__", part)
    own_name = name in (part, NAMES.get(part), "<lambda>")
    part = part.replace("_", "-") if part == "feed_forward" else part
    role = "" if own_name else f" as {part}"
    named = name if role else part
    owner = {"this page": "", "yours": "your "}.get(where, f"{where} ")
    return f"{owner}{named}{' from this page' if where == 'this page' else ''}{role}"


def one_line(text: str) -> str:
    """A text on one line: line breaks as ⏎, and other characters that do not print as their escapes.

    >>> one_line("Paris.\\n\\n\\x07")
    'Paris.⏎⏎\\\\x07'
    """
    broken = text.replace("\r\n", "⏎").replace("\n", "⏎")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in broken)


def show_written(prompt: str, text: str, line: str) -> None:
    """Display a text after its prompt, and a line about it, in a notebook; print them elsewhere."""
    before, after = one_line(prompt), one_line(text)
    plain = f"> {before}{after}\n{line}"
    if not in_notebook():
        print(plain)
        return
    from IPython.display import display  # a notebook's own library

    display({"text/html": as_html(before, after, line), "text/plain": plain}, raw=True)


def as_html(before: str, after: str, line: str) -> str:
    """The two lines for a notebook, in its own colors: what is new stands out, whose code ran is small.

    >>> "<b> &lt;b&gt;</b>" in as_html("A prompt", " <b>", "Ran on: ...")
    True
    """
    text = f"&gt; {html.escape(before)}<b>{html.escape(after)}</b>"
    style = "max-width:52em;margin:4px 0;overflow-wrap:anywhere"
    return f'<div style="{style}">{text}<br><small style="opacity:.75">{html.escape(line)}</small></div>'
