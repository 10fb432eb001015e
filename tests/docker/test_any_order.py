"""Any order of a student's moves, on a real cluster, against the model of `moves`.

The seed stands in pytest's last lines; SWARMLAB_SEED=N makes the same moves again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from swarmlab.cluster import lifecycle
from tests.docker.moves import LAST, Lab, Walk
from tests.seed import SEED

# Most walks stay where steps are quick; each goes no further than its top.
TOPS = (5, 5, 5, 7, 9, LAST)


@pytest.fixture(scope="module")
def real() -> Iterator[Lab]:
    name = f"order-{os.getpid()}"
    try:
        yield Lab(name)
    finally:
        lifecycle.down(name)


def walk(lab: Lab, seed: int, *, top: int, moves: int) -> None:
    one = Walk(lab, seed, top=top)
    try:
        one.begin()
        one.moves(moves)
    except BaseException as error:
        error.add_note(f"SWARMLAB_SEED={SEED}: " + "; ".join(one.told))
        raise


@pytest.mark.docker
def test_a_few_moves_in_any_order(real: Lab) -> None:
    walk(real, SEED, top=4, moves=4)


@pytest.mark.long
@pytest.mark.parametrize("number", range(30))
def test_ten_moves_in_any_order(real: Lab, number: int) -> None:
    walk(real, SEED + number, top=TOPS[number % len(TOPS)], moves=10)
