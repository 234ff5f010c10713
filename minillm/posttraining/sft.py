"""Supervised fine-tuning: a model that goes on with any text learns to answer, from examples of questions and answers.

Nothing about the model is new, and nothing about the loop. Only the text is: conversations, written by the chat
template, in which the answers alone are targets (`data/conversations.py`). Ouyang et al. 2022, section 3, step 1.
"""

import functools
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.data.batches import Curriculum, PackedBatches, SegmentedBatch
from minillm.data.chat import Message
from minillm.data.conversations import Example, encode_conversation, pack_conversations
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


@dataclass(frozen=True)
class ChatData:
    """What SFT needs: shuffled batches of conversations to learn from, and others to be measured on."""

    train: PackedBatches | Curriculum
    validation: list[SegmentedBatch]

    @classmethod
    def of(
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
        Raises `ValueError` where there is nothing to learn from or to measure on, and for a conversation that is longer
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


def _batches(examples: Sequence[Example], end_id: int, length: int, batch_size: int, seed: int) -> PackedBatches:
    rows, segments, mask = pack_conversations(examples, end_id, length + 1)
    return PackedBatches(rows, batch_size, seed, end_id, segments, mask)


def encode_conversations(tokenizer: Tokenizer, conversations: Iterable[Sequence[Message]]) -> list[Example]:
    """Each conversation as ids with its answers marked; raises `ValueError`, with its beginning, where that fails."""
    examples = []
    for number, messages in enumerate(conversations):
        try:
            examples.append(encode_conversation(tokenizer, messages))
        except UserError as error:
            begins = reprlib.repr(messages[0]) if messages else "it is empty"
            raise UserError(f"conversation {number} ({begins}): {error}") from error
    return examples


def sft(
    model: Transformer,
    data: ChatData,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    processes: Processes = ALONE,
    base_name: str | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Teach `model` to answer as the conversations do; returns it (trained in place) and the metrics of the run.

    A model with LoRA layers (`add_lora`) learns by these alone. With `run_dir` and `tokenizer` everything is kept there
    and a run that was cut off goes on where it was: `minillm.load(run_dir)` gives a plain model, corrections merged,
    and `adapter/` holds them alone, with `base_name` as the model that they belong to.
    A line of metrics counts the tokens of the answers, which the loss (nats per token) is the mean of; val_loss is the
    same on the conversations held out.

    Raises what `training.loop.train` raises, and `ValueError` for a model with LoRA layers that is to be sharded and
    where only one of `run_dir` and `tokenizer` is given.

    >>> from minillm import ModelConfig
    >>> from minillm.data.chat import SPECIAL_TOKENS, chat_tokenizer
    >>> tokenizer = chat_tokenizer(Tokenizer.train(["user assistant"], vocab_size=270, special_tokens=SPECIAL_TOKENS))
    >>> chat = [{"role": "user", "content": "1, 2?"}, {"role": "assistant", "content": "3"}]
    >>> examples = encode_conversations(tokenizer, [chat] * 4)
    >>> data = ChatData.of(examples, examples, tokenizer.end_id, max_seq_len=32, batch_size=2, seed=0)
    >>> model = Transformer(ModelConfig(tokenizer.vocab_size, d_model=8, n_layers=1, n_heads=2, max_seq_len=32))
    >>> model, metrics = sft(model, data, TrainConfig(steps=20, learning_rate=0.01, warmup_steps=2))
    >>> metrics[-1]["step"], metrics[-1]["val_loss"] < metrics[0]["loss"]
    (20, True)
    """
    if lora_layers(model) and processes.sharded:
        raise UserError("a model with LoRA layers cannot be sharded; it needs little memory, so train it with ddp")

    save_model = functools.partial(save_merged, base_name=base_name)
    run = Run(config, run_dir, tokenizer, on_metrics, processes, save_model)

    def validate() -> Metrics:
        return {"val_loss": mean_loss(model, data.validation)}

    return model, fit(Task(model, data.train, text_loss, validate), config, run)
