"""The machines of lesson 13's lab: times and memory by hand, known formulas, and schedules carried out with numbers."""

import random
import re
from itertools import pairwise
from pathlib import Path
from textwrap import dedent, indent

import pytest
from schedule_arithmetic import carried_out, expected

from minillm.course import machines
from minillm.course.machines import (
    KNOWN,
    Cluster,
    ScheduleError,
    all_gather,
    all_reduce,
    attempt,
    backward,
    board,
    forward,
    free,
    load,
    read,
    reduce_scatter,
    run,
    send_activation,
    send_gradient,
    step,
)
from minillm.errors import UserError

FAST = 1e12
NAMES = [pytest.param(name, id=name) for name in KNOWN]
JOBS = [Cluster(), Cluster(2, 4, 6, 0.5), Cluster(3, 6, 3, 2.0), Cluster(1, 2, 2)]


def programs(name, job):
    return [KNOWN[name](rank, job) for rank in range(job.machines)]


def test_one_layer_by_hand():
    """1 + 2 + 0.2; weights 1, optimizer 6, a gradient 1, and the layer's input and output, 0.5 each."""
    result = run([[load(0), read(0), forward(0, 0), backward(0, 0), step(0)]], Cluster(machines=1, layers=1, batches=1))
    assert (result.time, result.memory, result.busy, result.traffic) == (pytest.approx(3.2), 9.0, pytest.approx(1.0), 0)
    assert [(box.start, box.end) for box in result.computing[0]] == [(0, 1), (1, 3), (3, pytest.approx(3.2))]
    assert result.curve(0) == ([0.0, 1.0, 3.0, 3.2], [8.0, 9.0, 8.0, 7.0])


def test_a_pipeline_of_two_by_hand():
    """Two machines, one layer each, two micro-batches, bandwidth 1: a send takes 0.5.

    Forward: machine 0 from 0 to 1 and 1 to 2, arrives at 1.5 and 2.5; machine 1 from 1.5 to 2.5 and 2.5 to 3.5.
    Backward: machine 1 from 3.5 to 5.5 and 5.5 to 7.5, arrives at 6 and 8; machine 0 from 6 to 8 and 8 to 10, + 0.2.
    """
    job = Cluster(machines=2, layers=2, batches=2)
    result = run(programs("GPipe", job), job)
    assert result.time == pytest.approx(10.2)
    assert [(box.start, box.end) for box in result.computing[1]][:4] == [(1.5, 2.5), (2.5, 3.5), (3.5, 5.5), (5.5, 7.5)]
    assert [(box.start, box.end) for box in result.network[1]] == [(5.5, 6.0), (7.5, 8.0)]
    assert result.traffic == 4 * 0.5


def test_data_parallel_by_hand():
    """Two machines, two layers, two micro-batches: 6 of computing, then a ring of 2 x 1/2 per layer, and a step."""
    job = Cluster(machines=2, layers=2, batches=2, bandwidth=1.0)
    assert run(programs("data parallel", job), job).time == pytest.approx(6 + 2 + 0.2)
    # overlapped: layer 1 is ready at 4, summed until 5; layer 0 at 6, until 7, and layer 1's step runs meanwhile
    assert run(programs("data parallel, overlapped", job), job).time == pytest.approx(7.2)


@pytest.mark.parametrize("p", [2, 4])
@pytest.mark.parametrize("m", [1, 2, 8])
def test_without_a_network_gpipe_waits_as_its_paper_says(p, m):
    """Huang et al. 2019: a share (p - 1) / (m + p - 1) of the time; 1F1B takes as long (Narayanan et al. 2019)."""
    job = Cluster(machines=p, layers=p, batches=m, bandwidth=FAST)
    for name in ("GPipe", "1F1B"):
        assert run(programs(name, job), job).time == pytest.approx(3 * (m + p - 1) + 0.2)
    in_flight = run(programs("GPipe", job), job).memory - run(programs("1F1B", job), job).memory
    assert in_flight >= 0.5 * max(0, m - p)  # the first stage keeps m inputs, or as many as there are stages
    assert run(programs("naive pipeline", job), job).time == pytest.approx(3 * p * m + 0.2)


def test_memory_is_16_bytes_per_parameter_split_as_in_the_paper():
    """Rajbhandari et al. 2020, figure 1: per layer 2 + 2 + 12 bytes; 12, then 12 and 2, then all of it over p."""
    job = Cluster(machines=4, layers=1, batches=4, bandwidth=FAST)
    states = {"data parallel": 8, "ZeRO-1": 2 + 6 / 4}
    for name, state in states.items():
        assert run(programs(name, job), job).memory == pytest.approx(state + 2 * 0.5)


