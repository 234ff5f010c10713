"""The schedules that are known from the literature, as functions from a machine's number to its instructions."""

from collections.abc import Callable, Iterable

from minillm.course.machines.cluster import Cluster
from minillm.course.machines.instructions import (
    Instruction,
    all_gather,
    all_reduce,
    backward,
    forward,
    free,
    load,
    read,
    reduce_scatter,
    send_activation,
    send_gradient,
    step,
)

Program = list[Instruction]
JOB = Cluster()


def share(rank: int, job: Cluster = JOB) -> list[int]:
    """The micro-batches of a machine in data parallelism: every `machines`-th one."""
    return list(range(rank, job.batches, job.machines))


def stage(rank: int, job: Cluster = JOB) -> list[int]:
    """The layers of a machine in a pipeline: neighbors."""
    return list(range(rank * job.layers // job.machines, (rank + 1) * job.layers // job.machines))


def one_machine(rank: int, job: Cluster = JOB) -> Program:
    """Everything on machine 0, one micro-batch after the other; the others are idle."""
    if rank:
        return []
    layers = range(job.layers)
    program = [load(layer) for layer in layers]
    for batch in range(job.batches):
        program += [read(batch), *(forward(layer, batch) for layer in layers)]
        program += [backward(layer, batch) for layer in reversed(layers)]
    return program + [step(layer) for layer in layers]


def whole_batch(rank: int, job: Cluster = JOB) -> Program:
    """Everything on machine 0, all micro-batches at once through each layer."""
    if rank:
        return []
    layers, batches = range(job.layers), range(job.batches)
    program = [load(layer) for layer in layers] + [read(batch) for batch in batches]
    program += [forward(layer, batch) for layer in layers for batch in batches]
    program += [backward(layer, batch) for layer in reversed(layers) for batch in batches]
    return program + [step(layer) for layer in layers]


def data_parallel(rank: int, job: Cluster = JOB, overlap: bool = False) -> Program:
    """Every machine holds all layers and takes its share of the batch; gradients are summed at the end.

    With `overlap`, each layer's gradient is summed while the layers below it still run backward (Li et al. 2020).
    """
    layers = range(job.layers)
    program = [load(layer) for layer in layers]
    for batch in share(rank, job):
        last = batch + job.machines >= job.batches
        program += [read(batch), *(forward(layer, batch) for layer in layers)]
        for layer in reversed(layers):
            program += [backward(layer, batch)] + ([all_reduce(layer)] if overlap and last else [])
    program += [] if overlap else [all_reduce(layer) for layer in reversed(layers)]
    return program + [step(layer) for layer in reversed(layers)]


def overlapped(rank: int, job: Cluster = JOB) -> Program:
    """Data parallelism whose sums run beside the backward pass."""
    return data_parallel(rank, job, overlap=True)


def _zero_1_or_2(rank: int, job: Cluster, at_once: bool) -> Program:
    layers, mine = range(job.layers), share(rank, job)
    program = [load(layer, split="optimizer") for layer in layers]
    program += [read(batch) for batch in mine]
    program += [forward(layer, batch) for layer in layers for batch in mine]
    for layer in reversed(layers):
        program += [backward(layer, batch) for batch in mine] + ([reduce_scatter(layer)] if at_once else [])
    program += [] if at_once else [reduce_scatter(layer) for layer in reversed(layers)]
    program += [step(layer) for layer in reversed(layers)]
    return program + [all_gather(layer) for layer in reversed(layers)]


def zero_1(rank: int, job: Cluster = JOB) -> Program:
    """Data parallelism whose optimizer state is split over the machines (Rajbhandari et al. 2020)."""
    return _zero_1_or_2(rank, job, at_once=False)


def zero_2(rank: int, job: Cluster = JOB) -> Program:
    """Also the gradients are split: each layer's goes as soon as it is made."""
    return _zero_1_or_2(rank, job, at_once=True)


def zero_3(rank: int, job: Cluster = JOB, ahead: bool = False) -> Program:
    """Also the weights are split: fetched for each layer, used, forgotten. With `ahead`, fetched one layer early."""
    layers, mine = range(job.layers), share(rank, job)
    visits: list[tuple[Callable[[int, int], Instruction], int]] = [(forward, layer) for layer in layers]
    visits += [(backward, layer) for layer in reversed(layers)]
    program = [load(layer, split="all") for layer in layers] + [read(batch) for batch in mine]
    here: set[int] = set()

    def fetch(visit: int) -> Program:
        if visit >= len(visits) or visits[visit][1] in here:
            return []
        here.add(visits[visit][1])
        return [all_gather(visits[visit][1])]

    for visit, (direction, layer) in enumerate(visits):
        program += fetch(visit) + (fetch(visit + 1) if ahead else [])
        program += [direction(layer, batch) for batch in mine]
        again = ahead and visit + 1 < len(visits) and visits[visit + 1][1] == layer  # the top layer turns round
        if not again:
            program += [free(layer)]
            here.discard(layer)
        program += [reduce_scatter(layer)] if direction is backward else []
    return program + [step(layer) for layer in reversed(layers)]


def prefetched(rank: int, job: Cluster = JOB) -> Program:
    """ZeRO-3 that fetches the next layer while it computes this one."""
    return zero_3(rank, job, ahead=True)


def _stage_forward(rank: int, batch: int, job: Cluster) -> Program:
    layers = stage(rank, job)
    program = [read(batch)] if rank == 0 else []
    program += [forward(layer, batch) for layer in layers]
    return program + ([send_activation(layers[-1] + 1, batch, rank + 1)] if rank < job.machines - 1 else [])


def _stage_backward(rank: int, batch: int, job: Cluster) -> Program:
    layers = stage(rank, job)
    program = [backward(layer, batch) for layer in reversed(layers)]
    return program + ([send_gradient(layers[0], batch, rank - 1)] if rank else [])


def _pipeline(rank: int, order: Iterable[tuple[str, int]], job: Cluster) -> Program:
    program = [load(layer) for layer in stage(rank, job)]
    for direction, batch in order:
        program += (_stage_forward if direction == "forward" else _stage_backward)(rank, batch, job)
    return program + [step(layer) for layer in stage(rank, job)]


def naive_pipeline(rank: int, job: Cluster = JOB) -> Program:
    """Each machine holds some layers; a micro-batch goes up and down before the next one starts."""
    order = [(direction, batch) for batch in range(job.batches) for direction in ("forward", "backward")]
    return _pipeline(rank, order, job)


def gpipe(rank: int, job: Cluster = JOB) -> Program:
    """All micro-batches go up one behind the other, then all come down (Huang et al. 2019)."""
    order = [(direction, batch) for direction in ("forward", "backward") for batch in range(job.batches)]
    return _pipeline(rank, order, job)


def one_f_one_b(rank: int, job: Cluster = JOB) -> Program:
    """One forward, one backward, so that few micro-batches are on their way (1F1B; Narayanan et al. 2019)."""
    warm_up = min(job.batches, job.machines - 1 - rank)
    order = [("forward", batch) for batch in range(warm_up)]
    for batch in range(job.batches):
        order += [("forward", batch + warm_up)] if batch + warm_up < job.batches else []
        order += [("backward", batch)]
    return _pipeline(rank, order, job)


KNOWN: dict[str, Callable[[int, Cluster], Program]] = {
    "one machine, whole batch": whole_batch,
    "one machine": one_machine,
    "data parallel": data_parallel,
    "data parallel, overlapped": overlapped,
    "ZeRO-1": zero_1,
    "ZeRO-2": zero_2,
    "ZeRO-3": zero_3,
    "ZeRO-3, fetched ahead": prefetched,
    "naive pipeline": naive_pipeline,
    "GPipe": gpipe,
    "1F1B": one_f_one_b,
}
