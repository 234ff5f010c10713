# %% [markdown]
# # 13 lab · Many machines
#
# Weights, gradients and optimizer state of GPT-3 take 2,800 GB. A large GPU has 80. So a model of that size is trained
# on many machines, and somebody has to write down *what each of them does, and when*. That's a puzzle, and here you
# solve a small one: eight layers, eight micro-batches, four machines. Alone, one machine takes 193.6 units of time, and
# 69 of memory. How fast can four be, if each of them has room for 26?
#
# **Time**: 35 minutes, and as many as you like for the puzzles. **Before you start**: what a forward and a backward
# pass are (lesson 00b). Lesson 13 helps.
#
# At the end, two real processes on your computer train one model, and you break that in two ways.

# %%
from minillm.course import predict
from minillm.course.machines import (
    KNOWN,
    Cluster,
    all_gather,
    all_reduce,
    attempt,
    backward,
    board,
    forward,
    free,
    known,
    load,
    read,
    reduce_scatter,  # noqa: F401
    run,
    send_activation,
    send_gradient,
    share,
    stage,
    step,
    timeline,
)
from minillm.course.two_processes import changed, launch, launch_each, why_not
from minillm.viz.figures import lines, show

# %% [markdown]
# ## One machine, by hand
#
# A machine carries out a list of instructions. A forward pass of one layer on one micro-batch takes 1, a backward pass
# 2, the optimizer's step 0.2. In memory, a layer's weights are 1, its gradient 1, AdamW's state 6 (2, 2 and 12 bytes
# per parameter), and what a layer hands to the next one 0.5 per micro-batch. Add up the time and the largest memory of
# this list, and then run it:

# %%
one = Cluster(machines=1, layers=1, batches=1)
program = [load(0), read(0), forward(0, 0), backward(0, 0), step(0)]  # change this
print(attempt(lambda rank: program, one))

# %% [markdown]
# 1 + 2 + 0.2. The memory: 1 + 6 from the start, the layer's input and its output, and from the backward pass on a
# gradient. Now leave an instruction out, or swap two. The simulator says what's missing.
#
# Four machines need a few more instructions:
#
# | instruction | what it does |
# | --- | --- |
# | `load(layer)` | weights and optimizer state into memory; `split="all"`: only this machine's quarter of them |
# | `read(batch)` | the input of layer 0 |
# | `forward(layer, batch)`, `backward(layer, batch)` | wait until what they need is here |
# | `send_activation(layer, batch, to)` | the input of `layer` goes to another machine |
# | `send_gradient(layer, batch, to)` | so does the gradient that `backward(layer, batch)` made for the layer below |
# | `all_reduce(layer)` | sum the layer's gradient over all machines; everybody gets the sum |
# | `reduce_scatter(layer)` | the same, but everybody gets a quarter of the sum |
# | `all_gather(layer)`, `free(layer)` | fetch the other quarters of the weights; forget them |
# | `step(layer)` | update; needs the gradient of all eight micro-batches |
#
# Sending runs beside computing: a machine goes on with its list at once. A network card sends 1 unit of memory per unit
# of time, in the order of the list.

# %% [markdown]
# ## Your first schedule: a pipeline
#
# Give each machine two neighboring layers: `stage(rank)` is the list of them. What travels is small, 0.5 per
# micro-batch. Here's the obvious schedule. Each micro-batch goes up through all machines and down again, and then the
# next one starts:


# %%
def up(rank, batch):
    first, last = stage(rank)
    work = [read(batch)] if rank == 0 else []
    work += [forward(first, batch), forward(last, batch)]
    return work + ([send_activation(last + 1, batch, to=rank + 1)] if rank < 3 else [])


def down(rank, batch):
    first, last = stage(rank)
    work = [backward(last, batch), backward(first, batch)]
    return work + ([send_gradient(first, batch, to=rank - 1)] if rank > 0 else [])


def pipeline(rank):
    program = [load(layer) for layer in stage(rank)]
    for batch in range(8):
        program += up(rank, batch) + down(rank, batch)
    return program + [step(layer) for layer in stage(rank)]


# %%
naive = run(pipeline)
timeline(
    naive, f"One micro-batch at a time: computing {naive.busy:.0%} of the time"
).show()

# %% [markdown]
# Four machines, slower than one! At any moment, three of them wait. You can do better by changing the order only. Write
# a `mine` that fills the gray with the same calls of `up` and `down`.


# %%
def mine(rank):
    program = [load(layer) for layer in stage(rank)]
    for batch in range(8):  # change this
        program += up(rank, batch) + down(rank, batch)
    return program + [step(layer) for layer in stage(rank)]


