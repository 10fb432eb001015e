"""A lab of managers and workers on a real engine: roles, the mesh on a worker, repair, quorum."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from docker.errors import APIError

from swarmlab.checks import CHECKS
from swarmlab.cluster import lifecycle, swarm
from swarmlab.errors import UsageError
from swarmlab.wait import PATIENCE, Observation, until
from tests.docker.lifecycle_site import Heard, LabNode, RealLab, host, left, typed
from tests.docker.mesh_site import HTTP, http_answer, look_until, published, site

pytestmark = pytest.mark.docker

MANAGER, WORKER = "swarm-1", "swarm-2"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine an engine that is well may need longer than a look at it takes."""
    monkeypatch.setenv(PATIENCE, "5")


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[RealLab, Heard]]:
    """One manager and one worker, the fewest that show both, and what was said of their making."""
    name = f"work-{os.getpid()}"
    heard = Heard()
    try:
        with lifecycle.up(name, managers=1, workers=1, progress=heard) as cluster:
            nodes = tuple(LabNode(node, cluster.address(node)) for node in cluster.nodes)
            yield RealLab(cluster, nodes), heard
    finally:
        lifecycle.down(name)
    assert left(name) == []


@pytest.fixture
def small(made: tuple[RealLab, Heard]) -> RealLab:
    return made[0]


def roles(lab: RealLab) -> dict[str, tuple[str, str, bool]]:
    """Role, reachability and leadership of each node, by the manager's own list."""
    listed = swarm.members(lab.engine(MANAGER).api)
    assert all(member.labels.get("env") == "prod" for member in listed), listed
    return {member.name: (member.role, member.reachability, member.leader) for member in listed}


AS_MADE = {MANAGER: ("manager", "reachable", True), WORKER: ("worker", "", False)}


def test_each_node_has_its_role_and_no_token_is_told(made: tuple[RealLab, Heard]) -> None:
    lab, heard = made
    assert roles(lab) == AS_MADE
    assert lab.cluster.managers == (MANAGER,)
    tokens = swarm.tokens(lab.engine(MANAGER).api)
    for token in (tokens.manager, tokens.worker):
        assert token.reveal().startswith("SWMTKN-") and token.reveal() not in heard.all
    found = lifecycle.status(lab.name)
    assert found.healthy, found.problems
    assert found.quorum is not None
    assert found.quorum.to_dict() == {
        "managers": 1,
        "needed": 1,
        "may_lose": 0,
        "reachable": 1,
        "holds": True,
    }
    for check in ("swarm.nodes", "swarm.quorum", "swarm.same_view"):
        assert CHECKS[check](lab.cluster).passed, check


def test_the_workstation_has_every_node_and_a_worker_is_no_manager(small: RealLab) -> None:
    assert typed(small.cluster, "docker-machine ls -q; echo $SWARMLAB_MANAGERS") == (
        0,
        f"{MANAGER}\n{WORKER}\n{MANAGER}\n",
    )
    script = f"eval $(docker-machine env {WORKER}); docker ps -q && docker node ls"
    code, said = typed(small.cluster, script)
    assert code == 1 and "not a swarm manager" in said


@pytest.mark.parametrize(("role", "other"), [("manager", "worker"), ("worker", "manager")])
def test_the_mesh_leads_from_either_node_to_a_task_on_the_other(
    small: RealLab, role: str, other: str
) -> None:
    port = 18090
    with site(small) as mesh:
        mesh.serve(
            f"on-{role}",
            constraints=[f"node.role=={role}"],
            endpoint_spec=published((port, HTTP, "tcp")),
        )
        (task,) = mesh.running(f"on-{role}")
        here, there = (MANAGER, WORKER) if role == "manager" else (WORKER, MANAGER)
        (box,) = small.engine(here).containers.list(filters={"name": f"on-{role}"})
        assert str(box.id).startswith(task)
        address = small.cluster.address(there)
        look_until(
            f"the {other} to answer for a task on the {role}",
            lambda: http_answer(address, port) == task,
        )
        planes = {mesh.data_plane(node) for node in mesh.nodes}
        assert len(planes) == 1


