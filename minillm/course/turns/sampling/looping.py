"""07.generate: the autoregressive loop, which chooses a token, appends it, and repeats."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.sampling.cutting import top_p
from minillm.course.turns.sampling.drawing import sample


def generate(step, ids, n, temperature, p, seed, stop):
    """The ids of a text and of up to n more tokens; `stop` ends it."""
    ids = list(ids)
    rng = random.Random(seed)
    for _ in range(n):
        logits = top_p(step(ids), p)
        ids.append(sample(logits, temperature, rng.random()))
        if ids[-1] == stop:
            break
    return ids


class Model:
    """What the probes give as `step`: the logits depend on every token of the text, and no two of them are equal."""

    def __init__(self, name: str):
        self.name, self.V = name, int(re.findall(r"\d+", name)[0])

    def __call__(self, ids: Any) -> Tensor:
        if type(ids) not in (list, tuple):
            shape = f" of shape {tuple(ids.shape)}" if isinstance(ids, Tensor) else ""
            raise TypeError(f"`step` takes a list of ids, all of the text so far; it got a {type(ids).__name__}{shape}")
        if any(type(id) is not int for id in ids):
            kind = next(type(id).__name__ for id in ids if type(id) is not int)
            raise TypeError(f"`step` takes a list of ids; it got one with a {kind} in it")
        rng = random.Random(f"{self.name}/{list(ids)}")
        return torch.tensor([round(rng.gauss(0, 1.5), 1) + 0.01 * id for id in range(self.V)])


def _with_a_model(thing: Any) -> Answer:
    """A learner's loop as the probes call it: with the name of a model in its place."""

    def answer(name: str, ids: list[int], *rest: Any) -> Any:
        return thing(Model(name), ids, *rest)

    return answer


turn = Turn(
    "07.generate",
    "The loop",
    generate,
    minutes=7,
    difficulty=2,
    called=_with_a_model,
    hints=(
        "After each token, what does the model have to read: the prompt, the new token, or both?",
        "Copy `ids` and make one generator from the seed, both before the loop. Each round takes one number from it.",
        "In a round: `step` gives logits, `top_p` cuts them, `sample` chooses an id, and the id is appended. Leave the "
        "loop if it's `stop`; it stays in the text.",
    ),
    errors={
        "takes a list of ids": "Here a text is a plain list of ints: no tensor, no batch.",
        "changed the input": "`ids` is the caller's prompt. Begin with a copy: `list(ids)`.",
        "has not finished": "At most n tokens: does the loop count them?",
        r"'(Random|builtin_function_or_method)'": "`sample` needs a number, which `rng.random()` draws.",
        r"name '(rng|random|u|token|logits|model|new)' is not defined": "Make the generator before the loop: "
        "`rng = random.Random(seed)`, with `import random` above.",
        "invalid index|0-dim|Dimension|dimension|too many indices|scalar": "`step` returns the logits of the next "
        "token alone, with one axis: nothing to index.",
        "missing .* positional|unexpected keyword|takes .* positional": "`top_p(logits, p)` and `sample(logits, "
        "temperature, u)` take just these.",
    },
    debrief=Debrief(
        "Every engine has this loop, for many texts at a time, each with its own seed and stop tokens. Most divide by "
        "the temperature first and cut afterwards.",
        "If `step` computes the whole text each time, how many tokens does it read for n new ones?",
    ),
)


def _loop(
    step: str,
    ids: list[int],
    n: int,
    temperature: float,
    p: float,
    seed: int,
    stop: int,
    *,
    feed: Callable[[list[int], list[int]], list[int]] = lambda prompt, new: [*prompt, *new],
    numbers: Callable[[int, int], list[float]] = lambda seed, n: _numbers(seed, n),
    choose: Callable[[Tensor, float, float, float], int] = lambda logits, temperature, p, u: sample(
        top_p(logits, p), temperature, u
    ),
    rounds: Callable[[list[int], int], int] = lambda ids, n: n,
    ends: Callable[[int, list[int], int], bool] = lambda token, before, stop: token == stop,
    made: Callable[[list[int], list[int], int], list[int]] = lambda prompt, new, stop: [*prompt, *new],
) -> list[int]:
    """The loop with one thing done differently."""
    model, new = Model(step), []
    count = max(rounds(ids, n), 0)
    for u in numbers(seed, count):
        token = choose(model(feed(ids, new)), temperature, p, u)
        new.append(token)
        if ends(token, [*ids, *new[:-1]], stop):
            break
    return made(ids, new, stop)


