"""The support bundle of a real lab in which secrets were planted."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from swarmlab.wait import PATIENCE, Observation, until
from tests.docker.lifecycle_site import RealLab

pytestmark = pytest.mark.docker

TOKEN = "SWMTKN-1-29yx8planted-token"
SAID = f"echo joining with {TOKEN}; echo greetings-from-outside; sleep 600"


def test_everything_is_in_it_but_no_secret(lab: RealLab, tmp_path: Path) -> None:
    manager: Any = lab.engine("swarm-1")
    service = manager.services.create(
        "swarmlab/util:1.0",
        ["sh", "-c", SAID],
        name="leaky",
        env=["DB_PASSWORD=planted-password", "MODE=swarm"],
        init=True,
    )
    path = tmp_path / "help.tar.gz"
    try:

        def look() -> Observation[None]:
            said = b"".join(service.logs(stdout=True))
            return Observation(b"greetings" in said, said.decode())

        until("the service to speak", look, within=60)
        done = subprocess.run(
            [sys.executable, "-m", "swarmlab", "support-bundle", str(path), "--name", lab.name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            env={
                **os.environ,
                PATIENCE: "5",
                "LAB_TOKEN": "greetings-from-outside",
                "HTTPS_PROXY": "http://ada:planted-proxy-word@proxy.invalid:3128",
            },
        )
    finally:
        service.remove()
    assert done.returncode == 0, done.stderr
    assert "logs/service-leaky.log" in done.stdout
    texts = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            texts[member.name.partition("/")[2]] = file.read().decode()
    log = texts["logs/service-leaky.log"]
    assert "joining with" in log
    assert '"MODE=swarm"' in texts["services.json"]
    for name in ("versions", "doctor", "status", "verify"):
        assert f"{name}.json" in texts, done.stdout
    assert "logs/swarm-3-engine.log" in texts and "swarm-2" in texts["topology.txt"]
    everything = "".join(texts.values()) + done.stdout + done.stderr
    for secret in (TOKEN, "planted-password", "greetings-from-outside", "planted-proxy-word"):
        assert secret not in everything, secret
    assert "PRIVATE KEY-----" not in everything
