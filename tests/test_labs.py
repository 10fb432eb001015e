"""Several labs on one engine, told apart by their label alone; and what engineers are told."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from rich.console import Console

from swarmlab import console, labels, process, verbose
from swarmlab.cluster import remains
from swarmlab.cluster.labs import Lab, everything, read
from swarmlab.errors import EnvironmentProblem
from swarmlab.report import cluster as report


def box(lab: str, what: str, state: str = "running", nodes: int = 1) -> dict[str, Any]:
    node = what.startswith("swarm-")
    told = {
        labels.LAB: lab,
        labels.ROLE: labels.ROLE_NODE if node else labels.ROLE_WORKSTATION,
        labels.COUNT: str(nodes),
        labels.NODE: what,
    }
    return {
        "Names": [f"/swarmlab-{lab}-{what}"],
        "Labels": told,
        "State": state,
        "Created": 1_800_000_000,
    }


def test_a_lab_of_another_swarmlab_is_listed_too() -> None:
    """One lab that this version does not understand must not hide the others from `down --all`."""
    strange = box("newer", "swarm-1")
    strange["Labels"][labels.REACH] = "by-pigeon"
    found = read([box("monday", "swarm-1"), strange], [], [])
    assert [(lab.name, lab.running) for lab in found] == [("monday", 1), ("newer", 1)]


def test_a_provider_that_nobody_knows_hides_no_other_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = box("newer", "swarm-1")
    strange["Labels"][labels.PROVIDER] = "by-pigeon"
    listed = [box("monday", "swarm-1"), box("monday", "workstation"), strange]
    api = SimpleNamespace(
        containers=lambda **_: listed, volumes=lambda **_: {"Volumes": []}, networks=lambda **_: []
    )
    engine: Any = SimpleNamespace(client=SimpleNamespace(api=api))
    found = everything(engine)
    assert [(lab.name, lab.state) for lab in found] == [("monday", "up"), ("newer", "broken")]
    file = io.StringIO()
    monkeypatch.setattr(report, "out", lambda: Console(file=file, width=60))
    report.lab_list(found, {})
    said = " ".join(file.getvalue().split())
    assert "The nodes of the lab 'newer' are from provider by-pigeon, which this version" in said
    assert "something is stopped" not in said
    assert found[1].to_dict()["problem"] in said
    with pytest.raises(EnvironmentProblem, match="by-pigeon") as caught:
        remains.look(engine, "newer")
    assert "version of swarmlab that made it" in caught.value.hint


def network(lab: str, subnet: str) -> dict[str, Any]:
    ipam = {"Config": [{"Subnet": subnet}]}
    return {"Name": f"swarmlab-{lab}", "Labels": {labels.LAB: lab}, "IPAM": ipam}


def volume(lab: str, what: str) -> dict[str, Any]:
    return {"Name": f"swarmlab-{lab}-{what}", "Labels": {labels.LAB: lab}}


@pytest.fixture
def labs() -> dict[str, Lab]:
    containers = [
        *(box("monday", what) for what in ("swarm-1", "workstation")),
        *(box("rest", what, "exited") for what in ("swarm-1", "workstation")),
        *(box("half", what, nodes=3) for what in ("swarm-1", "swarm-2", "workstation")),
        {"Names": ["/other"], "Labels": None, "State": "running"},
    ]
    networks = [network("monday", "192.168.99.0/24"), network("half", "192.168.100.0/24")]
    found = read(containers, [volume("lost", "swarm-1"), volume("monday", "swarm-1")], networks)
    assert [lab.name for lab in found] == ["half", "lost", "monday", "rest"]
    return {lab.name: lab for lab in found}


def test_every_lab_is_found_also_a_half_and_a_lost_volume(labs: dict[str, Lab]) -> None:
    states = {name: lab.state for name, lab in labs.items()}
    assert states == {"half": "broken", "lost": "broken", "monday": "up", "rest": "stopped"}
    assert labs["monday"].to_dict() == {
        "name": "monday",
        "state": "up",
        "running": 1,
        "nodes": 1,
        "managers": 1,
        "workers": 0,
        "subnet": "192.168.99.0/24",
        "made": "2027-01-15T08:00:00Z",
        "containers": 2,
        "volumes": 1,
        "networks": 1,
        "problem": "",
    }
    assert labs["lost"].made == labs["lost"].subnet == ""


@pytest.mark.parametrize("width", [60, 80])
def test_the_list_keeps_to_the_terminal(
    labs: dict[str, Lab], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(report, "out", lambda: Console(file=file, width=width))
    report.lab_list(list(labs.values()), {"monday": 12})
    report.lab_list([], {})
    lines = file.getvalue().splitlines()
    monday = next(line.split() for line in lines if line.startswith("monday"))
    assert monday[:6] == ["monday", "up", "1", "of", "1", "12"]
    assert ("Made" in lines[0]) == (width == 80)
    assert any("half" in line and "something is stopped" in line for line in lines)
    assert "There is no lab on this machine." in lines[-1]


def test_engineers_are_told_calls_and_programs_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(console, "err", lambda: Console(file=file, width=60))
    api = SimpleNamespace(hooks={"response": []})
    verbose.listen(api)  # type: ignore[arg-type]
    process.run(["true"], timeout=10)
    assert api.hooks["response"] == [] and file.getvalue() == ""

    monkeypatch.setattr(verbose, "_on", True)
    verbose.listen(api)  # type: ignore[arg-type]
    answer = requests.Response()
    answer.status_code = 200
    answer.request = requests.Request(
        "GET", "http+docker://x/v1.41/swarm/unlockkey?token=SWMKEY-1-planted"
    ).prepare()
    (told,) = api.hooks["response"]
    told(answer)
    process.run(["true", "--token", "planted"], timeout=10)
    lines = file.getvalue().splitlines()
    assert "GET http+docker://x/v1.41/swarm/unlockkey?token=*** -> 200" in lines[0]
    assert "true --token '***' -> exit code 0" in lines[1].replace("***", "'***'").replace(
        "''", "'"
    )
    assert "planted" not in json.dumps(lines)
