"""The reasoning recipe: a model that mostly answers at once finds out that showing its steps pays.

The start is SFT on problems with exact checkers: first on worked answers alone, so that the model can carry out the
steps, then on a mixture in which one answer in eight shows them, so that it mostly answers at once. Then GRPO or
REINFORCE rewards right results only; a worked answer is right more often, so its share rises, and with it accuracy and
length, as in DeepSeek-R1 (DeepSeek-AI 2025, section 2.2). Nothing rewards the steps themselves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minillm.analysis.reasoning import solve
from minillm.course.recipes.chat import WorldSFT, problems
from minillm.course.recipes.prompts import PROMPT_STREAM, PROMPTS
from minillm.data.chat import Message
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.grpo import GRPOConfig
from minillm.posttraining.online import OnlineConfig, PromptData
from minillm.posttraining.recipes import OnlineRecipe
from minillm.posttraining.reinforce import REINFORCEConfig
from minillm.posttraining.rejection import RejectionRecipe
from minillm.posttraining.verifiers import Check, Verifier
from minillm.tokenizer import Tokenizer
from minillm.training.recipes import Job
from minillm.training.settings import TrainConfig
from minillm.world.instructions import Instruction

FAMILIES = {"chain": 4, "swaps": 2, "sum": 2, "count": 1}  # by weight; their answers can be verified
LONGEST_WORKED = 80  # tokens: room for a chain of seven moves, and a courtesy
MEASURED = 300  # held-out problems that are asked before and after
REJECTION_PROBLEMS = 400  # that rejection sampling answers

# Right among sampled answers to chains, one seed: after 300 updates on the mixture alone 12 % of the worked and 11 % of
# the direct ones; after 400 on worked answers and 100 on the mixture 21 and 3 %. (The two runs differ in length, too.)
REASONING = WorldSFT(
    TrainConfig(steps=500, optimizer="muon", learning_rate=0.008, schedule="wsd", warmup_steps=20, final_fraction=0.0),
    batch_size=8,
    instructions=10_000,
    families=FAMILIES,
    worked=0.12,
    worked_steps=400,
)
# One seed each, greedy answers to held-out problems: GRPO 15 -> 67 % right in 240 updates; REINFORCE 15 -> 72 % in 80,
# and 57 % at twice the learning rate.
REASONING_GRPO = GRPOConfig(
    steps=60, prompts_per_step=8, answers_per_prompt=8, max_new_tokens=LONGEST_WORKED, learning_rate=3e-4, kl_coef=0.0
)
REASONING_REINFORCE = REINFORCEConfig(
    steps=80, prompts_per_step=8, answers_per_prompt=8, max_new_tokens=LONGEST_WORKED, learning_rate=5e-4
)
REASONING_REJECTION = RejectionRecipe(
    TrainConfig(steps=60, optimizer="muon", learning_rate=0.002, schedule="wsd", warmup_steps=5, final_fraction=0.0),
    batch_size=8,
    answers=16,
    keep=2,
    max_new_tokens=LONGEST_WORKED,
)


def families_of(names: Sequence[str]) -> Mapping[str, int]:
    """The weights of the named families, or of all if none is named; raises `UserError` for an unknown one.

    >>> families_of(["chain", "sum"])
    {'chain': 4, 'sum': 2}
    """
    for name in names:
        if name not in FAMILIES:
            raise UserError(f"{name!r} is not a family with verifiable answers; use some of {', '.join(FAMILIES)}")
    return {name: weight for name, weight in FAMILIES.items() if not names or name in names}


def checks_of(instructions: Iterable[Instruction]) -> list[tuple[Sequence[Message], Check]]:
    """Each instruction's prompt and its exact checker, as `Verifier` takes them.

    >>> [(prompt, check)] = checks_of(problems({"sum": 1}, 1, seed=0))
    >>> prompt[-1]["role"], check("Gladly.")
    ('user', False)
    """
    return [(task.messages[:-1], task.check) for task in instructions]


def verified_job(
    method: Callable,
    config: OnlineConfig,
    model: Transformer,
    tokenizer: Tokenizer,
    families: Mapping[str, int],
    prompts: int,
    seed: int,
) -> Job:
    """GRPO or REINFORCE on problems that SFT has not seen, rewarded by the verifier alone."""
    longest = model.config.max_seq_len - config.max_new_tokens
    return Job(model, tokenizer, verified_prompts(tokenizer, families, prompts, seed, longest), config, method)


def verified_prompts(
    tokenizer: Tokenizer, families: Mapping[str, int], prompts: int, seed: int, longest: int
) -> PromptData:
    """Problems that SFT has not seen, none over `longest` tokens, with the verifier as their reward."""
    verifier = Verifier(tokenizer, checks_of(problems(families, prompts, PROMPT_STREAM + seed)))
    asked = [prompt for prompt in verifier.prompts if len(prompt) <= longest]
    return PromptData(asked, verifier, [tokenizer.end_id])


@dataclass(frozen=True)
class WorldProblems(OnlineRecipe):
    """GRPO on problems with exact checks, without a reward model."""

    prompts: int = PROMPTS
    families: str | None = None  # their names, separated by commas; None: all

    def data(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: None) -> PromptData:
        """Problems that SFT has not seen, and their checks."""
        return verified_prompts(tokenizer, self._families, self.prompts, seed, self.longest_prompt(model))

    def evaluation(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: None) -> "OnProblems":
        """How many held-out problems it solves."""
        asked = problems(self._families, MEASURED, seed, "held-out")
        return OnProblems(asked, list(self._families), tokenizer, seed, self.training.max_new_tokens)

    @property
    def _families(self) -> Mapping[str, int]:
        return families_of(self.families.split(",") if self.families else [])


@dataclass(frozen=True)
class OnProblems:
    """The `Evaluation` of a solver on held-out problems: accuracy and length, greedy and sampled."""

    asked: Sequence[Instruction]
    families: list[str]
    tokenizer: Tokenizer
    seed: int
    max_new_tokens: int

    def measure(self, model: Transformer) -> dict[str, dict[str, Any]]:
        """Ask the model once greedily and once at temperature 1."""
        return {
            name: asdict(solve(model, self.tokenizer, self.asked, temperature, self.seed, self.max_new_tokens))
            for name, temperature in {"greedy": 0.0, "sampled": 1.0}.items()
        }

    def compare(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        """Both measurements, and of what."""
        return {"families": self.families, "asked": len(self.asked), "before": before, "after": after}

    def sentence(self, result: dict[str, Any]) -> str:
        """The same for a person."""
        before, after = result["before"], result["after"]
        parts = [
            f"{kind} {before[kind]['accuracy']:.1%} -> {after[kind]['accuracy']:.1%} right, answers with steps "
            f"{before[kind]['worked']:.1%} -> {after[kind]['worked']:.1%}, tokens per answer "
            f"{before[kind]['tokens']:.1f} -> {after[kind]['tokens']:.1f}"
            for kind in ("greedy", "sampled")
        ]
        return f"On {result['asked']} held-out problems: {'; '.join(parts)} ({result['seconds']:.0f} s)."
