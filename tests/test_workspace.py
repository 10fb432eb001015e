"""The lab as the runner uses it: what is brought up, what is only looked at, what may be typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from swarmlab.checks.base import World
from swarmlab.cluster import lifecycle
from swarmlab.cluster.cluster import Cluster
from swarmlab.cluster.lifecycle import Removed
from swarmlab.cluster.workspace import LabWorkspace
from swarmlab.errors import LabBusy, UsageError
from swarmlab.images.sources import USUAL, Sources
from swarmlab.model import Command, Lab, Where
from swarmlab.results import Verdict
from swarmlab.workspace import Workspace


class FakeCluster:
    """A cluster that is whole or not, and notes that it was closed."""

    cluster_id = "abc"
    labelled = True
    data_plane = "ipvs"
    sources = USUAL

    def __init__(self, complete: bool = True) -> None:
        self.complete = complete
        self.managers: tuple[str, ...] = ("swarm-1", "swarm-2", "swarm-3")
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Machine:
    """What `lifecycle` would find and do; `done` lists what was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there: FakeCluster | None = None
        self.done: list[str] = []
        self.removed = Removed("demo", containers=("x",))
        self.error: Exception | None = None
        monkeypatch.setattr(lifecycle, "find", lambda name: self.there)
        monkeypatch.setattr(lifecycle, "up", self.up)
        monkeypatch.setattr(lifecycle, "down", self.down)

    def up(self, name: str, *, sources: Sources, progress: object) -> FakeCluster:
        assert sources == USUAL
        self.done.append(f"up {name}")
        self.there = FakeCluster()
        return self.there

    def down(self, name: str, progress: object) -> Removed:
        if self.error is not None:
            raise self.error
        self.done.append(f"down {name}")
        self.there = None
        return self.removed


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def workspace() -> LabWorkspace:
    return LabWorkspace("demo", Lab("lab", "Lab", "1", (), Path()))


def as_the_runner_sees_it(workspace: LabWorkspace) -> Workspace:
    """The type checker proves here that the seam is kept."""
    return workspace


def as_checks_see_it(cluster: Cluster) -> World:
    """The same for the live lab."""
    return cluster


def typed(workspace: LabWorkspace, text: str, **options: Any) -> Any:
    return workspace.host(Command("c1", text, where=Where.HOST, **options))


def test_a_missing_lab_is_brought_up_once(machine: Machine, workspace: LabWorkspace) -> None:
    assert workspace.cluster_id == workspace.data_plane == ""
    first = workspace.world()
    assert workspace.world() is first
    assert machine.done == ["up demo"]
    assert (workspace.cluster_id, workspace.data_plane) == ("abc", "ipvs")


def test_a_whole_lab_is_used_as_it_is(machine: Machine, workspace: LabWorkspace) -> None:
    machine.there = FakeCluster()
    assert workspace.world() is cast(Any, machine.there)
    assert machine.done == []


def test_a_lab_with_too_few_managers_for_the_steps_is_refused(machine: Machine) -> None:
    workspace = LabWorkspace("demo", Lab("lab", "Lab", "1", (), Path(), managers=3))
    machine.there = small = FakeCluster()
    small.managers = small.managers[:1]
    for _ in range(2):
        with pytest.raises(UsageError, match="lab need 3 managers, and the lab 'demo' has 1"):
            workspace.world()
    assert machine.done == []
    machine.there = FakeCluster()
    assert LabWorkspace("demo", workspace._lab).world() is cast(Any, machine.there)


def test_a_lab_with_a_hole_is_mended(machine: Machine, workspace: LabWorkspace) -> None:
    machine.there = broken = FakeCluster(complete=False)
    workspace.world()
    assert machine.done == ["up demo"]
    assert broken.closed


def test_a_swarm_that_was_left_without_its_labels_is_mended(
    machine: Machine, workspace: LabWorkspace
) -> None:
    machine.there = begun = FakeCluster()
    begun.labelled = False
    workspace.world()
    assert machine.done == ["up demo"]
    assert begun.closed


def test_who_only_looks_mends_nothing(machine: Machine, workspace: LabWorkspace) -> None:
    machine.there = FakeCluster(complete=False)
    assert workspace.present()
    assert workspace.world() is cast(Any, machine.there)
    assert machine.done == []


def test_a_lab_that_went_away_is_not_present(machine: Machine, workspace: LabWorkspace) -> None:
    workspace.world()
    machine.there = None
    assert not workspace.present()
    assert workspace.cluster_id == ""


@pytest.mark.parametrize(
    "text", ["swarmlab down", "  swarmlab   down # the end", "swarmlab down --name demo"]
)
def test_down_is_known(machine: Machine, workspace: LabWorkspace, text: str) -> None:
    result = typed(workspace, text)
    assert machine.done == ["down demo"]
    assert (result.verdict, result.exit_code, result.where) == (Verdict.PASSED, 0, "host")
    assert "is gone" in result.output


def test_down_of_nothing_is_said(machine: Machine, workspace: LabWorkspace) -> None:
    machine.removed = Removed("demo")
    assert typed(workspace, "swarmlab down").output == "nothing to remove\n"


@pytest.mark.parametrize(
    "text", ["rm -rf /", "swarmlab up", "swarmlab down --name other", "swarmlab down; ls", ""]
)
def test_nothing_else_is_run_on_the_students_machine(
    machine: Machine, workspace: LabWorkspace, text: str
) -> None:
    result = typed(workspace, text)
    assert (result.verdict, result.exit_code) == (Verdict.ERRORED, None)
    assert machine.done == []


def test_a_down_that_fails_is_ours_not_the_students(
    machine: Machine, workspace: LabWorkspace
) -> None:
    machine.error = LabBusy("The lab is being changed.")
    result = typed(workspace, "swarmlab down")
    assert (result.verdict, result.exit_code) == (Verdict.ERRORED, 3)
    assert result.reason == "The lab is being changed."


def test_an_exit_code_that_was_not_expected_fails(
    machine: Machine, workspace: LabWorkspace
) -> None:
    assert typed(workspace, "swarmlab down", exit_codes=(1,)).verdict is Verdict.FAILED
    assert typed(workspace, "swarmlab down", exit_codes=()).verdict is Verdict.PASSED


def test_closing_lets_go_of_the_cluster(machine: Machine, workspace: LabWorkspace) -> None:
    with workspace:
        world = workspace.world()
    assert cast(Any, world).closed
