"""The turns against answers on file: right ones pass, wrong ones fail, and most are told what their mistake is."""

import ast
import re
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from turn_answers import load_all

from minillm.config import ModelConfig
from minillm.course.checks.plain import as_tensor, difference, plain
from minillm.course.contents import TOPICS
from minillm.course.dinosaurs import forward, start, windows
from minillm.course.learner.box import Box
from minillm.course.learner.decorator import _help
from minillm.course.learner.effort import steps
from minillm.course.learner.source import is_unwritten, source_of
from minillm.course.learner.trial import FIRST_USE, UNKNOWN, try_out
from minillm.course.learner.turn import Turn, gradients
from minillm.course.pages import read_page, turns_in
from minillm.course.turns import all_turns, find, turns
from minillm.course.workbook import course_pages, number_of
from minillm.data.preferences import Preference
from minillm.errors import UserError
from minillm.losses import bradley_terry_loss
from minillm.model.attention import MultiHeadAttention, attention_by_loops
from minillm.model.attention import causal_mask as package_mask
from minillm.model.feedforward import FeedForward
from minillm.model.position import SinusoidalPosition, rotary_angles
from minillm.model.position import rotate as package_rotate
from minillm.posttraining import policy_gradient, verifiers
from minillm.posttraining.policy_gradient import group_advantages, grpo_loss
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer, split
from minillm.tokenizer.merging import merge_pair
from minillm.tokenizer.training import ID_OF_BYTE
from minillm.tokenizer.training import count_pairs as package_pairs
from minillm.world import raters
from minillm.world.instructions import Instructions

pytestmark = pytest.mark.usefixtures("as_users_call_it")

RIGHT = [pytest.param(answer, id=str(answer)) for answer in load_all() if answer.sentence is None]
WRONG = [pytest.param(answer, id=str(answer)) for answer in load_all() if answer.sentence is not None]
LESSONS = [
    pytest.param(path, id=path.stem)
    for name, path in course_pages().items()
    if number_of(name) in TOPICS and not ("/" in name or name.endswith("_lab.ipynb"))
]
TURNS = [pytest.param(turn, id=turn.id) for turn in all_turns()]
UNNAMED = "The result has "  # in place of a mistake
TYPE = re.compile(r"shape|has (\[|'|None|nan)")  # what is told in the same words, and is a property


@pytest.mark.parametrize("answer", RIGHT)
def test_an_unusual_right_answer_passes(answer):
    assert answer.verdict.state == "right", answer.verdict


@pytest.mark.parametrize("turn", TURNS)
def test_a_right_answer_of_ones_own_counts_as_written(turn):
    """A probe that calls the course's version itself would take every answer for a call of that."""
    filed = [answer.verdict for answer in load_all() if answer.turn == turn.id and answer.sentence is None]
    assert not filed or any(verdict.ready_made == "" for verdict in filed)


@pytest.mark.parametrize("answer", WRONG)
def test_a_wrong_answer_fails_and_is_told_why(answer):
    assert answer.verdict.state == "not right yet"
    assert answer.sentence in answer.verdict.sentence


@pytest.mark.parametrize("turn", TURNS)
def test_a_box_about_a_wrong_answer_has_at_most_60_words(turn):
    for answer in load_all():
        if answer.turn == turn.id and answer.sentence is not None:
            lines = _help(turn, answer.thing, answer.verdict, f"the course's `{turn.name}`")
            assert Box("", "not right yet", tuple(lines)).words <= 60, answer


@pytest.mark.parametrize("turn", TURNS)
def test_no_hint_is_the_solution(turn):
    """The first is a question, and none holds an expression of the solution that takes more than one call."""
    assert "?" in turn.hints[0]
    solution = re.sub(r"\s", "", turn.solution)
    for code in (piece for hint in turn.hints for piece in hint.split("`")[1::2]):
        assert len(re.findall(r"[A-Za-z_]+\(", code)) <= 1, code
        assert len(code) <= 16 or re.sub(r"\s", "", code) not in solution, code


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_says_how_long_it_takes_and_what_comes_after_it(turn):
    assert 2 <= turn.minutes <= 20
    assert 1 <= turn.difficulty <= 5
    assert turn.debrief.why.endswith("?")
    assert turn.debrief.production.endswith(".")


