"""The ways to the machines, their addresses, and what a lab remembers of them."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import NotFound

from swarmlab import labels
from swarmlab.cluster import apart, refusing, remains, repair, swarm
from swarmlab.engine import Target
from swarmlab.errors import (
    ClusterProblem,
    EngineUnreachable,
    EnvironmentProblem,
    TimedOut,
    UsageError,
)
from swarmlab.progress import SilentProgress
from swarmlab.providers import registry
from swarmlab.providers.hosts import cleaning, examining, gate, reaching
from swarmlab.providers.hosts.file import Host
from swarmlab.providers.hosts.guards import Consent
from swarmlab.providers.hosts.machines import Machines, settings, told
from swarmlab.providers.hosts.provider import Hosts
from swarmlab.providers.hosts.snapshot import Snapshot
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.providers.network import LabNetwork
from swarmlab.providers.registry import Choice
from swarmlab.size import Size

HOSTS = (
    Host("swarm-1", url="ssh://me@pc-01", address="10.0.0.1", api="1.41"),
    Host("swarm-2", url="tcp://pc-02:2376", certs=Path("/certs")),
    Host("swarm-3", context="pc-03"),
)


def test_what_the_labels_keep_is_what_was_chosen() -> None:
    consent = Consent(beside=True, rename=True)
    kept = json.loads(json.dumps(settings(HOSTS, consent)))
    machines, again = told(kept, "monday")
    assert machines.all() == HOSTS
    assert list(machines) == ["swarm-1", "swarm-2", "swarm-3"]
    assert again == consent


def test_the_leave_to_leave_a_swarm_is_kept_with_no_lab_and_used_only_when_typed() -> None:
    everything = Consent(beside=True, leave_swarm=True, rename=True)
    chosen = settings(HOSTS, everything)
    own = cast(Any, SimpleNamespace(client=SimpleNamespace(api=None)))
    marks = Hosts(own, "monday", chosen).marks
    assert told(json.loads(marks[labels.SETTINGS]), "monday")[1] == Consent(
        beside=True, rename=True
    )
    # A lab that an older swarmlab has made says so in its labels; it is made anew all the same.
    has = Choice("hosts", chosen)
    for wanted, leave in (
        (None, False),
        (Choice("hosts"), False),
        (Choice("hosts", settings(HOSTS, Consent())), False),
        (Choice("hosts", settings(HOSTS, Consent(leave_swarm=True))), True),
    ):
        again = registry.given_again(has, wanted)
        machines, consent = told(again.settings, "monday")
        assert machines.all() == HOSTS
        assert consent == replace(everything, leave_swarm=leave)


@pytest.mark.parametrize("spoilt", [{}, {"hosts": [{}], "consent": {}}, {"hosts": 1}])
def test_labels_that_tell_nothing_are_told_with_the_way_out(spoilt: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        told(spoilt, "monday")
    assert "--hosts FILE" in caught.value.hint


def test_where_a_machine_is() -> None:
    assert reaching.target(HOSTS[1]) == Target("tcp://pc-02:2376", "the hosts file", Path("/certs"))


CERTS = Path("/certs")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (Target("tcp://pc-03:2375", "the docker context pc-03"), "without TLS"),
        (Target("http://pc-03:2375", "the docker context pc-03"), "without TLS"),
        (Target("tcp://pc-03:2376", "the docker context pc-03", CERTS, verify=False), "SkipTLS"),
        (Target("tcp://pc-03:2376", "the docker context pc-03", CERTS), ""),
        (Target("ssh://me@pc-03", "the docker context pc-03"), ""),
        (Target("unix:///run/tunnel.sock", "the docker context pc-03"), ""),
    ],
)
def test_a_context_must_lead_there_by_ssh_or_tls(
    monkeypatch: pytest.MonkeyPatch, where: Target, said: str
) -> None:
    """Nothing is asked on a way on which somebody else may listen or answer."""
    monkeypatch.setattr("swarmlab.engine.of_context", lambda name: where)
    asked: list[str] = []

    def connect(host: Host) -> Any:
        asked.append(host.node)
        raise EngineUnreachable("Silent.")

    monkeypatch.setattr(reaching, "connect", connect)
    with pytest.raises(EnvironmentProblem) as caught:
        examining.examine(Machines(HOSTS[2:]), "monday", Consent())
    assert asked == ([] if said else ["swarm-3"])
    assert said in caught.value.evidence
    assert ("swarm-3: the docker context pc-03 leads to " in caught.value.evidence) is bool(said)


@pytest.mark.parametrize(
    ("url", "given", "address"),
    [
        ("tcp://pc-02:2376", "10.9.9.9", "10.9.9.9"),
        ("tcp://10.0.0.2:2376", "", "10.0.0.2"),
        ("ssh://me@10.0.0.3:2222", "", "10.0.0.3"),
    ],
)
def test_the_address_is_the_given_one_or_that_of_the_name(
    url: str, given: str, address: str
) -> None:
    host = Host("swarm-2", url=url, address=given)
    assert reaching.address(host, Target(url, "test")) == address


def test_a_name_of_sshs_own_configuration_is_looked_up_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho user me\necho hostname 10.0.0.7\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    host = Host("swarm-1", url="ssh://lab-one")
    assert reaching.address(host, Target(host.url, "test")) == "10.0.0.7"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tcp://127.0.0.1:2376", "leads to this machine itself"),
        ("unix:///var/run/docker.sock", "tells no IPv4 address of swarm-1"),
    ],
)
def test_an_address_that_cannot_be_found_out_is_to_be_given(url: str, said: str) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        reaching.address(Host("swarm-1", url=url), Target(url, "test"))
    assert said in caught.value.message
    assert "`address:`" in caught.value.hint


class Api:
    """An engine that tells by which managers it is in a swarm."""

    def __init__(self, *managers: str) -> None:
        self.managers = managers

    def info(self) -> dict[str, Any]:
        state = "active" if self.managers else "inactive"
        remote = [{"Addr": f"{one}:2377"} for one in self.managers]
        return {"Swarm": {"LocalNodeState": state, "RemoteManagers": remote}}


def test_mending_takes_no_machine_out_of_a_swarm_of_others() -> None:
    at = {"swarm-1": "10.0.0.1", "swarm-2": "10.0.0.2"}
    both = cast(Any, Api("10.0.0.1", "10.0.0.2"))
    refusing.other_swarms({"swarm-1": both, "swarm-2": cast(Any, Api())}, at)
    refusing.own_swarm(both, "swarm-2", at)
    with pytest.raises(ClusterProblem, match="swarm-2 is in another swarm") as told:
        refusing.other_swarms({"swarm-1": both, "swarm-2": cast(Any, Api("10.0.0.9"))}, at)
    assert "docker swarm leave --force" in told.value.hint
    with pytest.raises(ClusterProblem, match="swarm-2 is in another swarm"):
        refusing.own_swarm(cast(Any, Api("10.0.0.2")), "swarm-2", at)


@pytest.mark.parametrize("borrowed", [True, False])
def test_mending_asks_whose_the_swarm_is_before_it_leaves_one(
    monkeypatch: pytest.MonkeyPatch, borrowed: bool
) -> None:
    left: list[Any] = []
    monkeypatch.setattr(swarm, "leave", left.append)
    monkeypatch.setattr(swarm, "join", lambda *_: None)
    site = SimpleNamespace(
        provider=SimpleNamespace(borrowed=borrowed), addresses={"swarm-2": "10.0.0.2"}, size=Size(2)
    )
    job = repair._Job(cast(Any, site), remains.read([]), cast(Any, None), SilentProgress())
    own = cast(Any, Api("10.0.0.2"))
    standing = swarm.Standing("active", "n", True, "theirs")
    tokens = swarm.Tokens(swarm.Token("a"), swarm.Token("b"))
    with pytest.raises(ClusterProblem) if borrowed else nullcontext():
        job._join("swarm-2", own, standing, ["10.0.0.1"], tokens)
    assert left == ([] if borrowed else [own])


@pytest.mark.parametrize("name", ["dind", "docker-machine", "hosts"])
def test_what_fails_between_machines_names_the_ports(name: str) -> None:
    provider = cast(Any, SimpleNamespace(name=name, contained=name == "dind"))
    for error in (TimedOut("it", 3, "silence", hint="Begin anew."), ClusterProblem("No.")):
        hint = error.hint
        with pytest.raises(type(error)), apart.ways(provider, "10.0.0.1", apart.SWARM):
            raise error
        assert error.hint.endswith(hint)
        assert ("TCP 2377, TCP 7946, UDP 4789, UDP 7946 through to 10.0.0.1;" in error.hint) is (
            name != "dind"
        )
    with (
        pytest.raises(ClusterProblem) as other,
        apart.ways(provider, "10.0.0.1", [("TCP", 12376)], TimedOut),
    ):
        raise ClusterProblem("It has ended.")
    assert other.value.hint == ""


class Own:
    """The lab's own engine, which has lost the lab; `boxes` are on each machine that answers."""

    def __init__(self, *boxes: dict[str, Any]) -> None:
        self.boxes = list(boxes)
        self.record: dict[str, str] = {}

    def inspect_container(self, name: str) -> dict[str, Any]:
        raise NotFound(name)

    def inspect_volume(self, name: str) -> dict[str, Any]:
        if not self.record:
            raise NotFound(name)
        return {"Labels": self.record}

    def networks(self, **_: Any) -> list[Any]:
        return []

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return self.boxes


