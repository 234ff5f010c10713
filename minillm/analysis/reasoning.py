"""What a chat model does with problems that can be verified: accuracy, the share of worked answers, and length."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.analysis.alignment import answer
from minillm.data.chat import encode_chat
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.rollout import Rollout, roll_out, score_answers
from minillm.posttraining.verifiers import decode_answer, majority_vote, pass_at_k
from minillm.tokenizer import Tokenizer
from minillm.world.answers import final_answer, shows_steps
from minillm.world.instructions import Instruction

LONGEST = 80  # tokens per answer, more than any worked answer has


@dataclass(frozen=True)
class Solved:
    """How one answer to each of some problems turned out. All but `tokens` are shares, from 0 to 1."""

    n: int  # problems
    accuracy: float  # of all answers; one that was cut off is wrong
    worked: float  # of the answers that show steps
    accuracy_worked: float | None  # among these; None if there are none
    accuracy_direct: float | None  # among the others
    tokens: float  # mean per answer, with the end token
    families: dict[str, float]  # accuracy per family


def solve(
    model: Transformer,
    tokenizer: Tokenizer,
    problems: Sequence[Instruction],
    temperature: float = 0.0,
    seed: int = 0,
    max_new_tokens: int = LONGEST,
) -> Solved:
    """Generate and check one answer to each problem; temperature 0 is greedy decoding.

    Raises `UserError` for no problems, and what `alignment.answer` raises.
    """
    if not problems:
        raise UserError("there are no problems to solve; give at least one")
    answers = answer(model, tokenizer, problems, temperature, seed=seed, max_new_tokens=max_new_tokens)
    right = [said.ended and problem.check(said.text) for problem, said in zip(problems, answers, strict=True)]
    groups, families = defaultdict(list), defaultdict(list)
    for problem, said, is_right in zip(problems, answers, right, strict=True):
        groups[shows_steps(said.text)].append(is_right)
        families[problem.family].append(is_right)
    return Solved(
        n=len(problems),
        accuracy=fmean(right),
        worked=len(groups[True]) / len(problems),
        accuracy_worked=fmean(groups[True]) if groups[True] else None,
        accuracy_direct=fmean(groups[False]) if groups[False] else None,
        tokens=fmean(len(said.ids) for said in answers),
        families={family: fmean(hits) for family, hits in sorted(families.items())},
    )


def complete(
    model: Transformer,
    tokenizer: Tokenizer,
    problems: Sequence[Instruction],
    beginnings: Sequence[str],
    max_new_tokens: int = LONGEST,
) -> list[str]:
    """Let the model go on with the given beginning of an answer to each problem, greedily; returns whole answers.

    So an experiment decides how an answer begins, and not the model. One that is cut off is returned as it is. Raises
    `UserError` unless there is one beginning per problem.
    """
    if len(problems) != len(beginnings):
        raise UserError(f"{len(problems)} problems and {len(beginnings)} beginnings; give one beginning per problem")
    prompts = [
        encode_chat(tokenizer, problem.messages[:-1]) + tokenizer.encode(beginning)
        for problem, beginning in zip(problems, beginnings, strict=True)
    ]
    rollout = roll_out(model.eval(), prompts, max_new_tokens, [tokenizer.end_id], temperature=0.0)
    ends = [decode_answer(tokenizer, ids) for ids in rollout.answers]
    return [beginning + end for beginning, end in zip(beginnings, ends, strict=True)]


def correct(
    model: Transformer,
    tokenizer: Tokenizer,
    problems: Sequence[Instruction],
    beginnings: Sequence[str] | None = None,
    max_new_tokens: int = LONGEST,
) -> list[bool]:
    """Which problems a model gets right with greedy decoding, going on from the given beginnings of answers if any.

    Raises what `complete` raises.
    """
    begun = [""] * len(problems) if beginnings is None else beginnings
    said = complete(model, tokenizer, problems, begun, max_new_tokens)
    return [problem.check(text) for problem, text in zip(problems, said, strict=True)]


@dataclass(frozen=True)
class Attempts:
    """Sampled answers to some problems, several to each, one group after the other, and what a verifier paid."""

    rollout: Rollout
    texts: list[str]  # empty where an answer was cut off
    paid: Float[Tensor, "B"]
    right: float  # the share that the problems' own checkers accept, whatever was paid

    @property
    def steps(self) -> float:
        """The share of answers that show steps."""
        return fmean(map(shows_steps, self.texts))

    @property
    def tokens(self) -> float:
        """The mean length of an answer, with its end token."""
        return fmean(map(len, self.rollout.answers))


def attempt(
    model: Transformer,
    tokenizer: Tokenizer,
    problems: Sequence[Instruction],
    verify: Callable[[str, int], float],
    n: int = 8,
    max_new_tokens: int = 64,
    seed: int = 0,
) -> Attempts:
    """Sample `n` answers to each problem and pay each what `verify(text, result)` says; one cut off counts as empty.

    Results are whole numbers, as those of chains and sums are. Raises what `roll_out` raises.
    """
    asked = [problem for problem in problems for _ in range(n)]
    prompts = [encode_chat(tokenizer, problem.messages[:-1]) for problem in asked]
    rollout = roll_out(model, prompts, max_new_tokens, [tokenizer.end_id], seed)
    texts = [decode_answer(tokenizer, ids) if ids[-1] == tokenizer.end_id else "" for ids in rollout.answers]
    pairs = list(zip(asked, texts, strict=True))
    paid = torch.tensor([float(verify(text, int(problem.key.truth[0]))) for problem, text in pairs])
    return Attempts(rollout, texts, paid, fmean(problem.check(text) for problem, text in pairs))


@torch.no_grad()
def likeliest(
    model: Transformer, tokenizer: Tokenizer, problems: Sequence[Instruction], beginnings: Sequence[Sequence[str]]
) -> list[str]:
    """Of several beginnings of an answer to each problem, the one that the model finds most probable.

    So a model can choose the first number of its steps by itself. Raises `UserError` unless every problem has at least
    one beginning.
    """
    if len(problems) != len(beginnings) or not all(beginnings):
        raise UserError(f"{len(problems)} problems and {len(beginnings)} lists of beginnings; give a list per problem")
    pairs = [(problem, text) for problem, texts in zip(problems, beginnings, strict=True) for text in texts]
    prompts = [encode_chat(tokenizer, problem.messages[:-1]) for problem, _ in pairs]
    rollout = Rollout.from_answers(prompts, [tokenizer.encode(text) for _, text in pairs], model.device)
    log_probs, _ = score_answers(model.eval(), rollout)
    parts = log_probs.sum(1).split([len(texts) for texts in beginnings])
    return [texts[int(part.argmax())] for texts, part in zip(beginnings, parts, strict=True)]


def many_answers(
    model: Transformer,
    tokenizer: Tokenizer,
    problems: Sequence[Instruction],
    n: int,
    seed: int = 0,
    max_new_tokens: int = LONGEST,
) -> list[list[str]]:
    """Sample `n` answers to each problem at temperature 1; one that is cut off counts as empty, so it is wrong."""
    prompts = [encode_chat(tokenizer, problem.messages[:-1]) for problem in problems]
    drawn = draw(model.eval(), prompts, n, max_new_tokens, [tokenizer.end_id], seed)
    texts = [decode_answer(tokenizer, ids) if ids[-1] == tokenizer.end_id else "" for ids in drawn]
    return [texts[start : start + n] for start in range(0, len(texts), n)]


def sound(problem: Instruction, text: str) -> bool:
    """Whether an answer shows the right steps and ends in the right result, which a guess does not.

    >>> from minillm.world.instructions import Instructions
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> sound(task, "Gladly. " + task.worked), sound(task, task.reply)
    (True, False)
    """
    return bool(problem.worked) and text.endswith(problem.worked)


def pass_at(
    problems: Sequence[Instruction],
    texts: Sequence[Sequence[str]],
    ks: Sequence[int],
    check: Callable[[Instruction, str], bool] = Instruction.check,
) -> dict[int, float]:
    """pass@k for each k, as a mean over problems, from several answers to each that `check` accepts or rejects.

    >>> from minillm.world.instructions import Instructions
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> pass_at([task], [[task.reply, task.mistakes[0]]], [1, 2])
    {1: 0.5, 2: 1.0}
    """
    right = [[check(problem, text) for text in said] for problem, said in zip(problems, texts, strict=True)]
    return {k: fmean(pass_at_k(len(hits), sum(hits), k) for hits in right) for k in ks}


def conclusion(instruction: Instruction, text: str) -> tuple[str, ...]:
    """What an answer says in the end, whatever its wording, without a look at the right answer.

    >>> from minillm.world.instructions import Instructions
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> conclusion(task, task.reply) == conclusion(task, task.worked), conclusion(task, "Gladly.")
    (True, ())
    """
    named = instruction.key.vocabulary.read(final_answer(text))
    return tuple(named if instruction.key.ordered else sorted(set(named)))


def self_consistency(instruction: Instruction, texts: Sequence[str], k: int) -> float:
    """The share of votes among k answers that end right: of the first k, the next k, and so on.

    Raises `UserError` for k below 1 and for fewer than k answers.

    >>> from minillm.world.instructions import Instructions
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> right, wrong = task.reply, task.mistakes[0]
    >>> texts = [right, task.worked, wrong, wrong, right, wrong]
    >>> self_consistency(task, texts, 3), self_consistency(task, texts, 1)
    (0.5, 0.5)
    """
    if not 1 <= k <= len(texts):
        raise UserError(f"k is {k} for {len(texts)} answers; it must lie between 1 and {len(texts)}")
    groups = [texts[start : start + k] for start in range(0, len(texts) - k + 1, k)]
    chosen = [group[majority_vote([conclusion(instruction, text) for text in group])] for group in groups]
    return sum(map(instruction.check, chosen)) / len(groups)


def vote_at(problems: Sequence[Instruction], texts: Sequence[Sequence[str]], ks: Sequence[int]) -> dict[int, float]:
    """Accuracy of a majority vote among k answers for each k, as a mean over problems.

    >>> from minillm.world.instructions import Instructions
    >>> [task] = Instructions(0, families={"chain": 1}).instructions(1)
    >>> vote_at([task], [[task.reply, task.mistakes[0], task.worked]], [3])
    {3: 1.0}
    """
    pairs = list(zip(problems, texts, strict=True))
    return {k: fmean(self_consistency(problem, said, k) for problem, said in pairs) for k in ks}
