"""The archive of answers: a tenth of it is judged again, and all answers to a check that has changed since."""

from collections import defaultdict

import archive
import pytest

pytestmark = pytest.mark.usefixtures("as_users_call_it")

SEED = "a tenth"
PROGRAMS = [pytest.param(path, id=path) for path in archive.programs()]


@pytest.mark.slow
@pytest.mark.parametrize("path", PROGRAMS)
def test_an_answer_is_told_what_it_was_told(path):
    pairs = [*archive.replay(path, archive.drawn(path, SEED)).values()]
    assert [now for then, now in pairs if now.rejected != then.rejected] == []
    changed = [pair for pair in pairs if pair[0].kinds != pair[1].kinds]
    assert len(changed) <= 1, changed  # an answer that draws at random is told this or that


def test_few_wrong_answers_to_a_turn_are_told_only_the_place():
    """One in five, or half of them where the result is a single number and there is little to say of it."""
    kinds = defaultdict(list)
    for path in archive.programs():
        for row in archive.kept(path):
            if row.rejected and not row.is_right:
                kinds[row.id].append("place" in row.kinds)
    assert all(sum(places) <= len(places) / 2 for places in kinds.values())
    assert sum(map(sum, kinds.values())) <= sum(map(len, kinds.values())) / 5


def test_a_program_without_change_is_drawn_in_part_and_a_changed_check_whole(monkeypatch):
    path = max(archive.programs(), key=lambda path: len(archive.kept(path)))
    there = archive.kept(path)
    monkeypatch.setattr(archive, "fingerprint", archive.stored()["checks"].get)
    assert archive.drawn(path, SEED) == archive.drawn(path, SEED) != archive.drawn(path, "another tenth")
    assert len(archive.drawn(path, SEED)) < len(there) / 4
    monkeypatch.setattr(archive, "fingerprint", lambda id: "another")
    assert archive.drawn(path, SEED) == {*range(len(there))}
