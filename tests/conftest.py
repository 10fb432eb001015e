"""What every test gets: a state folder of its own and, for unit tests, no way to an engine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from swarmlab import naming
from tests import seed

# The same examples at every run, so that what passes here passes elsewhere, and as much time for
# them as a busy machine takes. `--hypothesis-profile=searching` looks for new ones.
settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("searching"), derandomize=True)
settings.load_profile("steady")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say the seed of the tests that try moves and moments at random, if real tests ran."""
    ended = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    if any("docker" in report.keywords or "long" in report.keywords for report in ended):
        terminalreporter.write_line(f"{seed.NAME}={seed.SEED} makes the same random moves again")


def _real(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("docker", "long"))


@pytest.fixture(autouse=True)
def _own_state(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unit tests never see or change the state folder of whoever runs them."""
    if not _real(request.node):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a test runs names its lab for all that is said; the next test starts anew."""
    monkeypatch.setattr(naming, "_current", naming.DEFAULT)
    monkeypatch.setattr(naming, "_lab", naming.CHAPTER)


@pytest.fixture(autouse=True)
def _no_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit tests cannot touch Docker or the network: only sockets on loopback connect."""
    if _real(request.node):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else str(address)
        local = self.family == socket.AF_UNIX and "docker" not in host
        if not local and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a unit test tried to reach {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
