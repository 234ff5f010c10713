"""Rejection sampling: sample several answers per problem, keep those that are right, and learn from these by SFT.

It moves the gain of sampling many answers into the model: STaR (Zelikman et al. 2022, section 3.1, without the hints)
and rejection sampling fine-tuning (Yuan et al. 2023, "Scaling relationship on learning mathematical reasoning"). Unlike
a policy gradient it learns from right answers only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from minillm.data.chat import Message, Prompt
from minillm.data.conversations import hold_out
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.posttraining.verifiers import Check, Verifier
from minillm.tokenizer import Tokenizer
from minillm.training.recipes import Job
from minillm.training.settings import TrainConfig


def verified_answers(
    model: Transformer,
    tokenizer: Tokenizer,
    checks: Sequence[tuple[Prompt, Check]],
    n: int,
    max_new_tokens: int,
    keep: int = 1,
    seed: int = 0,
    verify: bool = True,
) -> list[list[Message]]:
    """Sample `n` answers to each prompt; return conversations with the right ones, `keep` different ones at most.

    `checks` is what `Verifier` takes; a prompt that is a text becomes a user's message. The first that are right are
    kept, so the shares of short and long right answers are the model's own. `verify=False` keeps the first that have
    ended, right or wrong: a control. Raises `UserError` for `keep` below 1, and what `best_of_n.draw` refuses.
    """
    if keep < 1:
        raise UserError(f"keep is {keep}; keep at least 1 right answer per problem")
    verifier = Verifier(tokenizer, checks)
    prompts = verifier.prompts
    answers = draw(model.eval(), prompts, n, max_new_tokens, [tokenizer.end_id], seed)
    if verify:
        right = verifier([prompt for prompt in prompts for _ in range(n)], answers).bool().tolist()
    else:
        right = [answer[-1] == tokenizer.end_id for answer in answers]
    conversations: list[list[Message]] = []
    for number, prompt in enumerate(prompts):
        rows = range(number * n, (number + 1) * n)
        texts = dict.fromkeys(verifier.text(answers[row]) for row in rows if right[row])
        given = verifier.prompt(prompt)
        asked: list[Message] = [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
        conversations += [[*asked, {"role": "assistant", "content": text}] for text in list(texts)[:keep]]
    return conversations


@dataclass(frozen=True)
class RejectionRecipe:
    """The training settings, the batch, and how many answers to each problem are sampled and kept."""

    training: TrainConfig
    batch_size: int  # rows of several conversations
    answers: int  # sampled per problem
    keep: int = 1  # different right ones, at most
    max_new_tokens: int = 64  # of a sampled answer

    def prepare(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        checks: Sequence[tuple[Prompt, Check]],
        seed: int,
        teacher: Transformer | None = None,
        verify: bool = True,
    ) -> Job:
        """Sample, verify, and return the SFT job on the answers that are right, one tenth of them held out.

        With a `teacher` the model learns from the teacher's answers: distillation. `verify=False` is the control of
        `verified_answers`. Raises `UserError` where fewer than two answers are right, so that there is nothing to learn
        from.
        """
        kept = verified_answers(
            teacher or model, tokenizer, checks, self.answers, self.max_new_tokens, self.keep, seed, verify
        )
        if len(kept) < 2:
            raise UserError(
                f"{len(kept)} of {self.answers * len(checks)} sampled answers are right; take easier problems, "
                "or a model that solves some"
            )
        train, held_out = (encode_conversations(tokenizer, part) for part in hold_out(kept))
        shape = tokenizer.end_id, model.config.max_seq_len, self.batch_size, seed
        return Job(model, tokenizer, ChatData.from_examples(train, held_out, *shape), self.training, sft)
