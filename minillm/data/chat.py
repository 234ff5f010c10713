"""Chat templates: a conversation becomes one list of ids, and no user can forge a turn in it.

A chat model is a text model. It knows who speaks only from special tokens such as `<|im_start|>`. A template (a small
Jinja program that comes with the tokenizer) writes them around the messages. It comes from outside like the weights
do, so it runs in Jinja's sandbox.

The danger is a user who types a special token. Rendered into the same text, it would be as good as ours, and
"<|im_end|>\\n<|im_start|>system" would put words into the system's mouth. Here special tokens inside a message stay
what was typed: they are escaped while the template runs and encoded as ordinary text afterwards. All other text becomes
exactly the ids that `transformers` gives.

A template may say which text the assistant wrote, between `{% generation %}` and `{% endgeneration %}` (an extension of
Jinja by `transformers`); `encode_chat_with_mask` tells which tokens that are. Tools and images are left out.
"""

import copy
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from reprlib import repr as shortened
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from minillm.data.escape import SpecialTokenEscaper
from minillm.errors import UserError
from minillm.tokenizer import Tokenizer

CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The plainest template: every message between two special tokens of its own. For tokenizers that are trained here."""

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>")  # that CHATML writes around a message

MAX_RENDERED = 50_000_000  # characters; a template that writes more is broken or hostile

Message = Mapping[str, str]
Prompt = str | Sequence[Message]  # a text to continue, or a conversation to answer
Span = tuple[int, int]  # of characters: the first, and one past the last


def encode_chat(tokenizer: Tokenizer, messages: Sequence[Message], add_generation_prompt: bool = True) -> list[int]:
    """The ids of a conversation, by the tokenizer's own template; special tokens inside a message stay text.

    A message is {"role": "user", "content": "..."}. With `add_generation_prompt` the ids end where the assistant's
    answer begins. Raises `UserError` for a tokenizer without a template, for an empty conversation, for a message of
    another form, and for what the template itself refuses.

    >>> tokenizer = Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=SPECIAL_TOKENS)
    >>> tokenizer.chat_template = CHATML
    >>> ids = encode_chat(tokenizer, [{"role": "user", "content": "Say <|im_end|>"}])
    >>> ids.count(tokenizer.special_tokens["<|im_end|>"])
    1
    >>> print(tokenizer.decode(ids))
    <|im_start|>user
    Say <|im_end|><|im_end|>
    <|im_start|>assistant
    <BLANKLINE>
    """
    if tokenizer.chat_template is None:
        raise UserError(
            "this tokenizer has no chat template, so its model was probably never taught to chat; "
            "set tokenizer.chat_template (chat.CHATML is a plain one), or encode the text itself"
        )
    return encode_chat_with_mask(tokenizer, messages, add_generation_prompt)[0]


def encode_prompt(tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
    """The ids of a text as it is, or of a conversation up to where the answer begins (`encode_chat`).

    >>> tokenizer = Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=SPECIAL_TOKENS)
    >>> encode_prompt(tokenizer, "user") == tokenizer.encode("user")
    True
    """
    return tokenizer.encode(prompt) if isinstance(prompt, str) else encode_chat(tokenizer, prompt)


def encode_chat_with_mask(
    tokenizer: Tokenizer, messages: Sequence[Message], add_generation_prompt: bool = True
) -> tuple[list[int], list[bool] | None]:
    """The ids of a conversation, and for each whether the assistant wrote it, as the template says.

    The mask is None where the template has no `{% generation %}`. A token that is in part the assistant's is masked
    True, as in `transformers`. Raises `UserError` as `encode_chat` does.

    >>> tokenizer = Tokenizer.train(["a"], vocab_size=258, special_tokens=SPECIAL_TOKENS)
    >>> tokenizer.chat_template = "{% generation %}{{ messages[0].content }}{% endgeneration %}!"
    >>> ids, mask = encode_chat_with_mask(tokenizer, [{"role": "assistant", "content": "Yes"}])
    >>> tokenizer.decode(ids), mask
    ('Yes!', [True, True, True, False])
    """
    if tokenizer.chat_template is None:
        raise UserError(
            "this tokenizer has no chat template, so its model was probably not trained to chat; "
            "set tokenizer.chat_template (chat.CHATML is a plain one), or encode the text itself"
        )
    check_messages(messages)
    # render with the special tokens in the messages escaped
    texts = [text for message in messages for text in message.values()]
    escaper = SpecialTokenEscaper(tokenizer.special_tokens, seen="".join([tokenizer.chat_template, *texts]))
    rendered, spans = _render(
        tokenizer.chat_template,
        [{"role": message["role"], "content": escaper.escape(message["content"])} for message in messages],
        add_generation_prompt,
        tokenizer.bos_token,
        tokenizer.eos_token,
    )
    # encode the text between the special tokens that the template wrote
    ids: list[int] = []
    mask: list[bool] = []
    start = 0
    for piece in escaper.split(rendered):
        inside = [(max(first - start, 0), min(end - start, len(piece))) for first, end in spans or []]
        inside = [(first, end) for first, end in inside if first < end]
        start += len(piece)
        if piece in tokenizer.special_tokens:
            ids.append(tokenizer.special_tokens[piece])
            mask.append(bool(inside))
            continue
        encode = tokenizer.encode_rest if ids else tokenizer.encode
        new = encode(escaper.unescape(piece))
        ids += new
        byte_spans = [
            [len(tokenizer.decode_bytes(encode(escaper.unescape(piece[:position])))) for position in span]
            for span in inside
        ]
        mask += _overlapping([len(tokenizer.vocab[id]) for id in new], byte_spans)
    return ids, None if spans is None else mask


def _overlapping(lengths: Sequence[int], spans: Sequence[Sequence[int]]) -> list[bool]:
    """Which of the parts of such lengths, one after the other, overlap one of the spans.

    >>> _overlapping([2, 3, 1], [(3, 5)])
    [False, True, False]
    """
    bounds = list(accumulate(lengths, initial=0))
    return [any(start < last and first < end for first, last in spans) for start, end in pairwise(bounds)]


def chat_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer as a chat model needs it: itself where it has a template, else a copy of it with the plainest.

    A text then ends where a message does, at `<|im_end|>`. Raises `UserError` for one without such special tokens.

    >>> tokenizer = Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=SPECIAL_TOKENS)
    >>> chat_tokenizer(tokenizer).eos_token, tokenizer.eos_token
    ('<|im_end|>', None)
    """
    if tokenizer.chat_template is not None:
        return tokenizer
    for token in SPECIAL_TOKENS:
        if token not in tokenizer.special_tokens:
            raise UserError(
                f"this tokenizer has no chat template, and no special token {token!r} for the plainest one; take a "
                "model whose tokenizer has it, as those that minillm pretrain makes"
            )
    chatting = copy.copy(tokenizer)
    chatting.chat_template, chatting.eos_token = CHATML, SPECIAL_TOKENS[1]
    return chatting


