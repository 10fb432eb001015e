"""The parts of a lab's life that need no engine: locks, keys, swarm views, remains, words."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from swarmlab import archive, labels, state
from swarmlab.cluster import (
    access,
    clearing,
    cutting,
    keys,
    lifecycle,
    quorum,
    refusing,
    remains,
    repair,
    status,
    swarm,
    workstation,
)
from swarmlab.cluster.amiss import amiss
from swarmlab.cluster.crew import Crew, Stopped, each
from swarmlab.cluster.lock import lock
from swarmlab.errors import (
    ClusterProblem,
    EnvironmentProblem,
    LabBusy,
    SwarmlabError,
    TimedOut,
    UsageError,
)
from swarmlab.progress import Progress, SilentProgress
from swarmlab.providers.base import Node, NodeState, Reach
from swarmlab.size import Quorum, Size

# Names and numbers.


@pytest.mark.parametrize("name", ["a", "default", "group-7", "a" * 20])
def test_names_that_labs_can_have(name: str) -> None:
    assert state.checked(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a/b", "..", "a" * 21, "a\n", "é"])
def test_names_that_labs_cannot_have(name: str) -> None:
    with pytest.raises(UsageError):
        state.checked(name)
    with pytest.raises(UsageError):
        lifecycle.down(name)


# The lock.


def test_the_same_process_may_hold_a_lab_twice() -> None:
    with lock("demo"), lock("demo"):
        pass
    with lock("demo"):
        pass


def test_another_process_is_told_who_holds_the_lab() -> None:
    script = "from swarmlab.cluster.lock import lock\nwith lock('demo'): pass"
    with lock("demo"):
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    assert "LabBusy" in ended.stderr
    assert str(os.getpid()) in ended.stderr
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_who_holds_the_lab_is_told_without_what_may_be_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typed = ["/bin/swarmlab", "up", "--machine-opt", "cloud-access-token=dop_v1_QUIET"]
    monkeypatch.setattr("sys.argv", typed)
    script = "from swarmlab.cluster.lock import lock\nwith lock('demo'): pass"
    with lock("demo"):
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        kept = (state.folder() / "locks" / "demo.lock").read_text(encoding="utf-8")
    assert "`swarmlab up`" in ended.stderr
    assert kept.splitlines() == [str(os.getpid()), "swarmlab up"]
    assert "QUIET" not in ended.stderr + kept


def test_a_killed_holder_leaves_the_lock_free() -> None:
    script = (
        "import os, signal\nfrom swarmlab.cluster.lock import lock\n"
        "with lock('demo'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with lock("demo"):
        pass


def test_labs_of_other_names_are_not_locked() -> None:
    script = "from swarmlab.cluster.lock import lock\nwith lock('other'): pass"
    with lock("demo"):
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_busy_lab_is_changed_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def held(file: object) -> bool:
        return False

    monkeypatch.setattr("swarmlab.flock.take", held)
    for change in (lifecycle.up, lifecycle.down):
        with pytest.raises(LabBusy):
            change("demo")


# Work side by side.


def test_results_come_in_order() -> None:
    assert each(lambda text: text.upper(), ["a", "b", "c"]) == ["A", "B", "C"]


def test_the_first_failure_calls_the_rest_off() -> None:
    begun = threading.Event()
    ended: list[str] = []

    def patient(crew: Crew) -> None:
        begun.set()
        try:
            while True:
                crew.check()
        except Stopped:
            ended.append("called off")
            raise

    def failing() -> None:
        begun.wait(60)
        raise ClusterProblem("no")

    with pytest.raises(ClusterProblem, match="no"), Crew(2) as crew:
        crew.all([crew.go(patient, crew), crew.go(failing)])
    assert ended == ["called off"]


def test_an_interruption_calls_everything_off() -> None:
    ended: list[str] = []

    def patient(crew: Crew) -> None:
        try:
            while True:
                crew.check()
        except Stopped:
            ended.append("called off")

    with pytest.raises(KeyboardInterrupt), Crew(1) as crew:
        crew.go(patient, crew)
        raise KeyboardInterrupt
    assert ended == ["called off"]


# Archives and keys.


def ring() -> keys.Keys:
    nodes = {name: keys.Pair(b"cert " + name.encode(), b"key") for name in ("swarm-1", "swarm-2")}
    return keys.Keys(b"ca", keys.Pair(b"client", b"client key"), nodes)


def test_an_archive_gives_back_what_was_put_in() -> None:
    packed = archive.pack({"/etc/x/a.pem": b"A", "/root/b": b""}, modes={"/etc/x/a.pem": 0o600})
    assert archive.unpack([packed[:100], packed[100:]]) == {"a.pem": b"A", "b": b""}


def test_the_whole_set_survives_in_any_container() -> None:
    stored = {Path(path).name: content for path, content in ring().bundle().items()}
    found = keys.of_bundle(stored)
    assert found.nodes == ring().nodes
    assert found.of_client() == ring().of_client()


@pytest.mark.parametrize("lost", ["ca.pem", "client-key.pem", "swarm-2-key.pem"])
def test_a_set_with_a_hole_is_refused(lost: str) -> None:
    stored = {Path(path).name: content for path, content in ring().bundle().items()}
    del stored[lost]
    with pytest.raises(ClusterProblem, match=lost):
        keys.of_bundle(stored)


def test_nobody_can_sign_more_certificates() -> None:
    everything = {**ring().bundle(), **ring().on_node("swarm-1")}
    assert not any("ca-key" in path for path in everything)


def test_the_clients_files_are_private_and_belong_to_one_instance() -> None:
    assert keys.cached("demo", "one") is None
    folder = keys.cache("demo", "one", ring())
    assert keys.cached("demo", "one") == folder
    assert keys.cached("demo", "two") is None
    assert keys.cached("demo", "") is None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert not any("swarm" in file.name for file in folder.iterdir())
    (folder / "key.pem").unlink()
    assert keys.cached("demo", "one") is None
    keys.forget("demo")
    assert not folder.exists()


def test_keys_do_not_print() -> None:
    assert "client key" not in repr(ring())
    assert "client key" not in repr(ring().client)


# The swarm's views.

SECRET = "SWMTKN-1-2222222222222222222222222222222222222222222222222-3333333333333333333333333"


def node(name: str, **spec: Any) -> dict[str, Any]:
    whole = {"Role": "manager", "Availability": "active", "Labels": {"env": "prod"}, **spec}
    manager = {"Reachability": "reachable", "Leader": name == "swarm-1"}
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 7},
        "Spec": whole,
        "Description": {"Hostname": name, "Engine": {"EngineVersion": "26.1.5"}},
        "Status": {"State": "ready", "Addr": "192.168.99.11"},
        "ManagerStatus": manager if whole["Role"] == "manager" else None,
    }


class FakeManager:
    """A manager's engine: a list of nodes that updates change."""

    def __init__(self, *nodes: dict[str, Any]) -> None:
        self.listed = {one["ID"]: one for one in nodes}
        self.updates: list[tuple[str, dict[str, Any]]] = []
        self.removed: list[str] = []

    def nodes(self) -> list[dict[str, Any]]:
        return list(self.listed.values())

    def inspect_node(self, id: str) -> dict[str, Any]:
        return self.listed[id]

    def update_node(self, id: str, version: int, spec: dict[str, Any]) -> None:
        assert version == 7
        self.updates.append((id, spec))
        self.listed[id] = node(id.removeprefix("id-"), **spec)

    def remove_node(self, id: str, force: bool) -> None:
        assert self.listed[id]["Spec"]["Role"] == "worker", "a manager is demoted first"
        del self.listed[id]
        self.removed.append(id)


