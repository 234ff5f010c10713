"""Answers to the turns of lesson 11a, written from its text alone; they are only scored."""

import math
import re

import numpy as np
import torch
from turn_answers import right, wrong


# wrong: It reads everything after the first "Answer:", not only what follows the last one.
@wrong("11a.verifier", "")
class AfterTheFirstMarker:
    def verifier(answer, result):
        final = answer.split("Answer:", 1)[-1]
        numbers = re.findall(r"\d+", final)
        return float({int(number) for number in numbers} == {result})


# wrong: An answer without "Answer:" gets 0.0, although then the whole answer counts.
@wrong("11a.verifier", "")
class InsistsOnTheMarker:
    def verifier(answer, result):
        if "Answer:" not in answer:
            return 0.0
        numbers = re.findall(r"\d+", answer.split("Answer:")[-1])
        return 1.0 if {int(number) for number in numbers} == {result} else 0.0


# wrong: It looks only at the first number of the final answer, so a second, different number goes unnoticed.
@wrong("11a.verifier", "")
class FirstNumberDecides:
    def verifier(answer, result):
        found = re.search(r"\d+", answer.split("Answer:")[-1])
        if found is None:
            return 0.0
        return 1.0 if int(found.group()) == result else 0.0


# wrong: The right number may appear only once, so a final answer that repeats it gets 0.0.
@wrong("11a.verifier", "")
class RefusesARepetition:
    def verifier(answer, result):
        final = answer.split("Answer:")[-1]
        numbers = [int(number) for number in re.findall(r"\d+", final)]
        return 1.0 if numbers == [result] else 0.0


# wrong: It reads the numbers of the whole answer, steps included, so an answer with steps gets 0.0.
@wrong("11a.verifier", "")
class ReadsTheSteps:
    def verifier(answer, result):
        numbers = set(map(int, re.findall(r"\d+", answer)))
        return float(numbers == {result})


# wrong: The final answer must be the bare number, so a sentence such as "The number is 20." gets 0.0.
@wrong("11a.verifier", "")
class NothingButTheNumber:
    def verifier(answer, result):
        final = answer.split("Answer:")[-1]
        return 1.0 if final.strip().rstrip(".") == str(result) else 0.0


@right("11a.verifier")
class BlanksOutWhatIsNoDigit:
    def verifier(answer, result):
        start = answer.rfind("Answer:")
        final = answer if start < 0 else answer[start + len("Answer:") :]
        named = "".join(sign if sign.isdecimal() else " " for sign in final).split()
        if not named:
            return 0.0
        return 1.0 if all(int(number) == result for number in named) else 0.0


@right("11a.verifier")
class OnePatternForTheWholeFinalAnswer:
    def verifier(answer, result):
        *_, final = re.split("Answer:", answer)
        pattern = rf"\D*0*{result}(\D+0*{result})*\D*"
        return 1.0 if re.fullmatch(pattern, final) else 0.0


# wrong: It is the plain, biased estimate, which puts every drawn answer back.
@wrong("11a.pass_at_k", "")
class PutsAnswersBack:
    def pass_at_k(n, c, k):
        return 1 - (1 - c / n) ** k


# wrong: It is the probability of exactly one right answer among k, not of at least one.
@wrong("11a.pass_at_k", "")
class ExactlyOneRight:
    def pass_at_k(n, c, k):
        return c * math.comb(n - c, k - 1) / math.comb(n, k)


# wrong: It counts the draws of right answers only, so this is the probability of at least one wrong answer.
@wrong("11a.pass_at_k", "")
class NotAllRight:
    def pass_at_k(n, c, k):
        return 1 - math.comb(c, k) / math.comb(n, k)


# wrong: It adds the chances of the k draws (and stops at 1), as if two of them could not both be right.
@wrong("11a.pass_at_k", "")
class AddsTheChances:
    def pass_at_k(n, c, k):
        return min(1.0, k * c / n)


