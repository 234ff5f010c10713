"""Recipes for SFT on the world's instructions.

The curriculum: SFT begins with short instructions (copy, reverse, count, add, rephrase politely; Bengio et al. 2009),
since they teach looking back and repeating, which the others need too. After 400 updates on these alone the base model
copied 50 % of held-out lists and reversed 56 %; after 534 on all families 0 and 2 % (one seed, an earlier world).

Several questions per document: the loss counts answers only, a tenth of a conversation with one question about a
document and a fifth with up to four. That raised right held-out answers from 52 to 62 % (1,000 updates, one seed).
"""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from minillm.data.chat import Message, chat_tokenizer
from minillm.data.conversations import Example
from minillm.model.transformer import Transformer
from minillm.posttraining.recipes import OWN_SFT as OWN_SFT  # lesson 14 finds it here
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.tokenizer import Tokenizer
from minillm.training.recipes import Job
from minillm.training.settings import TrainConfig
from minillm.world.holdout import Split
from minillm.world.instructions import Instruction, Instructions

HELD_OUT = 200  # instructions that are measured on
CIVIL = 0.5  # of the answers that a model learns from
SHORT_FAMILIES = {"copy": 3, "reverse": 3, "count": 2, "sum": 2, "rewrite": 1}  # by weight


@dataclass(frozen=True)
class WorldSFT:
    """The training settings, the batch, and how many instructions of the world."""

    training: TrainConfig
    batch_size: int
    instructions: int = 0
    questions: int = 1  # about one document, at most; all in one conversation
    short_instructions: int = 0  # that the curriculum begins with
    short_steps: int = 0  # updates on these, before those on all
    worked: float = 0.0  # the fraction of answers that show their steps, where there are steps to show
    families: Mapping[str, int] | None = None  # only `problems` of these families, by weight
    worked_steps: int = 0  # updates on these problems with all steps shown, before those on the mixture

    def prepare(self, model: Transformer, tokenizer: Tokenizer, seed: int) -> Job:
        """A job on the world's instructions."""
        tokenizer = chat_tokenizer(tokenizer)
        data = world_chats(tokenizer, self, model.config.max_seq_len, seed)
        return Job(model, tokenizer, data, self.training, sft)

    def in_proportion_to(self, default: "WorldSFT") -> "WorldSFT":
        """The same recipe, with as large a share of short instructions, and of steps on what comes first, as `default`.

        >>> fewer = replace(WORLD_SFT, instructions=400, training=replace(WORLD_SFT.training, steps=40))
        >>> fewer.in_proportion_to(WORLD_SFT).short_instructions, fewer.in_proportion_to(WORLD_SFT).short_steps
        (100, 3)
        """
        sizes = {}
        if default.instructions:
            sizes["short_instructions"] = round(default.short_instructions / default.instructions * self.instructions)
        if self.training.steps is not None and default.training.steps is not None:
            for name in ("short_steps", "worked_steps"):
                sizes[name] = round(getattr(default, name) / default.training.steps * self.training.steps)
        return replace(self, **sizes)


WORLD_SFT = WorldSFT(
    TrainConfig(
        steps=4000,
        optimizer="muon",
        learning_rate=0.008,
        schedule="wsd",
        warmup_steps=20,
        decay_fraction=0.8,
        final_fraction=0.0,
    ),
    batch_size=8,
    instructions=40_000,
    questions=4,
    short_instructions=10_000,
    short_steps=300,
    worked=1.0,
)


def world_chats(tokenizer: Tokenizer, recipe: WorldSFT, max_seq_len: int, seed: int) -> ChatData:
    """Instructions to learn from and held-out ones to evaluate on; no pair of parameters is in both.

    Takes a second per thousand. Raises `UserError` for a tokenizer that cannot write a chat, and for a short context.
    """
    if recipe.families:
        return problem_chats(tokenizer, recipe, recipe.families, max_seq_len, seed)
    asked = Instructions(seed)
    conversations = [asked.conversation(index, recipe.questions) for index in range(recipe.instructions)]
    held_out = [[instruction] for instruction in Instructions(seed, "held-out").instructions(HELD_OUT)]
    asked = Instructions(seed, families=SHORT_FAMILIES).instructions(recipe.short_instructions)
    short = [[instruction] for instruction in asked if not instruction.context]
    return ChatData.from_examples(
        _encoded(tokenizer, conversations, max_seq_len, recipe.worked),
        _encoded(tokenizer, held_out, max_seq_len, recipe.worked),
        tokenizer.end_id,
        max_seq_len,
        recipe.batch_size,
        seed,
        _encoded(tokenizer, short, max_seq_len, recipe.worked),
        recipe.short_steps,
    )


def problem_chats(
    tokenizer: Tokenizer, recipe: WorldSFT, families: Mapping[str, int], max_seq_len: int, seed: int
) -> ChatData:
    """`world_chats` of `problems`: first with all steps shown, then with the recipe's share of worked answers.

    So a model can carry out the steps, though it seldom writes them.
    """
    train = [[problem] for problem in problems(families, recipe.instructions, seed)]
    held_out = [[problem] for problem in problems(families, HELD_OUT, seed, "held-out")]
    return ChatData.from_examples(
        _encoded(tokenizer, train, max_seq_len, recipe.worked),
        _encoded(tokenizer, held_out, max_seq_len, recipe.worked),
        tokenizer.end_id,
        max_seq_len,
        recipe.batch_size,
        seed,
        _encoded(tokenizer, train, max_seq_len, 1.0) if recipe.worked_steps else (),
        recipe.worked_steps,
    )


def problems(families: Mapping[str, int], count: int, seed: int, split: Split = "training") -> list[Instruction]:
    """Draw `count` instructions of some families (name -> weight) that have steps to show.

    >>> [(problem.family, problem.check(problem.worked)) for problem in problems({"sum": 1}, 2, seed=0)]
    [('sum', True), ('sum', True)]
    """
    drawn = Instructions(seed, split, families=families).stream()
    return list(itertools.islice((instruction for instruction in drawn if instruction.worked), count))


def example_of(instruction: Instruction, worked: float = 0.0) -> list[Message]:
    """An instruction with a demonstrated answer: right and brief, polite only half of the time.

    So preferences have politeness left to teach, and a reward model has seen both styles. Where there are steps to
    show, the fraction `worked` of the answers shows them.
    """
    rng = random.Random(f"manners of {instruction.prompt}")
    civil = rng.random() < CIVIL
    answer = instruction.answer if civil else instruction.reply
    if instruction.worked and rng.random() < worked:
        answer = answer.removesuffix(instruction.reply) + instruction.worked
    return [*instruction.messages[:-1], {"role": "assistant", "content": answer}]


def _encoded(
    tokenizer: Tokenizer, conversations: Iterable[Sequence[Instruction]], max_seq_len: int, worked: float
) -> list[Example]:
    """Encode as many questions of each conversation as fit; a conversation that is too long with one is left out."""
    examples = []
    for instructions in conversations:
        for questions in range(len(instructions), 0, -1):
            messages = [message for asked in instructions[:questions] for message in example_of(asked, worked)]
            [example] = encode_conversations(tokenizer, [messages])
            if len(example.ids) <= max_seq_len:
                examples.append(example)
                break
    return examples
