"""Which turns of a growing chat still fit into the model's context."""

from collections.abc import Sequence

from minillm.data.chat import Message, encode_chat
from minillm.tokenizer import Tokenizer


def fit(
    messages: Sequence[Message], tokenizer: Tokenizer, max_seq_len: int, max_new_tokens: int
) -> tuple[list[Message], list[int]]:
    """The messages and their tokens, without the oldest turns where an answer would not fit.

    An answer needs `max_new_tokens`, or half of the context where that is less. If turns must go, enough of them go to
    free half of the rest: whatever follows a dropped turn must be read again, and dropping one turn at a time would
    cause that at every turn. A system message and the last question always stay, so these may still be too long. Raises
    what `encode_chat` raises.

    >>> from minillm.data.chat import CHATML
    >>> tokenizer = Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=["<|im_start|>", "<|im_end|>"])
    >>> tokenizer.chat_template = CHATML
    >>> chat = [{"role": role, "content": "abcdefgh"} for role in ("user", "assistant", "user")]
    >>> [len(fit(chat, tokenizer, max_seq_len, max_new_tokens=20)[0]) for max_seq_len in (100, 50)]
    [3, 1]
    """
    limit = max_seq_len - min(max_new_tokens, max_seq_len // 2)
    messages, ids = list(messages), encode_chat(tokenizer, messages)
    if len(ids) > limit:
        first = 1 if messages[0]["role"] == "system" else 0
        while len(ids) > limit // 2 and len(messages) > first + 2:
            messages = messages[:first] + messages[first + 2 :]  # without the oldest question and its answer
            ids = encode_chat(tokenizer, messages)
    return messages, ids