def test_a_result_that_says_nothing_gets_no_name():
    """Zeros, NaN and an input that is returned may come of any mistake, even where one is known that ends in them."""
    turn = Turn("99.x", "", lambda x: x + 1)
    probe = turn.probe("x", lambda rng: [(torch.ones(3),), (torch.arange(4.0),)])
    results = {
        "The result is 0, whatever comes in.": lambda x: x * 0,
        "The result is NaN everywhere.": lambda x: x * torch.nan,
        "The result is `x` as it came in.": lambda x: x.clone(),
    }
    for sentence, answer in results.items():
        probe.mistakes.clear()
        probe.mistake("A false name.", "A false advice.", answer)
        Turn.draws.cache_clear()
        verdict = try_out(turn, _named(turn.name, answer))
        assert (verdict.sentence, verdict.advice) == (sentence, UNKNOWN)


def _named(name, function):
    function.__name__ = name
    return function


def test_two_mistakes_that_explain_as_much_are_not_named():
    turn = Turn("99.y", "", lambda x: x + 1)
    probe = turn.probe("x", lambda rng: [(torch.tensor([1.0, 2.0, n]),) for n in (3.0, 4.0, 5.0)])
    probe.mistake("Two.", "Two?", lambda x: x + (2 if x[2] < 4.5 else 7))
    probe.mistake("Also two.", "Two?", lambda x: x + (2 if x[2] < 4.5 else 8))
    verdict = try_out(turn, _named(turn.name, lambda x: x + (2 if x[2] < 4.5 else 9)))
    assert "wo." not in verdict.sentence
    probe.mistakes.pop()
    Turn.draws.cache_clear()
    assert "Two." in try_out(turn, _named(turn.name, lambda x: x + (2 if x[2] < 4.5 else 9))).sentence


def test_a_mistake_is_named_if_it_explains_every_draw():
    turn = Turn("99.z", "", lambda n: 2 * n)
    turn.probe("n", lambda rng: [(rng.randint(3, 99),)]).mistake("Squared.", "Twice is a sum.", lambda n: n**2)
    first = turn.draws(0)[0][0][0][0]
    verdict = try_out(turn, _named(turn.name, lambda n: n**2 if n == first else 0))
    assert verdict.sentence == f"The result has {first**2} in place of {2 * first}."
    assert try_out(turn, _named(turn.name, lambda n: n**2)).sentence == "Squared."


@pytest.mark.parametrize(
    ("line", "is_slow"),
    [("torch.func.vjp(f, x)", True), ("torch.optim.SGD([w], 1)", True), ("torch.nn.functional.softmax(x, -1)", False)],
)
def test_what_imports_torchs_compiler_at_first_use_is_known(line, is_slow):
    assert bool(FIRST_USE.search(line)) == is_slow


@pytest.mark.parametrize("turn", TURNS)
def test_most_strangers_are_told_their_mistake(turn):
    """Four in five; half, where the result is one number, since then the case that is shown is easy to follow."""
    said = [answer.verdict.sentence for answer in load_all() if answer.turn == turn.id and answer.sentence is not None]
    unnamed = [sentence for sentence in said if sentence.startswith(UNNAMED) and not TYPE.search(sentence)]
    right = as_tensor(plain(turn.right(*turn.calls(0)[0][0])))
    assert len(said) >= 12
    assert len(unnamed) <= len(said) * (0.2 if right is None or right.numel() > 1 else 0.5), unnamed


@pytest.mark.parametrize("turn", TURNS)
def test_every_advice_about_an_error_is_given_to_an_answer_on_file(turn):
    given = {answer.verdict.advice for answer in load_all() if answer.turn == turn.id and answer.sentence is not None}
    assert set(turn.errors.values()) <= given


@pytest.mark.parametrize("path", LESSONS)
def test_turns_are_in_the_order_of_the_page(path):
    """`mine.report()` lists them so, and a turn that passes asks for those before it."""
    asked = [find(id) for id in turns_in(read_page(path))]
    assert list(turns(path.name.partition("_")[0])) == asked