print(attempt(mine))

# %% [markdown]
# <details><summary>One that works</summary>
#
# ```python
#     for batch in range(8):
#         program += up(rank, batch)
#     for batch in range(8):
#         program += down(rank, batch)
# ```
#
# That's [GPipe](https://arxiv.org/abs/1811.06965), 69.4. **1F1B**
# ([PipeDream](https://arxiv.org/abs/1806.03377)) sends `3 - rank` micro-batches up to begin with, and then takes turns:
# one up, one down.
#
# ```python
#     ahead = 3 - rank
#     for batch in range(ahead):
#         program += up(rank, batch)
#     for batch in range(8):
#         if batch + ahead < 8:
#             program += up(rank, batch + ahead)
#         program += down(rank, batch)
# ```
#
# </details>

# %%
saves = predict(
    "1F1B takes turns: one up, one down. Against GPipe, it saves ...",
    ["time", "memory", "both", "neither"],
)

# %%
gpipe, turns = known()["GPipe"], known()["1F1B"]
faster, smaller = turns.time < gpipe.time, turns.memory < gpipe.memory
won = [what for what, better in (("time", faster), ("memory", smaller)) if better]
saves.answer(won[0] if len(won) == 1 else "both" if won else "neither")
print("GPipe", gpipe)
print("1F1B ", turns)

# %%
timeline(turns, "1F1B: a finished micro-batch makes room for a new one").show()

# %% [markdown]
# With a network that costs nothing, both take exactly as long: a share of (p - 1) / (m + p - 1) of the time is lost,
# with p machines and m micro-batches. That's the *bubble*. Here the network costs something, and 1F1B waits for it at
# every turn.

# %% [markdown]
# ## Cut the batch, or cut everything
#
# In **data parallelism**, each machine holds all layers and takes two of the micro-batches, `share(rank)`. At the end,
# the gradients are summed. [ZeRO](https://arxiv.org/abs/1910.02054) starts there and removes what everybody holds
# twice: the optimizer state (stage 1), the gradients too (2), the weights too (3). With stage 3, a machine fetches a
# layer's weights, uses them, and forgets them. Here's the beginning of it; the gradients need a `reduce_scatter`.


# %%
def zero(rank):
    program = [load(layer, split="all") for layer in range(8)]
    program += [read(batch) for batch in share(rank)]
    for layer in range(8):
        program += [all_gather(layer)]
        program += [forward(layer, batch) for batch in share(rank)]
        program += [free(layer)]
    # change this: how do the layers come down?
    return program


print(attempt(zero))

# %% [markdown]
# <details><summary>One that works</summary>
#
# ```python
#     for layer in reversed(range(8)):
#         program += [all_gather(layer)]
#         program += [backward(layer, batch) for batch in share(rank)]
#         program += [free(layer), reduce_scatter(layer), step(layer)]
# ```
#
# The step waits for the sum. Do all eight steps at the end, from the top layer down, and it's a little faster: 66.0.
#
# </details>

# %%
print(board({"my pipeline": mine, "my ZeRO-3": zero}))

# %% [markdown]
# A star marks what nothing beats in both time and memory. *Overlapped* sums a layer's gradient while the layers below
# it still compute. *Fetched ahead* asks for the next layer's weights before it computes this one: put its `all_gather`
# one layer earlier. It solves the puzzle: 49.5, with 26.0 of memory. ZeRO-2 saves no memory against ZeRO-1 here: both
# have their peak at the top layer, when hardly any gradient is there.
#
# **The challenge**: only 24 of memory, and less than 60 of time. Nothing on the board can do that.

# %%
small = Cluster(memory=24)
print(attempt(zero, small))  # change this: your schedule
print(board(job=Cluster(), memory=24))

# %% [markdown]
# <details><summary>A hint</summary>
#
# What takes memory in ZeRO-3? Both micro-batches' activations. Let one go up and come down before the other starts. You
# pay in traffic: everything is fetched twice. Hide it by fetching ahead.
#
# </details>
#
# <details><summary>One that works</summary>
#
# ```python
# def frugal(rank):
#     program, visits, here = [load(layer, split="all") for layer in range(8)], [], set()
#     for batch in share(rank):
#         visits += [(forward, layer, batch) for layer in range(8)]
#         visits += [(backward, layer, batch) for layer in reversed(range(8))]
#     for at, (work, layer, batch) in enumerate(visits):
#         program += [read(batch)] if work is forward and layer == 0 else []
#         for _, wanted, _ in visits[at : at + 2]:  # this one, and the next one
#             program += [all_gather(wanted)] if wanted not in here else []
#             here.add(wanted)
#         program += [work(layer, batch)]
#         if at + 1 == len(visits) or visits[at + 1][1] != layer:
#             program += [free(layer)]
#             here.remove(layer)
#         program += [reduce_scatter(layer)] if work is backward else []
#     return program + [step(layer) for layer in reversed(range(8))]
# ```
#
# Time 50.0, memory 23.5. It sends 135, twice as much as ZeRO-3 with both micro-batches at once.
#
# </details>