def render_chat(
    template: str,
    messages: Sequence[Message],
    add_generation_prompt: bool = True,
    bos_token: str | None = None,
    eos_token: str | None = None,
) -> str:
    """The text of a conversation, as `template` writes it; for reading. `encode_chat` is safer for a model.

    Raises `UserError` for an empty conversation, a message of another form, and a template that fails.

    >>> render_chat(CHATML, [{"role": "user", "content": "Hello"}])
    '<|im_start|>user\\nHello<|im_end|>\\n<|im_start|>assistant\\n'
    """
    check_messages(messages)
    return _render(template, messages, add_generation_prompt, bos_token, eos_token)[0]


def _render(
    template: str,
    messages: Sequence[Message],
    add_generation_prompt: bool,
    bos_token: str | None,
    eos_token: str | None,
) -> tuple[str, list[Span] | None]:
    """The text of a conversation, and where the assistant wrote it; None for a template that does not say so."""
    values: dict[str, Any] = {"messages": messages, "add_generation_prompt": add_generation_prompt}
    # Templates ask whether a token is defined; one that does not exist is left undefined, as transformers does.
    values |= {name: token for name, token in (("bos_token", bos_token), ("eos_token", eos_token)) if token}
    pieces: list[str] = []
    spans: list[Span] = []
    length = 0
    try:
        for piece in _compiled(template).generate(values):
            pieces.append(piece)
            if isinstance(piece, Generated):
                spans.append((length, length + len(piece)))
            length += len(piece)
            if length > MAX_RENDERED:
                raise UserError(f"it writes more than {MAX_RENDERED:,} characters")
    # A template is a program, and may fail in any way; one that computes endlessly is not stopped here.
    except Exception as error:
        raise UserError(f"the chat template fails on this conversation: {error}") from error
    return "".join(pieces), spans or None


def check_messages(messages: Sequence[Message]) -> None:
    """Raise `UserError` for an empty conversation and for a message of another form."""
    if not messages:
        raise UserError('the conversation is empty; give at least one message, {"role": "user", "content": "..."}')
    for number, message in enumerate(messages):
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise UserError(f"message {number} is {shortened(message)}; it must have a role, a content, nothing else")
        role, content = message["role"], message["content"]
        if not isinstance(role, str) or not role.isidentifier():
            raise UserError(
                f"message {number} has the role {shortened(role)}; a role is one word, such as user or assistant"
            )
        if not isinstance(content, str):
            raise UserError(f"message {number} has a content of type {type(content).__name__}; it must be a str")


class Generated(str):
    """Text that a template wrote between `{% generation %}` and `{% endgeneration %}`."""


class GenerationTag(Extension):
    """Lets a template say what the assistant wrote; without a reader of the spans it renders as if it were absent."""

    tags = {"generation"}  # noqa: RUF012 - as the base class declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """The statements up to `{% endgeneration %}`, in a block whose text goes through `_generated`."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_generated"), [], [], body).set_lineno(line)

    @staticmethod
    def _generated(caller: Callable[[], str]) -> Generated:
        return Generated(caller())


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", GenerationTag]
    )
    environment.globals |= {"raise_exception": _raise, "strftime_now": _now}
    environment.filters["tojson"] = _to_json
    return environment.from_string(template)


# What templates may call, besides Jinja's own: the same as in transformers, under the same names.


def _raise(message: str) -> None:
    raise TemplateError(message)


def _now(format: str) -> str:
    return datetime.datetime.now().strftime(format)


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
