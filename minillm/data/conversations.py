"""Conversations as training rows: every token is read, but only what the assistant says is learnt.

In supervised fine-tuning a model is not to imitate the person who asks. So each token carries a mark: does it count in
the loss? An answer counts, and so does the special token that closes it, or the model would never learn to stop. The
prompt, the names of the speakers and the white space that the template puts after an answer do not.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.data.chat import Message, check_messages, encode_chat
from minillm.data.packing import PackedRows
from minillm.data.work_file import append_lines
from minillm.errors import UserError
from minillm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Example:
    """The ids of a conversation, and for each whether it counts in the loss."""

    ids: list[int]
    counts: list[bool]


def encode_conversation(tokenizer: Tokenizer, messages: Sequence[Message]) -> Example:
    """The ids of a conversation, with every answer of the assistant marked.

    An answer is found as what the template adds to the prompt for it, so any template will do that writes the
    beginning of a conversation in the same way when it goes on. Raises `ValueError` for one that does not, for a
    conversation without an answer or that begins with one, and for what `encode_chat` refuses.

    >>> from minillm.data.chat import CHATML
    >>> tokenizer = Tokenizer.train(["a"], vocab_size=258, special_tokens=["<|im_start|>", "<|im_end|>"])
    >>> tokenizer.chat_template = CHATML
    >>> turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]
    >>> example = encode_conversation(tokenizer, turns)
    >>> tokenizer.decode(id for id, counts in zip(example.ids, example.counts) if counts)
    'Yes.<|im_end|>'
    """
    ids = encode_chat(tokenizer, messages, add_generation_prompt=False)
    counts = [False] * len(ids)
    special = set(tokenizer.special_tokens.values())
    answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        raise UserError("the conversation holds no answer of the assistant, so there is nothing to learn from it")
    if answers[0] == 0:
        raise UserError("the conversation begins with the assistant; put what it answers to before it")
    for number in answers:
        start = len(_beginning(tokenizer, messages[:number], True, ids))
        end = len(_beginning(tokenizer, messages[: number + 1], False, ids))
        # Behind the last special token stands only what the template writes between two turns.
        closing = max((place for place in range(start, end) if ids[place] in special), default=end - 1)
        counts[start : closing + 1] = [True] * (closing + 1 - start)
    return Example(ids, counts)


def _beginning(tokenizer: Tokenizer, messages: Sequence[Message], prompt: bool, whole: list[int]) -> list[int]:
    ids = encode_chat(tokenizer, messages, add_generation_prompt=prompt)
    if whole[: len(ids)] != ids:
        raise UserError(
            f"this chat template writes the first {len(messages)} messages differently when the conversation goes on, "
            "so its answers cannot be told from its prompts; use a plainer one, such as chat.CHATML"
        )
    return ids


def pack_conversations(
    examples: Sequence[Example], end_id: int, row_length: int
) -> tuple[Int[Tensor, "N T"], Int[Tensor, "N T"], Bool[Tensor, "N T"]]:
    """Rows of whole conversations between end tokens, the segment and the mark of each token, for `PackedBatches`.

    A segment is one conversation and the end token after it, so that none is read in the light of another; where it
    ends is known from the plan, for the end token may well stand inside a conversation too. No conversation is cut, so
    each row has something to learn in it. Raises `ValueError` for a conversation that is longer than a row, for one in
    which nothing counts but its first token (nothing foretells that), and where there is nothing to pack.

    >>> packed = pack_conversations([Example([7, 8, 9], [False, True, True])], end_id=0, row_length=6)
    >>> [part.long().tolist() for part in packed]
    [[[0, 7, 8, 9, 0, -100]], [[0, 1, 1, 1, 1, 0]], [[0, 0, 1, 1, 0, 0]]]
    """
    for number, example in enumerate(examples):
        if len(example.ids) != len(example.counts):
            raise UserError(f"conversation {number} has {len(example.ids)} ids and {len(example.counts)} marks")
        if not any(example.counts[1:]):
            raise UserError(f"conversation {number} has nothing that counts after its first token; leave it out")
        if len(example.ids) >= row_length:
            raise UserError(
                f"conversation {number} has {len(example.ids)} tokens, and a row of {row_length} holds "
                f"{row_length - 1} beside its end token; shorten it, or use longer rows"
            )
    rows = PackedRows([example.ids for example in examples], end_id, row_length)
    # The same lengths give the same plan, so the marks land on their tokens.
    marks = PackedRows([list(map(int, example.counts)) for example in examples], 0, row_length)
    every = torch.arange(len(rows))
    return rows[every], rows.segments(every), marks[every] == 1


def read_conversations(path: Path) -> list[list[Message]]:
    """The conversations of a JSONL file: one {"messages": [{"role": "user", "content": "..."}, ...]} a line.

    Raises `FileNotFoundError` for no file, and `ValueError`, with the line's number, for a line that is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f'there is no file {path}; it holds one conversation a line, {{"messages": [...]}}')
    conversations = []
    try:
        # Not splitlines: that also cuts at signs such as U+2028, which may well stand inside a text.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text ({error})") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            messages = json.loads(line)["messages"]
            if not isinstance(messages, list):
                raise UserError("its messages are no list")
            check_messages(messages)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            wrong = error if isinstance(error, UserError) else repr(error)
            raise UserError(
                f'{path}, line {number}: {wrong}; a line is {{"messages": [{{"role": "user", '
                '"content": "..."}, {"role": "assistant", "content": "..."}]}'
            ) from None
        conversations.append(messages)
    return conversations


def append_conversation(path: Path, messages: Sequence[Message]) -> None:
    """Add a conversation to such a file, as its last line; raises `OSError` where the disk refuses."""
    append_lines(path, [json.dumps({"messages": [dict(message) for message in messages]}, ensure_ascii=False)])


def hold_out(conversations: Sequence[Sequence[Message]]) -> tuple[list[Sequence[Message]], list[Sequence[Message]]]:
    """Different conversations to learn from, and one in ten of them (one at least) to be measured on.

    Held out are those with the smallest hashes: the same ones in whatever order they come. Raises `ValueError` for
    fewer than two different ones.

    >>> train, held_out = hold_out([[{"role": "user", "content": str(n)}] for n in range(30)])
    >>> len(train), len(held_out)
    (27, 3)
    """
    distinct = {json.dumps(messages): messages for messages in conversations}
    if len(distinct) < 2:
        raise UserError(f"there are {len(distinct)} different conversations; one to learn from and one to measure on")
    ranked = sorted(distinct, key=lambda text: hashlib.sha256(text.encode()).digest())
    measured = set(ranked[: max(1, len(ranked) // 10)])
    train = [messages for text, messages in distinct.items() if text not in measured]
    return train, [distinct[text] for text in ranked if text in measured]