# %% [markdown]
# ## 1. Which schedule is best?
#
# **Claim**. "ZeRO-3 beats a pipeline: it's faster, and it needs less memory."
#
# **Refuted if** the order turns round when the network or the number of micro-batches changes.
#
# **Method**. The simulator's times, with a network from 1/8 as fast to 4 times as fast, and with 8 or 32 micro-batches.
#
# **Controls**. ZeRO-3 fetched ahead: is it the amount that is sent, or the waiting for it? Data parallelism.

# %%
slower = predict(
    "The network gets four times slower. Which of the two is faster now?",
    ["ZeRO-3", "GPipe"],
)

# %%
SPEEDS = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4]
SHOWN = ["ZeRO-3", "ZeRO-3, fetched ahead", "GPipe", "data parallel, overlapped"]
times = {name: [] for name in SHOWN}
for speed in SPEEDS:
    results = known(Cluster(bandwidth=speed))
    for name in SHOWN:
        times[name].append(results[name].time)
quarter = {name: values[1] for name, values in times.items()}
slower.answer(min(("ZeRO-3", "GPipe"), key=quarter.get))
for name, values in times.items():
    print(f"{name:26}", *(f"{value:7.1f}" for value in values))

# %%
show(
    lines(
        times,
        "speed of the network (1: as above)",
        "time",
        x=SPEEDS,
        log_x=True,
        ylim=(0, 250),
    ),
    title="A fast network favors ZeRO-3, a slow one the pipeline",
    alt=f"Time over the speed of the network, {SPEEDS}: {times}",
)

# %%
for batches in (8, 32):
    for speed in (1, 1 / 4):
        job = Cluster(batches=batches, bandwidth=speed)
        print(f"{batches} micro-batches, network {speed}:", end=" ")
        told = {name: known(job)[name] for name in ("ZeRO-3", "GPipe", "1F1B")}
        print(
            *(f"{name} {r.time:.0f} ({r.memory:.0f})" for name, r in told.items()),
            sep=", ",
        )

# %% [markdown]
# **Result**. At our network's speed, ZeRO-3 takes 66 and GPipe 69. Four times slower, it's 120 and 78. Fetched ahead,
# ZeRO-3 takes 73 there and leads again, so most of what it lost was waiting. Eight times slower, that no longer helps:
# 140 and 104. With 32 micro-batches, the slow network turns the order round as well, but the gap shrinks from 53% to
# 19%: a layer's weights travel for eight micro-batches at once instead of two. Against 1F1B, the number of
# micro-batches alone turns it round there: 120 and 98 with 8, 264 and 314 with 32. As for memory, ZeRO-3 needs less
# than GPipe and more than 1F1B, both times: 25 against 22, and with 32 micro-batches 52 against 22.
#
# **Verdict**: false. Which schedule is fastest depends on the network and on the number of micro-batches, and the one
# with the least memory is a pipeline, 1F1B. That holds for the simulator, whose costs are round numbers. Real clusters
# show the same pattern: large runs keep what sends most inside a server, where the network is fast, and put pipelines
# between servers ([Narayanan et al. 2021](https://arxiv.org/abs/2104.04473)).

# %% [markdown]
# ## What can go wrong
#
# Three schedules with one mistake each. Read what the simulator says, and find the line in the schedule:

# %%
makers = {name: KNOWN[name] for name in ("data parallel", "GPipe", "ZeRO-1")}
lost = {"data parallel": all_reduce(3), "GPipe": send_gradient(4, 2, to=1)}
lost["ZeRO-1"] = all_gather(5)
for name, instruction in lost.items():

    def broken(rank, make=makers[name], gone=instruction):
        return [each for each in make(rank, Cluster()) if each != gone]

    print(f"{name} without {instruction}:\n    {attempt(broken)}")


# %%
def swapped(rank):
    sums = [all_reduce(1), all_reduce(0)] if rank else [all_reduce(0), all_reduce(1)]
    program = [load(0), load(1), read(rank), forward(0, rank), forward(1, rank)]
    return [*program, backward(1, rank), backward(0, rank), *sums, step(0), step(1)]


