import pytest
import torch
from helpers import lively, small_config

from minillm.inference.generate import generate
from minillm.losses import token_log_probs
from minillm.model.transformer import Transformer
from minillm.posttraining import rollout as rollouts
from minillm.posttraining.lora import add_lora, merge_lora
from minillm.posttraining.rollout import roll_out, score_answers

PROMPTS = [[3, 14, 15, 9], [7], [21, 2, 2, 40, 5, 11, 30, 1], [8, 8], [7], [3, 14, 15, 9], [7]]  # some again
STOP = [4, 9, 17, 33, 41]  # so many that some answers end early


@pytest.mark.parametrize("prompts", [PROMPTS, [[1, 2], [3, 4]]])
def test_greedy_answers_are_those_of_generate(small_model, prompts):
    rollout = roll_out(small_model, prompts, 9, STOP, temperature=0)
    whole = generate(small_model, prompts, 9, temperature=0, stop=STOP)
    assert [prompt + answer for prompt, answer in zip(rollout.prompts, rollout.answers, strict=True)] == whole


def test_the_rectangle_holds_the_answers_and_padding(small_model):
    rollout = roll_out(small_model, PROMPTS, 9, STOP, seed=5)
    assert len({len(answer) for answer in rollout.answers}) > 1
    assert all(STOP.count(token) == 0 for answer in rollout.answers for token in answer[:-1])
    for row in range(len(PROMPTS)):
        assert rollout.ids[row][rollout.mask[row]].tolist() == rollout.answers[row]
    assert rollout.ids.shape[1] == max(map(len, rollout.answers))


def test_a_seed_repeats_and_another_differs(small_model):
    one, again, other = (roll_out(small_model, PROMPTS, 9, seed=seed).answers for seed in (1, 1, 2))
    assert one == again != other


def test_answers_are_drawn_from_the_models_own_distribution(small_model):
    """The first token of 4,000 answers to one prompt, counted, against the softmax of the logits."""
    answers = roll_out(small_model, [PROMPTS[0]] * 4000, 1, seed=0).answers
    seen = torch.tensor(answers).flatten().bincount(minlength=50) / 4000
    expected = small_model(torch.tensor([PROMPTS[0]]))[0, -1].softmax(-1)
    assert ((seen - expected).abs() < 5 * (expected * (1 - expected) / 4000).sqrt() + 1e-9).all()


def one_by_one(model, rollout):
    """log p and entropy of every token, each answer in a forward pass of its own, padded with 0."""
    found = []
    for prompt, answer in zip(rollout.prompts, rollout.answers, strict=True):
        logits = model(torch.tensor([prompt + answer]))[0, len(prompt) - 1 : -1]
        entropy = torch.distributions.Categorical(logits=logits).entropy()
        found.append(torch.stack((token_log_probs(logits, torch.tensor(answer)), entropy)))
    longest = max(part.shape[1] for part in found)
    return torch.stack([torch.nn.functional.pad(part, (0, longest - part.shape[1])) for part in found], dim=1)


@pytest.mark.parametrize("position", ["rotary", "learned", "sinusoidal", "alibi", "none"])
@pytest.mark.parametrize(("tokens", "logits"), [(1024, 2**24), (20, 200)])  # all at once, and some at a time
def test_log_probs_and_their_gradient_are_those_of_each_answer_alone(position, tokens, logits, monkeypatch):
    monkeypatch.setattr(rollouts, "TOKENS_AT_ONCE", tokens)
    monkeypatch.setattr(rollouts, "LOGITS_AT_ONCE", logits)
    sampler = lively(Transformer(small_config(position=position)))
    model = lively(Transformer(small_config(position=position)))  # of another than the one that drew them
    rollout = roll_out(sampler, PROMPTS, 9, STOP, seed=3)
    weights = torch.randn(2, *rollout.mask.shape)
    gradients = []
    for scores in (torch.stack(score_answers(model, rollout)), one_by_one(model, rollout)):
        gradients.append(torch.autograd.grad((weights * scores).sum(), [*model.parameters()]))
    torch.testing.assert_close(torch.stack(score_answers(model, rollout)), one_by_one(model, rollout))
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def test_some_rows_are_scored_as_among_all(small_model):
    rollout = roll_out(small_model, PROMPTS, 9, STOP, seed=5)
    for picked in ([1, 3], [2], [3, 0, 1]):
        some = rollout.rows(torch.tensor(picked))
        assert some.ids.shape[1] == max(map(len, some.answers))
        assert some.prompts == [PROMPTS[row] for row in picked]
        with torch.no_grad():
            of_all, of_some = score_answers(small_model, rollout)[0], score_answers(small_model, some)[0]
        torch.testing.assert_close(of_some, of_all[picked, : of_some.shape[1]], atol=1e-4, rtol=1e-4)


def test_a_head_with_corrections_scores_as_the_merged_one():
    corrected = add_lora(lively(Transformer(small_config(tie_embeddings=False))), rank=2, targets=["head"])
    rollout = roll_out(corrected, [[1, 2]], 3, seed=0)
    torch.nn.init.normal_(corrected.head.lora_B)
    log_probs, _ = score_answers(corrected, rollout)
    torch.testing.assert_close(score_answers(merge_lora(corrected), rollout)[0], log_probs, rtol=1e-4, atol=1e-4)


def test_what_leaves_no_answer_is_refused(small_model):
    with pytest.raises(ValueError, match="prompt 1 has 24 tokens and leaves no room for an answer in a context of 24"):
        roll_out(small_model, [[1], [1] * 24], 3)
    with pytest.raises(ValueError, match="0 prompts and answers of at most 3 tokens"):
        roll_out(small_model, [], 3)
    with pytest.raises(ValueError, match="2 prompts and answers of at most 0 tokens"):
        roll_out(small_model, [[1], [2]], 0)
    with pytest.raises(ValueError, match="the sequence is empty"):
        roll_out(small_model, [[1], []], 3)
