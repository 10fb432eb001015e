"""Two labs side by side, and `down --all` on them: without any file, and proven.

Every other lab of the machine is somebody's: the command is shown no label but the test's own.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from docker.errors import NotFound
from typer.testing import CliRunner

from swarmlab import state
from swarmlab.cli.app import app
from swarmlab.cluster import labs, lifecycle
from swarmlab.engine import connect
from swarmlab.images import builder
from tests.docker.lifecycle_site import host, left

pytestmark = pytest.mark.docker

OURS = f"all-{os.getpid()}"
OTHER = f"other-{os.getpid()}"


@pytest.fixture
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = labs.everything

    def ours(engine: object) -> list[labs.Lab]:
        return [lab for lab in seen(engine) if lab.name.startswith(OURS)]  # type: ignore[arg-type]

    monkeypatch.setattr(lifecycle, "everything", ours)


@pytest.mark.usefixtures("only_ours")
def test_labs_are_apart_and_all_go_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    names = [f"{OURS}-a", f"{OURS}-b"]
    image = next(one.reference for one in builder.ensure(["util"], engine=connect().client))
    try:
        # Somebody else's, who goes nowhere meanwhile.
        other = host().create_container(image, name=OTHER, labels={"swarmlab.lab": OTHER})["Id"]
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda name: lifecycle.up(name, managers=1), names))
        assert len({one.cluster_id for one in both}) == 2
        assert len({one.address("swarm-1") for one in both}) == 2
        certificates = {(one.certificates / "ca.pem").read_text() for one in both}
        assert len(certificates) == 2
        for one in both:
            one.close()
        assert [(lab.name, lab.state) for lab in lifecycle.labs()] == [(n, "up") for n in names]
        host().remove_container(f"swarmlab-{names[0]}-workstation", force=True, v=True)
        assert [lab.state for lab in lifecycle.labs()] == ["broken", "up"]

        shutil.rmtree(state.folder())
        done = CliRunner().invoke(app, ["down", "--all"])
        assert done.exit_code == 0, done.output
        assert [left(name) for name in names] == [[], []]
        assert lifecycle.labs() == []
        assert "There is no lab" in CliRunner().invoke(app, ["down", "--all"]).output
        still = {one["Id"] for one in host().containers(all=True)}
        assert other in still, "labs of others were to be left alone"
    finally:
        with suppress(NotFound):
            host().remove_container(OTHER, force=True, v=True)
        for name in names:
            lifecycle.down(name)
