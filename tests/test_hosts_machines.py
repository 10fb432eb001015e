"""The ways to the machines, their addresses, and what a lab remembers of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarmlab.engine import Target
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.providers.hosts import reaching
from swarmlab.providers.hosts.file import Host
from swarmlab.providers.hosts.guards import Consent
from swarmlab.providers.hosts.machines import settings, told

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


@pytest.mark.parametrize("spoilt", [{}, {"hosts": [{}], "consent": {}}, {"hosts": 1}])
def test_labels_that_tell_nothing_are_told_with_the_way_out(spoilt: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        told(spoilt, "monday")
    assert "--hosts FILE" in caught.value.hint


def test_where_a_machine_is() -> None:
    assert reaching.target(HOSTS[1]) == Target("tcp://pc-02:2376", "the hosts file", Path("/certs"))


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
