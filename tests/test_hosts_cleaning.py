"""What a lab takes off a machine's engine at its end, and what it leaves alone."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import NotFound

from swarmlab.engine import Engine
from swarmlab.providers.hosts import cleaning, gate
from swarmlab.providers.hosts.snapshot import Snapshot, take

LAB = {"swarmlab.lab": "monday"}
OURS, DEBIAN, OLD = ("sha256:" + digit * 64 for digit in "123")


@dataclass
class Machine:
    """An engine that holds what is put into it."""

    name: str = "pc-01"
    swarm: str = ""
    boxes: list[dict[str, Any]] = field(default_factory=list)
    stores: list[dict[str, Any]] = field(default_factory=list)
    nets: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)

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
        return {"Name": self.name, "Swarm": {"LocalNodeState": state, "NodeID": self.swarm}}

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return list(self.boxes)

    def volumes(self, filters: dict[str, str] | None = None) -> dict[str, Any]:
        key, _, value = (filters or {}).get("label", "").partition("=")
        found = [one for one in self.stores if not key or (one["Labels"] or {}).get(key) == value]
        return {"Volumes": found or None}

    def networks(self) -> list[dict[str, Any]]:
        return list(self.nets)

    def images(self) -> list[dict[str, Any]]:
        return list(self.pictures)

    def leave_swarm(self, force: bool) -> None:
        self.swarm = ""
        self.nets = [net for net in self.nets if net["Scope"] != "swarm"]
        self.boxes = [one for one in self.boxes if "com.docker.swarm.task.id" not in one["Labels"]]

    def inspect_container(self, name: str) -> dict[str, Any]:
        for one in self.boxes:
            if f"/{name}" in one["Names"]:
                return {"Image": one["ImageID"]}
        raise NotFound(name)

    def inspect_image(self, name: str) -> dict[str, Any]:
        for one in self.pictures:
            if name in (one["Id"], *one["RepoTags"]):
                return one
        raise NotFound(name)

    def remove_container(self, name: str, **_: Any) -> None:
        gone = [one for one in self.boxes if name == one["Id"] or f"/{name}" in one["Names"]]
        if not gone:
            raise NotFound(name)
        self.boxes.remove(gone[0])

    def remove_volume(self, name: str) -> None:
        self.stores = [one for one in self.stores if one["Name"] != name]

    def remove_network(self, name: str) -> None:
        self.nets = [one for one in self.nets if one["Id"] != name]

    def remove_image(self, name: str, force: bool = False) -> None:
        one = self.inspect_image(name)
        one["RepoTags"] = [tag for tag in one["RepoTags"] if tag != name]
        if not one["RepoTags"] and force:
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
    machine.box("gate", OURS, "swarmlab-monday-gate", **LAB)
    machine.box("task", OURS, "proxy.1.x", **{"com.docker.swarm.task.id": "t"})
    machine.box("consul", OURS, "consul")
    project = {"com.docker.compose.project": "consul"}
    machine.stores.append({"Name": "consul_consul-data", "Labels": project})
    machine.nets += [
        {"Id": "n2", "Name": "ingress", "Driver": "overlay", "Scope": "swarm"},
        {"Id": "n3", "Name": "docker_gwbridge", "Driver": "bridge", "Scope": "local"},
    ]
    machine.inspect_image(OLD)["RepoTags"].clear()
    machine.image(OURS, "swarmlab/flow-proxy:1.0", "swarmlab/util:1.0")


def clean(machine: Machine, found: Snapshot | None) -> list[str]:
    return cleaning.clean(machine.engine, "monday", found, lambda words: None, nullcontext())


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


def test_a_renamed_machine_gets_its_name_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = take(machine.engine, "monday")
    with_lab(machine)
    machine.name = "swarm-1"

    def rename(api: Machine, image: str, name: str, lab: str) -> None:
        assert (image, lab) == (OURS, "monday")
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
