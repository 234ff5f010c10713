"""Try a learner's function against the probes of a turn, in the learner's own process, and say what is wrong."""

import ast
import inspect
import re
import sys
import textwrap
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from io import StringIO
from types import FunctionType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from minillm.course.checks.asking import Call, Forbidden, Reply, describe_error, is_stub, watched_call
from minillm.course.checks.plain import RELATIVE, Refused, as_tensor, difference, plain
from minillm.course.checks.probe import DEFAULT_HINT, Answer, Failure, Probe
from minillm.course.checks.time_limit import WAITING
from minillm.course.learner.advice import advice_on, advice_on_fact
from minillm.course.learner.calling import SECONDS, Asked, Late, bound, same_random_numbers
from minillm.course.learner.case import inputs, shown
from minillm.course.learner.effort import starts_over
from minillm.course.learner.source import is_unwritten
from minillm.course.learner.turn import Turn, gradients

SEED = 0
LATE = f"has not finished after {SECONDS:.0f} seconds of computing, or {WAITING:.0f} of waiting."
UNKNOWN = "Print the steps inside your function: what it prints in this case is shown here."
STAY = "Stay with tensors, without `.detach()`, `.item()`, `.tolist()`, `torch.tensor(...)`, `no_grad` or numpy."
IN_PLACE = "modified by an inplace operation"  # torch, where a number that a gradient needs is gone
OVERWRITTEN = (
    "The result is right, but no model could learn through it: numbers that its gradient needs are overwritten.",
    "Make a new tensor, `x = x + ...`, in place of `x += ...`, `x[...] = ...` or `.add_(...)`.",
)
OVERWRITES = (
    "The result is right, but a later call changes it: it writes into what an earlier one returned.",
    "Make a new one in each call. It costs little, and the caller may still need the old one.",
)
# An optimizer's first step and the first gradient of torch.func import torch's compiler, which takes seconds.
FIRST_USE = re.compile(r"optim|\bfunc\b|\b(vjp|jvp|jacrev|jacfwd|hessian)\b")
IN_THE_LINE = ", in the line: "
NOTHING_RETURNED = "Does its last line begin with `return`? What `append`, `sort` and `print` return is None."
ONCE = "Compute what is the same for all items once, before the loop. The model's list has 49,152 of them."
MAX_PRINTED = 300  # characters of what a function prints
KINDS = {np.ndarray: "a numpy array", list: "a list", tuple: "a tuple"}
CONVERSIONS = {  # what was returned, and what is needed
    ("a numpy array", "a torch tensor"): "Write it in torch, or end with `torch.from_numpy(array)`.",
    ("a list", "a torch tensor"): "`torch.tensor` makes one of numbers, `torch.stack` or `torch.cat` of tensors.",
    ("a tuple", "a torch tensor"): "`torch.tensor` makes one of numbers, `torch.stack` or `torch.cat` of tensors.",
    ("a numpy array", "a number"): "`.item()` makes a number of it.",
}
PACKAGE = ("analysis", "data", "inference", "losses", "model", "posttraining", "tokenizer", "training", "world")


@dataclass(frozen=True)
class Verdict:
    """What a trial found; `case` is a small input with the expected and the given result, by name."""

    state: Literal["not written yet", "not right yet", "right"]
    sentence: str = ""  # what is wrong
    advice: str = ""  # how to mend exactly that; `UNKNOWN` if no mistake is named
    case: dict[str, str] = field(default_factory=dict)
    printed: str = ""  # what the function printed in this case
    line: str = ""  # of the function, which raised an error
    checks: int = 0  # the number of calls that a right answer passed
    ready_made: str = ""  # the full name of somebody else's function that does all of a right answer's work


UNWRITTEN = Verdict("not written yet")


def try_out(turn: Turn, thing: Any, source: str | None = None) -> Verdict:
    """Hold a function or class against a turn. Raises only `KeyboardInterrupt`.

    `source` tells an unwritten function from one that returns None. Nothing that the function does to its inputs, to
    the output or to the random numbers is seen outside.

    >>> from minillm.course.turns import find
    >>> print(try_out(find("04.causal_mask"), lambda T: torch.ones(T, T).bool()).sentence)
    This turn asks for `causal_mask`; yours is called `<lambda>`. Rename it.
    """
    if is_unwritten(source) if source is not None else is_stub(thing):
        return UNWRITTEN
    if source is not None and FIRST_USE.search(source):
        import torch._dynamo  # noqa: F401  (else within the time limit)
    with same_random_numbers(), bound(turn, thing):
        asked = Asked(_file_of(thing))
        try:
            if fault := _misfit(turn, thing, asked):
                return Verdict("not right yet", fault, "Keep the lines that the lesson gives; fill in the rest.")
            failure = _first_failure(turn, thing, asked)
            if failure is not None:
                return failure
            ready_made = _operator(turn, source) or _ready_made(turn, thing, asked)
            checks = sum(len(calls) for calls in turn.calls(SEED))
            return Verdict("right", checks=checks, ready_made=ready_made)
        except Late as late:
            advice = turn.advice(LATE) or "Does a loop never end?"
            return Verdict("not right yet", f"`{turn.name}` {LATE}", advice, inputs(turn, late.call))


