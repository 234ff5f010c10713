"""A job in two processes: equal to one process, broken in two ways, and nothing is left when it fails or hangs."""

import pytest

from minillm.course import two_processes
from minillm.course.two_processes import JobError, changed, launch, launch_each, why_not
from minillm.errors import UserError

JOB = """
torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
x, y = torch.randn(12, 4), torch.randn(12, 2)
mine = range(12) if world_size == 1 else [range(9), range(9, 12)][rank]
loss = ((model(x[mine]) - y[mine]) ** 2).sum()
loss.backward()
for weight in model.parameters():
    if world_size > 1:
        dist.all_reduce(weight.grad)
    weight.data -= 0.01 * weight.grad / 12
print(f"{model.weight.sum().item():.6f}")
"""
needs_two = pytest.mark.skipif("two_processes.why_not()", reason="no two processes on this machine")


def test_one_process_needs_no_other():
    assert launch("print(rank + world_size, torch.get_default_dtype())", world_size=1) == ["1 torch.float64\n"]


@needs_two
def test_two_unequal_shards_take_the_step_of_one():
    (alone,) = launch(JOB, 1)
    jobs = {"together": JOB, "apart": changed(JOB, "dist.all_reduce(weight.grad)", "pass")}
    said = launch_each(jobs | {"twice": changed(JOB, "range(9, 12)]", "range(9)]")})
    assert said["together"] == [alone] * 2
    assert said["apart"][0] != said["apart"][1]
    assert said["twice"][0] == said["twice"][1] != alone


@needs_two
def test_a_failure_is_the_failing_ranks_last_line():
    with pytest.raises(JobError, match="rank 1: ZeroDivisionError: division by zero"):
        launch("rank and 1 / 0\nx = torch.ones(1)\ndist.all_reduce(x)")


def test_a_hanging_job_is_stopped_and_leaves_nothing_behind():
    with pytest.raises(JobError, match=r"after 2 s, ranks \[0\] still wait; does each rank call the same sums"):
        launch("import time; time.sleep(600)", 1, seconds=2)


def test_a_piece_must_be_there_once():
    with pytest.raises(UserError, match="'b' is 0 times in the program"):
        changed("a", "b", "c")


def test_a_machine_without_sums_is_told(monkeypatch):
    why_not.cache_clear()
    monkeypatch.setattr(two_processes, "PRELUDE", "raise RuntimeError('RuntimeError: no loopback')")
    assert "no loopback), so this part is left out" in why_not()
    why_not.cache_clear()