def _numbers(seed: int, n: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.random() for _ in range(n)]


def _torchs(seed: int, n: int) -> list[float]:
    """What `torch.rand` gives after `torch.manual_seed`."""
    generator = torch.Generator().manual_seed(seed)
    return [float(torch.rand((), generator=generator)) for _ in range(n)]


def _numpys(seed: int, n: int) -> list[float]:
    """What numpy's generator gives."""
    return np.random.default_rng(seed).random(n).tolist()


def _with(**changed: Any) -> Answer:
    return lambda *call: _loop(*call, **changed)


NEVER = 99  # a token that no model has
MODELS = ("a model of 6 tokens", "another model of 5 tokens", "a third model of 7 tokens")


def _prompt(rng: random.Random, n: int) -> list[int]:
    return [rng.randrange(5) for _ in range(n)]


def _greedy(rng: random.Random) -> list[Call]:
    small: Call = (MODELS[0], [1, 2], 2, 0, 1.0, 0, NEVER)
    sizes = ((1, 3), (3, 6), (4, 8), (2, 7))
    return [small, *((rng.choice(MODELS), _prompt(rng, T), n, 0, 1.0, rng.randrange(99), NEVER) for T, n in sizes)]


def _drawn(rng: random.Random, settings: Sequence[tuple[float, float]] = ((1.0, 1.0),) * 4) -> list[Call]:
    """At random, for temperatures and p; the first call comes twice, so that one seed gives one text."""
    calls: list[Call] = []
    for T, (temperature, p) in enumerate(settings, 1):
        calls.append((rng.choice(MODELS), _prompt(rng, T), 8, temperature, p, rng.randrange(1, 99), NEVER))
    return [calls[0], *calls]


def _cut(rng: random.Random) -> list[Call]:
    return _drawn(rng, ((1.0, 0.7), (2.0, 0.8), (0.5, 0.9), (3.0, 0.6), (2.0, 1.0)))