def _operator(turn: Turn, source: str | None) -> str:
    """torch's product, if the arguments are handed to `@` as they came and the turn asks for just that; else empty."""
    if "@" not in turn.ready_made or source is None:
        return ""
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        match node:
            case ast.BinOp(left=ast.Name(id=left), op=ast.MatMult(), right=ast.Name(id=right)):
                if (left, right) == turn.parameters:
                    return "torch.matmul"
    return ""


def _ready_made(turn: Turn, thing: Any, asked: Asked) -> str:
    """The function of torch, of the package or of the course that does what the turn asks for; empty if none does."""
    package = [
        name for name in (f"minillm.{part}" for part in PACKAGE) if name in sys.modules and name not in turn.given
    ]
    names = (
        *(name for name in turn.ready_made if name != "@"),
        *package,
        "minillm.course.mine",
        f"{turn.course.__module__}.{turn.name}",
    )
    for calls in turn.calls(SEED):
        try:
            with asked.limit(calls[0]), redirect_stdout(StringIO()):
                watched_call(turn.answer(thing), plain(calls[0]), names)
        except Forbidden as name:
            return str(name)
        except Exception:  # right so far; whatever it is, the cells below will tell
            return ""
    return ""


def _misfit(turn: Turn, thing: Any, asked: Asked) -> str | None:
    """Why the probes cannot call this: another kind of thing, another name, other parameters."""
    wanted = "a class" if turn.is_module else "a function"
    if isinstance(thing, type) != turn.is_module or not callable(thing):
        return f"This turn asks for {wanted}, `{turn.name}`; yours is of type {type(thing).__name__}."
    if isinstance(thing, type) and not issubclass(thing, torch.nn.Module):
        return f"`{turn.name}` must be a subclass of `nn.Module`."
    name = getattr(thing, "__name__", None)
    if name != turn.name:
        return f"This turn asks for `{turn.name}`; yours is called `{name}`. Rename it."
    if turn.is_module and thing.forward is torch.nn.Module.forward:
        methods = [name for name, value in vars(thing).items() if isinstance(value, FunctionType)]
        return f"`{turn.name}` has no `forward`; it has {', '.join(f'`{name}`' for name in methods)}."
    function = thing.forward if turn.is_module else thing
    return _other_parameters(turn, function) or (_other_weights(turn, thing, asked) if turn.is_module else None)


def _other_parameters(turn: Turn, function: Any) -> str | None:
    given = inspect.signature(function)
    names = ("self", *turn.parameters) if turn.is_module else turn.parameters
    try:
        given.bind(*names)
    except TypeError:
        taken = ", ".join(given.parameters)
        where = "`forward`" if turn.is_module else f"`{turn.name}`"
        return f"{where} must take ({', '.join(names)}); yours takes ({taken})."
    if (order := list(given.parameters)[: len(names)]) != list(names) and sorted(order) == sorted(names):
        return f"{turn.name} takes ({', '.join(names)}), in this order; yours takes ({', '.join(order)})."
    return None


def _other_weights(turn: Turn, thing: Any, asked: Asked) -> str | None:
    """How a module's parameters differ from those of the course's version, by name and shape."""
    call = turn.calls(SEED)[0][0]
    sizes = call[0]

    def shapes(make: Any) -> dict[str, tuple[int, ...]]:
        return {name: tuple(tensor.shape) for name, tensor in make(*sizes).state_dict().items()}

    reply = asked(lambda *_: shapes(thing), call)
    made = f"{turn.name}({', '.join(map(str, sizes))})"
    if reply.trouble is not None:
        return f"`{made}` {reply.trouble}."
    given, wanted = reply.value, shapes(turn.course)
    for name in [*wanted, *given]:
        if name not in given:
            return f"`{made}` has no parameter `{name}`; it must have one of shape {wanted[name]}."
        if name not in wanted:
            return f"`{made}` has a parameter `{name}`; leave it out."
        if given[name] != wanted[name]:
            return f"`{made}` has the parameter `{name}` in shape {given[name]}; it must be {wanted[name]}."
    return None


