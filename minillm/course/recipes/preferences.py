"""Recipes for the reward model and DPO, on simulated preferences."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from minillm.analysis.calibration import score_pairs
from minillm.course.recipes.prompts import LONGEST_ANSWER, PROMPT_STREAM
from minillm.data.chat import encode_chat
from minillm.data.preferences import Preference
from minillm.model.transformer import Transformer
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.recipes import OWN_DPO, OWN_REWARD, PairRecipe
from minillm.tokenizer import Tokenizer
from minillm.training.settings import TrainConfig
from minillm.world.holdout import Split
from minillm.world.instructions import Instruction, Instructions
from minillm.world.raters import Rater, candidates, simulate


@dataclass(frozen=True)
class WorldPairs(PairRecipe):
    """The settings of a training on pairs of answers, the batch, and how many pairs simulated raters compare."""

    pairs: int = 0
    pairs_per_instruction: int = 4
    answers_per_instruction: int | None = None  # that these pairs are drawn from; None: all candidates

    def preferences(
        self, model: Transformer, tokenizer: Tokenizer, seed: int, length_bias: float, own: bool
    ) -> tuple[list[Preference], list[Preference]]:
        """A simulated rater's preferences to learn from, and held-out ones; with `own` among the model's answers."""
        answers = functools.partial(own_answers, model, tokenizer, seed=seed) if own else None
        return world_preferences(self, Rater(length_bias=length_bias), seed, answers)

    def known_scores(self, margins: Sequence[float], preferences: Sequence[Preference]) -> dict[str, Any]:
        """How a reward model's margins compare with the Bayes ceiling, on the pairs whose probabilities are known."""
        known = [n for n, preference in enumerate(preferences) if preference.probability is not None]
        if not known:
            return {}
        score = score_pairs([margins[n] for n in known], [preferences[n] for n in known])
        simulated = {"n": score.n, "accuracy": score.accuracy, "expected_accuracy": score.expected}
        simulated |= {"ceiling": score.ceiling, "stderr": score.stderr, "calibration_error": score.calibration_error}
        return {"simulated": simulated}


REWARD = WorldPairs(**vars(OWN_REWARD), pairs=358_400, pairs_per_instruction=28, answers_per_instruction=8)
DPO = WorldPairs(**vars(OWN_DPO), pairs=12_800)
# A bad reward model on purpose, for reward hacking in lesson 10: a head alone, few pairs, and raters who mistake length
# for quality. They give 0.3 points per word, so twenty words outweigh a right answer.
WEAK_REWARD = WorldPairs(
    TrainConfig(steps=60, optimizer="muon", learning_rate=0.002, schedule="wsd", warmup_steps=5, final_fraction=0.0),
    batch_size=8,
    pairs=200,
)
LOVER_OF_LENGTH = Rater(length_bias=0.3, name="lover of length")

HELD_OUT_PAIRS, HELD_OUT_EACH = 1000, 4


def world_preferences(
    recipe: WorldPairs,
    rater: Rater,
    seed: int,
    own: Callable[[Sequence[Instruction]], Sequence[Sequence[str]]] | None = None,
) -> tuple[list[Preference], list[Preference]]:
    """A simulated rater's preferences among answers to training and to held-out instructions.

    The answers are the world's candidates, or several that `own` returns, to instructions that SFT has not seen.
    """
    parts, stream = [], seed if own is None else PROMPT_STREAM + seed
    sizes: dict[Split, int] = {"training": recipe.pairs, "held-out": HELD_OUT_PAIRS}
    for split, n in sizes.items():
        each = recipe.pairs_per_instruction if split == "training" else HELD_OUT_EACH
        asked = Instructions(stream, split).instructions(-(-n // each))
        said = None if own is None else dict(zip((each.prompt for each in asked), own(asked), strict=True))
        answers = candidates if said is None else lambda instruction, said=said: said[instruction.prompt]
        among = recipe.answers_per_instruction if split == "training" else None
        parts.append(simulate(asked, rater, seed, each, answers, among)[:n])
    return tuple(parts)


def own_answers(
    model: Transformer, tokenizer: Tokenizer, instructions: Sequence[Instruction], n: int = 4, seed: int = 0
) -> list[list[str]]:
    """What a chat model says to each instruction, `n` times at temperature 1.

    Preferences among a model's own answers teach it more than those among answers that it would never give.
    """
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in instructions]
    drawn = draw(model.eval(), prompts, n, LONGEST_ANSWER, [tokenizer.end_id], seed)
    texts = [tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.end_id else ids) for ids in drawn]
    return [texts[start : start + n] for start in range(0, len(texts), n)]