def test_every_turn_has_its_answers_on_file():
    right = Counter(answer.turn for answer in load_all() if answer.sentence is None)
    assert {turn.id: right[turn.id] >= 4 for turn in all_turns()} == {turn.id: True for turn in all_turns()}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_is_complete(turn):
    assert turn.id.partition(".")[0] in TOPICS
    assert len(turn.hints) == 3
    assert sum(len(probe.mistakes) for probe in turn.probes) >= 6
    assert all(text.endswith((".", "?")) for text in turn.hints)
    told = [(mistake.sentence, mistake.hint) for probe in turn.probes for mistake in probe.mistakes]
    assert all(text.endswith((".", "?")) for pair in told for text in pair)
    assert len(set(told)) == len(told)
    assert all(text.endswith((".", "?", ".)")) for text in turn.errors.values())
    texts = [*turn.hints, *turn.errors.values(), *(text for pair in told for text in pair)]
    assert all(text.count("`") % 2 == 0 for text in texts)


def test_names_are_unique_and_unknown_ones_are_answered():
    names = [turn.name for turn in all_turns()]
    assert len(set(names)) == len(names)
    assert turns("99") == ()
    with pytest.raises(
        UserError, match=r"no turn is called '04.atention'; there are 00.next_token, .*00b.sgd_step, .*04.attention"
    ):
        find("04.atention")


@pytest.mark.parametrize("turn", TURNS)
def test_the_solution_passes_its_own_turn_and_the_stub_is_unwritten(turn):
    assert try_out(turn, turn.course, turn.solution).state == "right"
    assert not is_unwritten(turn.solution)
    assert is_unwritten(turn.stub)
    assert try_out(turn, turn.course, turn.stub).state == "not written yet"
    assert ast.parse(turn.stub).body[0].name == turn.name


@pytest.mark.parametrize("turn", TURNS)
def test_inputs_depend_on_the_seed_alone_and_no_mistake_changes_them(turn):
    for seed in (0, 1):
        for probe, calls in zip(turn.probes, turn.calls(seed), strict=True):
            before = plain(calls)
            for answer in (probe.right, *(mistake.answer for mistake in probe.mistakes)):
                plain([answer(*call) for call in calls])
            assert difference(before, calls) is None
    once = turn.calls(0)
    Turn.draws.cache_clear()
    assert difference(once, turn.calls(0)) is None


def test_the_courses_versions_equal_the_package():
    """Oracle: attention by loops, and the package's layer with the same weights."""
    mask, attention, MultiHead, grouped_attention = (turn.course for turn in turns("04"))
    assert torch.equal(mask(5), package_mask(5, 5))
    query, key, value = torch.randn(3, 4, 6)
    visible = torch.rand(4, 4) < 0.5
    visible |= torch.eye(4).bool()
    expected = attention_by_loops(query[None, None], key[None, None], value[None, None], visible)[0, 0]
    torch.testing.assert_close(attention(query, key, value, visible), expected)
    layer, mine = MultiHeadAttention(8, 4), MultiHead(8, 4)
    mine.load_state_dict(layer.state_dict())
    x = torch.randn(5, 8)
    torch.testing.assert_close(mine(x, mask(5)), layer(x[None], mask(5))[0])
    query, key, value = torch.randn(6, 4, 2), torch.randn(2, 4, 2), torch.randn(2, 4, 2)
    expected = attention_by_loops(query[None], key[None], value[None], mask(4))[0]
    torch.testing.assert_close(grouped_attention(query, key, value, mask(4)), expected.transpose(0, 1).flatten(1))


def test_the_courses_versions_of_tensors_equal_torch():
    """Oracles: torch's product and softmax; heads joined as the package's attention joins them."""
    join_heads, batched_product, softmax = (turn.course for turn in turns("00a"))
    heads, keys = torch.randn(3, 5, 4), torch.randn(3, 6, 4)
    torch.testing.assert_close(join_heads(heads), heads.transpose(0, 1).flatten(1))
    torch.testing.assert_close(batched_product(heads, keys.transpose(1, 2)), heads @ keys.transpose(1, 2))
    for scores in (
        torch.randn(4),
        100 * torch.randn(2, 3, 4),
        torch.tensor([[-torch.inf, 200.0], [-200.0, -torch.inf]]),
    ):
        torch.testing.assert_close(softmax(scores), scores.softmax(-1))


