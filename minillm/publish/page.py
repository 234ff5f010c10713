"""The HTML file: page.html with styles, scripts and data inline, and nothing that a browser would have to fetch.

The content security policy lists the hash of each script and of the stylesheet and forbids everything else: no network,
no other script, no `eval`. Where the page is given the address of a worker that computes a truth, scripts of its own
server may run as workers, too. Data cannot become code: weights are base64, the rest is JSON in which "<" is escaped,
and page.js shows it as text.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from minillm.errors import UserError
from minillm.files import write_text
from minillm.model.transformer import Transformer
from minillm.publish.contents import MAX_PARAMETERS, check_comparable, contents_of, weights_of
from minillm.publish.curve import curve_of
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics

HERE = Path(__file__).parent
SCRIPTS = ("model.js", "curve.js", "compare.js", "page.js")


@dataclass(frozen=True)
class Another:
    """A further model of a page, which a visitor can switch to."""

    label: str
    model: Transformer
    tokenizer: Tokenizer
    metrics: Sequence[Metrics] = ()

    def contents(self) -> dict[str, Any]:
        """What page.js reads of it; raises `UserError` for a model that the page cannot run."""
        return {"label": self.label, **contents_of(self.model, self.tokenizer), "curve": curve_of(self.metrics)}


def publish(
    model: Transformer,
    tokenizer: Tokenizer,
    path: str | Path,
    name: str = "a language model",
    author: str | None = None,
    date: str | None = None,
    metrics: Sequence[Metrics] = (),
    beginnings: Sequence[str] = (),
    more: Sequence[Another] = (),
    truth: Mapping[str, Any] | None = None,
    worker: str | None = None,
) -> int:
    """Write the page of a model to `path`, whole or not at all; returns its size in bytes.

    `name`, `author` and `date` are shown as they are; `beginnings` are texts that a visitor can start with, and `more`
    further models, to put the same text to. `truth` is for models of text whose next word is known exactly (as
    `minillm.course.truth.stored` gives it): the page then shows the true bars beside the model's, and a game. `worker`
    is the address of a script that computes the truth after any beginning (site/world/worker.mjs), on the page's own
    web server; it is loaded when a visitor asks for one. The same arguments give the same bytes. Raises `UserError` for
    a model that the page cannot run (another shape than Llama's or Qwen3's, too large, not finite, another tokenizer
    than byte-level BPE), `OSError` where the disk refuses.

    >>> import tempfile
    >>> from minillm.config import ModelConfig
    >>> tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    >>> model = Transformer(ModelConfig(vocab_size=260, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     size = publish(model, tokenizer, Path(folder, "page.html"), author="Ada")
    ...     Path(folder, "page.html").stat().st_size == size
    True
    """
    entries = [Another(name, model, tokenizer, metrics), *more]
    data = {"name": name, "author": author, "date": date, "beginnings": list(beginnings)}
    data["truth"], data["worker"] = truth, worker
    data["models"] = [entry.contents() for entry in entries]
    if (total := sum(entry["parameters"] for entry in data["models"])) > MAX_PARAMETERS:
        raise UserError(
            f"the {len(entries)} models have {total:,} parameters; a page holds at most {MAX_PARAMETERS:,}. "
            "Leave one out"
        )
    for entry in entries if truth is not None else []:
        check_comparable(entry.tokenizer)
    html = render(data, [weights_of(entry.model) for entry in entries])
    write_text(Path(path), html)
    return len(html.encode("utf-8"))


def render(data: dict[str, Any], weights: Sequence[str]) -> str:
    """The HTML of a page, from what page.js reads: `data` as JSON, and the weights of each model in base64."""
    style, scripts = _read("page.css"), [_read(name) for name in SCRIPTS]
    policy = "; ".join([
        "default-src 'none'",
        f"script-src {' '.join(map(_hash, scripts))}",
        f"style-src {_hash(style)}",
        "base-uri 'none'",
        "form-action 'none'",
        *(["worker-src 'self'"] if data.get("worker") else []),
    ])  # fmt: skip
    template = Environment(autoescape=True, keep_trailing_newline=True).from_string(_read("page.html"))
    return template.render(
        policy=policy,
        name=data["name"],
        style=Markup(style),
        scripts=list(map(Markup, scripts)),
        data=Markup(json_in_html(data)),
        weights=weights,
        worker=data.get("worker"),
    )


def json_in_html(value: Any) -> str:
    """JSON that can stand in a <script> element: no text in it can end the element or begin a comment.

    >>> json_in_html({"name": "</script><!--"})
    '{"name":"\\\\u003c/script>\\\\u003c!--"}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A script or stylesheet as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
