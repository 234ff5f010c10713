"""Supervised fine-tuning: teach a base model to follow instructions from example conversations.

Nothing about the model is new, and nothing about the loop. Only the text is: conversations, written by the chat
template, in which the answers alone are targets (`data/conversations.py`). Ouyang et al. 2022, section 3, step 1.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, cast

from minillm.data.batches import Curriculum, PackedBatches, SegmentedBatch
from minillm.data.chat import Message, chat_tokenizer, check_messages
from minillm.data.conversations import Example, encode_conversation, hold_out, pack_conversations, read_conversations
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import save_merged
from minillm.posttraining.lora import lora_layers
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import ALONE, Processes
from minillm.training.loop import Task, fit
from minillm.training.metrics import Metrics
from minillm.training.pretraining import mean_loss, text_loss
from minillm.training.run import OnMetrics, Run, ignore
from minillm.training.settings import TrainConfig

SHORTEST_ROW = 256  # tokens
VALIDATION_ROWS = 16  # of a batch that is measured on

Conversations = str | Path | Sequence[Sequence[Message] | Mapping[str, Any]]


@dataclass(frozen=True)
class ChatData:
    """What SFT needs: shuffled batches of conversations to learn from, and others to be measured on.

    >>> from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
    >>> tokenizer = chat_tokenizer(Tokenizer.train(["a"], vocab_size=270, special_tokens=SPECIAL_TOKENS))
    >>> turns = lambda n: [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "Yes."}]
    >>> data = ChatData.from_conversations([{"messages": turns(n)} for n in range(10)], tokenizer, max_seq_len=64)
    >>> len(data.validation)
    1
    """

    train: PackedBatches | Curriculum
    validation: list[SegmentedBatch]

    @classmethod
    def from_conversations(
        cls,
        conversations: Conversations,
        tokenizer: Tokenizer | None,
        max_seq_len: int,
        batch_size: int = 8,
        seed: int = 0,
    ) -> "ChatData":
        """From lists of messages, {"messages": [...]}, {"prompt": ..., "completion": ...}, or a JSONL file's path.

        One conversation in ten is held out. Raises `UserError` without a tokenizer, for anything else, for fewer than
        two distinct conversations, and what `encode_conversation` refuses.
        """
        if tokenizer is None:
            raise UserError("SFT on conversations needs a tokenizer; give it by name: tokenizer=...")
        tokenizer = chat_tokenizer(tokenizer)
        if isinstance(conversations, (str, Path)):
            chats = read_conversations(conversations)
        else:
            chats = [_messages(number, given) for number, given in enumerate(conversations)]
        train, held_out = (encode_conversations(tokenizer, part) for part in hold_out(chats))
        return cls.from_examples(train, held_out, tokenizer.end_id, max_seq_len, batch_size, seed)

    @classmethod
    def from_examples(
        cls,
        train: Sequence[Example],
        validation: Sequence[Example],
        end_id: int,
        max_seq_len: int,
        batch_size: int,
        seed: int,
        first: Sequence[Example] = (),
        first_steps: int = 0,
    ) -> "ChatData":
        """From encoded conversations: packed rows and their targets, in the order of the seed.

        A row has `SHORTEST_ROW` tokens, or more where a conversation has; at most `max_seq_len`, the model's.
        The first `first_steps` batches are of the conversations `first` alone (`recipes.py` says why).
        Raises `UserError` where there is nothing to learn from or to measure on, and for a conversation that is longer
        than a row.
        """
        longest = max((len(example.ids) for example in [*first, *train, *validation]), default=0)
        max_seq_len = min(max_seq_len, max(SHORTEST_ROW, longest))
        batches = _batches(train, end_id, max_seq_len, batch_size, seed)
        if first_steps:
            batches = Curriculum(_batches(first, end_id, max_seq_len, batch_size, seed), first_steps, batches)
        rows = _batches(validation, end_id, max_seq_len, VALIDATION_ROWS, 0)
        held_out: list[Any] = [rows[step] for step in range(-(-len(rows.rows) // VALIDATION_ROWS))]
        short = len(rows.rows) % VALIDATION_ROWS  # the last batch goes on with the second epoch: cut that off
        if short:
            held_out[-1] = tuple(part[:short] for part in held_out[-1])
        return cls(batches, held_out)


def _messages(number: int, conversation: Any) -> list[Message]:
    """The messages of a conversation in any of the forms that data sets have."""
    given = conversation if isinstance(conversation, Mapping) else {"messages": conversation}
    messages: Any = given.get("messages")
    if isinstance(given.get("prompt"), str) and isinstance(given.get("completion"), str):
        messages = [{"role": "user", "content": given["prompt"]}, {"role": "assistant", "content": given["completion"]}]
    if not isinstance(messages, list):
        raise UserError(
            f'conversation {number} is {shortened(conversation)}; give {{"messages": [{{"role": "user", "content": '
            '"..."}, {"role": "assistant", "content": "..."}]}'
        )
    check_messages(messages)
    return messages


def _batches(examples: Sequence[Example], end_id: int, length: int, batch_size: int, seed: int) -> PackedBatches:
    rows, segments, mask = pack_conversations(examples, end_id, length + 1)
    return PackedBatches(rows, batch_size, seed, end_id, segments, mask)


def encode_conversations(tokenizer: Tokenizer, conversations: Iterable[Sequence[Message]]) -> list[Example]:
    """Each conversation as ids with its answers marked; raises `UserError`, with its beginning, where that fails."""
    examples = []
    for number, messages in enumerate(conversations):
        try:
            examples.append(encode_conversation(tokenizer, messages))
        except UserError as error:
            begins = shortened(messages[0]) if messages else "it is empty"
            raise UserError(f"conversation {number} ({begins}): {error}") from error
    return examples


def sft(
    model: Transformer,
    data: ChatData | Conversations,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    processes: Processes = ALONE,
    base_name: str | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Teach `model` to answer as the conversations do; returns it (trained in place) and the metrics of the run.

    `data` may be what `ChatData.from_conversations` takes, with the `tokenizer`.
    A model with LoRA layers (`add_lora`) learns by these alone. With `run_dir` and `tokenizer` everything is kept there
    and a run that was cut off goes on where it was: `minillm.load(run_dir)` gives a plain model, corrections merged,
    and `adapter/` holds them alone, with `base_name` as the model that they belong to.
    A line of metrics counts the tokens of the answers, which the loss (nats per token) is the mean of; val_loss is the
    same on the conversations held out.

    Raises what `ChatData.from_conversations` and `training.loop.train` raise, and `UserError` for a model with LoRA
    layers that is to be sharded and for a `run_dir` without a tokenizer.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["user assistant"], 270, ["<|im_start|>", "<|im_end|>"])
    >>> model = Transformer(ModelConfig(tokenizer.vocab_size, d_model=8, n_layers=1, n_heads=2, max_seq_len=32))
    >>> chats = [{"prompt": f"{n}?", "completion": "Yes."} for n in range(8)]
    >>> model, metrics = sft(model, chats, TrainConfig(steps=20, warmup_steps=2), tokenizer=tokenizer)
    >>> metrics[-1]["step"], metrics[-1]["val_loss"] < metrics[0]["loss"]
    (20, True)
    """
    if lora_layers(model) and processes.sharded:
        raise UserError("a model with LoRA layers cannot be sharded; it needs little memory, so train it with ddp")

    if not isinstance(data, ChatData):
        data = ChatData.from_conversations(data, tokenizer, model.config.max_seq_len)
        tokenizer = chat_tokenizer(cast("Tokenizer", tokenizer))
    save_model = functools.partial(save_merged, base_name=base_name)
    run = Run(config, run_dir, tokenizer, on_metrics, processes, save_model)

    def validate() -> Metrics:
        return {"val_loss": mean_loss(model, data.validation)}

    return model, fit(Task(model, data.train, text_loss, validate), config, run)
