import pytest
import torch
from helpers import lively, small_config
from inference.test_native import reference, small_packed

from minillm.errors import UserError
from minillm.inference.generate import generate
from minillm.inference.native import NativeStep, unavailable
from minillm.losses import token_log_probs
from minillm.model.transformer import Transformer
from minillm.posttraining import rollout as rollouts
from minillm.posttraining.lora import add_lora, merge_lora
from minillm.posttraining.reward_model import RewardModel
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


@pytest.fixture
def _native():
    if reason := unavailable():
        pytest.skip(reason)


@pytest.mark.usefixtures("_native")
def test_answers_in_c_and_by_pytorch_are_the_same(monkeypatch):
    model, calls, real = small_packed("float32", qk_norm=True, max_seq_len=60), [], NativeStep.__call__
    monkeypatch.setattr(NativeStep, "__call__", lambda *inputs: calls.append(1) or real(*inputs))
    answers = {}
    for switch in "10":
        monkeypatch.setenv("MINILLM_NATIVE", switch)
        calls.clear()
        answers[switch] = roll_out(model.train(), PROMPTS * 9, 40, STOP, seed=5).answers
        assert model.training
        assert bool(calls) == (switch == "1")
    assert answers["1"] == answers["0"]
    assert len({len(answer) for answer in answers["1"]}) > 5


@pytest.mark.usefixtures("_native")
def test_vectors_without_gradients_come_from_c_and_are_the_same(monkeypatch):
    model, calls, real = small_packed("float32", qk_norm=True).train(), [], NativeStep.hidden
    monkeypatch.setattr(NativeStep, "hidden", lambda *inputs: calls.append(1) or real(*inputs))
    rollout = roll_out(model, PROMPTS, 9, STOP, seed=5)
    expected = rollouts.answer_hidden(model, rollout)
    assert not calls
    with torch.no_grad():
        torch.testing.assert_close(rollouts.answer_hidden(model, rollout), expected.detach(), rtol=1e-4, atol=1e-5)
        assert len(calls) == 2  # prompts, then answers
        with torch.autocast("cpu", torch.bfloat16):
            rollouts.answer_hidden(model, rollout)
    assert len(calls) == 2
    assert model.training


@pytest.mark.usefixtures("_native")
def test_a_model_without_a_head_has_vectors_in_c_and_no_logits():
    model = RewardModel(small_config(d_ff=64)).transformer.eval()
    step, ids = NativeStep(model), torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        torch.testing.assert_close(step.hidden(ids, model.new_cache()), model.hidden(ids), rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match="no language head"):
        step(ids, model.new_cache())


@pytest.mark.usefixtures("_native")
def test_frequencies_of_answers_drawn_in_c_are_the_exact_probabilities():
    """The second token of 20,000 answers, in chi-square's 99.9 % interval around its degrees of freedom.

    Exact: p(second) = sum over the first of p(first) p(second | first), by the readable model in float64.
    """
    n, model = 20_000, small_packed("float32", qk_norm=True)
    exact = reference(model)
    with torch.no_grad():
        first = exact(torch.tensor([PROMPTS[0]]))[0, -1].softmax(0)
        both = torch.tensor([[*PROMPTS[0], token] for token in range(50)])
        second = first @ exact(both)[:, -1].softmax(1)
    answers = torch.tensor(roll_out(model, [PROMPTS[0]] * n, 2, seed=0).answers)
    for drawn, expected in ((answers[:, 0], first), (answers[:, 1], second)):
        rare = expected * n < 5  # their counts are added up, as chi-square wants at least 5 expected
        counts, means = drawn.bincount(minlength=50).double(), expected * n
        counts = torch.cat((counts[~rare], counts[rare].sum()[None]))
        means = torch.cat((means[~rare], means[rare].sum()[None]))
        freedom = int((means > 0).sum()) - 1
        chi_square = ((counts - means) ** 2 / means.clamp(min=1e-9)).sum()
        assert abs(chi_square - freedom) < 3.3 * (2 * freedom) ** 0.5 + 5


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
