"""Which machines a command's options ask for, and how large a lab is made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swarmlab import labels
from swarmlab.cli.providing import asked
from swarmlab.cluster import lifecycle, remains
from swarmlab.errors import UsageError
from swarmlab.providers import registry
from swarmlab.providers.base import Info, Node, NodeState
from swarmlab.providers.registry import Choice
from swarmlab.size import Size


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A file of five machines."""
    path = tmp_path / "hosts.yaml"
    lines = [f"  - engine: ssh://me@pc-0{number}" for number in range(1, 6)]
    path.write_text("\n".join(["hosts:", *lines, ""]))
    return path


def chosen(hosts: Path, **more: Any) -> Choice:
    choice = asked("", hosts, **more)
    assert choice is not None
    return choice


@pytest.mark.parametrize(
    ("managers", "workers", "size"),
    [
        (None, None, Size(5, 0)),
        (None, 2, Size(3, 2)),
        (3, None, Size(3, 2)),
        (5, None, Size(5, 0)),
        (3, 2, Size(3, 2)),
    ],
)
def test_a_new_lab_has_all_machines_of_the_file(
    hosts: Path, managers: int | None, workers: int | None, size: Size
) -> None:
    assert registry.sized(chosen(hosts), managers, workers) == size


@pytest.mark.parametrize(
    ("managers", "workers", "words"),
    [(7, None, "too few for 7 managers"), (None, 6, "too few for a manager and 6 workers")],
)
def test_a_file_of_too_few_machines_is_said(
    hosts: Path, managers: int | None, workers: int | None, words: str
) -> None:
    with pytest.raises(UsageError, match=f"names 5 machines, {words}"):
        registry.sized(chosen(hosts), managers, workers)


def test_containers_are_as_many_as_ever() -> None:
    assert registry.sized(Choice(), None, 2) == Size(3, 2)


def test_a_lab_of_managers_and_workers_is_found_up_with_the_same_file(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Size(3, 2)
    nodes = tuple(Node(name, "192.0.2.1", NodeState.RUNNING) for name in size.names)
    network = [{"Name": "swarmlab-demo", "Labels": {labels.LAB: "demo"}}]
    there = replace(
        remains.read([], [], network), info=Info(nodes, "abc", size), choice=chosen(hosts)
    )
    quiet = SimpleNamespace(client=SimpleNamespace(close=lambda: None))
    found: list[Size] = []
    monkeypatch.setattr("swarmlab.engine.connect", lambda: quiet)
    monkeypatch.setattr(remains, "look", lambda engine, name: there)
    monkeypatch.setattr(
        lifecycle, "_mend", lambda name, engine, there, size, *_: found.append(size)
    )
    lifecycle.up("demo", choice=chosen(hosts))
    lifecycle.up("demo", choice=chosen(hosts), workers=2)
    assert found == [size, size]
    with pytest.raises(UsageError, match="has 3 managers and 2 workers, not 5 managers and"):
        lifecycle.up("demo", choice=chosen(hosts), managers=5)


@pytest.mark.parametrize("more", [{"machine_driver": "unit"}, {"machine_options": ["x=1"]}])
def test_options_of_docker_machine_do_not_go_with_a_file(hosts: Path, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="not for provider hosts"):
        chosen(hosts, **more)


def test_a_file_in_the_environment_is_no_option_that_was_given(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="--hosts is about machines of your own"):
        asked("dind", hosts)
    monkeypatch.setenv("SWARMLAB_HOSTS", str(hosts))
    assert asked("dind", hosts) == Choice()
    with pytest.raises(UsageError, match="--rename is about machines of your own"):
        asked("dind", hosts, rename=True)
