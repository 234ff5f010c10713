"""The files of a tokenizer, read and written: each field is checked, and `tokenizers` opens what is written.

    tokenizer.json          vocabulary, merges, split and special tokens, in the format of the `tokenizers` library
    tokenizer_config.json   the chat template and the names of the start and end tokens, as `transformers` reads it
    vocab.json, merges.txt  the two files that GPT-2 came with

A file may come from anywhere. A field that would change the ids and that this package does not know is refused by
name: ids that are nearly right are worse than none. Fields that belong to a call and not to the vocabulary
(truncation, padding) are not read. `encode` never adds a token of its own; whether a text begins with the start token,
as a post-processor or `add_bos_token` says, is stored for others to use.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from minillm.errors import UserError
from minillm.files import naming, read_json, write_json
from minillm.tokenizer.pre_tokenizers import PATTERNS

NO_DEFAULT = object()
TEMPLATE = "chat_template.jinja"  # where newer `transformers` keep it

WHOLE_SPLIT = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
BYTES_ONLY = WHOLE_SPLIT | {"use_regex": False}


def split_by(pattern: str) -> dict[str, Any]:
    """A step of `tokenizers` that cuts a text into the matches of a pattern.

    >>> split_by("a+")["pattern"]
    {'Regex': 'a+'}
    """
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


# How `tokenizers` spells each of our pre-tokenizers: steps, one after the other.
STEPS = {
    "gpt2": [WHOLE_SPLIT],
    "smollm": [{"type": "Digits", "individual_digits": True}, WHOLE_SPLIT],
    "llama3": [split_by(PATTERNS["llama3"]), BYTES_ONLY],
    "qwen2": [split_by(PATTERNS["qwen2"]), BYTES_ONLY],
}


def read_tokenizer(directory: Path) -> dict[str, Any]:
    """The object in tokenizer.json; raises FileNotFoundError where there is none, `UserError` where it is damaged."""
    path = directory / "tokenizer.json"
    if not path.is_file():
        raise FileNotFoundError(f"{directory} holds no tokenizer.json; Tokenizer.save(directory) writes one")
    with naming(path):
        return read_json(path)


def kind_of(file: Mapping[str, Any]) -> str:
    """Which kind of tokenizer a tokenizer.json describes: "sentencepiece" is BPE with byte fallback.

    >>> kind_of({"model": {"type": "BPE", "byte_fallback": True}}), kind_of({"model": {"type": "BPE"}})
    ('sentencepiece', 'byte-level')
    """
    model = file.get("model")
    falls_back = isinstance(model, dict) and model.get("type", "BPE") == "BPE" and model.get("byte_fallback") is True
    return "sentencepiece" if falls_back else "byte-level"


def read_config(directory: Path) -> dict[str, Any]:
    """The object in tokenizer_config.json, with the chat template of its own file; empty where there are none."""
    path = directory / "tokenizer_config.json"
    with naming(path):
        config = read_json(path) if path.is_file() else {}
    path = directory / TEMPLATE
    if path.is_file():
        with naming(path):
            config["chat_template"] = path.read_text(encoding="utf-8")
    return config


def complete(
    file: dict[str, Any],
    config: Mapping[str, Any],
    parse: Callable[[dict[str, Any]], dict[str, Any]],
    source: Path,
) -> dict[str, Any]:
    """Parse tokenizer.json with `parse`, and complete the result from tokenizer_config.json.

    Raises `UserError` naming the file, in the directory `source`, and the field that is wrong.
    """
    with naming(source / "tokenizer.json"):
        settings = parse(file)
    with naming(source / "tokenizer_config.json"):
        settings |= parse_config(config)
        for role in ("bos_token", "eos_token"):
            token = settings[role]
            if token is not None and token not in settings["tokens"]:
                raise UserError(f"{role} is {token!r}, which tokenizer.json does not hold")
            if token is not None and token not in settings["special_tokens"]:
                settings["special_tokens"].append(token)
        if settings["add_bos"] is None:
            settings["add_bos"] = puts_first(file.get("post_processor"), settings["bos_token"])
    return settings


def parse_tokenizer(file: dict[str, Any]) -> dict[str, Any]:
    """Tokens, merges, special tokens and split out of a tokenizer.json."""
    model = take(file, "model", dict)
    if take(model, "type", str, "BPE") != "BPE":
        raise UserError(f"model.type is {model['type']!r}; only byte-level 'BPE' can be read")
    plain = {"dropout": (None, 0), "continuing_subword_prefix": (None, ""), "end_of_word_suffix": (None, "")}
    for field, allowed in (plain | {"byte_fallback": (None, False)}).items():
        if model.get(field) not in allowed:
            raise UserError(f"model.{field} is {model[field]!r}; only plain byte-level BPE can be read")

    tokens = dict(take(model, "vocab", dict))
    normalizer = take(file, "normalizer", dict, None)
    if normalizer is not None and normalizer != {"type": "NFC"}:
        raise UserError(f"normalizer is {normalizer.get('type')!r}; only 'NFC' or none can be read")
    special_tokens = add_special_tokens(tokens, file, normalizer is not None)
    decoder = take(file, "decoder", dict, None)
    if decoder is not None and decoder.get("type") != "ByteLevel":
        raise UserError(f"decoder is {decoder.get('type')!r}; only 'ByteLevel' can be read")
    return {
        "tokens": tokens,
        "merges": take(model, "merges", list),
        "special_tokens": special_tokens,
        "pre_tokenizer": parse_pre_tokenizer(take(file, "pre_tokenizer", dict, None)),
        "ignore_merges": take(model, "ignore_merges", bool, False),
        "normalizer": normalizer and normalizer["type"],
    }


def add_special_tokens(tokens: dict[str, Any], file: Mapping[str, Any], normalizes: bool) -> list[str]:
    """The texts of a file's added tokens, which join `tokens`."""
    special_tokens = []
    for number, added in enumerate(take(file, "added_tokens", list, [])):
        text, id = _parse_added_token(added, number, normalizes)
        if tokens.setdefault(text, id) != id:
            raise UserError(f"added token {text!r} has id {id}, but id {tokens[text]} in model.vocab")
        special_tokens.append(text)
    return special_tokens


