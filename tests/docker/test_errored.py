"""What breaks in the middle of `verify` or `step` is errored, with its cause, and never failed.

Each fault happens between two looks of one command, or while a command runs: a check of this file
makes it, so the moment is always the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import RequestException

from swarmlab.checks import CHECKS
from swarmlab.checks.base import Finding, World
from swarmlab.cluster import lifecycle
from swarmlab.cluster.cluster import Cluster
from swarmlab.cluster.workspace import LabWorkspace
from swarmlab.errors import EnvironmentProblem
from swarmlab.listener import SilentListener
from swarmlab.loader import load_builtin
from swarmlab.model import CheckSpec, Command, Lab, Step
from swarmlab.results import CheckResult, RunResult, StepResult, Verdict
from swarmlab.runner import Runner
from swarmlab.student import ProgressStore
from swarmlab.wait import Observation, until
from tests.contract import broken
from tests.docker.lifecycle_site import containers, host, looked

pytestmark = pytest.mark.docker

STANDING = [str(step.number) for step in load_builtin("service-discovery").steps[:-1]]
"""The numbers of the chapter's steps that leave the lab standing."""

P, F, E, S = Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.SKIPPED


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """The name of a lab that tests break and mend again."""
    chosen = f"fault-{os.getpid()}"
    try:
        lifecycle.up(chosen).close()
        yield chosen
    finally:
        lifecycle.down(chosen)


def _container(name: str, which: str) -> str:
    return f"swarmlab-{name}-{which}"


@dataclass(frozen=True)
class Fault:
    """Something that breaks; `mend` puts it right, as far as `swarmlab up` does not."""

    make: Callable[[Cluster], object]
    mend: Callable[[str], object]
    cause: str


def _kill_engine(cluster: Cluster, of: str = "swarm-2") -> None:
    """As the kernel does when memory runs out: the node ends with its engine."""
    command = ["sh", "-c", "kill -KILL $(cat /run/docker.pid)"]
    node = _container(cluster.name, of)
    host().exec_start(host().exec_create(node, command)["Id"])
    until(
        "the node to end",
        lambda: Observation(containers(cluster.name, "running") == 3, "it still runs"),
        within=120,
    )


def _cut_off(cluster: Cluster) -> None:
    network = f"swarmlab-{cluster.name}"
    host().disconnect_container_from_network(_container(cluster.name, "swarm-2"), network)


def _reconnect(name: str) -> None:
    lab = lifecycle.find(name)
    assert lab is not None
    with lab:
        address = lab.address("swarm-1").rpartition(".")[0] + ".12"
    host().connect_container_to_network(
        _container(name, "swarm-2"), f"swarmlab-{name}", ipv4_address=address
    )


def _break_tls(cluster: Cluster) -> None:
    """The authority's certificate is overwritten, and no connection from before is left."""
    authority = cluster.certificates / "ca.pem"
    authority.rename(authority.with_suffix(".kept"))
    authority.write_bytes((cluster.certificates / "cert.pem").read_bytes())
    cluster.close()


def _mend_tls(name: str) -> None:
    lab = lifecycle.find(name)
    assert lab is not None
    with lab:
        authority = lab.certificates / "ca.pem"
        authority.with_suffix(".kept").rename(authority)


def _nothing(name: str) -> None:
    return None


FAULTS = {
    "engine killed": Fault(_kill_engine, _nothing, "swarm-2"),
    "node cut off": Fault(_cut_off, _reconnect, "swarm-2"),
    "TLS broken": Fault(_break_tls, _mend_tls, "certificate is not trusted"),
}


def spec(id: str, check: str, *needs: str, **params: Any) -> CheckSpec:
    return CheckSpec(id, check, f"The claim {id}", params, needs=needs, within=1.0)