MARKS = {labels.LAB: "monday", labels.INSTANCE: "ab12"}
GATE = {"Labels": {**MARKS, labels.ROLE: labels.ROLE_GATE}}
SHELL = {"Labels": {labels.LAB: "monday", labels.ROLE: labels.ROLE_WORKSTATION}}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """A lab of three machines: one with its gate, one silent, one with the workstation alone."""

    def connect(host: Host) -> Any:
        if host.node == "swarm-2":
            raise EngineUnreachable("No answer.")
        box = GATE if host.node == "swarm-1" else SHELL
        return SimpleNamespace(client=SimpleNamespace(api=Own(box)))

    monkeypatch.setattr(reaching, "connect", connect)
    monkeypatch.setattr("swarmlab.providers.hosts.returning._REACH_SECONDS", 0.1)
    own = cast(Any, SimpleNamespace(client=SimpleNamespace(api=Own())))
    return Hosts(own, "monday", settings(HOSTS, Consent()))


def test_a_silent_machine_hides_no_other_and_only_gates_tell_of_a_lab(lab: Hosts) -> None:
    assert lab.left() == ("swarm-1", "swarm-2")


@pytest.mark.parametrize(("instance", "left"), [("ab12", True), ("ff00", False)])
def test_the_gate_of_another_lab_of_that_name_is_not_this_ones(
    lab: Hosts, instance: str, left: bool
) -> None:
    """The record tells which lab it is when the network is gone."""
    lab._api.record = {labels.INSTANCE: instance}
    assert ("swarm-1" in lab.left()) is left