def test_a_lab_keeps_its_size(small: RealLab) -> None:
    lifecycle.up(small.name).close()
    lifecycle.up(small.name, managers=1, workers=1).close()
    for managers, workers, words in ((3, None, "3 managers and 1 worker"), (None, 0, "1 manager")):
        with pytest.raises(UsageError, match=f"has 1 manager and 1 worker, not {words}"):
            lifecycle.up(small.name, managers=managers, workers=workers)


def promoted(lab: RealLab) -> None:
    """Make the worker a manager too, as `docker node promote` does."""
    api: Any = lab.engine(MANAGER).api

    def look() -> Observation[None]:
        node = next(one for one in api.nodes() if one["Description"]["Hostname"] == WORKER)
        if node["Spec"]["Role"] != "manager":
            try:
                asked = {**node["Spec"], "Role": "manager"}
                api.update_node(node["ID"], node["Version"]["Index"], asked)
            except APIError as error:
                # The swarm itself has changed the node since it was looked at.
                if "out of sequence" not in str(error):
                    raise
        return Observation(roles(lab)[WORKER][1] == "reachable", f"{roles(lab)}")

    until("the worker to be a manager", look, within=120)


def gone(lab: RealLab) -> None:
    """Let the worker leave the swarm, as `docker swarm leave` does."""
    api: Any = lab.engine(WORKER).api
    api.leave_swarm(force=True)


def stopped(lab: RealLab) -> None:
    host().stop(f"swarmlab-{lab.name}-{WORKER}", timeout=10)


def removed(lab: RealLab) -> None:
    host().remove_container(f"swarmlab-{lab.name}-{WORKER}", force=True, v=True)


@pytest.mark.parametrize(
    ("harm", "problem", "said"),
    [
        (promoted, "swarm-2 is a manager, not a worker", "swarm-2 was a manager, active"),
        (gone, "swarm-2 is not in the swarm", "swarm-2 was not in the swarm"),
        (stopped, "swarm-2 is stopped", "swarm-2 was stopped"),
        (removed, "the container of swarm-2 is missing", "swarm-2 was missing"),
    ],
)
def test_a_worker_is_mended_to_a_worker(small: RealLab, harm: Any, problem: str, said: str) -> None:
    before = small.cluster.cluster_id
    harm(small)
    until(
        problem,
        lambda: Observation(
            any(problem in one for one in lifecycle.status(small.name).problems), "not yet"
        ),
        within=120,
    )
    quorum = lifecycle.status(small.name).quorum
    assert quorum is not None and quorum.holds
    heard = Heard()
    with lifecycle.up(small.name, progress=heard) as cluster:
        assert cluster.cluster_id == before
    assert any(said in note for note in heard.notes), heard.notes
    assert roles(small) == AS_MADE
    assert lifecycle.status(small.name).healthy


@pytest.mark.long
def test_the_whole_chapter_with_two_workers() -> None:
    """As a student of a larger lab types it: 3 managers, 2 workers, from nothing to nothing."""
    name = f"five-{os.getpid()}"

    def swarmlab(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "swarmlab", *words, "--name", name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        swarmlab("up", "--managers", "3", "--workers", "2")
        run = json.loads(swarmlab("run", "--to", "13", "--json"))
        assert [step["number"] for step in run["steps"]] == list(range(1, 14))
        looked = json.loads(swarmlab("verify", "--json"))
        seen = {check["verdict"] for step in looked["steps"] for check in step["checks"]}
        assert seen <= {"passed", "skipped"}
        assert looked["points"]["earned"] == looked["worth"] == 100
        # Back and forth: what steps left on workers is undone there, too.
        swarmlab("goto", "4")
        whole = json.loads(swarmlab("run", "--json"))
        assert whole["verdict"] == "passed"
        assert left(name) == []
    finally:
        lifecycle.down(name)
