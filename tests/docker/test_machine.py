"""The examination of a real machine, and engines that refuse."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from docker.errors import NotFound

from swarmlab import doctor, labels, mending, probe
from swarmlab import engine as engines
from swarmlab.findings import State
from swarmlab.images import builder, leftovers
from swarmlab.progress import SilentProgress
from tests.docker.lifecycle_site import RealLab, host

pytestmark = pytest.mark.docker

NOBODY = 2**22 + 1
"""No process ever has this number: Linux counts to 2**22."""


def own() -> list[str]:
    """Containers that this process made for a moment: what an examination could leave behind.

    Other tests make and remove theirs meanwhile.
    """
    mine = [f"{label}={value}" for label, value in leftovers.labels().items()]
    return [c["Id"] for c in host().containers(all=True, filters={"label": mine})]


def test_where_a_lab_runs_the_doctor_says_that_one_can(lab: RealLab) -> None:
    builder.ensure(["node"], engine=lab.cluster.host_engine())
    found = doctor.examine()
    states = {finding.id: finding.state for finding in found.findings}
    assert found.healthy, found.to_dict()
    assert states["vxlan"] is states["overlay"] is states["rights"] is State.OK
    plane = next(finding.seen for finding in found.findings if finding.id == "data-plane")
    assert plane.startswith(lab.cluster.data_plane)
    assert any(f.title == f"Lab {lab.name}" and f.state is State.OK for f in found.findings)
    assert json.loads(json.dumps(found.to_dict()))["kind"] == "swarmlab-doctor"
    assert own() == []


def test_what_a_killed_swarmlab_left_is_found_and_removed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a machine of its own: every `up` and every build of another test removes what was left
    # on this one, and what those have left would be removed here.
    monkeypatch.setattr("swarmlab.images.leftovers.platform.node", lambda: f"test-{os.getpid()}")
    engine = engines.connect()
    built = builder.ensure(["node"], engine=engine.client)
    (node,) = [image.reference for image in built if image.name == "node"]
    mine = leftovers.labels()
    owner = mine[labels.OWNER].rpartition(" ")[0] + f" {NOBODY}"
    made = engine.client.api.create_container(node, labels={**mine, labels.OWNER: owner})["Id"]
    try:
        found = [f for f in doctor.examine().findings if f.id == "leftovers"]
        assert [f.state for f in found] == [State.WARNING]
        (deed,) = mending.fix(found, SilentProgress())
        assert deed.done and "removed" in deed.said
        assert made not in leftovers.look(engine.client)
        (again,) = mending.fix(found, SilentProgress())
        assert again.said == "removed 0 containers that were left behind"
    finally:
        with contextlib.suppress(NotFound):
            engine.client.api.remove_container(made, force=True, v=True)


def test_a_root_on_two_overlays_is_seen_to_be_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Docker's own data is on an overlay: what is on a volume alone would still work."""
    engine = engines.connect()
    built = builder.ensure(["node"], engine=engine.client)
    (node,) = [image.reference for image in built if image.name == "node"]
    deeper = (
        "cd /var/lib/docker && mkdir deep-upper deep-work && mount -t overlay overlay "
        "-o lowerdir=/usr,upperdir=deep-upper,workdir=deep-work /usr || exit 1\n"
    )
    monkeypatch.setattr(probe, "SCRIPT", deeper + probe.SCRIPT)
    found = probe.run(engine, node)
    assert found.works("vxlan") and found.works("node_cgroups")
    assert not found.works("overlay")
    assert State.PROBLEM in {f.state for f in probe.kernel(found) if f.id == "overlay"}