def _first_failure(turn: Turn, thing: Any, asked: Asked) -> Verdict | None:
    answer = turn.answer(thing)
    for probe, draws in zip(turn.probes, turn.draws(SEED), strict=True):
        for calls in draws:
            verdict = _grade(turn, probe, answer, calls, asked, draws)
            if verdict is not None:
                return verdict
    calls = turn.draws(SEED)[0][0]
    constants = [turn.parameters.index(name) for name in turn.constants] if not turn.is_module else []
    probe = Probe("gradients", lambda rng: calls, gradients(turn.right, constants))
    failure = _grade_gradients(turn, probe, gradients(answer, constants), calls, asked)
    return failure or (_grade_effort(turn, answer, asked) if turn.long_call else None)


def _file_of(thing: Any) -> str | None:
    function = getattr(thing, "forward", None) if isinstance(thing, type) else thing
    return getattr(getattr(function, "__code__", None), "co_filename", None)


def _grade(
    turn: Turn, probe: Probe, answer: Answer, calls: list[Call], asked: Asked, draws: list[list[Call]]
) -> Verdict | None:
    """The verdict on these calls, None if all are right; a known mistake is named only if it explains all draws."""
    replies, returned = [], []
    for call in calls:
        replies.append(asked(answer, call, turn))
        returned.append(asked.returned)
    if verdict := _other_kind(turn, probe, calls, replies, [*map(type, returned)]):
        return verdict
    answered = ((draw, [asked(answer, call, turn) for call in draw]) for draw in draws)  # asked if a mistake fits
    failure = probe.grade(turn.name, calls, replies, answered)
    if failure is None:
        changed = [call for call, *pair in zip(calls, replies, returned, strict=True) if _has_changed(*pair)]
        return Verdict("not right yet", *OVERWRITES, inputs(turn, changed[0])) if changed else None
    troubles = [reply.trouble for reply in replies]
    if "is not written yet" in troubles:  # it raised NotImplementedError
        return UNWRITTEN
    verdict, call = _explain(turn, probe, calls, replies, failure)
    return replace(verdict, printed=_printed(answer, call, asked))


def _has_changed(reply: Reply, returned: Any) -> bool:
    """Whether what a call returned has changed since: a later call has written into it."""
    try:
        return difference(reply.value, plain(returned)) is not None
    except Refused:
        return True


def _other_kind(
    turn: Turn, probe: Probe, calls: list[Call], replies: list[Reply], returned: list[type]
) -> Verdict | None:
    """A result of another type than the cells below compute with; its numbers do not matter yet."""
    for call, reply, kind in zip(calls, replies, returned, strict=True):
        right = probe.right(*call)
        wanted = "a torch tensor" if type(right) is torch.Tensor else "a number" if type(right) is float else None
        given = KINDS.get(kind)
        if reply.trouble or wanted is None or given is None:
            continue
        shape = getattr(as_tensor(reply.value), "shape", None)
        if kind is not np.ndarray and shape != getattr(right, "shape", torch.Size()):
            continue  # the probe has more to say
        sentence = f"`{turn.name}` returns {given}; the cells below need {wanted}."
        case = inputs(turn, call) | {"got": shown(reply.value)}
        return Verdict("not right yet", sentence, CONVERSIONS[given, wanted], case)
    return None


def _explain(
    turn: Turn, probe: Probe, calls: list[Call], replies: list[Reply], failure: Failure
) -> tuple[Verdict, Call]:
    """The verdict on a failed probe, with the mistake, and the first call that shows it."""
    right = [probe.right(*call) for call in calls]
    index = next(index for index, call in enumerate(calls) if difference(call, failure.example) is None)
    case = inputs(turn, calls[index])
    if replies[index].trouble is None:
        case |= {"expected": shown(right[index]), "got": shown(replies[index].value)}
    how = difference(right[index], replies[index].value)
    if how and case.get("got", "").startswith("a tensor") and "shape" not in how:
        case["got"] += f"; it {how}"
    sentence, advice, line = failure.sentence, failure.hint, ""
    some_way = probe is not turn.probes[0] and "othing is returned" in sentence  # which says when
    if not some_way and all(reply == Reply() for reply in replies) and all(result is not None for result in right):
        sentence, advice = f"`{turn.name}` returned None.", NOTHING_RETURNED
    elif sentence.startswith(f"{turn.name} "):  # an error
        sentence = f"`{turn.name}`{sentence.removeprefix(turn.name)}"
        line = (trouble := replies[index].trouble or "").partition(IN_THE_LINE)[2]
        sentence = sentence.replace(f"{IN_THE_LINE}{line}", "")
        advice = advice_on(turn, trouble) if advice == DEFAULT_HINT else advice
    elif advice == DEFAULT_HINT:  # a fact, such as "is `value` as it came in", says enough
        advice = advice_on_fact(sentence) or (UNKNOWN if sentence.startswith("The result has ") else "")
    elif any(mistake.sentence in sentence for mistake in probe.mistakes) and (
        fact := _degenerate(turn, calls, right, replies)
    ):
        sentence, advice = fact, UNKNOWN
    verdict = Verdict("not right yet", sentence, advice, case, line=line)
    return verdict, calls[index]


