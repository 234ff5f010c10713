"""Instructions: a question or task, a polite answer, and a checker that decides whether an answer is right.

Questions are about documents of the world. The document is generated step by step, and the answer comes from the
generator's state (who holds what, which fact was told), not from the words. Other tasks need no document: copy,
reverse, count, add, rewrite politely, chains of sums, swaps. The wordings are in `text/instructions.toml`.

Instructions are data for supervised fine-tuning (SFT). They are never part of the base corpus: their documents come
from the same generator, but from separate streams.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from minillm.errors import UserError
from minillm.world.answers import Key
from minillm.world.choice import Options, Sampler
from minillm.world.facts import load_almanac
from minillm.world.holdout import Split, check_split
from minillm.world.lexicon import TEXT, Entity
from minillm.world.phrasebook import END, FAMILIES, READING, Question, load_phrasebook
from minillm.world.scene import Scene
from minillm.world.split_sampler import SplitSampler, spelled
from minillm.world.staging import Vocabularies, meaning_of, say, say_with, stage
from minillm.world.tasks import Draft, Tasks
from minillm.world.world import WORLD_VERSION, World

INSTRUCTIONS_VERSION = "3"  # changes whenever any instruction changes
LONGEST_CONTEXT = 640  # characters, so that prompt and answer fit the 256 tokens of the preset tiny
N_DISTRACTORS = 3  # wrong answers of the right kind


@dataclass(frozen=True)
class Instruction:
    """One exchange: the prompt, a polite right answer, wrong answers, and the key that checks an answer."""

    family: str
    context: str  # the document the question is about, or ""
    question: str
    prompt: str  # context and question together, the user's message
    answer: str  # right, polite and brief
    reply: str  # the answer without its polite phrase
    worked: str  # the reply with the steps before it, or "" where there is nothing to work out
    mistakes: tuple[str, ...]  # wrong replies, without polite phrases
    parameters: tuple[str, str]  # the pair that determines its split
    key: Key

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation for `encode_chat`, including the answer; drop the last message for a prompt."""
        return [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}]

    def check(self, answer: str) -> bool:
        """Whether an answer is right, whatever its wording; see `answers` for what is ignored."""
        return self.key.accepts(answer)


@dataclass(frozen=True)
class Trace:
    """A document with its history: the events told, and the scene after each sentence."""

    text: str
    told: tuple[str, ...]  # the event or relation of each sentence
    scenes: tuple[Scene, ...]
    pair: tuple[str, str]  # see Instruction.parameters

    def after(self, name: str) -> Scene | None:
        """Return the scene after an event was last told, or None if it never was; "end" is the last scene."""
        if name == END:
            return self.scenes[-1]
        return next((s for told, s in zip(self.told[::-1], self.scenes[::-1], strict=True) if told == name), None)