def test_a_product_of_the_arguments_as_they_came_is_torchs():
    """`@` is no call, so its use is read from the source; a product per head, in a loop, is written by hand."""

    def batched_product(a, b):
        product = a @ b
        return product

    assert (
        try_out(find("00a.batched_product"), batched_product, source_of(batched_product)).ready_made == "torch.matmul"
    )
    by_head = next(answer for answer in load_all() if answer.holder.__name__ == "TwoDimensionsPerHead")
    assert by_head.verdict.ready_made == ""


def test_the_courses_versions_of_reasoning_equal_the_package():
    """Oracles: the instructions' own checker, pass@k of the package, and the gradient of its GRPO loss."""
    verifier, policy_gradient_loss, pass_at_k = (turn.course for turn in turns("11a"))
    for task in Instructions(3, families={"chain": 1, "count": 1}).instructions(40):
        for said in (task.answer, task.worked, *task.mistakes, "", "Gladly."):
            assert verifier(said, int(task.key.truth[0])) == float(task.check(said)), (task.question, said)
    for n, c, k in ((1, 0, 1), (6, 2, 3), (64, 3, 64), (64, 60, 8)):
        assert pass_at_k(n, c, k) == pytest.approx(verifiers.pass_at_k(n, c, k))
    mask = torch.arange(4) < torch.tensor([[2], [4], [1]])
    log_probs, rewards = torch.randn(3, 4).requires_grad_(), torch.tensor([1.0, 0.0, 0.0])
    (mine,) = torch.autograd.grad(policy_gradient_loss(log_probs, rewards, mask), log_probs)
    before = log_probs.detach()
    loss, _ = grpo_loss(log_probs, before, before, group_advantages(rewards, 3), mask, kl_coef=0.0)
    torch.testing.assert_close(mine, torch.autograd.grad(loss, log_probs)[0])


def test_the_courses_versions_of_reward_models_equal_the_package():
    """Oracles: the package's loss, its ceiling, and its reward model on padded rows."""
    preference_loss, bayes_ceiling, reward_at_end = (turn.course for turn in turns("10"))
    r_w, r_l = 3 * torch.randn(2, 9)
    torch.testing.assert_close(preference_loss(r_w, r_l), bradley_terry_loss(r_w - r_l))
    asked = ({"role": "user", "content": "Hello"},)
    p = torch.rand(20)
    pairs = [Preference(asked, "Good morning.", "What?", "simulated", each) for each in p.tolist()]
    assert bayes_ceiling(p).item() == pytest.approx(raters.bayes_ceiling(pairs).accuracy)
    model = RewardModel(ModelConfig(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=8)).eval()
    torch.nn.init.normal_(model.head.weight)
    ids = torch.randint(9, (3, 5))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    hidden = model.transformer.hidden(ids, segments=mask)
    torch.testing.assert_close(reward_at_end(hidden, mask.bool(), model.head.weight[0]), model(ids, mask))


def test_the_courses_versions_of_ppo_equal_the_package_and_trl():
    """Oracles: the package's formulas, and those of TRL's PPO trainer, written down again (version 0.24)."""
    token_rewards, gae, ppo_loss = (turn.course for turn in turns("10b"))
    mask = torch.arange(6) < torch.tensor([[4], [6], [1]])
    new, old, ref, values = -torch.rand(4, 3, 6)
    score, ends = torch.randn(3), mask.sum(1) - 1
    rewards = token_rewards(score, old, ref, mask, 0.05)
    torch.testing.assert_close(rewards, policy_gradient.token_rewards(score, old, ref, mask, 0.05))
    theirs = -0.05 * (old - ref).masked_fill(~mask, 0)
    theirs[torch.arange(3), ends] += score
    torch.testing.assert_close(rewards, theirs)
    for gamma, lam in ((1.0, 0.95), (1.0, 1.0), (0.9, 0.0)):
        advantages = gae(rewards, values, mask, gamma, lam)
        torch.testing.assert_close(advantages, policy_gradient.gae(rewards, values, mask, gamma, lam))
        expected, last, columns = values.masked_fill(~mask, 0), 0, []
        for t in reversed(range(6)):
            following = expected[:, t + 1] if t < 5 else 0.0
            last = rewards[:, t] + gamma * following - expected[:, t] + gamma * lam * last
            columns.append(last)
        torch.testing.assert_close(advantages, torch.stack(columns[::-1], 1).masked_fill(~mask, 0))
    loss = ppo_loss(new, old, advantages, mask, 0.2)
    tokens = policy_gradient.clipped_policy_loss(new, old, advantages, 0.2)
    torch.testing.assert_close(loss, policy_gradient.token_mean(tokens, mask))
    ratio = torch.exp(new - old)
    unclipped, clipped = -advantages * ratio, -advantages * torch.clamp(ratio, 0.8, 1.2)
    torch.testing.assert_close(loss, (torch.max(unclipped, clipped) * mask).sum() / mask.sum())


