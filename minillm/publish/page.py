"""The HTML file: page.html with styles, scripts and data inline, and nothing that a browser would have to fetch.

The content security policy lists the hash of each script and of the stylesheet and forbids everything else: no network,
no other script, no `eval`. Data cannot become code: weights are base64, the rest is JSON in which "<" is escaped, and
page.js shows it as text.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from minillm.files import write_text
from minillm.model.transformer import Transformer
from minillm.publish.contents import contents_of, weights_of
from minillm.publish.curve import curve_of
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics

HERE = Path(__file__).parent
SCRIPTS = ("model.js", "page.js")


def publish(
    model: Transformer,
    tokenizer: Tokenizer,
    path: str | Path,
    name: str = "a language model",
    author: str | None = None,
    date: str | None = None,
    metrics: Sequence[Metrics] = (),
    beginnings: Sequence[str] = (),
) -> int:
    """Write the page of a model to `path`, whole or not at all; returns its size in bytes.

    `name`, `author` and `date` are shown as they are; `beginnings` are texts that a visitor can start with. The same
    arguments give the same bytes. Raises `UserError` for a model that the page cannot run (another shape than Llama's
    or Qwen3's, too large, not finite, another tokenizer than byte-level BPE), `OSError` where the disk refuses.

    >>> import tempfile
    >>> from minillm.config import ModelConfig
    >>> tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    >>> model = Transformer(ModelConfig(vocab_size=260, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     size = publish(model, tokenizer, Path(folder, "page.html"), author="Ada")
    ...     Path(folder, "page.html").stat().st_size == size
    True
    """
    about = {"name": name, "author": author, "date": date, "beginnings": list(beginnings)}
    about |= contents_of(model, tokenizer) | {"curve": curve_of(metrics)}
    html = render(about, weights_of(model))
    write_text(Path(path), html)
    return len(html.encode("utf-8"))


def render(about: dict[str, Any], weights: str) -> str:
    """The HTML of a page, from what page.js reads: `about` as JSON, and the weights in base64."""
    style, scripts = _read("page.css"), [_read(name) for name in SCRIPTS]
    policy = "; ".join([
        "default-src 'none'",
        f"script-src {' '.join(map(_hash, scripts))}",
        f"style-src {_hash(style)}",
        "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip
    template = Environment(autoescape=True, keep_trailing_newline=True).from_string(_read("page.html"))
    return template.render(
        policy=policy,
        name=about["name"],
        style=Markup(style),
        scripts=list(map(Markup, scripts)),
        about=Markup(json_in_html(about)),
        weights=weights,
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