class Instructions:
    """An endless stream of instructions, determined by seed, split and index.

    The splits "training" and "held-out" share no pair of parameters, whatever the seeds; see `holdout`. If `families`
    is given, only these families are drawn, with the given weights. Raises `UserError` for an unknown split or family.

    >>> instruction = Instructions(seed=0).instruction(3)
    >>> instruction.check(instruction.answer), instruction.check("I would rather not say.")
    (True, False)
    >>> [message["role"] for message in instruction.messages]
    ['user', 'assistant']
    """

    def __init__(
        self,
        seed: int,
        split: Split = "training",
        folder: Path = TEXT,
        families: Mapping[str, int] | None = None,
    ):
        check_split(split)
        self._world = World(seed, folder)
        self.seed = seed
        self.split: Split = split
        self._book = load_phrasebook(folder)
        self._families = self._book.families
        if families is not None:
            self._families = tuple((weight, family) for family, weight in families.items())
            if unknown := [family for family in families if family not in FAMILIES]:
                raise UserError(f"there is no family {unknown[0]!r} of instructions; use some of {', '.join(FAMILIES)}")
        self._vocabularies = Vocabularies(self._world.lexicon, self._book)
        self._tasks = Tasks(self._world.lexicon, self._book, self._vocabularies)
        relations = dict.fromkeys(relation for _, relation in load_almanac(folder).facts())
        lists = (self._vocabularies.nouns(), relations, self._book.stock["orders"])
        self._ranks = {**self._world.lexicon.ranks} | {item: rank for items in lists for rank, item in enumerate(items)}

    def instruction(self, index: int) -> Instruction:
        """Generate instruction `index` of the stream; raises `UserError` for a negative index."""
        if index < 0:
            raise UserError(f"there is no instruction {index}; the stream starts at 0")
        return next(self._asked(index))

    def conversation(self, index: int, questions: int) -> list[Instruction]:
        """Generate up to `questions` different questions about the document of instruction `index`.

        The first is instruction `index` itself. The prompts of the others are the question alone, since the document
        is already in the conversation. A task without a document gives one instruction. Raises `UserError` for a
        negative index and for fewer than one question.
        """
        if questions < 1:
            raise UserError(f"a conversation cannot have {questions} questions; use at least 1")
        first, *others = itertools.islice(self._asked(index), questions)
        return [first, *(replace(other, prompt=other.question) for other in others)]

    def _asked(self, index: int) -> Iterator[Instruction]:
        """Yield instruction `index`, then the others about its document."""
        versions = f"world {WORLD_VERSION}, instructions {INSTRUCTIONS_VERSION}"
        rng = random.Random(f"{versions}, seed {self.seed}, {self.split}, instruction {index}")
        family = Sampler(rng).choose("family", self._families)
        if family in READING and not (family == "count" and Sampler(rng).choose("list", ((2, True), (1, False)))):
            yield from self._about_document(family, rng)
            return
        sampler = self._sampler(rng)
        draft = self._tasks.make(family, sampler, rng)
        assert sampler.pair is not None  # every task draws one
        yield self._dress(family, "", draft, spelled(sampler.pair), rng)

    def instructions(self, count: int) -> list[Instruction]:
        """Generate the first `count` instructions of the stream."""
        return list(itertools.islice(self.stream(), count))

    def stream(self, start: int = 0) -> Iterator[Instruction]:
        """Yield instruction `start` and all later ones, endlessly."""
        return map(self.instruction, itertools.count(start))

    def _sampler(self, rng: random.Random) -> SplitSampler:
        return SplitSampler(rng, self.split, self._ranks.__getitem__)

    def _trace(self, rng: random.Random) -> Trace | None:
        """Generate a document with its history; None if it is too long or of a kind without questions."""
        sampler, scenes = self._sampler(rng), []
        while not scenes or not scenes[-1].finished:
            scenes.append(self._world.step(scenes[-1] if scenes else None, sampler))
            if scenes[0].kind not in ("story", "facts"):
                return None
        if sampler.pair is None or len(sampler.text) > LONGEST_CONTEXT:
            return None
        return Trace(sampler.text, tuple(sampler.told), tuple(scenes), spelled(sampler.pair))

    def _about_document(self, family: str, rng: random.Random) -> Iterator[Instruction]:
        # the first question: sample documents until one answers a question of this family
        while True:
            trace = self._trace(rng)
            if trace is not None and (found := self._questions(family, trace)):
                break

        # then questions of any family that the same document answers, none of them twice
        left: dict[str, Options] = {}
        while found:
            question, scene = Sampler(rng).choose("question", found)
            draft = self._draft(question, scene, trace, family == "unknown", rng)
            yield self._dress(family, trace.text, draft, trace.pair, rng)
            left = left or {name: self._questions(name, trace) for _, name in self._families if name in READING}
            left[family] = [option for option in left[family] if option[1][0] is not question]
            families = [(weight, name) for weight, name in self._families if left.get(name)]
            family = Sampler(rng).choose("family", families) if families else family
            found = left[family]

    def _questions(self, family: str, trace: Trace) -> Options:
        """The questions of a family that fit a document, each with the scene that it is about."""
        find = self._untold if family == "unknown" else self._told
        return [(1, pair) for question in self._book.questions if (pair := find(family, question, trace))]

    def _told(self, family: str, question: Question, trace: Trace) -> tuple[Question, Scene] | None:
        """The question and its scene, if the document answers it."""
        scene = trace.after(question.after)
        if question.family != family or scene is None or question.document != scene.kind:
            return None
        if not self._speakable(question, scene, trace) or not all(need.holds(scene) for need in question.needs):
            return None
        if question.count is not None:
            return (question, scene) if question.count in trace.told else None
        answer = self._answer(question, scene)
        if answer is None or not (question.kind == "meaning" or self._names(trace.text, question.kind, answer)):
            return None
        return question, scene

    def _untold(self, family: str, question: Question, trace: Trace) -> tuple[Question, Scene] | None:
        """The question and a scene to ask it in, if it has an answer that the document does not tell."""
        scene = trace.scenes[-1].copy()
        if question.document != "facts" or question.after in trace.told:
            return None
        if "hero" in scene.cast:
            scene.cast["X"] = scene.cast["hero"]
        answer = self._answer(question, scene) if scene.value("X", question.after) else None
        if answer is None or self._names(trace.text, question.kind, answer):
            return None
        return (question, scene) if self._speakable(question, scene, trace) else None

    def _speakable(self, question: Question, scene: Scene, trace: Trace) -> bool:
        """Whether the document has introduced every entity that the question mentions."""
        known = trace.scenes[-1].introduced
        mentioned = [scene.cast.get(role) for role in question.roles()]
        return all(
            entity is not None and (entity in known or entity.kind not in ("person", "thing", "animal"))
            for entity in mentioned
        )

    def _names(self, text: str, kind: str, answer: Entity) -> bool:
        return meaning_of(answer) in self._vocabularies.of(kind).read(text)

    def _answer(self, question: Question, scene: Scene) -> Entity | None:
        """The true answer according to the scene, or None if there is none of the right kind."""
        if question.kind == "meaning":
            return next(e for e in self._vocabularies.entities("meaning") if e.noun == question.answer)
        role, _, attribute = question.answer.partition(".")
        value = scene.value(role, attribute) if attribute else scene.cast.get(role)
        if isinstance(value, str):
            value = (
                self._world.lexicon.people[value] if question.kind == "person" else Entity(question.kind, value, value)
            )
        return value if value is not None and value.kind == question.kind else None

    def _draft(self, question: Question, scene: Scene, trace: Trace, unknown: bool, rng: random.Random) -> Draft:
        """Word a question about a document, its right reply and wrong ones; `unknown` if the text does not answer."""
        if question.count is not None:
            number = str(trace.told.count(question.count))
            answer = Entity("figure", number, number)
        else:
            answer = self._answer(question, scene)
            assert answer is not None  # _told and _untold only return questions with an answer
        on_stage = stage(scene)
        asked = say(question.asks, on_stage, rng)
        form = Sampler(rng).choose("reply", question.replies)
        key = self._vocabularies.key(question.kind, None if unknown else answer, asked)
        right = say_with(form, answer, on_stage, rng)
        distractors = self._distractors(answer, key.given, scene, rng)
        wrong = [say_with(form, distractor, on_stage, rng) for distractor in distractors]
        silence = say(self._book.replies["unknown"], stage(scene), rng)
        return Draft(asked, silence, [right, *wrong], key) if unknown else Draft(asked, right, [*wrong, silence], key)

    def _distractors(self, answer: Entity, given: frozenset[str], scene: Scene, rng: random.Random) -> list[Entity]:
        """Wrong answers of the right kind: similar ones first (next numbers, others in the document), then any."""
        others = self._vocabularies.entities(answer.kind)
        if answer.kind == "figure":
            near = [others[int(answer.name) + step] for step in range(1, N_DISTRACTORS + 1)]
        else:
            near = [entity for entity in scene.cast.values() if entity.kind == answer.kind]
        entities = dict.fromkeys((*near, *sorted(others, key=lambda entity: rng.random())))
        excluded = {*given, meaning_of(answer)}
        return [entity for entity in entities if meaning_of(entity) not in excluded][:N_DISTRACTORS]

    def _dress(self, family: str, context: str, draft: Draft, pair: tuple[str, str], rng: random.Random) -> Instruction:
        order = Sampler(rng).choose("order", self._book.orders)
        prompt = order.format(context=context, question=draft.question) if context else draft.question
        answer = draft.reply
        if not self._book.sounds("apology", answer):
            answer = f"{Sampler(rng).choose('courtesy', self._book.courtesies)} {answer}"
        mistakes = tuple(wrong for wrong in dict.fromkeys(draft.mistakes) if not draft.key.accepts(wrong))
        return Instruction(
            family, context, draft.question, prompt, answer, draft.reply, draft.worked, mistakes, pair, draft.key
        )