def calm() -> None:
    return None


THREE = ("swarm-1", "swarm-2", "swarm-3")


def test_a_token_never_shows() -> None:
    token = swarm.Token(SECRET)
    assert SECRET not in f"{token} {token!r} {[token]}"
    assert token.reveal() == SECRET


def test_a_refused_join_tells_no_token() -> None:
    from docker.errors import APIError

    class Refusing:
        def join_swarm(self, **options: Any) -> None:
            raise APIError(f"bad {SECRET}", explanation=f"invalid join token {SECRET}")

    with pytest.raises(ClusterProblem) as caught:
        swarm.join(cast(Any, Refusing()), "a", ["b"], swarm.Token(SECRET))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@dataclass
class Slow:
    """An engine that gives up waiting for its own join, and goes on with it."""

    states: list[str]

    def join_swarm(self, **options: Any) -> None:
        from docker.errors import APIError

        raise APIError("late", explanation="The attempt will continue in the background. Use ...")

    def info(self) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"Swarm": {"LocalNodeState": state}}


def test_a_join_that_goes_on_in_the_background_is_waited_for() -> None:
    slow = Slow(["pending", "pending", "active"])
    swarm.join(cast(Any, slow), "a", ["b"], swarm.Token(SECRET))
    assert slow.states == ["active"]


def test_a_join_that_never_ends_says_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm, "_JOIN_SECONDS", 0.3)
    with pytest.raises(TimedOut, match="its state is pending") as caught:
        swarm.join(cast(Any, Slow(["pending"])), "a", ["b"], swarm.Token(SECRET))
    assert SECRET not in str(caught.value)


def test_an_engine_that_does_not_answer_is_said_and_tells_no_token() -> None:
    from requests.exceptions import ReadTimeout

    class Silent:
        def __getattr__(self, name: str) -> Any:
            def ask(*_: object, **__: object) -> None:
                raise ReadTimeout(f"{name} {SECRET}: read timed out")

            return ask

    api = cast(Any, Silent())
    asks = (
        lambda: swarm.begin(api, "192.168.99.11"),
        lambda: swarm.join(api, "192.168.99.12", ["192.168.99.11"], swarm.Token(SECRET)),
        lambda: swarm.tokens(api),
        lambda: swarm.leave(api),
        lambda: quorum.standing(api),
        lambda: keys.of_lab(api, "demo", THREE),
    )
    for ask in asks:
        with pytest.raises(EnvironmentProblem, match="answer") as caught:
            ask()
        assert SECRET not in f"{caught.value}"
        assert caught.value.hint