def test_a_slower_network_turns_the_ranking_round():
    jobs = Cluster(bandwidth=1.0), Cluster(bandwidth=0.25)
    fast, slow = ({name: run(programs(name, job), job).time for name in ("ZeRO-3", "GPipe")} for job in jobs)
    assert fast["ZeRO-3"] < fast["GPipe"]
    assert slow["ZeRO-3"] > slow["GPipe"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("job", JOBS, ids=str)
def test_a_known_schedule_computes_what_one_machine_computes(name, job):
    """Oracle: the same schedule carried out with numbers, in three orders of the machines."""
    each = programs(name, job)
    result = run(each, job)
    wanted = expected(job)
    for seed in range(3):
        held = carried_out(each, job, seed)
        assert {layer for weights in held for layer in weights} == set(range(job.layers))
        for weights in held:
            assert weights == pytest.approx({layer: wanted[layer] for layer in weights})
    work = 3 * job.layers * job.batches
    spent = sum(box.end - box.start for row in result.computing for box in row if box.kind != "step")
    assert spent == pytest.approx(work)
    assert result.time >= work / job.machines
    assert 0 < result.busy <= 1 + 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_properties_of_every_known_schedule(name):
    """A faster network never takes longer; memory never falls below 0, and ends at what is loaded."""
    job = Cluster()
    times = [run(programs(name, Cluster(bandwidth=speed)), Cluster(bandwidth=speed)).time for speed in (4, 1, 0.5, 0.1)]
    assert times == sorted(times)
    result = run(programs(name, job), job)
    for machine in range(job.machines):
        _, held = result.curve(machine)
        assert min(held) >= -1e-9
        boxes = sorted(result.computing[machine]), sorted(result.network[machine])
        assert all(a.end <= b.start + 1e-9 for row in boxes for a, b in pairwise(row))
    room = Cluster(memory=result.memory)
    assert run(programs(name, room), room).memory == result.memory
    tight = Cluster(memory=result.memory - 0.1)
    with pytest.raises(ScheduleError, match="out of memory: machine . holds"):
        run(programs(name, tight), tight)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_schedule_is_refused_or_right(name):
    """Take away, double or swap random instructions: what is accepted gives one machine's weights, by the numbers."""
    job, rng = Cluster(2, 4, 4), random.Random(7)
    original, accepted, refused = programs(name, job), 0, 0
    for _ in range(60):
        each = [list(program) for program in original]
        program = each[rng.choice([rank for rank in range(2) if each[rank]])]
        at = rng.randrange(len(program))
        match rng.choice(("remove", "double", "swap")):
            case "remove":
                del program[at]
            case "double":
                program.insert(rng.randrange(len(program) + 1), program[at])
            case "swap":
                other = rng.randrange(max(0, at - 3), min(len(program), at + 4))
                program[at], program[other] = program[other], program[at]
        try:
            run(each, job)
        except ScheduleError:
            refused += 1
            continue
        accepted += 1
        wanted = expected(job)
        for weights in carried_out(each, job):
            assert weights == pytest.approx({layer: wanted[layer] for layer in weights})
    assert refused > 15, (accepted, refused)


TWO = Cluster(machines=2, layers=2, batches=2)


def changed(name, rank, change, job=TWO):
    each = programs(name, job)
    each[rank] = change(each[rank])
    return each


def without(*instructions):
    return lambda program: [each for each in program if each not in instructions]


ERRORS = {
    "missing activation: machine 1, .*it isn't here, and nobody sends": changed(
        "GPipe", 0, without(send_activation(1, 0, to=1))
    ),
    "missing gradient: machine 0, .*the gradient from layer 1 for micro-batch 1 is missing": changed(
        "GPipe", 1, without(send_gradient(1, 1, to=0))
    ),
    "missing activation: machine 0, .*forward\\(0, 0\\): .*nobody sends or makes": changed(
        "GPipe", 0, without(read(0))
    ),
    "missing weights: .*never loaded": changed("GPipe", 0, without(load(0))),
    "missing weights: .*only a part of layer 0 is here; all_gather": changed("ZeRO-3", 0, without(all_gather(0))),
    "incomplete gradient: .*holds micro-batches \\[0\\], not all 2": changed(
        "data parallel", 0, without(all_reduce(0), all_reduce(1))
    ),
    "counted twice: .*holds micro-batches \\[0\\] twice": [KNOWN["data parallel"](0, TWO)] * 2,
    "never updated: machine 1 holds layer 0": changed("data parallel", 1, without(step(0))),
    "never updated: layer 0 is loaded nowhere": [[], []],
    "old weights: machine 0 ends with old weights in layer 1": [
        without(all_gather(1))(KNOWN["ZeRO-1"](rank, TWO)) for rank in range(2)
    ],
    "bad instruction: .*layer must be a whole number from 0 to 1": [[load(2)], []],
    "bad instruction: .*can't send to itself": [[send_activation(0, 0, to=0)], []],
    "bad instruction: machine 0 has no list, but NoneType. Does the function return": [None, []],
    "bad instruction: .*is a list inside a list": [[[load(0)]], []],
    "bad instruction: there are 1 programs for 2 machines": [[]],
    "bad instruction: .*free it first": [[load(0, split="all"), *[all_gather(0)] * 2]] * 2,
    "bad instruction: .*no part can go": [[load(0), free(0)], []],
    "bad instruction: .*before its step, its whole weights are here": [[load(0, split="optimizer"), all_gather(0)], []],
    "bad instruction: .*or all_reduce": changed("data parallel", 0, lambda p: [*p[:-4], reduce_scatter(0)]),
    "wrong order: machine 0, instruction 2, backward.0, 0.: the gradient from layer 1 .* later in this machine's own": [
        [load(0), read(0), backward(0, 0), forward(0, 0), load(1), forward(1, 0), backward(1, 0)],
        [],
    ],
    "wrong order: .*the input of layer 0 for micro-batch 0 comes later": [[load(0), forward(0, 0), read(0)], []],
    "missing gradient: .*no gradient of layer 0 here yet": [[load(0), all_reduce(0)], []],
    "deadlock: .*machines \\[1\\] don't join": changed("data parallel", 0, lambda p: [*p[:-2], all_reduce(0), *p[-2:]]),
    "missing activation: .*it went to machine 1": changed(
        "GPipe", 0, lambda p: [*without(send_activation(1, 0, to=1))(p)[:5], send_activation(0, 1, 1), *p[5:]]
    ),
}


@pytest.mark.parametrize("said", ERRORS)
def test_what_is_wrong_is_named(said):
    with pytest.raises(ScheduleError, match=said) as caught:
        run(ERRORS[said], TWO)
    assert caught.value.kind == said.partition(":")[0]


def test_machines_that_wait_for_each_other_are_a_deadlock():
    """Machine 1 wants to go backward before machine 0 has sent it anything, and machine 0 waits for the gradient."""
    first = [load(0), read(0), read(1), forward(0, 0), backward(0, 0), send_activation(1, 0, to=1)]
    second = [load(1), forward(1, 0), backward(1, 0), send_gradient(1, 0, to=0)]
    with pytest.raises(
        ScheduleError, match=r"deadlock: machine 0 waits in backward\(0, 0\) for .*; machine 1 waits in"
    ):
        run([first, second], TWO)


def test_sums_in_different_orders_are_a_deadlock():
    """As with NCCL: each network card does its first sum first, and they are not the same."""
    each = programs("data parallel", TWO)
    each[1][-4:-2] = reversed(each[1][-4:-2])
    with pytest.raises(ScheduleError, match="deadlock: machine 0 waits in all_reduce"):
        run(each, TWO)


PAGE = (Path(__file__).resolve().parents[3] / "notebooks/src/13_scaling_lab.py").read_text(encoding="utf-8")


def test_the_labs_solutions_score_as_it_says():
    """Run as a learner would: each is the middle of a schedule that the page begins and ends, or all of it."""
    page = {name: getattr(machines, name) for name in machines.__all__}
    text = "\n".join(line[2:] for line in PAGE.splitlines() if line.startswith("#"))
    first, second, third, whole = (dedent(each) for each in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    for definition in re.findall(r"^def (?:up|down)\(.*?\n\n", PAGE, flags=re.DOTALL | re.MULTILINE):
        exec(definition, page)
    start = "def schedule(rank):\n    program = [load(layer) for layer in stage(rank)]\n"
    end = "    return program + [step(layer) for layer in stage(rank)]\n"
    for code, name in ((first, "GPipe"), (second, "1F1B")):
        exec(start + indent(code, "    ") + end, page)
        assert run(page["schedule"]) == run(KNOWN[name])
    begun = re.search(r"^def zero\(rank\):\n.*?free\(layer\)\]\n", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert begun is not None
    exec(begun[0] + indent(third, "    ") + "    return program\n", page)
    assert (run(page["zero"]).time, run(page["zero"]).memory) == (pytest.approx(66.4), 25.25)
    exec(whole, page)
    assert str(run(page["frugal"], Cluster(memory=24))) == "time 50.0, memory 23.5, busy 97%, traffic 135.0"


def test_a_score_is_told_and_the_board_stars_what_nothing_beats():
    score = attempt(lambda rank: [load(0), step(0)])
    assert str(score).startswith("missing gradient: machine 0")
    assert score.result is None
    table = board({"mine": KNOWN["GPipe"], "none": lambda rank: []}).splitlines()
    starred = [line[2:28].strip() for line in table if line.startswith("*")]
    assert starred == ["ZeRO-3, fetched ahead", "ZeRO-3", "1F1B", "naive pipeline"]
    assert table[-1] == "> none: never updated: layer 0 is loaded nowhere"
    assert [line[:16] for line in board(memory=20).splitlines()[1:]] == ["* naive pipeline"]


def test_a_schedule_may_be_a_function():
    assert run(KNOWN["GPipe"]) == run(programs("GPipe", Cluster()))


@pytest.mark.parametrize("name", ["machines", "layers", "batches", "bandwidth", "memory"])
def test_a_cluster_of_nothing_is_refused(name):
    with pytest.raises(UserError, match=f"{name} is 0; it must be positive"):
        Cluster(**{name: 0})