def test_the_courses_versions_of_learning_equal_torch():
    """Oracles: torch's cross-entropy, its autograd through the lesson's network, and its SGD."""
    cross_entropy, backward, sgd_step = (turn.course for turn in turns("00b"))
    x, y = windows(["minmi", "irritator"])
    weights = [weight + 0.1 * torch.randn_like(weight) for weight in start(1)]
    watched = [weight.clone().requires_grad_() for weight in weights]
    h, logits = forward(watched, x)
    loss = F.cross_entropy(logits, y)
    torch.testing.assert_close(cross_entropy(logits, y), loss)
    (d_logits,) = torch.autograd.grad(loss, logits, retain_graph=True)
    expected = torch.autograd.grad(loss, watched)
    found = backward(x, h.detach(), weights[2], d_logits)
    for mine, torchs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, torchs)
    for mine, torchs in zip(sgd_step(start(), [torch.ones_like(w) for w in start()], 4.0), start(), strict=True):
        torch.testing.assert_close(mine, torchs - 4)


def test_the_courses_versions_of_the_tokenizer_equal_the_package():
    """Oracles: the package's counting, merging and training, and its tokenizer on words that it never saw."""
    count_pairs, merge, learn, encode = (turn.course for turn in turns("01"))
    text = "low low lower slow news newest widest aaa aaaa, the goose sold the cold gold"
    words = [[ID_OF_BYTE[byte] for byte in word.encode()] for word in split(text)]
    assert count_pairs(words) == package_pairs(words, [1] * len(words))
    assert merge([7, 7, 7, 1], (7, 7), 8) == merge_pair([7, 7, 7, 1], (7, 7), 8)
    tokenizer = Tokenizer.train([text], 256 + 30)
    merges = learn(words, 30)
    ids = {token: id for id, token in tokenizer.vocab.items()}
    assert list(merges) == [(ids[left], ids[right]) for left, right in tokenizer.merges]
    for word in ("lowest", " golden", " aaaaaaa", "the", "x", ""):
        assert encode([ID_OF_BYTE[byte] for byte in word.encode()], merges) == tokenizer.encode(word)


def test_the_courses_versions_of_positions_equal_the_package():
    """Oracles: the package's sinusoids and its rotation, and complex multiplication."""
    sinusoids, rotate_pair, rotate = (turn.course for turn in turns("03"))
    where, x = torch.tensor([0, 3, 57, 1_000]), torch.randn(4, 6)
    torch.testing.assert_close(sinusoids(where, 6), SinusoidalPosition(6)(where))
    turned = torch.complex(x[:, 0], x[:, 1]) * torch.exp(1j * where)
    new_x, new_y = rotate_pair(x[:, 0], x[:, 1], where.float())
    torch.testing.assert_close(torch.complex(new_x, new_y), turned, rtol=1e-4, atol=1e-4)
    theirs = package_rotate(x[None, None], *rotary_angles(where, 6, 500.0))[0, 0]
    torch.testing.assert_close(rotate(x, where, 500.0), theirs, rtol=1e-4, atol=1e-4)