def _stopped(rng: random.Random) -> list[Call]:
    """A token that ends the text: at once, later, never, or in the prompt alone; and nothing at all."""
    found: dict[str, Call] = {}
    while len(found) < 4:
        name, ids, seed, stop = rng.choice(MODELS), _prompt(rng, 3), rng.randrange(99), rng.randrange(5)
        call = (name, ids, 8, 1.0, 1.0, seed, stop)
        new = _loop(*call)[3:]
        kind = (
            "in the prompt" if stop in ids else "at once" if len(new) == 1 else "never" if stop not in new else "later"
        )
        if kind == "in the prompt" and ids[-1] != stop:
            continue
        found.setdefault(kind, call)
    at_once = (*found["at once"][:2], 4, *found["at once"][3:])
    return [at_once, found["later"], found["in the prompt"], found["never"], (MODELS[0], [3, 1], 0, 1.0, 1.0, 5, 2)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not a list of ids; or two texts of one seed."""
    for index, answer in enumerate(got):
        if type(answer) in (Tensor, tuple, str, dict):
            kind = {Tensor: "a tensor", tuple: "a tuple", str: "text", dict: "a dictionary"}[type(answer)]
            return f"That's {kind}, and a list of ids is asked for.", "Return the prompt's ids and the new ones.", index
        if type(answer) is list and any(type(item) is not int for item in answer):
            return "The items of the list aren't all ints.", "Append the id alone, as `sample` returns it.", index
        if type(answer) is int:
            return "That's a single id.", "Return the whole text, a list. Is `return` inside the loop?", index
    if len(calls) > 1 and difference(calls[0], calls[1]) is None and got[0] != got[1]:
        hint = "Every number must come from `random.Random(seed)`, made at the beginning of each call."
        return "Called twice with one seed, it writes two texts.", hint, 0
    return None


def _ints(right: Any, got: Any) -> str | None:
    if type(got) is not list:
        return f"is a {type(got).__name__.lower()}, and a list is asked for"
    other = next((type(item).__name__.lower() for item in got if type(item) is not int), None)
    return f"has a {other} in it, and ints are asked for" if other else None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Where the texts part."""
    for index, (call, due, gave) in enumerate(zip(calls, right, got, strict=True)):
        if due == gave or type(gave) is not list:
            continue
        T = len(call[1])
        if gave[:T] != call[1]:
            return "The result does not begin with the prompt.", "Return the prompt's ids and the new ones.", index
        if len(gave) > T + call[2]:
            return f"There are {len(gave) - T} new tokens, and n is {call[2]}.", "Count the rounds.", index
        if due[: len(gave)] == gave:
            return f"The text ends {len(due) - len(gave)} tokens too early.", "What ends the loop?", index
        if gave[: len(due)] == due:
            return "The text goes on after it should have ended.", "`stop` ends it, and stays in it.", index
        same = next((i for i, (a, b) in enumerate(zip(due, gave, strict=False)) if a != b), T)
        sentence = f"New token {same - T + 1} is the first that is wrong."
        hint = "`step` gets the whole text so far; each token takes one number of the generator."
        return sentence, hint, index
    return None


greedy = turn.probe("temperature 0", _greedy, _form, demand=_ints)
greedy.at_last = _nearly
greedy.mistake(
    "After the first round, `step` gets the new token alone.",
    "`step` needs the whole text so far. It may have a memory of its own, but the loop doesn't know.",
    _with(feed=lambda prompt, new: new[-1:] or prompt),
)
greedy.mistake(
    "`step` gets the prompt in each round, without the new tokens.",
    "Ask `step` in each round, and append each new token to the list that it gets.",
    _with(feed=lambda prompt, new: prompt),
)
greedy.mistake(
    "`step` gets the new tokens without the prompt.",
    "`step` needs the whole text so far: the prompt, then the new tokens.",
    _with(feed=lambda prompt, new: new or prompt),
)
greedy.mistake(
    "`step` gets the last two tokens only.",
    "It needs the whole text so far.",
    _with(feed=lambda prompt, new: [*prompt, *new][-2:]),
)
greedy.mistake(
    "Only the new tokens are returned.",
    "Return the prompt's ids and the new ones, in one list.",
    _with(made=lambda prompt, new, stop: new),
)
greedy.mistake(
    "The prompt alone is returned.",
    "Is each new token appended to the list that is returned?",
    lambda *call: list(call[1]),
)
greedy.mistake(
    "The text has n tokens in all, with the prompt.",
    "n counts the new tokens.",
    _with(rounds=lambda ids, n: n - len(ids)),
)
greedy.mistake("There is one token too few.", "`range(n)` has n rounds.", _with(rounds=lambda ids, n: n - 1))
greedy.mistake("There is one token too many.", "`range(n)` has n rounds.", _with(rounds=lambda ids, n: n + 1))
greedy.mistake(
    "Only one token is new.",
    "Is `return` inside the loop? It ends the function in the first round.",
    _with(rounds=lambda ids, n: min(n, 1)),
)
greedy.mistake(
    "Each new token is put in front.",
    "Text grows at its end: `append`.",
    _with(feed=lambda prompt, new: [*new[::-1], *prompt], made=lambda prompt, new, stop: [*new[::-1], *prompt]),
)

greedy.mistake(
    "At temperature 0, token 0 comes in every round.",
    "`top_p` takes the logits as they are, and `p`; `sample` takes `temperature`. Are the logits divided by 0 before "
    "the cut, or are the two swapped?",
    _with(choose=lambda logits, temperature, p, u: sample(top_p(logits / temperature, p), 1.0, u)),
)
greedy.mistake(
    "The temperature is 1, whatever the argument says.",
    "Hand `temperature` on to `sample`.",
    _with(choose=lambda logits, temperature, p, u: sample(top_p(logits, p), 1.0, u)),
)

drawn = turn.probe("at random", _drawn, _form, demand=_ints)
drawn.at_last = _nearly
drawn.mistake(
    "Each token is chosen with the same u.",
    "Is the generator made inside the loop? Then each round begins with its first number. Make it once, draw in each "
    "round.",
    _with(numbers=lambda seed, n: _numbers(seed, 1) * n),
)
drawn.mistake(
    "The random numbers are those of `torch.rand` after `torch.manual_seed`.",
    "They're as good, but give other texts. Here the numbers are those of `random.Random(seed)`.",
    _with(numbers=_torchs),
)
drawn.mistake(
    "The random numbers are those of numpy's `default_rng`.",
    "They're as good, but give other texts. Here the numbers are those of `random.Random(seed)`.",
    _with(numbers=_numpys),
)
drawn.mistake(
    "Two random numbers are used per token.",
    "Call `rng.random()` once in each round.",
    _with(numbers=lambda seed, n: _numbers(seed, 2 * n)[::2]),
)
drawn.mistake(
    "Two random numbers are used per token, and the second one counts.",
    "Call `rng.random()` once in each round.",
    _with(numbers=lambda seed, n: _numbers(seed, 2 * n)[1::2]),
)
drawn.mistake(
    "The likeliest token always comes.",
    "Give `sample` the temperature, and a number of the generator.",
    _with(choose=lambda logits, temperature, p, u: sample(logits, 0, u)),
)
drawn.mistake(
    "The seed is 0, whatever the argument says.",
    "`random.Random(seed)`.",
    _with(numbers=lambda seed, n: _numbers(0, n)),
)

drawn.mistake(
    "`sample` gets probabilities.",
    "It takes logits: softmax is taken inside it.",
    _with(choose=lambda logits, temperature, p, u: sample(top_p(logits, p).softmax(-1), temperature, u)),
)

cut = turn.probe("with a cut and a temperature", _cut, _form, demand=_ints)
cut.at_last = _nearly
cut.mistake(
    "The temperature comes first, then the cut.",
    "Most libraries do that. Here `top_p` gets the logits of `step` as they are, and `sample` the temperature.",
    _with(choose=lambda logits, temperature, p, u: sample(top_p(logits / (temperature or 1), p), 1.0, u)),
)
cut.mistake(
    "The temperature is used twice.",
    "`sample` divides by it already.",
    _with(choose=lambda logits, temperature, p, u: sample(top_p(logits, p) / (temperature or 1), temperature, u)),
)
cut.mistake(
    "Nothing is cut.",
    "Give the result of `top_p` to `sample`.",
    _with(choose=lambda logits, temperature, p, u: sample(logits, temperature, u)),
)
cut.mistake(
    "Above 0, the temperature is 1, whatever the argument says.",
    "Hand `temperature` on to `sample`.",
    _with(choose=lambda logits, temperature, p, u: sample(top_p(logits, p), 1.0 if temperature else 0, u)),
)
cut.mistake(
    "`p` and `temperature` are swapped.",
    "`top_p` takes `p`, `sample` takes `temperature`.",
    _with(choose=lambda logits, temperature, p, u: sample(top_p(logits, min(temperature, 1) or 1), p, u)),
)

stopped = turn.probe("a token that ends the text", _stopped, _form, demand=_ints)
stopped.at_last = _nearly
stopped.mistake(
    "`stop` doesn't end the text.",
    "Leave the loop after the token that equals it.",
    _with(ends=lambda token, before, stop: False),
)
stopped.mistake(
    "The text ends one token late.",
    "Look at the token that was just chosen, not at the one before it.",
    _with(ends=lambda token, before, stop: before[-1] == stop),
)
stopped.mistake(
    "The token that ends the text is left out.",
    "It belongs to the text: append it first, then leave the loop.",
    _with(made=lambda prompt, new, stop: [*prompt, *(new[:-1] if new[-1:] == [stop] else new)]),
)
stopped.mistake(
    "A `stop` in the prompt ends the text.",
    "Prompts may hold it. Compare the new token only.",
    lambda *call: list(call[1]) if call[-1] in call[1] else _loop(*call),
)
stopped.mistake(
    "A `stop` in the prompt ends the text after one token.",
    "Prompts may hold it. Compare the new token only.",
    _with(ends=lambda token, before, stop: stop in [*before, token]),
)
stopped.mistake(
    "With n = 0 there is a new token.",
    "Then the prompt comes back as it is.",
    _with(rounds=lambda ids, n: max(n, 1)),
)