def test_a_gate_that_another_lab_has_is_told_and_left(
    lab: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmlab.providers.hosts.provider.image", lambda *_: "sha256:1")
    monkeypatch.setattr(gate, "create", lambda *_, **__: False)
    with pytest.raises(EnvironmentProblem, match="swarm-1: it is a node of another lab") as told:
        lab.create("swarm-1")
    assert "`swarmlab down --name monday`" in told.value.hint


def test_nothing_is_tried_on_machines_that_another_lab_has_just_taken(
    lab: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tries ports by listening on them: whoever comes second would take it for a program."""
    tried: list[str] = []
    at = "swarmlab.providers.hosts.provider"
    monkeypatch.setattr(
        f"{at}.examining.examine", lambda machines, *_: {node: Snapshot(node) for node in machines}
    )
    monkeypatch.setattr(LabNetwork, "prepare", lambda *_: None)
    monkeypatch.setattr(f"{at}.record.write", lambda *_: None)
    monkeypatch.setattr(f"{at}.image", lambda *_: "sha256:1")
    monkeypatch.setattr(Hosts, "_give", lambda *_: None)

    def ports(_: Hosts, node: str) -> list[Trouble]:
        tried.append(node)
        return []

    monkeypatch.setattr(Hosts, "_ports", ports)
    monkeypatch.setattr(gate, "there", lambda *_: False)
    monkeypatch.setattr(gate, "create", lambda *_, **__: False)
    monkeypatch.setattr(Machines, "api", lambda *_: None)
    for node in lab._machines:
        lab._machines.know(replace(lab._machines[node], address="10.0.0.1"))
    with pytest.raises(EnvironmentProblem, match="it is a node of another lab"):
        lab.prepare()
    assert tried == []
    monkeypatch.setattr(gate, "create", lambda *_, **__: True)
    monkeypatch.setattr(Hosts, "_between", lambda _: [])
    lab.prepare()
    assert sorted(tried) == ["swarm-1", "swarm-2", "swarm-3"]


def test_a_silent_machine_is_lost_and_named(lab: Hosts) -> None:
    with pytest.raises(EngineUnreachable, match=r"The machine of swarm-2 .* was not cleaned"):
        lab.remove("swarm-2")


@pytest.mark.parametrize("error", [EngineUnreachable("Slow."), EnvironmentProblem("Refused.")])
def test_a_machine_that_answered_is_named_and_not_lost(
    lab: Hosts, monkeypatch: pytest.MonkeyPatch, error: EnvironmentProblem
) -> None:
    def clean(*_: Any) -> list[str]:
        raise error

    monkeypatch.setattr(cleaning, "clean", clean)
    lab._found["swarm-1"] = Snapshot("pc-01")
    with pytest.raises(EnvironmentProblem, match=r"The machine of swarm-1 .* was not") as told:
        lab.remove("swarm-1")
    assert not isinstance(told.value, EngineUnreachable)
    with pytest.raises(EnvironmentProblem, match="swarm-1"):
        remains._machines(lab, ["swarm-1"], lost=True)


def test_what_is_left_of_a_lab_tells_of_its_machines_as_long_as_its_record_is() -> None:
    marks = {
        labels.PROVIDER: "hosts",
        labels.SETTINGS: json.dumps(settings(HOSTS, Consent())),
    }
    there = remains.read([], [{"Name": "swarmlab-monday-found", "Labels": marks}], [])
    assert there.choice.provider == "hosts"
    assert len(there.choice.settings["hosts"]) == 3