class Choosing:
    """A manager's engine: it names its swarm from so many looks on; never where that is None."""

    def __init__(self, after: int | None, *, manager: bool = True) -> None:
        self._after = after
        self._manager = manager
        self.looks = 0

    def info(self) -> dict[str, Any]:
        self.looks += 1
        swarm: dict[str, Any] = {"LocalNodeState": "active", "ControlAvailable": self._manager}
        if self._after is not None and self.looks > self._after:
            swarm["Cluster"] = {"ID": "ours"}
        return {"Swarm": swarm}


def standings(engines: dict[str, Choosing]) -> tuple[dict[str, Any], dict[str, swarm.Standing]]:
    apis = cast(dict[str, Any], engines)
    return apis, {node: quorum.standing(api) for node, api in apis.items()}


def test_managers_that_choose_a_leader_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """While they do, no engine names its swarm; it is there all the same."""
    monkeypatch.setattr(swarm, "EVERY", 0.01)
    worker = Choosing(None, manager=False)
    apis, before = standings({"swarm-1": Choosing(3), "swarm-2": Choosing(9), "swarm-3": worker})
    assert quorum.main_cluster(before) == ""
    after = quorum.led(apis, before)
    assert quorum.main_cluster(after) == "ours"
    assert [one.cluster for one in after.values()] == ["ours", "", ""]
    assert worker.looks == 1
    assert quorum.led(apis, after) == after


def test_managers_without_a_leader_are_told_from_nodes_without_a_swarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(swarm, "EVERY", 0.01)
    monkeypatch.setattr(quorum, "_LEADER_SECONDS", 0.1)
    with pytest.raises(quorum.NoSwarm, match="lost its quorum"):
        quorum.led(*standings({"swarm-1": Choosing(None)}))
    with pytest.raises(quorum.NoSwarm, match="never formed a swarm"):
        quorum.led(*standings({"swarm-1": Choosing(None, manager=False)}))


def test_waits_on_an_engine_that_does_not_answer_end_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from docker.errors import APIError
    from requests.exceptions import ReadTimeout

    monkeypatch.setattr(swarm, "_READY_SECONDS", 0.1)
    monkeypatch.setattr(swarm, "_FORGET_SECONDS", 0.1)
    manager = FakeManager(node("swarm-1", Labels={}), node("swarm-2"))
    lost = swarm.members(cast(Any, manager))[1]

    def late(*_: object) -> None:
        raise ReadTimeout("read timed out")

    def refused(*_: object) -> None:
        raise APIError("500", explanation="the swarm has no leader")

    answers: tuple[tuple[Callable[..., None], str], ...] = (
        (late, "read timed out"),
        (refused, "has no leader"),
    )
    for answer, words in answers:
        monkeypatch.setattr(manager, "update_node", answer)
        with pytest.raises(TimedOut, match=words) as caught:
            swarm.settle([cast(Any, manager)], Size(2), check=calm)
        assert "swarmlab up" in caught.value.hint
        with pytest.raises(TimedOut, match=words) as caught:
            swarm.forget(cast(Any, manager), lost, check=calm)
        assert "swarmlab up" in caught.value.hint
    monkeypatch.setattr(manager, "nodes", late)
    with pytest.raises(TimedOut, match="read timed out"):
        swarm.forget(cast(Any, manager), lost, check=calm)


def test_a_change_between_look_and_request_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from docker.errors import APIError

    manager = FakeManager(node("swarm-1", Labels={}))
    tries: list[str] = []

    def once_late(id: str, version: int, spec: dict[str, Any]) -> None:
        tries.append(id)
        if len(tries) == 1:
            raise APIError("500", explanation="update out of sequence")
        FakeManager.update_node(manager, id, version, spec)

    monkeypatch.setattr(manager, "update_node", once_late)
    swarm.settle([cast(Any, manager)], Size(1), check=calm)
    assert len(tries) == 2


def test_a_rootless_engine_gets_no_lab() -> None:
    def engine(*options: str) -> Any:
        info = SimpleNamespace(info=lambda: {"SecurityOptions": list(options)})
        return SimpleNamespace(client=SimpleNamespace(api=info))

    refusing.rootless(engine("name=seccomp,profile=default"))
    with pytest.raises(EnvironmentProblem, match="rootless") as caught:
        refusing.rootless(engine("name=seccomp,profile=default", "name=rootless"))
    assert "docker context use default" in caught.value.hint


def test_settling_labels_promotes_and_activates() -> None:
    manager = FakeManager(
        node("swarm-1", Labels={}),
        node("swarm-2", Availability="drain"),
        node("swarm-3", Role="worker"),
    )
    swarm.settle([cast(Any, manager)], Size(3), check=calm)
    assert len(manager.updates) == 3
    for _, spec in manager.updates:
        assert spec["Role"] == "manager"
        assert spec["Availability"] == "active"
        assert spec["Labels"] == {"env": "prod"}


def test_settling_makes_a_promoted_worker_a_worker_again() -> None:
    manager = FakeManager(node("swarm-1"), node("swarm-2"), node("swarm-3", Role="worker"))
    swarm.settle([cast(Any, manager)], Size(1, 2), check=calm)
    assert [(who, spec["Role"]) for who, spec in manager.updates] == [("id-swarm-2", "worker")]