print(attempt(swapped, Cluster(machines=2, layers=2, batches=2)))

# %% [markdown]
# The last one is the nastiest in real jobs: everybody calls the right sums, in another order, and the job hangs without
# an error. Find it with 16,000 GPUs at 3 a.m.

# %% [markdown]
# ## 2. When do two processes take the step of one?
#
# **Claim**. "If all machines end with the same weights, the job was right."
#
# **Refuted if** two processes agree with each other to the last digit, and not with one process on the same data.
#
# **Method**. A real job: two processes of your computer share a batch of 12 rows, 9 for rank 0 and three for rank 1.
# After five steps, each prints the sum of its first weights. `dist.all_reduce` is PyTorch's.
#
# **Controls**. One process with all 12 rows. Then two sabotages: no sum, and rank 1 reads rank 0's rows.

# %%
JOB = """
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(8, 32), torch.nn.GELU(), torch.nn.Linear(32, 4))
x, y = torch.randn(12, 8), torch.randint(0, 4, (12,))
rows = [range(0, 9), range(9, 12)][rank] if world_size == 2 else range(12)

for _ in range(5):
    loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows], reduction="sum")
    model.zero_grad()
    loss.backward()
    count = torch.tensor(float(len(rows)))
    if world_size == 2:
        dist.all_reduce(count)
        for weight in model.parameters():
            dist.all_reduce(weight.grad)
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 0.1 * weight.grad / count
print(f"{model[0].weight.sum().item():.6f}")
"""
READ_TWICE = changed(JOB, "range(9, 12)]", "range(0, 9)]")
NO_SUM = changed(JOB, "            dist.all_reduce(weight.grad)", "            pass")

# %%
alike = predict(
    "Which sabotage leaves both ranks with the same weights?",
    ["no sum", "rows read twice", "both", "neither"],
)

# %% tags=["nbval-ignore-output"]
print(why_not() or "Two processes can share a sum here.")
ended = {}
if not why_not():
    ended = {"one process": launch(JOB, 1)}
    ended |= launch_each({"two": JOB, "no sum": NO_SUM, "rows read twice": READ_TWICE})
    same = [
        name for name in ("no sum", "rows read twice") if len(set(ended[name])) == 1
    ]
    alike.answer(same[0] if len(same) == 1 else "both" if same else "neither")
for name, said in ended.items():
    print(f"{name:16}", *(line.strip() for line in said))

# %% tags=["test"]
assert not ended or ended["two"] == ended["one process"] * 2
assert not ended or len(set(ended["no sum"])) == 2
assert not ended or ended["rows read twice"][0] == ended["rows read twice"][1]
assert not ended or ended["rows read twice"][0] != ended["one process"][0]

# %% [markdown]
# **Result**. With the sum, both ranks end with the weights of one process, in all six digits. Without it, they part.
# With rows read twice, both ranks agree with each other, and with nobody else: they trained on nine rows, twice, and
# never saw three.
#
# **Verdict**: false. Equal weights show that the gradients were summed. Whether the *right* ones were, only one process
# on the whole batch can tell. The simulator would have named it: *counted twice*. (This is one model and one batch. The
# sabotages are exact, so no seed changes which of them agree.)
#
# Now sabotage it yourself. One idea: `reduction="mean"`, with the mean of the two means as the gradient. Do the ranks
# agree? Are they right?

# %% tags=["nbval-ignore-output"]
idea = changed(JOB, 'reduction="sum"', 'reduction="mean"')  # change this
idea = changed(idea, "weight.grad / count", "weight.grad / world_size")
print(*launch(idea)) if ended else print("left out")

# %% [markdown]
# > **Where the picture simplifies.** Real layers also keep what is *inside* them for the backward pass, or compute it
# > again. Matrices can be cut as well (*tensor parallelism*): `up` by rows and `down` by columns, so each machine has a
# > part of the neurons and one sum makes it whole. Narayanan et al. use all three cuts for a trillion parameters: 8
# > GPUs per matrix x 64 stages x 6 shares of the batch = 3,072 GPUs. Networks have several speeds, machines aren't
# > equally fast, and some fail.

# %% [markdown]
# **What you wrote**: pipelines, and data parallelism without duplicates, each as a list per machine.
#
# **What you measured**: time against memory, a network that turns the order round, and two ways in which a job is wrong
# without an error.
#
# **Next**: [lesson 14](14_your_assistant.ipynb), an assistant of your own.
