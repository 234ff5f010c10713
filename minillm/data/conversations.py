"""Conversations as training rows: every token is read, but the loss is only taken on what the assistant says.

In supervised fine-tuning a model is not to imitate the person who asks. So each token has a loss mask: True for an
answer and for the special token that closes it (or the model would never learn to stop), False for the prompt, the
names of the speakers and the white space that the template puts after an answer.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.data.chat import Message, check_messages, encode_chat, encode_chat_with_mask
from minillm.data.packing import PackedRows
from minillm.errors import UserError
from minillm.files import append_lines
from minillm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Example:
    """The ids of a conversation, and its loss mask: for each id, whether it is a target of the loss."""

    ids: list[int]
    mask: list[bool]


def encode_conversation(tokenizer: Tokenizer, messages: Sequence[Message]) -> Example:
    """The ids of a conversation, with every answer of the assistant in the loss mask.

    A template with `{% generation %}` says itself what the assistant wrote. With any other, an answer is found as what
    the template adds to the prompt for it, so it must write the beginning of a conversation in the same way when it
    continues. Raises `UserError` for a template that does not, for a conversation without an answer or that begins
    with one, and for what `encode_chat` refuses.

    >>> from minillm.data.chat import CHATML
    >>> tokenizer = Tokenizer.train(["a"], vocab_size=258, special_tokens=["<|im_start|>", "<|im_end|>"])
    >>> tokenizer.chat_template = CHATML
    >>> turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]
    >>> example = encode_conversation(tokenizer, turns)
    >>> tokenizer.decode(id for id, is_target in zip(example.ids, example.mask) if is_target)
    'Yes.<|im_end|>'
    """
    ids, generated = encode_chat_with_mask(tokenizer, messages, add_generation_prompt=False)
    answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        raise UserError("the conversation holds no answer of the assistant, so there is nothing to learn from it")
    if answers[0] == 0:
        raise UserError("the conversation begins with the assistant; put what it answers to before it")
    if generated is not None:
        return Example(ids, generated)

    mask = [False] * len(ids)
    special = set(tokenizer.special_tokens.values())
    for number in answers:
        start = len(_beginning(tokenizer, messages[:number], True, ids))
        end = len(_beginning(tokenizer, messages[: number + 1], False, ids))
        # After the last special token comes only what the template writes between two turns.
        closing = max((position for position in range(start, end) if ids[position] in special), default=end - 1)
        mask[start : closing + 1] = [True] * (closing + 1 - start)
    return Example(ids, mask)


def _beginning(tokenizer: Tokenizer, messages: Sequence[Message], prompt: bool, whole: list[int]) -> list[int]:
    """The ids of the first messages of a conversation, which the ids of the whole must begin with."""
    ids = encode_chat(tokenizer, messages, add_generation_prompt=prompt)
    if whole[: len(ids)] != ids:
        raise UserError(
            f"this chat template writes the first {len(messages)} messages differently when others follow, "
            "so its answers cannot be told from its prompts; use a plainer one, such as chat.CHATML"
        )
    return ids


def pack_conversations(
    examples: Sequence[Example], end_id: int, row_length: int
) -> tuple[Int[Tensor, "N T"], Int[Tensor, "N T"], Bool[Tensor, "N T"]]:
    """Rows of whole conversations between end tokens, their segments and their loss masks, for `PackedBatches`.

    A segment is one conversation and the end token after it, so that no token attends to another conversation; its end
    comes from the plan, since the end token may also occur inside a conversation. No conversation is cut, so each row
    has a target. Raises `UserError` for a conversation that is longer than a row, for one whose mask is False after
    its first token (which nothing predicts), and where there is nothing to pack.

    >>> packed = pack_conversations([Example([7, 8, 9], [False, True, True])], end_id=0, row_length=6)
    >>> [part.long().tolist() for part in packed]
    [[[0, 7, 8, 9, 0, -100]], [[0, 1, 1, 1, 1, 0]], [[0, 0, 1, 1, 0, 0]]]
    """
    for number, example in enumerate(examples):
        if len(example.ids) != len(example.mask):
            raise UserError(
                f"conversation {number} has {len(example.ids)} ids and a mask of {len(example.mask)}; give each id one"
            )
        if not any(example.mask[1:]):
            raise UserError(f"the mask of conversation {number} is False after its first token; leave it out")
        if len(example.ids) >= row_length:
            raise UserError(
                f"conversation {number} has {len(example.ids)} tokens, and a row of {row_length} holds "
                f"{row_length - 1} beside its end token; shorten it, or use longer rows"
            )
    rows = PackedRows([example.ids for example in examples], end_id, row_length)
    # The same lengths give the same plan, so each mask lands on its tokens.
    masks = PackedRows([list(map(int, example.mask)) for example in examples], 0, row_length)
    every = torch.arange(len(rows))
    return rows[every], rows.segments(every), masks[every] == 1


def read_conversations(path: str | Path) -> list[list[Message]]:
    """The conversations of a JSONL file: one {"messages": [{"role": "user", "content": "..."}, ...]} per line.

    Raises `FileNotFoundError` for no file, and `UserError`, with the line's number, for a line that is none.
    """
    form = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
    return _read_lines(
        Path(path), 'one conversation per line, {"messages": [...]}', form, lambda line: line["messages"]
    )


def read_prompts(path: str | Path) -> list[list[Message]]:
    """The prompts of a JSONL file: one {"prompt": "..."} per line; a list of messages may stand for the text.

    A conversation, {"messages": [...]}, is a prompt without its last answer. Raises what `read_conversations` raises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     size = Path(folder, "asked.jsonl").write_text('{"prompt": "Hi?"}')
    ...     read_prompts(Path(folder, "asked.jsonl"))
    [[{'role': 'user', 'content': 'Hi?'}]]
    """

    def prompt_of(line: Any) -> Any:
        if isinstance(line.get("prompt"), str):
            return [{"role": "user", "content": line["prompt"]}]
        messages = line["messages"] if "messages" in line else line["prompt"]
        answered = isinstance(messages, list) and messages[-1:] and messages[-1].get("role") == "assistant"
        return messages[:-1] if answered else messages

    return _read_lines(Path(path), 'one prompt per line, {"prompt": "..."}', '{"prompt": "..."}', prompt_of)


def _read_lines(path: Path, holds: str, form: str, messages_of: Callable[[Any], Any]) -> list[list[Message]]:
    """The messages that each line of a JSONL file holds."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; it holds {holds}")
    conversations = []
    try:
        # Not splitlines: that also cuts at characters such as U+2028, which may occur inside a text.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            messages = messages_of(json.loads(line))
            if not isinstance(messages, list):
                raise UserError("its messages are not a list")
            check_messages(messages)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            wrong = error if isinstance(error, UserError) else repr(error)
            raise UserError(f"{path}, line {number}: {wrong}; a line is {form}") from None
        conversations.append(messages)
    return conversations