def _parse_added_token(added: object, number: int, normalizes: bool) -> tuple[str, int]:
    """Text and id of an added token, if it is matched letter by letter."""
    if not isinstance(added, dict):
        raise UserError(f"added_tokens[{number}] is {added!r}; expected an object with content and id")
    for flag in ("lstrip", "rstrip", "single_word", *(["normalized"] if normalizes else [])):
        if take(added, flag, bool, False):
            raise UserError(f"added_tokens[{number}] has {flag} set; only tokens matched exactly can be read")
    return take(added, "content", str), take(added, "id", int)


def parse_pre_tokenizer(found: dict[str, Any] | None) -> str:
    """Our name for the split that a tokenizer.json describes."""
    steps = [] if found is None else [found]
    if found is not None and found.get("type") == "Sequence":
        steps = take(found, "pretokenizers", list)
    defaults = {"ByteLevel": {"add_prefix_space": True, "use_regex": True}, "Split": {"invert": False}}
    described = []
    for step in steps:
        if not isinstance(step, dict):
            raise UserError(f"pre_tokenizer holds {step!r}; expected an object with a type")
        step = defaults.get(str(step.get("type")), {}) | step
        if "trim_offsets" in step:  # about the positions of tokens in the text, not about their ids
            step["trim_offsets"] = False
        described.append(step)
    for name, known in STEPS.items():
        if described == known:
            return name
    raise UserError(
        f"pre_tokenizer is {json.dumps(found)[:300]}, which is none of those known here: {', '.join(STEPS)}"
    )