def test_nobody_is_demoted_before_every_manager_is_one() -> None:
    """The only manager may be a promoted worker: it has to promote before it goes."""
    manager = FakeManager(node("swarm-1", Role="worker"), node("swarm-2"))
    manager.listed["id-swarm-2"]["ManagerStatus"]["Leader"] = True

    def lead(id: str, version: int, spec: dict[str, Any]) -> None:
        FakeManager.update_node(manager, id, version, spec)

    manager.update_node = lead  # type: ignore[method-assign]
    swarm.settle([cast(Any, manager)], Size(1, 1), check=calm)
    roles = [(who, spec["Role"]) for who, spec in manager.updates]
    assert roles == [("id-swarm-1", "manager"), ("id-swarm-2", "worker")]


def test_whoever_speaks_for_the_swarm_is_asked() -> None:
    from docker.errors import APIError

    class Worker:
        def nodes(self) -> None:
            raise APIError("503", explanation="This node is not a swarm manager.")

    manager = FakeManager(node("swarm-1"), node("swarm-2", Role="worker", Availability="drain"))
    swarm.settle([cast(Any, Worker()), cast(Any, manager)], Size(1, 1), check=calm)
    assert [spec["Availability"] for _, spec in manager.updates] == ["active"]


def test_a_worker_that_does_not_get_ready_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm, "_READY_SECONDS", 0.2)
    late = node("swarm-2", Role="worker")
    late["Status"]["State"] = "down"
    manager = FakeManager(node("swarm-1"), late)
    with pytest.raises(TimedOut, match="1 of 1 managers ready, 0 of 1 workers"):
        swarm.agree(cast(Any, manager), "swarm-1", Size(1, 1), check=calm)


def test_each_role_has_its_own_token() -> None:
    class Manager:
        def inspect_swarm(self) -> dict[str, Any]:
            return {"JoinTokens": {"Manager": SECRET, "Worker": SECRET[::-1]}}

    tokens = swarm.tokens(cast(Any, Manager()))
    assert tokens.of("manager").reveal() == SECRET
    assert tokens.of("worker").reveal() == SECRET[::-1]
    assert SECRET not in f"{tokens} {tokens!r}"
    assert SECRET[::-1] not in f"{tokens} {tokens!r}"


def test_settling_a_swarm_in_order_changes_nothing() -> None:
    manager = FakeManager(*(node(name) for name in THREE))
    swarm.settle([cast(Any, manager)], Size(3), check=calm)
    assert manager.updates == []


def test_settling_keeps_a_students_own_labels() -> None:
    manager = FakeManager(node("swarm-1", Labels={"mine": "1"}))
    swarm.settle([cast(Any, manager)], Size(1), check=calm)
    assert manager.updates[0][1]["Labels"] == {"mine": "1", "env": "prod"}


def test_a_swarm_that_does_not_get_ready_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm, "_READY_SECONDS", 0.2)
    late = node("swarm-2")
    late["Status"]["State"] = "down"
    manager = FakeManager(node("swarm-1"), late)
    with pytest.raises(TimedOut, match="1 of 2 managers ready"):
        swarm.settle([cast(Any, manager)], Size(2), check=calm)
    with pytest.raises(TimedOut, match="1 of 2 managers ready"):
        swarm.agree(cast(Any, manager), "swarm-1", Size(2), check=calm)


def test_two_leaders_are_not_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm, "_READY_SECONDS", 0.1)
    second = node("swarm-2")
    second["ManagerStatus"]["Leader"] = True
    with pytest.raises(TimedOut, match="2 leaders"):
        swarm.agree(cast(Any, FakeManager(node("swarm-1"), second)), "swarm-1", Size(2), check=calm)


def test_a_lost_manager_is_demoted_and_then_removed() -> None:
    manager = FakeManager(*(node(name) for name in THREE))
    lost = swarm.members(cast(Any, manager))[2]
    swarm.forget(cast(Any, manager), lost, check=calm)
    assert manager.removed == ["id-swarm-3"]


# What is left of a lab.


def container(
    name: str, state: str = "running", role: str = "node", managers: int = 0
) -> dict[str, Any]:
    """A container of a lab of three managers, or of that many and two workers."""
    more = {labels.COUNT: str(managers + 2), labels.MANAGERS: str(managers)} if managers else {}
    return {
        "Names": [f"/swarmlab-demo-{name}"],
        "State": state,
        "Status": state,
        "Labels": {
            labels.ROLE: role,
            labels.NODE: name,
            labels.ADDRESS: "192.168.99.11",
            labels.INSTANCE: "abc",
            labels.COUNT: "3",
            **more,
        },
    }


NETWORK = [{"Name": "swarmlab-demo"}]
SHELL = container("workstation", role="workstation")


def test_a_whole_lab_is_complete() -> None:
    there = remains.read([*(container(name) for name in THREE), SHELL], [], NETWORK)
    assert there.complete
    assert there.containers[0] == "swarmlab-demo-swarm-1"


@pytest.mark.parametrize(
    "listed",
    [
        [container("swarm-1"), container("swarm-2"), SHELL],
        [*(container(name) for name in THREE)],
        [*(container(name) for name in THREE[:2]), container("swarm-3", "exited"), SHELL],
        [
            *(container(name) for name in THREE),
            container("workstation", "created", "workstation"),
        ],
        [SHELL],
    ],
)
def test_a_lab_with_a_hole_is_not(listed: list[dict[str, Any]]) -> None:
    there = remains.read(listed, [], NETWORK)
    assert not there.complete
    assert not there.nothing


