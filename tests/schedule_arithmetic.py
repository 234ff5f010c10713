"""Carry out a schedule with numbers: each layer is a tanh with one weight, and the loss is the sum of the outputs.

It knows nothing of time and memory, and visits the machines in an order of its own. A schedule that the course accepts
must leave every machine with the weights that one machine would get.
"""

import math
import random

from minillm.course.machines import Cluster, Instruction

RATE = 0.1


def start(job: Cluster) -> list[float]:
    return [0.5 + 0.1 * layer for layer in range(job.layers)]


def data(job: Cluster) -> list[float]:
    return [0.3 + 0.2 * batch for batch in range(job.batches)]


def expected(job: Cluster) -> list[float]:
    """The weights after one step of gradient descent on the whole batch, on one machine."""
    weights, gradient = start(job), [0.0] * job.layers
    for x in data(job):
        inputs = [x]
        for weight in weights:
            inputs.append(math.tanh(weight * inputs[-1]))
        above = 1.0
        for layer in reversed(range(job.layers)):
            inner = (1 - inputs[layer + 1] ** 2) * above
            gradient[layer] += inner * inputs[layer]
            above = inner * weights[layer]
    return [weight - RATE * each for weight, each in zip(weights, gradient, strict=True)]


def carried_out(programs: list[list[Instruction]], job: Cluster, seed: int = 0) -> list[dict[int, float]]:
    """The weights of each machine in the end: layer -> weight, where all of it is known to be there.

    A part of a layer that is split stands for all of its numbers: every machine's part is the same number.
    """
    rng, n = random.Random(seed), len(programs)
    at = [0] * n
    weight, x, dx, gradient, part, split, stale = ([{} for _ in range(n)] for _ in range(7))
    rounds: list[dict] = [{} for _ in range(n)]  # how many collectives of a kind a machine has joined
    posted: dict[tuple, dict[int, float]] = {}  # what each member gave to a collective
    members = {
        (name, layer): [r for r in range(n) if any(i.name == name and i.layer == layer for i in programs[r])]
        for name in ("all_reduce", "reduce_scatter", "all_gather")
        for layer in range(job.layers)
    }

    def advance(r: int) -> bool:
        name, layer, b, to, kind = programs[r][at[r]]
        if name == "load":
            weight[r][layer], split[r][layer] = start(job)[layer], kind
        elif name == "read":
            x[r][0, b] = data(job)[b]
        elif name == "forward":
            if (layer, b) not in x[r]:
                return False
            x[r][layer + 1, b] = math.tanh(weight[r][layer] * x[r][layer, b])
        elif name == "backward":
            top = layer == job.layers - 1
            if (layer, b) not in x[r] or (layer + 1, b) not in (x[r] if top else dx[r]):
                return False
            before, above = x[r].pop((layer, b)), 1.0 if top else dx[r].pop((layer + 1, b))
            inner = (1 - math.tanh(weight[r][layer] * before) ** 2) * above
            gradient[r][layer] = gradient[r].get(layer, 0.0) + inner * before
            dx[r][layer, b] = inner * weight[r][layer]
        elif name in ("send_activation", "send_gradient"):
            here, there = (x[r], x[to]) if name == "send_activation" else (dx[r], dx[to])
            if (layer, b) not in here:
                return False
            there[layer, b] = here.pop((layer, b))
        elif name in ("all_reduce", "reduce_scatter", "all_gather"):
            k = rounds[r].get((name, layer), 0)
            given = posted.setdefault((name, layer, k), {})
            if name == "all_gather":
                given[r] = 0.0
            elif r not in given:
                given[r] = gradient[r].pop(layer)
            if len(given) < len(members[name, layer]):
                return False
            total = sum(given.values())
            if name == "all_reduce":
                gradient[r][layer] = total
            elif name == "reduce_scatter":
                part[r][layer] = part[r].get(layer, 0.0) + total
            else:
                stale[r].pop(layer, None)
            rounds[r][name, layer] = k + 1
        elif name == "step":
            gave = part[r].pop(layer) if layer in part[r] else gradient[r].pop(layer)
            weight[r][layer] -= RATE * gave
            stale[r][layer] = split[r][layer] == "optimizer"
        at[r] += 1
        return True

    while True:
        ready = [r for r in range(n) if at[r] < len(programs[r])]
        rng.shuffle(ready)
        if not any([advance(r) for r in ready]):
            break
    assert all(at[r] == len(programs[r]) for r in range(n)), "stuck"
    assert not any(any(each.values()) for each in stale), "old weights"
    return weight