class Site:
    """A lab with one step, a runner, and a check that makes a fault."""

    def __init__(self, name: str, folder: Path, fault: Fault, *commands: Command) -> None:
        closing: tuple[CheckSpec, ...] = (
            spec("before", "swarm.nodes"),
            spec("fault", "test.fault", "before"),
            spec("after", "swarm.same_view", "fault"),
            spec("dependent", "swarm.quorum", "after"),
        )
        if commands:
            # The fault happens after the first command.
            closing = (spec("after", "swarm.same_view"), spec("dependent", "swarm.quorum", "after"))
        step = Step(1, "one", "One", "section", commands, closing)
        self.lab = Lab("faults", "Faults", "1.0", (step,), folder)
        self.name = name
        self.folder = folder
        self.fault = fault

    def make(self, world: World) -> Finding:
        """The fault, as a check between others."""
        assert isinstance(world, Cluster)
        self.fault.make(world)
        return Finding(True, "a fault", "made", "none")

    def run(self, move: Callable[[Runner], RunResult]) -> RunResult:
        with LabWorkspace(self.name, self.lab) as workspace:
            runner = Runner(
                self.lab,
                workspace=workspace,
                progress=ProgressStore(self.name, self.folder),
                listener=SilentListener(),
                checks={**CHECKS, "test.fault": self.make},
            )
            return move(runner)

    def mended(self) -> None:
        """Put right what broke, and see that it is."""
        self.fault.mend(self.name)
        lifecycle.up(self.name).close()
        status = looked(self.name)
        assert status.healthy, status.problems


def verdicts(step: StepResult) -> dict[str, Verdict]:
    return {check.id: check.verdict for check in step.checks}


def check(step: StepResult, id: str) -> CheckResult:
    return next(one for one in step.checks if one.id == id)


# A node that is cut off takes its time: every connection to it has to be given up.
slow = pytest.mark.long