def test_nothing_is_nothing() -> None:
    assert remains.read([]).nothing
    assert not remains.read([], [{"Name": "swarmlab-demo-swarm-1"}]).nothing
    assert not remains.read([], [], NETWORK).nothing


@pytest.mark.parametrize(
    ("listed", "networks", "why"),
    [
        ([SHELL], NETWORK, "no node"),
        ([container(name) for name in THREE], [], "network"),
        ([container("swarm-2"), SHELL], NETWORK, "only 1 of 3 managers"),
        (
            [container(name, managers=3) for name in ("swarm-1", "swarm-4", "swarm-5")],
            NETWORK,
            "only 1 of 3 managers",
        ),
    ],
)
def test_what_cannot_be_mended_says_why(
    listed: list[dict[str, Any]], networks: list[dict[str, Any]], why: str
) -> None:
    there = remains.read(listed, [], networks)
    assert why in repair.hopeless("demo", cast(Any, None), there)


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ([*(container(name) for name in THREE), SHELL], False),
        ([container(name) for name in THREE], True),
        ([*(container(name) for name in THREE[:2]), SHELL], True),
    ],
)
def test_who_interrupts_waits_for_no_image(
    listed: list[dict[str, Any]], asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found before the threads begin, and only where something is made of them."""

    def crew() -> None:
        raise TimeoutError

    def workstation() -> None:
        raise KeyboardInterrupt

    provider = SimpleNamespace(adopt=lambda: None, instance="i")
    images = SimpleNamespace(node="", workstation=workstation)
    monkeypatch.setattr("swarmlab.cluster.repair.stock.of", lambda *words, **more: images)
    monkeypatch.setattr("swarmlab.cluster.repair.registry.make", lambda *words, **more: provider)
    monkeypatch.setattr(repair, "_keys", lambda *words: None)
    monkeypatch.setattr("swarmlab.cluster.repair.keys.cached", lambda *words: "there")
    monkeypatch.setattr(repair, "Crew", crew)
    there = remains.read(listed, [], NETWORK)
    with pytest.raises(KeyboardInterrupt if asked else TimeoutError):
        repair.mend("demo", cast(Any, None), there, SilentProgress())


def test_lost_certificates_cannot_be_mended() -> None:
    from docker.errors import NotFound

    class Empty:
        def get_archive(self, container: str, path: str) -> None:
            raise NotFound("no such path")

    engine = cast(Any, SimpleNamespace(client=SimpleNamespace(api=Empty())))
    there = remains.read([*(container(name) for name in THREE), SHELL], [], NETWORK)
    assert repair.hopeless("demo", engine, there) == "its certificates are lost"


MADE = {labels.REACH: "published", labels.PUBLISH: "192.0.2.7"}


@pytest.fixture
def open_lab(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A lab whose ports are open at an address and which can only be made anew; how it is."""
    nodes = [container(name) for name in THREE]
    for one in nodes:
        one["Labels"] |= MADE
    there = remains.read(nodes, [], [])
    made: list[tuple[Any, ...]] = []
    quiet = SimpleNamespace(client=SimpleNamespace(close=lambda: None))
    monkeypatch.setattr("swarmlab.engine.connect", lambda: quiet)
    monkeypatch.setattr(remains, "look", lambda engine, name: there)
    monkeypatch.setattr(clearing, "clear", lambda *args, **more: (True, ()))
    monkeypatch.setattr(lifecycle, "_anew", lambda name, engine, *more: made.append(more))
    return made


@pytest.mark.parametrize("asked", [{}, {"publish": "192.0.2.7"}, {"reach": "published"}])
def test_a_lab_made_anew_is_open_where_it_was(
    asked: dict[str, Any], open_lab: list[tuple[Any, ...]]
) -> None:
    lifecycle.up("demo", **asked)
    (made,) = open_lab
    count, reach, _, publish, choice, _ = made
    assert choice.contained
    assert (count.managers, reach, publish) == (3, "published", "192.0.2.7")


@pytest.mark.parametrize(
    ("asked", "now"),
    [
        ({"publish": "192.0.2.8"}, "open at 192.0.2.7"),
        ({"reach": "direct"}, "made with `--reach published`"),
    ],
)
def test_the_way_to_a_labs_nodes_is_not_changed(
    asked: dict[str, Any], now: str, open_lab: list[tuple[Any, ...]]
) -> None:
    with pytest.raises(UsageError, match=now) as caught:
        lifecycle.up("demo", **asked)
    assert "`swarmlab down`" in caught.value.hint
    assert open_lab == []


def test_how_a_lab_was_made_is_told_by_its_network_or_by_what_is_left() -> None:
    network = [{"Name": "swarmlab-demo", "Labels": MADE}]
    for there in (remains.read([], [], network), remains.read([], [{"Name": "v", "Labels": MADE}])):
        assert (there.reach, there.publish) == ("published", "192.0.2.7")
    plain = remains.read([container("swarm-1")], [], NETWORK)
    assert (plain.reach, plain.publish) == ("auto", "")


def test_what_is_busy_for_a_moment_is_awaited() -> None:
    from docker.errors import APIError, NotFound

    answers: list[Exception] = [
        APIError("409", explanation="removal of container x is already in progress"),
        APIError("500", explanation="unlinkat: device or resource busy"),
        NotFound("gone"),
    ]

    def remove() -> None:
        raise answers.pop(0)

    remains._gone("x", remove)
    assert answers == []


def test_what_cannot_be_removed_is_an_error() -> None:
    from docker.errors import APIError

    def remove() -> None:
        raise APIError("500", explanation="permission denied")

    with pytest.raises(APIError):
        remains._gone("x", remove)


def test_a_node_that_came_late_goes_with_its_volume() -> None:
    from docker.errors import APIError

    class Late:
        """An engine that finishes making a node after the look at the lab."""

        def __init__(self) -> None:
            self.nodes: list[dict[str, str]] = []
            self.calls: list[str] = []

        def containers(self, all: bool, filters: dict[str, list[str]]) -> list[dict[str, str]]:
            assert all and filters == {"volume": ["v"], "label": ["swarmlab.lab"]}
            return list(self.nodes)

        def remove_container(self, which: str, v: bool, force: bool) -> None:
            assert v and force
            self.calls.append(f"node {which}")
            self.nodes.clear()

        def remove_volume(self, name: str) -> None:
            self.calls.append(f"volume {name}")
            if len(self.calls) == 1:
                self.nodes.append({"Id": "late"})
                raise APIError("409", explanation="volume is in use - [late]")

    engine = Late()
    remains._volume(engine, "v")
    assert engine.calls == ["volume v", "node late", "volume v"]


def test_a_lab_that_keeps_coming_back_is_not_swept_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = remains.read([], [], NETWORK)
    monkeypatch.setattr(remains, "_CLEAR_SECONDS", 0.3)
    monkeypatch.setattr(remains, "sweep", lambda *words, **more: ())
    monkeypatch.setattr(remains, "look", lambda engine, lab: there)
    engine: Any = None
    with pytest.raises(TimedOut, match=r"to be gone; last seen: come meanwhile: swarmlab-"):
        remains.clear(engine, "demo", there)


# A node that does not answer any more.


class FakeSite:
    """A stopped node; `start` and `answering` may raise. `did` is what was done to the node."""

    def __init__(self, start: Exception | None, answering: Exception | None) -> None:
        self.name, self.engine = "demo", None
        self.provider = self
        self._start, self._answering = start, answering
        self.did: list[str] = []

    def start(self, node: str, files: object) -> None:
        self._did("start", self._start)

    def answering(self, node: str, **_: object) -> str:
        self._did("answering", self._answering)
        return "the old one"

    def furnish(self, node: str, *_: object, **__: object) -> None:
        pass

    def lookout(self, node: str) -> None:
        pass

    def remove(self, node: str) -> tuple[str, ...]:
        self._did("remove")
        return ("It may still run.",)

    def boot(self, node: str, *_: object, **__: object) -> str:
        self._did("boot")
        return "a new one"

    def _did(self, what: str, error: Exception | None = None) -> None:
        self.did.append(what)
        if error is not None:
            raise error


def engine_of_a_stopped_node(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch, told: Progress | None = None
) -> Any:
    monkeypatch.setattr(cutting, "join", lambda *_: False)
    listed = [container("swarm-1", "exited"), container("swarm-2"), container("swarm-3")]
    there = remains.read([*listed, SHELL], [], NETWORK)
    job = repair._Job(cast(Any, site), there, ring(), told or SilentProgress())
    return job.engine("swarm-1", Crew())


def test_a_worker_that_waits_for_a_leader_is_not_taken_for_a_stranger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would lose its place in the swarm, and with that its tasks."""
    monkeypatch.setattr(repair, "_ANSWER_SECONDS", 0.3)
    asked: list[str] = []

    class Manager(FakeManager):
        def nodes(self) -> list[dict[str, Any]]:
            asked.append("who is there")
            return super().nodes()

        def info(self) -> dict[str, Any]:
            place = {"NodeID": "id-swarm-1", "ControlAvailable": True, "Cluster": {"ID": "c"}}
            return {"Swarm": {"LocalNodeState": "active", **place}}

    class Worker:
        """Nothing else may be asked of it."""

        def info(self) -> dict[str, Any]:
            state = "active" if asked else "pending"
            return {"Swarm": {"LocalNodeState": state, "NodeID": "id-swarm-2"}}

    manager = Manager(node("swarm-1"), node("swarm-2", Role="worker"))
    site = SimpleNamespace(
        size=Size(1, 1),
        names=Size(1, 1).names,
        addresses={"swarm-1": "a"},
        provider=SimpleNamespace(borrowed=False),
    )
    there = remains.read([container("swarm-1"), container("swarm-2"), SHELL], [], NETWORK)
    job = repair._Job(cast(Any, site), there, ring(), SilentProgress())
    job.rejoin({"swarm-1": cast(Any, manager), "swarm-2": cast(Any, Worker())})
    assert job.done == []
    assert manager.removed == []
    assert manager.updates == []


NO_SPACE = "mkdir /var/lib/docker/overlay2/x: no space left on device"


@pytest.mark.parametrize(
    ("start", "answering", "words"),
    [
        (EnvironmentProblem("The disk that holds Docker's data is full."), None, "is full"),
        (EnvironmentProblem("A port or an address is in use."), None, "in use"),
        (None, ClusterProblem("The node ended.", evidence=NO_SPACE), "is full"),
        (None, ClusterProblem("The node swarm-1 killed for want of memory."), "no memory left"),
        (None, EnvironmentProblem("No client could be made."), "No client"),
    ],
)
def test_a_node_keeps_its_disk_when_the_machine_is_at_fault(
    monkeypatch: pytest.MonkeyPatch,
    start: Exception | None,
    answering: Exception | None,
    words: str,
) -> None:
    site = FakeSite(start, answering)
    with pytest.raises(EnvironmentProblem, match=words):
        engine_of_a_stopped_node(site, monkeypatch)
    assert "remove" not in site.did


@pytest.mark.parametrize(
    "answering",
    [
        ClusterProblem("The node swarm-1 ended.", evidence="invalid database"),
        TimedOut("the engine of swarm-1", 120, "nothing listens yet"),
    ],
)
def test_a_node_whose_engine_cannot_start_is_made_again(
    monkeypatch: pytest.MonkeyPatch, answering: Exception
) -> None:
    site = FakeSite(None, answering)
    heard: list[str] = []
    progress = SilentProgress()
    monkeypatch.setattr(progress, "note", heard.append)
    assert engine_of_a_stopped_node(site, monkeypatch, progress) == "a new one"
    assert site.did == ["start", "answering", "remove", "boot"]
    assert "It may still run." in heard


# The status in words.


def told(listed: list[dict[str, Any]], **views: status._View | None) -> list[str]:
    there = remains.read(listed, [], NETWORK)
    seen = {name.replace("_", "-"): view for name, view in views.items()}
    best = status._best([view for view in seen.values() if view is not None])
    nodes = [
        status._node(one, seen.get(one.name), best, "ipvs") for one in status._with_missing(there)
    ]
    quorum = status._quorum(nodes, there.info.size)
    return amiss(there, True, nodes, best.members if best else (), quorum)


def view(*listed: dict[str, Any], of: str = "swarm-1") -> status._View:
    members = tuple(swarm.members(cast(Any, FakeManager(*listed))))
    return status._View(swarm.Standing("active", f"id-{of}", True, "c"), members)


WHOLE = [*(container(name) for name in THREE), SHELL]


def test_a_lab_in_order_has_no_problems() -> None:
    every = [node(name) for name in THREE]
    views = {name.replace("-", "_"): view(*every, of=name) for name in THREE}
    assert told(WHOLE, **views) == []


def test_problems_are_named_one_by_one() -> None:
    every = [node("swarm-1"), node("swarm-2", Availability="pause"), node("swarm-3")]
    every[2]["ManagerStatus"]["Reachability"] = "unreachable"
    every[2]["Status"]["State"] = "down"
    one = view(*every)
    found = told([container("swarm-1"), container("swarm-2")], swarm_1=one, swarm_2=one)
    assert found == [
        "swarm-2 takes no tasks: its availability is pause",
        "the container of swarm-3 is missing",
        "the workstation is missing",
    ]
    found = told(WHOLE, swarm_1=one, swarm_2=one, swarm_3=one)
    assert "the swarm sees swarm-3 as down" in found
    assert "the other managers cannot reach swarm-3" in found
    found = told(WHOLE, swarm_1=one, swarm_2=None, swarm_3=one)
    assert "the engine of swarm-2 does not answer within 2 s" in found


def test_no_quorum_is_named() -> None:
    lonely = status._View(swarm.Standing("active", "id-swarm-1", True, "c"))
    found = told(WHOLE, swarm_1=lonely, swarm_2=None, swarm_3=None)
    assert found[-1] == "1 of 3 managers can be reached and 2 must agree: the swarm has no quorum"


FIVE = tuple(f"swarm-{number}" for number in range(1, 6))
THREE_AND_TWO = [*(container(name, managers=3) for name in FIVE), SHELL]


def counted(seen: Mapping[str, status._View | None]) -> tuple[int, int]:
    """Managers and reachable ones of the lab of three managers and two workers, seen so."""
    there = remains.read(THREE_AND_TWO, [], NETWORK)
    best = status._best([one for one in seen.values() if one is not None])
    nodes = [
        status._node(one, seen.get(one.name), best, "ipvs") for one in status._with_missing(there)
    ]
    quorum = status._quorum(nodes, there.info.size)
    return quorum.managers, quorum.reachable


def swarm_of(**roles: str) -> list[dict[str, Any]]:
    """The members of three managers and two workers, but for those roles."""
    usual = {name: "manager" if name in THREE else "worker" for name in FIVE}
    changed = {name.replace("_", "-"): role for name, role in roles.items()}
    return [node(name, Role=role) for name, role in (usual | changed).items()]


def test_workers_do_not_count_towards_the_quorum() -> None:
    one = view(*swarm_of())
    assert counted({**dict.fromkeys(FIVE, one), "swarm-4": None, "swarm-5": None}) == (3, 3)
    assert counted({**dict.fromkeys(FIVE, one), "swarm-2": None}) == (3, 2)
    alone = status._View(swarm.Standing("active", "id-swarm-4", False, ""))
    assert counted({"swarm-4": alone, "swarm-5": alone}) == (3, 0)


def test_whoever_was_promoted_by_hand_counts_as_a_manager() -> None:
    one = view(*swarm_of(swarm_4="manager"))
    assert counted(dict.fromkeys(FIVE, one)) == (4, 4)
    one = view(*swarm_of(swarm_3="worker"))
    assert counted(dict.fromkeys(FIVE, one)) == (2, 2)


def test_a_node_that_has_left_is_named_before_the_others_notice() -> None:
    every = view(*[node(name) for name in THREE])
    left = status._View(swarm.Standing("inactive", "", False, ""))
    assert told(WHOLE, swarm_1=every, swarm_2=every, swarm_3=left) == [
        "swarm-3 is not in the swarm"
    ]
    found = told(WHOLE, swarm_1=every, swarm_2=left, swarm_3=left)
    assert found[-1] == "1 of 3 managers can be reached and 2 must agree: the swarm has no quorum"


def test_a_role_that_was_changed_by_hand_is_named() -> None:
    one = view(*swarm_of(swarm_3="worker", swarm_5="manager"))
    views = {name.replace("-", "_"): one for name in FIVE}
    assert told(THREE_AND_TWO, **views) == [
        "swarm-3 is a worker, not a manager",
        "swarm-5 is a manager, not a worker",
    ]


@pytest.mark.parametrize("dead", [False, True])
def test_an_engine_that_is_slow_to_tell_of_its_swarm_answers_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dead: bool
) -> None:
    """So are the managers that are left when the leader and the quorum are lost."""
    from requests.exceptions import ReadTimeout

    class Slow:
        def ping(self) -> None:
            if dead:
                raise ReadTimeout("dead")

        def info(self) -> None:
            raise ReadTimeout("no leader yet")

    closed: list[bool] = []
    client = SimpleNamespace(api=Slow(), close=lambda: closed.append(True))
    monkeypatch.setattr(access, "client", lambda *what, **more: client)
    there = remains.read(WHOLE, [], NETWORK)
    seen = [status._view(one, tmp_path) for one in there.info.nodes]
    assert closed == [True] * 3
    nodes = [
        status._node(one, found, None, "ipvs")
        for one, found in zip(there.info.nodes, seen, strict=True)
    ]
    assert [one.answers for one in nodes] == [not dead] * 3
    assert status._quorum(nodes, there.info.size).reachable == (0 if dead else 3)


def test_no_leader_is_named() -> None:
    lonely = status._View(swarm.Standing("active", "id-swarm-1", True, "c"))
    found = told(WHOLE, swarm_1=lonely, swarm_2=lonely, swarm_3=None)
    assert found[-1].startswith("no manager can answer for the swarm")


def test_status_as_data_is_versioned() -> None:
    told = status.ClusterStatus("demo", present=False).to_dict()
    assert (told["version"], told["kind"], told["healthy"]) == (1, "swarmlab-status", False)
    assert told["quorum"] is None
    quorum = Quorum(5, 2)
    told = status.ClusterStatus("demo", present=True, size=Size(5), quorum=quorum).to_dict()
    assert (told["managers"], told["workers"]) == (5, 0)
    assert told["quorum"] == {
        "managers": 5,
        "needed": 3,
        "may_lose": 2,
        "reachable": 2,
        "holds": False,
    }


# Ways to the nodes, and the workstation's files.


def test_ways_to_a_node() -> None:
    direct = Node("swarm-1", "192.168.99.11", NodeState.RUNNING)
    assert access.endpoint(direct, 8500) == ("192.168.99.11", 8500)
    ports = {8500: ("127.0.0.1", 49160)}
    published = Node("swarm-1", "192.168.99.11", NodeState.RUNNING, Reach.PUBLISHED, ports)
    assert access.endpoint(published, 8500) == ("127.0.0.1", 49160)
    with pytest.raises(EnvironmentProblem, match="not published"):
        access.endpoint(published, 9999)
    stopped = Node("swarm-1", "192.168.99.11", NodeState.STOPPED, Reach.PUBLISHED)
    with pytest.raises(EnvironmentProblem, match="does not run"):
        access.endpoint(stopped, 8500)


def test_clients_ignore_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    certs = keys.cache("demo", "one", ring())
    made = access.client(Node("swarm-1", "127.0.0.1", NodeState.RUNNING), certs, timeout=2)
    assert made.api.trust_env is False
    assert made.api.verify == str(certs / "ca.pem")


def test_the_labs_files_lie_in_the_working_directory() -> None:
    files = workstation.lab_files()
    assert "/root/lab/docker-compose-proxy.yml" in files
    assert all(path.startswith("/root/lab/") and "__pycache__" not in path for path in files)


def test_every_error_can_be_shown() -> None:
    problem = quorum.NoSwarm("its nodes never formed a swarm")
    assert isinstance(problem, SwarmlabError)
    assert problem.exit_code == 3
