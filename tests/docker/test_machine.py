"""The examination of a real machine, and engines that refuse."""

from __future__ import annotations

import json

import pytest

from swarmlab import doctor
from swarmlab.findings import State
from swarmlab.images import builder
from tests.docker.lifecycle_site import RealLab, host

pytestmark = pytest.mark.docker


def unlabelled() -> set[str]:
    """Containers and volumes that belong to no lab: what an examination could leave behind."""
    api = host()
    containers = [c for c in api.containers(all=True) if "swarmlab.lab" not in c["Labels"]]
    return {c["Id"] for c in containers if c["Labels"].get("swarmlab.role") == "build"}


def test_where_a_lab_runs_the_doctor_says_that_one_can(lab: RealLab) -> None:
    builder.ensure(["node"], engine=lab.cluster.host_engine())
    before = unlabelled()
    found = doctor.examine()
    states = {finding.id: finding.state for finding in found.findings}
    assert found.healthy, found.to_dict()
    assert states["vxlan"] is states["overlay"] is states["rights"] is State.OK
    plane = next(finding.seen for finding in found.findings if finding.id == "data-plane")
    assert plane.startswith(lab.cluster.data_plane)
    assert any(f.title == f"Lab {lab.name}" and f.state is State.OK for f in found.findings)
    assert json.loads(json.dumps(found.to_dict()))["kind"] == "swarmlab-doctor"
    assert unlabelled() <= before
