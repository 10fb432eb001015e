"""What a lab takes off a machine's engine at its end, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import APIError, NotFound
from requests import Response

from swarmlab.engine import Engine
from swarmlab.images.registry import parse
from swarmlab.images.sources import Sources
from swarmlab.providers.hosts import cleaning, gate
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.pictures import Pictures
from swarmlab.providers.hosts.snapshot import Snapshot, take

MONDAY = Whose("monday", "ab12")
LAB = {"swarmlab.lab": "monday", "swarmlab.instance": "ab12"}
THEIRS = {"swarmlab.lab": "monday", "swarmlab.instance": "ff00"}
GATE = {**LAB, "swarmlab.role": "gate", "swarmlab.node": "swarm-1"}
MINE = "10.0.0.1"
MACHINES = frozenset({MINE, "10.0.0.2", "10.0.0.3"})
TASK = {"com.docker.swarm.task.id": "t"}
BROUGHT = {"swarmlab.content": "abc"}
OURS, DEBIAN, OLD = ("sha256:" + digit * 64 for digit in "123")


def refused(words: str) -> APIError:
    """What is not possible just now."""
    answer = Response()
    answer.status_code = 409
    return APIError(words, answer)


@dataclass
class Machine:
    """An engine that holds what is put into it."""

    name: str = "pc-01"
    swarm: str = ""
    boxes: list[dict[str, Any]] = field(default_factory=list)
    stores: list[dict[str, Any]] = field(default_factory=list)
    nets: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    managers: list[str] = field(default_factory=lambda: sorted(MACHINES))
    served: list[str] = field(default_factory=list)
    given: str = ""
    busy: int = 0
    going: set[str] = field(default_factory=set)
    """Containers that the engine is just removing by itself."""
    late: list[dict[str, Any]] = field(default_factory=list)
    """Networks that come only when the engine has nothing else of a swarm left."""

    @property
    def engine(self) -> Engine:
        return cast(Engine, SimpleNamespace(client=SimpleNamespace(api=self)))

    def box(self, id: str, image: str, name: str = "", **told: str) -> None:
        self.boxes.append(
            {
                "Id": id,
                "Names": [f"/{name or id}"],
                "ImageID": image,
                "Labels": told,
                "State": "running",
            }
        )

    def image(self, id: str, *tags: str, **told: str) -> None:
        self.pictures.append({"Id": id, "RepoTags": list(tags), "Labels": told})

    # What an engine answers.

    def info(self) -> dict[str, Any]:
        state = "active" if self.swarm else "inactive"
        remote = [{"NodeID": "n", "Addr": f"{one}:2377"} for one in self.managers]
        place = {"NodeID": self.swarm, "NodeAddr": MINE, "RemoteManagers": remote}
        return {"Name": self.name, "Swarm": {"LocalNodeState": state, **place}}

    def services(self) -> list[str]:
        return self.served

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return list(self.boxes)

    def volumes(self) -> dict[str, Any]:
        return {"Volumes": list(self.stores) or None}

    def networks(self) -> list[dict[str, Any]]:
        told = list(self.nets)
        if {net["Name"] for net in told} == {"bridge"}:
            self.nets += self.late
            self.late = []
        return told

    def images(self) -> list[dict[str, Any]]:
        return list(self.pictures)

    def leave_swarm(self, force: bool) -> None:
        self.swarm = ""
        self.nets = [net for net in self.nets if net["Scope"] != "swarm"]
        self.boxes = [one for one in self.boxes if "com.docker.swarm.task.id" not in one["Labels"]]

    def inspect_container(self, name: str) -> dict[str, Any]:
        for one in self.boxes:
            if f"/{name}" in one["Names"]:
                host = {"UTSMode": "host" if self.given else ""}
                return {
                    "Id": one["Id"],
                    "Image": one["ImageID"],
                    "HostConfig": host,
                    "Config": {"Labels": one["Labels"]},
                }
        raise NotFound(name)

    def inspect_image(self, name: str) -> dict[str, Any]:
        for one in self.pictures:
            if name in (one["Id"], *one["RepoTags"]):
                return one
        raise NotFound(name)

    def remove_container(self, name: str, **_: Any) -> None:
        if name in self.going:
            self.boxes = [one for one in self.boxes if one["Id"] != name]
            raise refused("removal of container is already in progress")
        gone = [one for one in self.boxes if name == one["Id"] or f"/{name}" in one["Names"]]
        if not gone:
            raise NotFound(name)
        self.boxes.remove(gone[0])

    def remove_volume(self, name: str) -> None:
        if self.busy:
            self.busy -= 1
            raise refused("volume is in use")
        self.stores = [one for one in self.stores if one["Name"] != name]

    def remove_network(self, name: str) -> None:
        self.nets = [one for one in self.nets if one["Id"] != name]

    def remove_image(self, name: str) -> None:
        one = self.inspect_image(name)
        one["RepoTags"] = [tag for tag in one["RepoTags"] if tag != name]
        if not one["RepoTags"]:
            self.pictures.remove(one)

    def tag(self, image: str, repository: str, tag: str) -> None:
        self.inspect_image(image)["RepoTags"].append(f"{repository}:{tag}")


@pytest.fixture
def machine() -> Machine:
    """Somebody's machine, before the lab."""
    made = Machine()
    made.box("web", DEBIAN)
    made.stores.append({"Name": "data", "Labels": None})
    made.nets.append({"Id": "n1", "Name": "bridge", "Driver": "bridge", "Scope": "local"})
    made.image(DEBIAN, "debian:12")
    made.image(OLD, "swarmlab/util:1.0")
    return made