@pytest.mark.parametrize(
    "which", ["engine killed", pytest.param("node cut off", marks=slow), "TLS broken"]
)
def test_in_the_middle_of_verify(name: str, tmp_path: Path, which: str) -> None:
    site = Site(name, tmp_path, FAULTS[which])
    try:
        result = site.run(lambda runner: runner.verify([1]))
        (step,) = result.steps
        assert verdicts(step) == {"before": P, "fault": P, "after": E, "dependent": S}
        assert site.fault.cause in check(step, "after").reason
        assert check(step, "after").hint
        assert check(step, "dependent").reason == "needs 'after', which could not be looked at"
        assert result.verdict is E
        assert result.exit_code == 3
        assert not step.done
        # What the command line says of it, in a process of its own: the lab is still broken.
        done = subprocess.run(
            [sys.executable, "-m", "swarmlab", "verify", *STANDING, "--name", name, "--json"],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 3, done.stdout + done.stderr
        assert site.fault.cause in done.stdout + done.stderr
        if which == "TLS broken":
            # No manager can be asked, so there is no lab to look at, and no result.
            assert done.stdout == ""
        else:
            told = json.loads(done.stdout)
            assert broken(told) == []
            found = {check["verdict"] for step in told["steps"] for check in step["checks"]}
            # Nothing was done in this lab, and yet nobody can say so while a node is lost.
            assert found == {"errored", "passed", "skipped"}
        assert "Traceback" not in done.stderr
    finally:
        site.mended()


@pytest.mark.parametrize(
    "which",
    [
        pytest.param("engine killed", marks=slow),
        pytest.param("node cut off", marks=slow),
        "TLS broken",
    ],
)
def test_in_the_middle_of_a_step(name: str, tmp_path: Path, which: str) -> None:
    first = Command("first", "true", checks=(spec("fault", "test.fault"),))
    site = Site(name, tmp_path, FAULTS[which], first, Command("second", "true"))
    try:
        result = site.run(lambda runner: runner.step(1))
        (step,) = result.steps
        assert verdicts(step) == {"fault": P, "after": E, "dependent": S}
        assert site.fault.cause in check(step, "after").reason
        assert (result.verdict, result.exit_code, step.done) == (E, 3, False)
    finally:
        site.mended()


def test_the_next_manager_is_asked_when_the_first_is_down(name: str) -> None:
    """What any manager can tell is not lost with the first; what only its engine can, is."""
    lab = lifecycle.find(name)
    assert lab is not None
    with lab:
        _kill_engine(lab, "swarm-1")

        def look() -> Observation[Finding]:
            # Until the others have a leader again, and know who is gone.
            try:
                found = CHECKS["swarm.quorum"](lab)
            except (EnvironmentProblem, RequestException) as error:
                return Observation(False, str(error))
            return Observation("; 2 there (swarm-2 and swarm-3)" in found.actual, found.actual)

        try:
            until("the others to tell", look, within=180)
            assert CHECKS["swarm.quorum"](lab).passed
            assert CHECKS["swarm.label"](lab, name="env", value="prod").passed
            with pytest.raises((EnvironmentProblem, RequestException)):
                CHECKS["swarm.same_view"](lab)
        finally:
            lifecycle.up(name).close()
    assert looked(name).healthy


def test_a_leader_that_was_frozen_before(name: str) -> None:
    """Its followers have no answer until they have voted: that is said, and costs no more.

    What a step left on it cannot be undone, which is said before anything hangs on it.
    """
    lab = lifecycle.find(name)
    assert lab is not None
    with lab:
        members = lab.engine("swarm-2").api.nodes()
        (leader,) = (
            one["Description"]["Hostname"]
            for one in members
            if one.get("ManagerStatus", {}).get("Leader")
        )
    program = [sys.executable, "-m", "swarmlab"]
    host().pause(_container(name, leader))
    try:
        done = subprocess.run(
            [*program, "verify", "3", "--name", name, "--json"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 3, done.stdout + done.stderr
        assert f"{leader} does not run" in done.stderr
        assert "Waiting for the managers to choose a leader" in done.stderr
        told = json.loads(done.stdout)
        assert broken(told) == []
        checks = [check for step in told["steps"] for check in step["checks"]]
        assert "failed" not in {check["verdict"] for check in checks}, done.stdout
        assert any(leader in check["reason"] for check in checks if check["verdict"] == "errored")
        refused = subprocess.run(
            [*program, "reset", "1", "--name", name], capture_output=True, text=True, timeout=60
        )
        assert refused.returncode == 3, refused.stdout + refused.stderr
        assert f"{leader} does not run" in refused.stderr
    finally:
        lifecycle.up(name).close()
    assert lifecycle.status(name).healthy


def _remove_workstation(cluster: Cluster) -> None:
    host().remove_container(_container(cluster.name, "workstation"), force=True)


WORKSTATION = Fault(_remove_workstation, _nothing, "workstation")


def test_verify_needs_no_workstation(name: str, tmp_path: Path) -> None:
    """Commands are typed there; nothing is looked at from there."""
    site = Site(name, tmp_path, WORKSTATION)
    try:
        result = site.run(lambda runner: runner.verify([1]))
        assert result.verdict is P
        assert result.exit_code == 0
    finally:
        site.mended()


def test_a_step_loses_its_workstation_between_two_commands(name: str, tmp_path: Path) -> None:
    first = Command("first", "true", checks=(spec("fault", "test.fault"),))
    site = Site(name, tmp_path, WORKSTATION, first, Command("second", "true"))
    try:
        result = site.run(lambda runner: runner.step(1))
        (step,) = result.steps
        assert [command.verdict for command in step.commands] == [P, E]
        assert step.commands[1].reason
        assert (result.verdict, result.exit_code) == (E, 3)
    finally:
        site.mended()


def test_a_step_loses_its_workstation_while_a_command_runs(name: str, tmp_path: Path) -> None:
    site = Site(name, tmp_path, WORKSTATION, Command("long", "sleep 61"), Command("next", "true"))
    lab = lifecycle.find(name)
    assert lab is not None

    def asleep() -> Observation[None]:
        rows = host().top(_container(name, "workstation"), "-eo pid,args")["Processes"]
        return Observation(any("sleep 61" in row[1] for row in rows), str(rows))

    def remove() -> None:
        until("the command to run", asleep, within=180)
        _remove_workstation(lab)

    remover = threading.Thread(target=remove)
    try:
        remover.start()
        result = site.run(lambda runner: runner.step(1))
        (step,) = result.steps
        assert [command.verdict for command in step.commands] == [E, S]
        assert step.commands[0].reason
        assert step.commands[0].seconds < 60
        assert (result.verdict, result.exit_code) == (E, 3)
    finally:
        remover.join()
        lab.close()
        site.mended()