# wrong: The product over n - c + 1 to n leaves out its last factor, since the end of a range is not included.
@wrong("11a.pass_at_k", "")
class ProductEndsOneEarly:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 1.0
        return 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n)))


# wrong: With fewer than k wrong answers it returns 0, although every draw then holds a right one.
@wrong("11a.pass_at_k", "")
class TooFewWrongIsZero:
    def pass_at_k(n, c, k):
        if n - c < k:
            return 0.0
        return 1 - math.comb(n - c, k) / math.comb(n, k)


@right("11a.pass_at_k")
class DrawsOneAfterTheOther:
    def pass_at_k(n, c, k):
        def at_least_one(left, draws):
            if draws == 0:
                return 0.0
            hit = c / left
            return 1.0 if hit == 1 else hit + (1 - hit) * at_least_one(left - 1, draws - 1)

        return at_least_one(n, k)


@right("11a.pass_at_k")
class AddsUpOneTwoThreeRight:
    def pass_at_k(n, c, k):
        ways = 0
        for hits in range(1, min(c, k) + 1):
            ways += math.comb(c, hits) * math.comb(n - c, k - hits)
        return ways / math.comb(n, k)


# wrong: Brackets are missing, so only the mean is divided by the standard deviation.
@wrong("11a.policy_gradient", "")
class DividesOnlyTheMean:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = rewards - rewards.mean() / (rewards.std() + 1e-6)
        per_answer = (log_probs * mask).sum(dim=1) / mask.sum(dim=1)
        return -(advantages * per_answer).mean()


# wrong: Nothing is added to the standard deviation, so a group of equal rewards gives 0 / 0.
@wrong("11a.policy_gradient", "")
class NothingAddedToTheSpread:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / rewards.std()
        per_answer = (log_probs * mask).sum(dim=1) / mask.sum(dim=1)
        return -(advantages * per_answer).mean()


# wrong: (B,) times (B, 1) makes a (B, B) table that multiplies every advantage with every answer.
@wrong("11a.policy_gradient", "")
class EveryAdvantageWithEveryAnswer:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        per_answer = (log_probs * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True)
        return -(advantages * per_answer).mean()


# wrong: The mean over tokens divides by T, padding included, so short answers count less.
@wrong("11a.policy_gradient", "")
class PaddingCountsAsTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        per_answer = (log_probs * mask).mean(dim=1)
        return -(advantages * per_answer).mean()


# wrong: It takes one mean over the tokens of all answers, so a long answer weighs more than a short one.
@wrong("11a.policy_gradient", "")
class OneMeanOverAllTokens:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        per_token = advantages[:, None] * log_probs
        return -per_token[mask].mean()


# wrong: It takes the sum over the answers instead of the mean, so the loss is B times too large.
@wrong("11a.policy_gradient", "")
class AddsUpTheAnswers:
    def policy_gradient_loss(log_probs, rewards, mask):
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        loss = 0.0
        for advantage, row, own in zip(advantages, log_probs, mask, strict=True):
            loss = loss - advantage * row[own].mean()
        return loss


@right("11a.policy_gradient")
class OneWeightPerToken:
    def policy_gradient_loss(log_probs, rewards, mask):
        apart = rewards - rewards.mean()
        spread = (apart.square().sum() / (len(rewards) - 1)).sqrt()
        advantages = apart / (spread + 1e-6)
        own = mask.to(log_probs.dtype)
        share = own / own.sum(dim=1, keepdim=True) / len(rewards)
        return torch.einsum("b,bt,bt->", -advantages, share, log_probs)


@right("11a.policy_gradient")
class AnswerByAnswer:
    def policy_gradient_loss(log_probs, rewards, mask):
        std, mean = torch.std_mean(rewards)
        terms = []
        for b in range(len(rewards)):
            own = torch.masked_select(log_probs[b], mask[b])
            terms.append((mean - rewards[b]) / (std + 1e-6) * own.mean())
        return torch.stack(terms).mean()