def with_lab(machine: Machine) -> None:
    """As the chapter's end finds it."""
    machine.swarm = "node1"
    machine.box("gate", OURS, "swarmlab-monday-gate", **GATE)
    machine.box("task", OURS, "proxy.1.x", **TASK)
    machine.box("consul", OURS, "consul")
    machine.box("naive", DEBIAN, "keen_hare", naive="go-demo")
    machine.stores.append({"Name": "go-demo-db", "Labels": None})
    project = {"com.docker.compose.project": "consul"}
    machine.stores.append({"Name": "consul_consul-data", "Labels": project})
    machine.nets += [
        {"Id": "n2", "Name": "ingress", "Driver": "overlay", "Scope": "swarm"},
        {"Id": "n3", "Name": "docker_gwbridge", "Driver": "bridge", "Scope": "local"},
    ]
    machine.inspect_image(OLD)["RepoTags"].clear()
    machine.image(OURS, "swarmlab/flow-proxy:1.0", "swarmlab/util:1.0")


def clean(
    machine: Machine, found: Snapshot | None, whose: Whose = MONDAY, pulled: Sequence[str] = ()
) -> list[str]:
    pictures = Pictures(pulled)
    return cleaning.clean(
        machine.engine, whose, found, lambda words: None, nullcontext(), MACHINES, pictures
    )


def test_the_engine_is_left_as_it_was_found(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    assert clean(machine, before) == []
    assert take(machine.engine, "monday") == before
    assert clean(machine, before) == []


def test_what_others_made_meanwhile_stays_and_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "_SETTLE_SECONDS", 0.1)
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.box("homework", DEBIAN)
    machine.box("other", OURS, **{"swarmlab.lab": "tuesday"})
    machine.stores.append({"Name": "mine", "Labels": None})
    machine.nets.append({"Id": "n9", "Name": "own", "Driver": "bridge", "Scope": "local"})
    machine.boxes = [one for one in machine.boxes if one["Id"] != "web"]
    told = clean(machine, before)
    assert "container web is gone" in told
    assert "container homework is new" in told
    assert "container other is new" in told
    assert "volume mine is new" in told
    assert "network own is new" in told
    assert {one["Id"] for one in machine.boxes} == {"homework", "other"}


