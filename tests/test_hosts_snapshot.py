"""What an engine held before the lab and after it: kept, compared, told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from docker.errors import NotFound

from swarmlab.providers.hosts import record
from swarmlab.providers.hosts.snapshot import Snapshot, differences, membership, read

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64

FOUND = Snapshot(
    name="pc-01",
    containers={"c1": "web", "c2": "old"},
    running=frozenset({"c1"}),
    volumes=frozenset({"data"}),
    networks=frozenset({"bridge", "host", "none"}),
    images={ONE: ("debian:12",), TWO: ()},
)


def test_an_engine_that_is_as_it_was_has_no_differences() -> None:
    assert differences(FOUND, Snapshot.from_dict(json.loads(json.dumps(FOUND.to_dict())))) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "swarm-1"}, ["its name is swarm-1, and was pc-01"]),
        ({"swarm": "abc"}, ["it is in a swarm as node abc, and was in no swarm"]),
        ({"containers": {"c1": "web"}}, ["container old is gone"]),
        (
            {"containers": {**FOUND.containers, "c3": "new"}},
            ["container new is new"],
        ),
        (
            {"running": frozenset({"c2"})},
            ["container web is stopped, and ran", "container old runs, and was stopped"],
        ),
        ({"volumes": frozenset({"other"})}, ["volume data is gone", "volume other is new"]),
        ({"networks": FOUND.networks | {"docker_gwbridge"}}, ["network docker_gwbridge is new"]),
        ({"images": {TWO: ()}}, ["image debian:12 is gone"]),
        (
            {"images": {ONE: ("debian:13",), TWO: ()}},
            ["image 111111111111 is called debian:13, and was called debian:12"],
        ),
        (
            {"images": {**FOUND.images, "sha256:" + "3" * 64: ()}},
            ["image 333333333333 is new"],
        ),
    ],
)
def test_each_difference_is_told(change: dict[str, Any], told: list[str]) -> None:
    assert differences(FOUND, replace(FOUND, **change)) == told


def test_what_the_lab_itself_has_there_is_left_out() -> None:
    ours = {"Labels": {"swarmlab.lab": "monday"}}
    snapshot = read(
        {"Name": "pc-01", "Swarm": {"LocalNodeState": "inactive", "NodeID": ""}},
        [
            {"Id": "a", "Names": ["/web"], "State": "running", "Labels": None},
            {"Id": "b", "Names": ["/gate"], "State": "running", **ours},
        ],
        [{"Name": "data", "Labels": None}, {"Name": "found", **ours}],
        [{"Name": "bridge", "Labels": {}}, {"Name": "swarmlab-monday", **ours}],
        [{"Id": ONE, "RepoTags": ["<none>:<none>"]}, {"Id": TWO, "RepoTags": ["b:1", "a:1"]}],
        "monday",
    )
    assert snapshot.containers == {"a": "web"}
    assert snapshot.running == {"a"}
    assert snapshot.volumes == {"data"}
    assert snapshot.networks == {"bridge"}
    assert snapshot.images == {ONE: (), TWO: ("a:1", "b:1")}
    assert snapshot.swarm == ""


@pytest.mark.parametrize(
    ("swarm", "told"),
    [
        (None, ""),
        ({"LocalNodeState": "inactive", "NodeID": ""}, ""),
        ({"LocalNodeState": "active", "NodeID": "n1"}, "n1"),
        ({"LocalNodeState": "locked", "NodeID": ""}, "locked"),
    ],
)
def test_a_swarm_of_any_state_is_a_swarm(swarm: dict[str, str] | None, told: str) -> None:
    assert membership({"Swarm": swarm}) == told


class Volumes:
    """The part of an engine that keeps volumes."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, str]] = {}

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        self.there[name] = labels

    def inspect_volume(self, name: str) -> dict[str, Any]:
        if name not in self.there:
            raise NotFound("no such volume")
        return {"Labels": self.there[name]}


def test_snapshots_are_kept_as_labels_and_read_again() -> None:
    engine = Volumes()
    other = replace(FOUND, name="pc-02", images={})
    record.write(engine, "monday", {"swarm-1": FOUND, "swarm-2": other}, {"swarmlab.lab": "monday"})
    assert record.read(engine, "monday") == {"swarm-1": FOUND, "swarm-2": other}
    marks = engine.there["swarmlab-monday-found"]
    assert marks["swarmlab.lab"] == "monday"
    marks["swarmlab.found.swarm-2"] = "spoilt"
    assert record.read(engine, "monday") == {"swarm-1": FOUND}
    assert record.read(engine, "tuesday") == {}


def test_a_snapshot_of_another_version_is_not_believed() -> None:
    with pytest.raises(ValueError, match="version"):
        Snapshot.from_dict({**FOUND.to_dict(), "version": 0})
