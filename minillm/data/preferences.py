"""Preferences as lines of a file: one form for simulated raters and for people who click.

A line is a JSON object: `schema` (1), `prompt` (messages), `chosen` and `rejected` (texts), `rater` (a name), and
`probability` where it is known (that this rater prefers `chosen`). Raters may contradict each other and
themselves: people do, and Bradley-Terry raters do by design. So contradictory lines are kept, not refused.

A file comes from outside, so each line is checked.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.errors import UserError
from minillm.files import append_lines, save_lines

SCHEMA = 1
ROLES = ("system", "user", "assistant")
FIELDS = ("schema", "prompt", "chosen", "rejected", "rater")
MAX_LINE = 1_000_000  # bytes; more than any conversation here, and too few to fill the memory


@dataclass(frozen=True)
class Preference:
    """A rater preferred one answer to another. Raises `UserError` for what cannot be a comparison.

    >>> hello = ({"role": "user", "content": "Hello"},)
    >>> Preference(hello, chosen="Good morning.", rejected="What?", rater="Ada").chosen
    'Good morning.'
    """

    prompt: tuple[Mapping[str, str], ...]  # messages, the last one from the user
    chosen: str
    rejected: str
    rater: str
    probability: float | None = None  # that this rater prefers `chosen`; None where nobody knows

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        for name in ("chosen", "rejected", "rater"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.strip():
                raise UserError(f"{name} is {_short(text)}; it must be a text that is not empty")
            _check_unicode(name, text)
        if self.chosen == self.rejected:
            raise UserError(f"chosen and rejected are both {_short(self.chosen)}; a preference needs two answers")
        p = self.probability
        if p is not None and (isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1):
            raise UserError(f"the probability is {_short(p)}; it must be a number from 0 to 1, or be left out")

    def to_json(self) -> str:
        """One line of a file, without its end."""
        content = {"schema": SCHEMA, "prompt": [dict(message) for message in self.prompt]}
        content |= {"chosen": self.chosen, "rejected": self.rejected, "rater": self.rater}
        if self.probability is not None:
            content["probability"] = self.probability
        return json.dumps(content, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "Preference":
        """Read one line; raises `UserError` saying what is wrong with it."""
        try:
            content = json.loads(line, object_pairs_hook=_unique)
        except RecursionError:
            raise UserError("this is nested too deeply for a preference; remove the line") from None
        except json.JSONDecodeError as problem:
            raise UserError(
                f"this is not JSON ({problem.msg} at column {problem.colno}); correct or remove it"
            ) from None
        if not isinstance(content, dict):
            raise UserError(f"this is {_short(content)}; a preference is an object with {', '.join(FIELDS)}")
        if "schema" not in content:
            return preference_of(content)
        if content["schema"] != SCHEMA or isinstance(content["schema"], bool):
            raise UserError(f"its schema is {_short(content.get('schema'))}; this program reads schema {SCHEMA}")
        missing = [name for name in FIELDS if name not in content]
        unknown = [name for name in content if name not in (*FIELDS, "probability")]
        if missing or unknown:
            wrong = f"it lacks {missing[0]!r}" if missing else f"it has the unknown field {_short(unknown[0])}"
            raise UserError(f"{wrong}; the fields are {', '.join(FIELDS)} and perhaps probability")
        prompt = content["prompt"]
        return cls(
            tuple(prompt) if isinstance(prompt, list) else prompt,
            content["chosen"],
            content["rejected"],
            content["rater"],
            content.get("probability"),
        )


def preference_of(pair: Preference | Mapping[str, Any]) -> Preference:
    """A preference from the plain form that preference data sets have: prompt, chosen and rejected.

    A prompt that is a text becomes a user's message; an answer may also be a list with one message. Raises `UserError`.

    >>> preference_of({"prompt": "Hello", "chosen": "Good morning.", "rejected": "What?"}).prompt
    ({'role': 'user', 'content': 'Hello'},)
    """
    if isinstance(pair, Preference):
        return pair
    if not isinstance(pair, Mapping) or not {"prompt", "chosen", "rejected"} <= pair.keys():
        raise UserError(f"a pair is {_short(pair)}; give the fields prompt, chosen and rejected")
    prompt = pair["prompt"]
    prompt = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else tuple(prompt)
    chosen, rejected = (_answer(pair[name]) for name in ("chosen", "rejected"))
    return Preference(prompt, chosen, rejected, str(pair.get("rater", "unknown")), pair.get("probability"))


def _answer(answer: Any) -> Any:
    """The text of an answer; of a list with one message, its content."""
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], Mapping):
        return answer[0].get("content")
    return answer


class RankingsError(UserError):
    """A file of preferences has a line that cannot be used; the message names file, line and remedy."""


@dataclass(frozen=True)
class Loaded:
    """What a file held: its preferences, and what was skipped, line by line (empty unless you asked to skip)."""

    preferences: tuple[Preference, ...]
    skipped: tuple[str, ...]


def save_preferences(path: str | Path, preferences: Iterable[Preference]) -> None:
    """Write a file anew, whole or not at all.

    >>> import tempfile
    >>> hello = Preference(({"role": "user", "content": "Hello"},), "Good morning.", "What?", rater="Ada")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_preferences(Path(folder, "a.jsonl"), [hello])
    ...     append_preferences(Path(folder, "a.jsonl"), [hello])
    ...     len(load_preferences(Path(folder, "a.jsonl")).preferences)
    2
    """
    path = Path(path)
    save_lines(path, (preference.to_json() for preference in preferences))


def append_preferences(path: str | Path, preferences: Iterable[Preference]) -> None:
    """Add lines at the end of a file, or begin it; a crash leaves either the old file or the new one."""
    path = Path(path)
    append_lines(path, (preference.to_json() for preference in preferences))


def load_preferences(path: str | Path, skip_broken: bool = False) -> Loaded:
    """Read a file of preferences; empty lines do not count.

    Raises FileNotFoundError where there is none, and RankingsError, with file name and line number, at the first line
    that cannot be used. With `skip_broken` such lines are left out and listed in `skipped`.
    """
    path = Path(path)
    preferences, skipped = [], []
    with Path(path).open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), start=1):
            try:
                if len(line) > MAX_LINE:
                    while line and not line.endswith(b"\n"):
                        line = file.readline(MAX_LINE)
                    raise UserError(f"it is longer than {MAX_LINE:,} bytes; remove it")
                text = _decoded(line).strip()
                if text:
                    preferences.append(Preference.from_json(text))
            except ValueError as problem:
                message = f"{Path(path).name}, line {number}: {problem}"
                if not skip_broken:
                    raise RankingsError(f"{message} (skip_broken=True leaves such lines out)") from None
                skipped.append(message)
    return Loaded(tuple(preferences), tuple(skipped))


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError("this is not UTF-8; save the file as UTF-8") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise UserError(f"it has a field twice, among {_short([name for name, _ in pairs])}; keep one")
    return content


def _check_prompt(prompt: Any) -> None:
    if not isinstance(prompt, tuple) or not prompt:
        raise UserError(f"the prompt is {_short(prompt)}; it must be a list of messages with at least one")
    for number, message in enumerate(prompt):
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise UserError(f"message {number} is {_short(message)}; it must have a role, a content, nothing else")
        if message["role"] not in ROLES:
            raise UserError(f"message {number} has the role {_short(message['role'])}; use one of {', '.join(ROLES)}")
        if not isinstance(message["content"], str):
            raise UserError(f"message {number} has the content {_short(message['content'])}; it must be a text")
        _check_unicode(f"message {number}", message["content"])
    if prompt[-1]["role"] != "user":
        raise UserError(f"the prompt ends with the {prompt[-1]['role']}; the user must have the last word in it")


def _check_unicode(name: str, text: str) -> None:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise UserError(f"{name} contains a lone surrogate, half of a character; remove it")


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
