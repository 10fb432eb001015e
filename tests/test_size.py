"""How large a lab is, and what a quorum of its managers is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from swarmlab import labels
from swarmlab.cluster import lifecycle
from swarmlab.errors import UsageError
from swarmlab.size import Size, majority, spare


@pytest.mark.parametrize(
    ("managers", "needed", "may_go"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)],
)
def test_the_arithmetic_of_a_quorum(managers: int, needed: int, may_go: int) -> None:
    assert majority(managers) == needed
    assert spare(managers) == may_go


@pytest.mark.parametrize("count", [-1, 0, 2, 4, 6, 8, 9, 100])
def test_numbers_of_managers_that_make_no_sense(count: int) -> None:
    with pytest.raises(UsageError, match=f"{count} managers") as caught:
        lifecycle.up(managers=count)
    assert "odd" in caught.value.hint


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (2, "Of 2 managers 2 must agree, so 0 may be lost: no more than of 1"),
        (4, "Of 4 managers 3 must agree, so 1 may be lost: no more than of 3"),
        (6, "Of 6 managers 4 must agree, so 2 may be lost: no more than of 5"),
    ],
)
def test_an_even_number_is_refused_with_its_arithmetic(count: int, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Size.wanted(count, 2)
    assert words in caught.value.hint
    assert f"Use {count - 1} or {count + 1}" in caught.value.hint


@pytest.mark.parametrize("count", [-1, 8])
def test_numbers_of_workers_that_make_no_sense(count: int) -> None:
    with pytest.raises(UsageError, match=f"{count} workers"):
        lifecycle.up(workers=count)


def test_names_count_on_and_managers_come_first() -> None:
    size = Size(3, 2)
    assert size.names == ("swarm-1", "swarm-2", "swarm-3", "swarm-4", "swarm-5")
    assert size.manager_names == ("swarm-1", "swarm-2", "swarm-3")
    assert [size.role(name) for name in size.names[2:4]] == ["manager", "worker"]
    assert size.count == 5


def test_a_size_is_found_again_by_its_labels() -> None:
    for size in (Size(3), Size(3, 2), Size(1, 7), Size(0)):
        assert Size.told(size.marks) == size
    assert Size.told({}) == Size(0)


def test_a_lab_from_before_there_were_workers_has_managers_only() -> None:
    assert Size.told({labels.COUNT: "3"}) == Size(3)


def test_nothing_said_is_three_managers() -> None:
    assert Size.wanted(None, None) == Size(3)
    assert Size.wanted(None, 2) == Size(3, 2)
    assert Size.wanted(5, None) == Size(5)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (Size(1), "1 manager"),
        (Size(3), "3 managers"),
        (Size(3, 1), "3 managers and 1 worker"),
        (Size(1, 2), "1 manager and 2 workers"),
    ],
)
def test_a_size_in_words(size: Size, words: str) -> None:
    assert str(size) == words


@pytest.mark.parametrize(("managers", "step"), [(1, None), (3, "no-registry"), (5, "no-registry")])
def test_a_lab_too_small_for_the_chapter_is_sent_to_no_step(
    managers: int, step: str | None
) -> None:
    from swarmlab.cli.cluster import _following
    from swarmlab.loader import load_builtin

    cluster = cast(Any, SimpleNamespace(managers=Size(managers).names))
    found = _following(load_builtin("service-discovery"), cluster, set())
    assert (found.id if found else None) == step