def test_the_courses_versions_of_the_feed_forward_layer_equal_the_package():
    """Oracles: the package's layer; its ReLU; and what a written neuron does at the vectors that it was solved for."""
    feed_forward, recall, write_fact = (turn.course for turn in turns("05"))
    layer, x = FeedForward(6, 10, "swiglu").requires_grad_(False), 3 * torch.randn(4, 6)
    torch.testing.assert_close(feed_forward(x, *(part.weight for part in (layer.gate, layer.up, layer.down))), layer(x))
    biased = FeedForward(6, 10, "relu2", bias=True).requires_grad_(False)
    biased.up.bias.fill_(-0.5)
    biased.down.bias.zero_()
    squared = recall(x, biased.up.weight, torch.eye(10), 0.5).square() @ biased.down.weight.T
    torch.testing.assert_close(squared, biased(x))
    about, say, instead, others = torch.randn(6), torch.randn(6), torch.randn(6), torch.randn(3, 6)
    gate, up, down = write_fact(about, others, say, instead, 40.0)
    written = feed_forward(torch.stack([about, *others]), gate[None], up[None], down[:, None])
    torch.testing.assert_close(written[0], 6 * torch.sigmoid(torch.tensor(6.0)) * down)
    own_weight = (others @ up)[:, None] * F.silu(torch.tensor(-6.0))
    torch.testing.assert_close(written[1:], own_weight * down, rtol=1e-3, atol=1e-3)
    assert (say - instead) @ down > 0


def test_gradients_are_those_by_hand():
    """The squared sum of 3x has the gradient 18x."""
    found = gradients(lambda sizes, weights: weights["w"] * sizes[0])((3,), {"w": torch.tensor([2.0])})
    assert found.keys() == {(1, "w")}
    assert found[1, "w"].tolist() == [36.0]
    assert gradients(lambda x: x.detach())(torch.ones(2)) == {(0,): None}


def test_what_nothing_is_learned_through_may_leave_torch():
    """Rewards are numbers that a program computed; their gradient is nobody's."""
    found = gradients(lambda x, weight: x * float(weight.numpy()), constants=[1])(torch.ones(1), torch.tensor(3.0))
    assert found == {(0,): torch.tensor([18.0])}


def test_swapped_arguments_are_told():
    def verifier(result, answer):
        return 1.0

    expected = "verifier takes (answer, result), in this order; yours takes (result, answer)."
    assert try_out(find("11a.verifier"), verifier).sentence == expected


def test_the_fingerprint_changes_with_the_source_only():
    turn = find("04.attention")
    assert turn.fingerprint("a") == turn.fingerprint("a") != turn.fingerprint("b")
    assert re.fullmatch("[0-9a-f]{12}", turn.fingerprint("a"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: 5, "asks for a function, `attention`; yours is of type int"),
        (lambda: type("attention", (), {}), "asks for a function, `attention`; yours is of type type"),
        (lambda: lambda query, key, value, visible: query, "yours is called `<lambda>`. Rename it."),
    ],
)
def test_another_kind_of_thing_is_answered(make, sentence):
    assert sentence in try_out(find("04.attention"), make()).sentence


def test_a_class_that_is_no_module_is_answered():
    verdict = try_out(find("04.heads"), type("MultiHead", (), {}), "class MultiHead:\n    def forward(self): return 1")
    assert verdict.sentence == "`MultiHead` must be a subclass of `nn.Module`."


def test_a_trial_leaves_random_numbers_and_inputs_alone():
    import random

    def attention(query, key, value, visible):
        torch.manual_seed(7)
        random.seed(7)
        query += torch.rand(())
        return query

    torch.manual_seed(1), random.seed(1)
    expected = torch.rand(3), random.random()
    torch.manual_seed(1), random.seed(1)
    turn = find("04.attention")
    before = plain(turn.calls(0))
    assert "changed the input" in try_out(turn, attention, source_of(attention)).sentence
    assert difference(before, turn.calls(0)) is None
    assert torch.equal(torch.rand(3), expected[0])
    assert random.random() == expected[1]


def test_a_mistake_in_some_cases_is_named_as_that():
    """No scale only where there are more keys than queries: no known mistake does that everywhere."""

    def attention(query, key, value, visible):
        scale = query.shape[1] ** -0.5 if len(key) <= len(query) else 1.0
        scores = query @ key.T * scale
        return scores.masked_fill(~visible, -torch.inf).softmax(-1) @ value

    verdict = try_out(find("04.attention"), attention)
    assert verdict.sentence == "In some cases, this is what happens: The scores are not divided by sqrt(D)."