def append_conversation(path: str | Path, messages: Sequence[Message]) -> None:
    """Add a conversation to a JSONL file, as its last line; raises `OSError` where the disk refuses.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     append_conversation(Path(folder, "chats.jsonl"), [{"role": "user", "content": "Hi?"}])
    ...     read_conversations(Path(folder, "chats.jsonl"))
    [[{'role': 'user', 'content': 'Hi?'}]]
    """
    path = Path(path)
    append_lines(path, [json.dumps({"messages": [dict(message) for message in messages]}, ensure_ascii=False)])


def hold_out(conversations: Sequence[Sequence[Message]]) -> tuple[list[Sequence[Message]], list[Sequence[Message]]]:
    """Split distinct conversations into training ones and held-out ones, one in ten (at least one).

    Held out are those with the smallest hashes, whatever the order. Raises `UserError` for fewer than two distinct
    conversations.

    >>> train, held_out = hold_out([[{"role": "user", "content": str(n)}] for n in range(30)])
    >>> len(train), len(held_out)
    (27, 3)
    """
    distinct = {json.dumps(messages): messages for messages in conversations}
    if len(distinct) < 2:
        raise UserError(
            f"there are {len(distinct)} distinct conversations; at least 2 are needed, to train and to evaluate"
        )
    ranked = sorted(distinct, key=lambda text: hashlib.sha256(text.encode()).digest())
    held_out = set(ranked[: max(1, len(ranked) // 10)])
    train = [messages for text, messages in distinct.items() if text not in held_out]
    return train, [distinct[text] for text in ranked if text in held_out]
