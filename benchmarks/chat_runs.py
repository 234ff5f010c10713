"""Shared by the benchmarks of lesson 09: its chat rows, its exam, and a short SFT run that is watched."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from minillm import TrainConfig, Transformer
from minillm.analysis.alignment import answer
from minillm.course import models
from minillm.course.recipes.chat import WORLD_SFT, world_chats
from minillm.data.batches import Batch, PackedBatches, SegmentedBatch, whole_documents
from minillm.data.chat import chat_tokenizer
from minillm.posttraining.sft import ChatData, sft
from minillm.tokenizer import Tokenizer
from minillm.training.pretraining import mean_loss
from minillm.world import World
from minillm.world.instructions import Instruction, Instructions

UPDATES, RATE = 150, 2e-3  # of the lesson's run
INSTRUCTIONS_PER_UPDATE = 14  # so that nearly every row is read once
STREAM = 1_000_000  # seed of the questions, beyond all seeds used in training
READING = ("who", "where", "what", "why")


@dataclass(frozen=True)
class Bench:
    """The base model, and what every run is measured on: the same questions, answers and documents."""

    base: Transformer
    tokenizer: Tokenizer
    edge: int  # the token between documents
    asked: list[Instruction]
    answers: list[SegmentedBatch]
    documents: list[Batch]

    @classmethod
    def of(cls, questions: int = 200) -> "Bench":
        base, base_tokenizer = models.base()
        tokenizer, edge = chat_tokenizer(base_tokenizer), base_tokenizer.eos_id
        assert edge is not None
        texts = [tokenizer.encode(document.text) for document in World(seed=7).documents(60)]
        answers = chat_data(tokenizer, 0, 1).validation
        asked = Instructions(STREAM, "held-out").instructions(questions)
        return cls(base, tokenizer, edge, asked, answers, whole_documents(texts, edge))

    def exam(self, model: Transformer, asked: Sequence[Instruction] | None = None) -> dict[str, Any]:
        """Greedy answers to the questions: which are right, which ended, which are needless excuses."""
        asked = self.asked if asked is None else asked
        said = answer(model, self.tokenizer, asked, temperature=0.0)
        pairs = list(zip(asked, said, strict=True))
        return {
            "right": [one.check(its.text) for one, its in pairs],
            "ended": [its.ended for its in said],
            "excuses": ["sorry" in its.text for one, its in pairs if one.family in READING],
            "texts": [its.text for its in said],
        }

    def losses(self, model: Transformer) -> dict[str, float]:
        """Nats per token: on held-out answers, and on documents."""
        found = {"answers": mean_loss(model, self.answers), "documents": mean_loss(model, self.documents)}
        model.train()
        return found


def chat_data(tokenizer: Tokenizer, seed: int, updates: int) -> ChatData:
    """Conversations for so many updates, each read about once; at least those of a fifth of the lesson's run."""
    instructions = max(INSTRUCTIONS_PER_UPDATE * updates, 420)
    recipe = replace(WORLD_SFT, instructions=instructions, short_instructions=60, short_steps=0)
    return world_chats(tokenizer, recipe, max_seq_len=256, seed=seed)


def every_token(batches: PackedBatches) -> PackedBatches:
    """The same rows in the same order, with every token a target and not the answers alone."""
    return PackedBatches(batches.rows, batches.batch_size, batches.order.seed, batches.end_id, batches.segments)


def training_for(updates: int, rate: float, eval_every: int | None = None, **settings: Any) -> TrainConfig:
    """The lesson's settings: AdamW, ten updates of warm-up, then the rate falls to 0."""
    return TrainConfig(
        steps=updates, learning_rate=rate, warmup_steps=min(10, updates), final_fraction=0.0,
        eval_every=eval_every or updates, bf16=False, **settings,
    )  # fmt: skip


def learn(
    start: Transformer,
    data: ChatData,
    training: TrainConfig,
    seed: int,
    prepare: Callable[[Transformer], Transformer] = lambda model: model,
    watch: Callable[[Transformer], dict[str, Any]] | None = None,
) -> tuple[Transformer, list[dict[str, Any]], float]:
    """A copy of the model after SFT, what `watch` said at each validation, and the CPU seconds of training alone."""
    torch.manual_seed(seed)
    model, path, away = prepare(copy.deepcopy(start)), [], 0.0

    def look(line: dict[str, Any]) -> None:
        nonlocal away
        if watch is not None and "val_loss" in line:
            began = time.process_time()
            path.append({"update": line["step"]} | watch(model))
            model.train()
            away += time.process_time() - began

    few = ChatData(data.train, data.validation[:1])  # `watch` measures on all
    began = time.process_time()
    sft(model, few, training, on_metrics=look)
    return model, path, time.process_time() - began - away