def parse_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Chat template, start and end token out of a tokenizer_config.json."""
    names = {}
    for role in ("bos_token", "eos_token"):
        token = config.get(role)
        if isinstance(token, dict):  # the long form, with the flags of an added token
            token = take(token, "content", str)
        if token is not None and not isinstance(token, str):
            raise UserError(f"{role} is {token!r}; expected a token or null")
        names[role] = token
    template = config.get("chat_template")
    if isinstance(template, list):  # several templates with names; the one called "default" is meant
        named = (entry for entry in template if isinstance(entry, dict) and entry.get("name") == "default")
        template = next(named, {}).get("template")
    if template is not None and not isinstance(template, str):
        raise UserError(f"chat_template is of type {type(template).__name__}; expected a text")
    return names | {"chat_template": template, "add_bos": take(config, "add_bos_token", bool, None)}


def puts_first(processor: object, token: str | None) -> bool | None:
    """Whether a post-processor begins each text with this token; None where it has no template.

    >>> puts_first({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]}, "<s>")
    True
    """
    steps = processor.get("processors", [processor]) if isinstance(processor, dict) else None
    for step in steps if isinstance(steps, list) and token is not None else []:
        if isinstance(step, dict) and step.get("type") == "TemplateProcessing":
            single = step.get("single")
            return isinstance(single, list) and {"SpecialToken": {"id": token, "type_id": 0}} in single[:1]
    return None


def bos_template(token: str, id: int) -> dict[str, Any]:
    """The post-processor of `tokenizers` that begins a text, and each text of a pair, with this token."""
    start = {"SpecialToken": {"id": token, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    known = {token: {"id": token, "ids": [id], "tokens": [token]}}
    pair = [start, first, start, second]
    return {"type": "TemplateProcessing", "single": [start, first], "pair": pair, "special_tokens": known}


def read_gpt2_files(vocab_json: Path, merges_txt: Path) -> tuple[dict[str, Any], list[str]]:
    """GPT-2's two files: a JSON object from spelled token to id, and a text with one merge per line."""
    with naming(vocab_json):
        tokens = read_json(vocab_json)
    with naming(merges_txt):
        lines = merges_txt.read_text(encoding="utf-8").split("\n")
        if lines[0].startswith("#version"):
            lines[0] = ""
    return tokens, [line.rstrip("\r") for line in lines if line.strip()]


def describe(
    tokens: Mapping[str, int],
    merges: list[list[str]],
    special_tokens: Mapping[str, int],
    pre_tokenizer: str,
    ignore_merges: bool,
    normalizer: str | None,
    first_token: str | None,
) -> dict[str, Any]:
    """The content of tokenizer.json for a byte-level tokenizer, whose texts begin with `first_token`."""
    steps = STEPS[pre_tokenizer]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": text} | flags for text, number in special_tokens.items()],
        "normalizer": normalizer and {"type": normalizer},
        "pre_tokenizer": steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps},
        "post_processor": first_token and bos_template(first_token, special_tokens[first_token]),
        "decoder": WHOLE_SPLIT,
        "model": {"type": "BPE", "ignore_merges": ignore_merges, "vocab": tokens, "merges": merges},
    }


def write(directory: Path, file: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Write tokenizer.json and tokenizer_config.json, which `transformers` reads."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "tokenizer.json", dict(file))
    # Without the last entry `transformers` may move spaces when it decodes.
    fixed = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    write_json(directory / "tokenizer_config.json", fixed | dict(config))
    (directory / TEMPLATE).unlink(missing_ok=True)  # an older one would be read in place of ours


def take(table: Mapping[str, Any], field: str, kind: type, default: Any = NO_DEFAULT) -> Any:
    """table[field], which must be of the given kind; `default` where it is missing or null.

    >>> take({"type": "BPE"}, "type", str), take({}, "dropout", float, None)
    ('BPE', None)
    """
    value = table.get(field)
    if value is None and default is not NO_DEFAULT:
        return default
    if field not in table:
        raise UserError(f"{field} is missing")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UserError(f"{field} is {repr(value)[:80]}; expected {kind.__name__}")
    return value
