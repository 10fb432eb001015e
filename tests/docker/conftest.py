"""What tests on real engines share: one lab for the whole session, removed whatever happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from swarmlab.cluster import history, lifecycle
from tests.docker.lifecycle_site import LabNode, RealLab

SLOWEST = (
    *("test_chapter.py", "test_lab_proofs.py", "test_standby.py", "test_any_order.py"),
    "test_docker_machine.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.path.name not in SLOWEST)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and that is handed on.

    The commands that tests interrupt must hear it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def lab() -> Iterator[RealLab]:
    """A running lab; whoever uses it leaves it as it was."""
    name = f"test-{os.getpid()}"
    try:
        with lifecycle.up(name) as cluster:
            nodes = tuple(LabNode(node, cluster.address(node)) for node in cluster.nodes)
            yield RealLab(cluster, nodes)
    finally:
        lifecycle.down(name)
        # A student's history outlives the lab; a test's must not.
        history.path(name).unlink(missing_ok=True)