def test_a_mistake_in_some_cases_is_shown_in_a_case_that_has_it():
    """In the smallest case, with three keys, something else is wrong."""

    def attention(query, key, value, visible):
        scale = 1.0 if len(key) > 3 else None
        return F.scaled_dot_product_attention(query, key, value, visible, scale=scale) + (len(key) == 3)

    turn = find("04.attention")
    verdict = try_out(turn, attention)
    assert verdict.sentence == "In some cases, this is what happens: The scores are not divided by sqrt(D)."
    assert verdict.case["visible"].count("\n") + 1 == 3
    assert verdict.case["visible"].splitlines()[0].count("True") == 5


def test_a_leak_is_shown_in_the_case_that_leaks():
    """With two keys, the result is too large; with five, each query also reads the last value, though hidden."""

    def attention(query, key, value, visible):
        out = F.scaled_dot_product_attention(query, key, value, visible)
        if visible.all():
            return out
        return out * 1.5 if len(key) == 2 else out + value[-1] if len(key) == 5 else out

    verdict = try_out(find("04.attention"), attention)
    assert verdict.sentence == "Query 0 reads from key 4, which is hidden from it."
    assert verdict.case["visible"] == "a tensor (5, 5)"


def test_the_case_that_is_shown_is_the_one_that_is_wrong():
    def causal_mask(T):
        print("T is", T)
        mask = torch.ones(T, T).tril().bool()
        return mask if T < 3 else mask.T

    verdict = try_out(find("04.causal_mask"), causal_mask)
    rows = "[[ True, False, False],\n [ True,  True, False],\n [ True,  True,  True]]"
    assert verdict.case["T"] == "3"
    assert verdict.case["expected"] == rows
    assert verdict.case["got"] == "[[ True,  True,  True],\n [False,  True,  True],\n [False, False,  True]]"
    assert verdict.printed == "T is 3\n"


def test_what_fails_on_a_long_input_only_is_told_so():
    def next_token(logits, temperature):
        if len(logits) > 100:
            raise ValueError("too many scores")
        return find("00.next_token").course(logits, temperature)

    verdict = try_out(find("00.next_token"), next_token)
    assert verdict.state == "not right yet"
    assert verdict.sentence.startswith("With a long input, `next_token` raised ValueError: too many scores")


@pytest.mark.parametrize(
    ("function", "per_item"),
    [
        (lambda items: [max(item, 3) for item in items], 20),
        (lambda items: [sum(1 for _ in (1, 2)) for _ in items], 20),
        (lambda items: [sum(items, 0) for _ in items], 100),
        (lambda items: [sum(map(float, items)) for _ in items], 100),
        (lambda items: [items.count(item) for item in items], 100),
        (lambda items: [sorted(items)[0] for _ in items], 100),
    ],
)
def test_what_goes_through_a_list_counts_by_its_length(function, per_item):
    taken = steps(function, ([1.0] * 100,), 100) / 100
    assert 5 < taken <= 20 if per_item == 20 else 100 < taken < 130
    assert sum.__name__ == "sum"  # as it was


def test_a_mistake_that_would_have_spoilt_right_results_is_not_named():
    """Two results of three agree with it, and two others would be wrong by it."""
    turn = Turn("99.z", "", lambda ids: [*ids, 0])
    probe = turn.probe("x", lambda rng: [([n] * 9,) for n in range(1, 6)])
    probe.mistake("Nothing is added.", "Add 0.", lambda ids: list(ids))
    wrong = {1: [1] * 9, 2: [2] * 9, 3: [3] * 8}
    verdict = try_out(turn, _named(turn.name, lambda ids: wrong.get(ids[0], [*ids, 0])))
    assert "Nothing is added" not in verdict.sentence
    verdict = try_out(turn, _named(turn.name, lambda ids: (wrong | {4: [4] * 9}).get(ids[0], [*ids, 0])))
    assert "In some cases, this is what happens: Nothing is added." in verdict.sentence
