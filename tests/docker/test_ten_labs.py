"""Ten labs side by side: each has all of its own, none sees another, and each goes whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pytest

from swarmlab.cluster import lifecycle
from swarmlab.cluster.cluster import Cluster
from swarmlab.providers.base import ENGINE_PORT
from swarmlab.providers.subnets import of_engine
from swarmlab.student import ProgressStore
from tests.docker.lifecycle_site import host, left, typed

pytestmark = [pytest.mark.docker, pytest.mark.long]

NAMES = [f"ten-{os.getpid()}-{number}" for number in range(10)]
AT_ONCE = 3


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cluster]]:
    """Ten labs of one manager each, with a state folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                made = list(pool.map(lambda name: lifecycle.up(name, managers=1), NAMES))
            yield made
            for one in made:
                one.close()
        finally:
            for name in NAMES:
                lifecycle.down(name)


def told(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "swarmlab", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


def of(name: str) -> dict[str, list[str]]:
    return {"label": [f"swarmlab.lab={name}"]}


def test_each_has_addresses_a_network_and_a_disk_of_its_own(ten: list[Cluster]) -> None:
    assert len({one.cluster_id for one in ten}) == 10
    assert len({one.address("swarm-1") for one in ten}) == 10
    networks = [host().networks(filters=of(name)) for name in NAMES]
    assert [len(found) for found in networks] == [1] * 10
    subnets = [subnet for found in networks for subnet in of_engine(found)]
    assert not [pair for pair in combinations(subnets, 2) if pair[0].overlaps(pair[1])]
    volumes = [one["Name"] for name in NAMES for one in host().volumes(filters=of(name))["Volumes"]]
    assert len(set(volumes)) == 10


def test_the_keys_of_one_open_no_other(ten: list[Cluster]) -> None:
    assert len({(one.certificates / "ca.pem").read_bytes() for one in ten}) == 10
    first, second = ten[:2]
    for at, good in ((first, True), (second, False)):
        script = (
            "curl --noproxy '*' -s -o /dev/null -m 20 -w '%{http_code}' --cacert ca.pem "
            f"--cert cert.pem --key key.pem https://{at.address('swarm-1')}:{ENGINE_PORT}/_ping"
        )
        done = subprocess.run(
            ["sh", "-c", script], cwd=first.certificates, capture_output=True, text=True, timeout=30
        )
        assert (done.stdout == "200") is good, done


def test_no_lab_reaches_into_another(ten: list[Cluster]) -> None:
    first, second = ten[:2]
    for at, good in ((first, True), (second, False)):
        code, _ = typed(first, f"curl -sk -m 15 https://{at.address('swarm-1')}:{ENGINE_PORT}/")
        # The own engine closes on whoever has no certificate (curl ends with 56), the other's
        # does not answer at all (28).
        assert (code != 28) is good, code


def test_what_is_done_in_one_is_done_in_no_other(ten: list[Cluster]) -> None:
    ProgressStore(NAMES[0]).finish(ten[0].cluster_id, "no-registry")
    assert [len(ProgressStore(name).done()) for name in NAMES] == [1] + [0] * 9


def test_list_shows_all_ten(ten: list[Cluster]) -> None:
    listed = {one["name"]: one for one in json.loads(told("list", "--json"))["labs"]}
    assert [listed[name]["state"] for name in NAMES] == ["up"] * 10
    assert len({listed[name]["subnet"] for name in NAMES}) == 10
    shown = told("list")
    assert all(name in shown for name in NAMES)


def test_each_goes_whole_and_the_others_stay(ten: list[Cluster], tmp_path: Path) -> None:
    for number, name in enumerate(NAMES, 1):
        assert "is gone" in told("down", "--name", name)
        assert left(name) == []
        staying = NAMES[number:]
        listed = {one.name: one.state for one in lifecycle.labs()}
        assert [listed.get(other) for other in staying] == ["up"] * len(staying)
        assert name not in listed