@pytest.mark.usefixtures("quick")
def test_a_nameless_volume_is_told_with_the_way_to_remove_it(machine: Machine) -> None:
    """Of a database's container that a student removed without -v, or of somebody else's."""
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.stores.append({"Name": "3f2a" * 16, "Labels": None})
    (told,) = clean(machine, before)
    assert told.startswith("volume 3f2a3f2a3f2a is new and has no name")
    assert f"`docker volume rm {'3f2a' * 16}`" in told
    assert "3f2a" * 16 in {one["Name"] for one in machine.stores}


def test_a_renamed_machine_gets_its_name_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.name = machine.given = "swarm-1"

    def rename(api: Machine, image: str, name: str, whose: Whose) -> None:
        assert (image, whose) == (OURS, MONDAY)
        api.name = name

    monkeypatch.setattr(gate, "rename", rename)
    assert clean(machine, before) == []
    assert machine.name == "pc-01"


def test_without_a_snapshot_only_what_is_surely_the_labs_goes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "_SETTLE_SECONDS", 0.1)
    with_lab(machine)
    told = clean(machine, None)
    assert told == ["its snapshot is lost: whether it is as it was found cannot be told"]
    assert [one["Id"] for one in machine.boxes] == ["web"]
    assert [one["Name"] for one in machine.stores] == ["data"]
    assert [one["Name"] for one in machine.nets] == ["bridge"]
    assert machine.swarm == ""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "_SETTLE_SECONDS", 0.1)


def owned(machine: Machine, *managers: str) -> None:
    """Its owner has put it into his own swarm, where a task of his runs."""
    machine.swarm = "theirs"
    machine.managers = list(managers)
    machine.box("their-task", DEBIAN, "web.1.x", **TASK)
    machine.nets += [
        {"Id": "n8", "Name": "ingress", "Driver": "overlay", "Scope": "swarm"},
        {"Id": "n9", "Name": "docker_gwbridge", "Driver": "bridge", "Scope": "local"},
    ]