def _degenerate(turn: Turn, calls: list[Call], right: list[Any], replies: list[Reply]) -> str | None:
    """What is true of results that say nothing about how they came about: many mistakes end in them."""
    tensors = [as_tensor(reply.value) for reply in replies]
    if any(tensor is not None and not tensor.numel() for tensor in tensors):
        return None  # of no numbers, everything is true
    if all(tensor is not None and tensor.isnan().all() for tensor in tensors):
        return "The result is NaN everywhere."
    never_0 = all(tensor is not None and tensor.any() for tensor in map(as_tensor, right))
    if never_0 and all(tensor is not None and tensor.is_floating_point() and not tensor.any() for tensor in tensors):
        return "The result is 0, whatever comes in."
    for index, name in enumerate(turn.parameters if not turn.is_module else ()):
        if all(index < len(call) and _is(call[index], reply.value) for call, reply in zip(calls, replies, strict=True)):
            return f"The result is `{name}` as it came in."
    return None


def _is(argument: Any, result: Any) -> bool:
    return type(argument) is type(result) is torch.Tensor and difference(argument, result) is None


def _grade_gradients(turn: Turn, probe: Probe, answer: Answer, calls: list[Call], asked: Asked) -> Verdict | None:
    """Whether a model could learn through it: every input and weight but `constants` gets the right gradient."""
    for call, wanted in ((call, probe.right(*call)) for call in calls):
        reply = asked(answer, call)
        if reply.trouble is not None:
            trouble, _, line = reply.trouble.partition(IN_THE_LINE)
            if IN_PLACE in trouble:
                return Verdict("not right yet", *OVERWRITTEN, line=line)
            return Verdict("not right yet", f"The result is right, but its gradient {trouble}.", STAY, line=line)
        for path, gradient in wanted.items():
            got = reply.value.get(path)
            name = _leaf_name(turn, path)
            if gradient is None or name in turn.constants or _same_gradient(gradient, got):
                continue
            sentence = f"The result is right, but no model could learn through it: `{name}` gets "
            sentence += "no gradient." if got is None else "a wrong gradient."
            case = inputs(turn, call) | {f"expected gradient of {name}": shown(gradient), "got": shown(got)}
            return Verdict("not right yet", sentence, turn.advice(sentence) or STAY, case)
    return None


def _same_gradient(right: Tensor, got: Any) -> bool:
    """Whether they differ by rounding at most: a gradient near 0 is a sum of others that are not."""
    if difference(right, got) is None:
        return True
    is_like = isinstance(got, Tensor) and got.shape == right.shape and right.numel() > 0
    return is_like and torch.allclose(got, right, rtol=0, atol=RELATIVE * float(right.abs().max()))


def _grade_effort(turn: Turn, answer: Answer, asked: Asked) -> Verdict | None:
    """Whether a long input comes out right, and whether the cells below, with longer ones, would ever end."""
    call = turn.long_call or ()
    given: list[Any] = []

    def noted(*arguments: Any) -> None:
        given.append(answer(*arguments))

    try:
        with asked.limit(call), redirect_stdout(StringIO()):
            again_and_again = starts_over(noted, plain(call))
    except Late:
        raise
    except Exception as error:  # of a function that was right so far
        trouble = describe_error(error, asked.file)
        sentence = f"With a long input, `{turn.name}` {trouble.partition(IN_THE_LINE)[0]}."
        return Verdict("not right yet", sentence, advice_on(turn, trouble))
    if how := difference(turn.probes[0].right(*call), plain(given[0])):
        return Verdict(
            "not right yet",
            f"With a long input, the result {how}.",
            "What is in it that the short ones lack? There are also larger numbers.",
        )
    if not again_and_again:
        return None
    again = f"The result is right, but `{turn.name}` goes through all of `{turn.parameters[0]}` again for each item."
    return Verdict("not right yet", *(turn.slow or (again, ONCE)))


def _leaf_name(turn: Turn, path: tuple) -> str:
    if not turn.is_module:
        return turn.parameters[path[0]]
    return str(path[1]) if path[0] == 1 else turn.parameters[path[0] - 2]


def _printed(answer: Answer, call: Call, asked: Asked) -> str:
    """What a function prints in the case that is shown, since its own call would run the course's version."""
    output = StringIO()

    def heard(*arguments: Any) -> Any:
        with redirect_stdout(output):
            return answer(*arguments)

    with suppress(Late):
        asked(heard, call)
    text = output.getvalue()
    return text if len(text) <= MAX_PRINTED else f"{text[:MAX_PRINTED]} ..."
