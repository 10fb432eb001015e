"""An engine that cannot be asked is named by its node, and never blamed on the student."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import requests

from swarmlab.checks.base import World
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.results import Verdict
from swarmlab.unreached import explained
from tests import lab_fakes as fake


class Place:
    """Two nodes: one reached directly, one that does not run."""

    nodes = ("swarm-1", "swarm-2")

    def endpoint(self, node: str, port: int) -> tuple[str, int]:
        if node == "swarm-1":
            raise EnvironmentProblem("it does not run")
        return ("10.0.0.2", port)


WORLD = cast(World, Place())


def failed(kind: type[requests.RequestException], url: str) -> requests.RequestException:
    return kind("HTTPSConnectionPool(...)", request=requests.Request("GET", url).prepare())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (requests.exceptions.SSLError, "certificate"),
        (requests.exceptions.ConnectTimeout, "no connection"),
        (requests.exceptions.ReadTimeout, "no answer in time"),
        (requests.exceptions.ConnectionError, "refused or lost"),
    ],
)
def test_the_node_and_the_reason_are_named(
    kind: type[requests.RequestException], words: str
) -> None:
    error = failed(kind, "https://10.0.0.2:2376/v1.44/info")
    told = explained(error, WORLD)
    assert isinstance(told, EnvironmentProblem)
    assert "swarm-2" in told.message
    assert words in told.message
    assert told.hint
    assert told.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        failed(requests.exceptions.ReadTimeout, "https://10.0.0.9:2376/info"),
        failed(requests.exceptions.ReadTimeout, "https://10.0.0.2:8500/info"),
        failed(requests.exceptions.InvalidURL, "https://10.0.0.2:2376/info"),
        requests.exceptions.ReadTimeout("no request"),
        ConnectionError("of Python's own"),
        UsageError("said already"),
        TypeError("a mistake in a check"),
    ],
)
def test_what_is_about_no_engine_stays_as_it_is(error: Exception) -> None:
    assert explained(error, WORLD) is error


def test_the_hint_of_what_could_not_be_seen_is_not_the_students(tmp_path: Path) -> None:
    broken: Any = fake.check("x", check="fact.broken")
    room = fake.Room(fake.lab(fake.step(1, checks=(broken,))), tmp_path)
    (check,) = room.runner.verify([1]).steps[0].checks
    assert check.verdict is Verdict.ERRORED
    assert check.hint == "`swarmlab status` shows the state of the lab."