@pytest.mark.usefixtures("quick")
def test_a_machine_that_was_cleaned_is_only_compared(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    assert clean(machine, before) == []
    owned(machine, MINE)
    machine.box("consul", DEBIAN, "consul")
    machine.image("sha256:" + "9" * 64, "mongo:3.2.10")
    machine.stores.append({"Name": "go-demo-db", "Labels": None})
    now = take(machine.engine, "monday", after=True)
    told = clean(machine, before)
    assert "it is in a swarm as node theirs, and was in no swarm" in told
    assert {"container consul is new", "image mongo:3.2.10 is new"} <= set(told)
    assert take(machine.engine, "monday", after=True) == now


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("managers", [[MINE], [MINE, "10.0.0.99"], ["10.0.0.99"]])
def test_a_swarm_of_others_is_not_left(machine: Machine, managers: list[str]) -> None:
    """The gate is there still: the machine did not answer when the lab was taken down."""
    before = take(machine.engine, "monday")
    machine.box("gate", OURS, "swarmlab-monday-gate", **GATE)
    owned(machine, *managers)
    machine.served = ["web"]
    told = clean(machine, before)
    assert machine.swarm == "theirs"
    assert "it is in a swarm as node theirs, and was in no swarm" in told
    assert {one["Id"] for one in machine.boxes} == {"web", "their-task"}
    assert {net["Name"] for net in machine.nets} == {"bridge", "ingress", "docker_gwbridge"}


def test_a_volume_that_a_task_is_just_letting_go_of_goes(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.busy = 2
    assert clean(machine, before) == []


def test_a_network_that_the_engine_makes_late_goes(machine: Machine) -> None:
    """It had only just joined the swarm when the user interrupted, and makes its bridge all the
    same."""
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.late = [{"Id": "n4", "Name": "docker_gwbridge", "Driver": "bridge", "Scope": "local"}]
    assert clean(machine, before) == []
    assert machine.late == []
    assert [net["Name"] for net in machine.nets] == ["bridge"]


def test_a_container_that_the_engine_is_just_removing_is_no_trouble(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.going = {"consul"}
    assert clean(machine, before) == []


def test_a_swarm_that_was_only_begun_is_left(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.managers = [MINE]
    assert clean(machine, before) == []
    assert machine.swarm == ""


@pytest.mark.usefixtures("quick")
def test_containers_of_others_from_images_of_the_catalog_stay(machine: Machine) -> None:
    mongo = "sha256:" + "7" * 64
    machine.image(mongo, "mongo:3.2.10")
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.image("sha256:" + "8" * 64, "hashicorp/consul:1.15.4")
    machine.box("data", mongo, "their-data")
    machine.box("registry", mongo, "registry")
    machine.box("late", "sha256:" + "8" * 64, "their-consul")
    told = clean(machine, before)
    assert {"container their-data is new", "container their-consul is new"} <= set(told)
    assert {one["Id"] for one in machine.boxes} == {"web", "data", "registry", "late"}


def test_what_was_made_from_an_image_that_the_lab_brought_goes(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.image("sha256:" + "8" * 64, "swarmlab/go-demo:1.0", **BROUGHT)
    machine.box("extra", "sha256:" + "8" * 64, "quick_fox")
    assert clean(machine, before) == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("given", "name"), [("", "swarm-1"), ("swarm-1", "lab-room-7")])
def test_a_name_that_the_owner_gave_stays(machine: Machine, given: str, name: str) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.given, machine.name = given, name
    assert clean(machine, before) == [f"its name is {name}, and was pc-01"]


@pytest.mark.usefixtures("quick")
def test_on_the_own_engine_only_gate_and_lookout_go(machine: Machine) -> None:
    """The rest tells where the other machines are, and goes last."""
    before = take(machine.engine, "monday")
    with_lab(machine)
    role = "swarmlab.role"
    machine.box("lookout", OURS, "swarmlab-lookout", **LAB, **{role: "lookout"})
    machine.box("shell", OURS, "swarmlab-monday-workstation", **LAB, **{role: "workstation"})
    told = {**LAB, role: "network"}
    machine.nets.append(
        {"Id": "n7", "Name": "x", "Driver": "bridge", "Scope": "local", "Labels": told}
    )
    assert clean(machine, before) == []
    assert {one["Id"] for one in machine.boxes} == {"web", "shell"}
    assert {net["Id"] for net in machine.nets} == {"n1", "n7"}


def test_what_the_lab_leaves_behind_on_a_machine_is_told(machine: Machine) -> None:
    machine.box("lookout", OURS, "swarmlab-lookout", **LAB, **{"swarmlab.role": "lookout"})
    machine.box("shell", OURS, "swarmlab-monday-w", **LAB, **{"swarmlab.role": "workstation"})
    assert set(take(machine.engine, "monday").containers) == {"web"}
    assert set(take(machine.engine, "monday", after=True).containers) == {"web", "lookout"}


def with_lab_of_others(machine: Machine, told: dict[str, str]) -> None:
    """Another computer has made its lab of the machine meanwhile."""
    with_lab(machine)
    gate = next(one for one in machine.boxes if one["Id"] == "gate")
    gate["Labels"] = {**told, "swarmlab.role": "gate"}
    gate["Names"] = [f"/swarmlab-{told['swarmlab.lab']}-gate"]


@pytest.mark.parametrize("told", [THEIRS, {**THEIRS, "swarmlab.lab": "default"}])
def test_whoever_is_refused_takes_nothing_of_another_lab_away(
    machine: Machine, told: dict[str, str]
) -> None:
    """Two computers make a lab on the same machines at once: the snapshot is older than both."""
    before = take(machine.engine, "monday")
    with_lab_of_others(machine, told)
    machine.box("lookout", OURS, "swarmlab-lookout", **LAB, **{"swarmlab.role": "lookout"})
    machine.box("sh", DEBIAN, **THEIRS, **{"swarmlab.role": "shell"})
    boxes, nets, stores = list(machine.boxes), list(machine.nets), list(machine.stores)
    pictures = [dict(one, RepoTags=list(one["RepoTags"])) for one in machine.pictures]
    assert clean(machine, before) == [
        f"it is a node of another lab now ({told['swarmlab.lab']}), and was left so"
    ]
    assert machine.boxes == [one for one in boxes if one["Id"] != "lookout"]
    assert (machine.nets, machine.stores, machine.pictures) == (nets, stores, pictures)
    assert machine.swarm == "node1"


def test_a_lab_that_comes_when_the_gate_has_gone_keeps_what_it_brings(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    remove = gate.remove

    def and_then(api: Any, whose: Whose) -> None:
        remove(api, whose)
        machine.box("new", OURS, "swarmlab-monday-gate", **THEIRS, **{"swarmlab.role": "gate"})

    monkeypatch.setattr(gate, "remove", and_then)
    assert clean(machine, before) == ["it is a node of another lab now (monday), and was left so"]
    assert OURS in {one["Id"] for one in machine.pictures}
    assert "new" in {one["Id"] for one in machine.boxes}


@pytest.mark.parametrize("whose", [MONDAY, Whose("monday")])
def test_open_shells_of_the_lab_go(machine: Machine, whose: Whose) -> None:
    """`docker-machine ssh` in the workstation: root on the machine, as long as it is open."""
    before = take(machine.engine, "monday")
    with_lab(machine)
    role = {"swarmlab.role": "shell"}
    machine.box("shell", OURS, "busy_fox", **LAB, **role)
    machine.box("older", OURS, "calm_fox", **role)
    assert clean(machine, before, whose) == []
    assert {one["Id"] for one in machine.boxes} == {"web"}


@pytest.mark.usefixtures("quick")
def test_a_shell_of_another_lab_stays_and_is_told(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.box(
        "shell", DEBIAN, "busy_fox", **{**LAB, "swarmlab.lab": "x", "swarmlab.role": "shell"}
    )
    assert clean(machine, before) == ["container busy_fox is new"]


def test_images_that_came_from_a_registry_below_a_prefix_go(machine: Machine) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    names = Sources("upstream", parse("registry.example.org/class")).pulled
    assert all(name.startswith("registry.example.org/class/") for name in names)
    for number, name in enumerate(names):
        machine.image(f"sha256:{number:064}", name)
    machine.inspect_image(DEBIAN)["RepoTags"].append(names[0])
    assert clean(machine, before, pulled=names) == []


class Taken(Machine):
    """An engine that gives a name once, as engines do."""

    def create_container_from_config(self, config: dict[str, Any], name: str) -> None:
        if any(f"/{name}" in one["Names"] for one in self.boxes):
            answer = Response()
            answer.status_code = 409
            raise APIError("name is in use", answer)
        self.box(f"made by {config['Labels']['swarmlab.instance']}", OURS, name, **config["Labels"])


def test_the_first_of_two_labs_gets_the_gate_and_keeps_it() -> None:
    engine = Taken()
    more: Any = {"image": OURS, "socket": "/run/docker.sock", "rename": False, "marks": {}}
    assert gate.create(engine, MONDAY, "swarm-1", **more)
    late = Whose("monday", "ff00")
    assert not gate.create(engine, late, "swarm-1", **more)
    assert gate.there(engine, MONDAY) and not gate.there(engine, late)
    gate.remove(engine, late)
    assert [one["Id"] for one in engine.boxes] == ["made by ab12"]
    gate.remove(engine, MONDAY)
    assert engine.boxes == []
