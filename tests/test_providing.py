"""Which machines a command's options ask for, and how large a lab is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from swarmlab import labels
from swarmlab.cli.app import app
from swarmlab.cli.providing import asked
from swarmlab.cluster import lifecycle, refusing, remains
from swarmlab.errors import UsageError
from swarmlab.images import sources
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


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """`swarmlab up` with those words; what it asks the lab to be made of."""
    for name in ("PROVIDER", "HOSTS", "REGISTRY", "REGISTRY_MIRROR"):
        monkeypatch.delenv(f"SWARMLAB_{name}", raising=False)

    def ask(*words: str, **environment: str) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def up(name: str, **more: Any) -> None:
            asked.update(more)
            raise UsageError("enough")

        monkeypatch.setattr(lifecycle, "up", up)
        said = CliRunner().invoke(app, ["up", *words], env=environment)
        return asked or {"said": said.output}

    return ask


def test_what_the_environment_asks_for_is_not_asked_of_a_lab(
    asking: Callable[..., dict[str, Any]], hosts: Path
) -> None:
    """A lab that is there is not refused for a variable; an option counts whatever is set."""
    for variables in (
        {"SWARMLAB_PROVIDER": "docker-machine"},
        {"SWARMLAB_PROVIDER": "hosts", "SWARMLAB_HOSTS": str(hosts)},
        {"SWARMLAB_REGISTRY": "x.org", "SWARMLAB_REGISTRY_MIRROR": "https://m.org"},
    ):
        asked = asking(**variables)
        assert (asked["choice"], asked["sources"]) == (None, sources.USUAL)
    assert asking("--provider", "dind", SWARMLAB_PROVIDER="docker-machine")["choice"] == Choice()
    by_file = asking("--hosts", str(hosts), SWARMLAB_PROVIDER="docker-machine")
    assert by_file["choice"] == chosen(hosts)
    secret = asking("--machine-opt", "unit-token=x", SWARMLAB_PROVIDER="docker-machine")
    assert secret["choice"].settings["options"] == ["unit-token=x"]
    renamed = asking("--rename", SWARMLAB_HOSTS=str(hosts))
    assert renamed["choice"].settings["consent"]["rename"]
    asked = asking("--registry", "y.org", SWARMLAB_REGISTRY="x.org")
    assert str(asked["sources"].registry) == "y.org/swarmlab"


def test_a_lab_keeps_its_provider_and_says_so(hosts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = remains.read([])
    on_hosts = replace(there, choice=chosen(hosts))
    monkeypatch.delenv("SWARMLAB_HOSTS", raising=False)
    monkeypatch.setenv("SWARMLAB_PROVIDER", "docker-machine")
    assert registry.wanted().provider == "docker-machine"
    (said,) = refusing.kept("demo", there, None, None)
    assert "asks for provider docker-machine; the lab 'demo' keeps its own, dind" in said
    assert refusing.kept("demo", there, Choice(), None) == []
    monkeypatch.delenv("SWARMLAB_PROVIDER")
    monkeypatch.setenv("SWARMLAB_HOSTS", str(hosts))
    assert registry.wanted() == chosen(hosts)
    assert len(refusing.kept("demo", there, None, None)) == 1
    assert refusing.kept("demo", on_hosts, None, None) == []
    other = hosts.with_name("other.yaml")
    other.write_text("hosts:\n  - engine: ssh://me@pc-09\n")
    monkeypatch.setenv("SWARMLAB_HOSTS", str(other))
    (said,) = refusing.kept("demo", on_hosts, None, None)
    assert "keeps its machines" in said
    monkeypatch.setenv("SWARMLAB_HOSTS", str(hosts.with_name("none.yaml")))
    assert refusing.kept("demo", on_hosts, None, None) == []


def test_a_lab_whose_labels_do_not_tell_its_machines_is_removed_by_their_file(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = {labels.LAB: "demo", labels.PROVIDER: "hosts", labels.SETTINGS: "{"}
    api = SimpleNamespace(
        containers=lambda **_: [],
        volumes=lambda **_: {},
        networks=lambda **_: [{"Name": "swarmlab-demo", "Labels": marks}],
    )
    engine: Any = SimpleNamespace(client=SimpleNamespace(api=api))
    with pytest.raises(UsageError, match="machines the lab 'demo'"):
        remains.look(engine, "demo")
    monkeypatch.setattr(remains, "elsewhere", lambda engine, lab, there: there)
    assert remains.look(engine, "demo", chosen(hosts)).choice == chosen(hosts)
