"""The examination: what is judged how, and that nothing it meets makes it fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swarmlab import belongings, doctor, findings, probe, state
from swarmlab.errors import EngineUnreachable
from swarmlab.findings import GIB, Diagnosis, Finding, State

INFO: dict[str, Any] = {
    "MemTotal": 8 * GIB,
    "NCPU": 4,
    "Driver": "overlay2",
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "SecurityOptions": ["name=seccomp,profile=default"],
}
ALL = ("vxlan", "overlay", "nat", "nftables", "bridge_filter", "node_cgroups", "ipvs")
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def states(found: list[Finding]) -> dict[str, State]:
    return {finding.id: finding.state for finding in found}


def complete(found: list[Finding]) -> None:
    """Whoever is told of something wrong is told why it matters and what mends it."""
    for finding in found:
        if finding.state is not State.OK:
            assert finding.why, finding
            assert finding.mend, finding


def test_a_good_machine() -> None:
    found = findings.machine(INFO, 4 * GIB)
    assert set(states(found).values()) == {State.OK}


@pytest.mark.parametrize(
    ("changes", "available", "id", "state"),
    [
        ({"MemTotal": GIB // 2}, None, "memory", State.PROBLEM),
        ({"MemTotal": 8 * GIB}, GIB // 2, "memory", State.PROBLEM),
        ({"MemTotal": GIB * 3 // 2}, None, "memory", State.WARNING),
        ({"NCPU": 1}, None, "cpus", State.WARNING),
        ({"Driver": "vfs"}, None, "storage", State.WARNING),
        ({"SecurityOptions": ["name=rootless"]}, None, "rootless", State.PROBLEM),
    ],
)
def test_a_poor_machine(
    changes: dict[str, Any], available: int | None, id: str, state: State
) -> None:
    found = findings.machine({**INFO, **changes}, available)
    assert states(found)[id] is state
    complete(found)


@pytest.mark.parametrize(
    ("nodes", "free", "state"),
    [
        (1, 2 * GIB, State.OK),
        (3, 2 * GIB, State.OK),
        (5, 2 * GIB, State.WARNING),
        (5, 2.25 * GIB, State.OK),
        (5, 1.2 * GIB, State.PROBLEM),
        (3, 1.2 * GIB, State.WARNING),
    ],
)
def test_more_nodes_want_more_memory(nodes: int, free: float, state: State) -> None:
    found = findings.machine(INFO, int(free), nodes)
    assert states(found)["memory"] is state
    (memory,) = [one for one in found if one.id == "memory"]
    if nodes == 5 and state is not State.OK:
        assert "With all its services a lab of 5 nodes runs at ease from 2.25 GiB on" in memory.why
    complete(found)


def test_a_full_kernel_balances_with_ipvs() -> None:
    found = probe.kernel(probe.Probe(dict.fromkeys(ALL, "yes"), free=50 * GIB))
    assert set(states(found).values()) == {State.OK}
    assert "ipvs" in next(f.seen for f in found if f.id == "data-plane")


def test_every_finding_has_a_name_of_its_own() -> None:
    found = findings.machine(INFO, 4 * GIB)
    found += probe.kernel(probe.Probe(dict.fromkeys(ALL, "yes"), free=50 * GIB))
    assert len(states(found)) == len(found)


@pytest.mark.parametrize(
    ("lost", "state"),
    [
        ("vxlan", State.PROBLEM),
        ("overlay", State.PROBLEM),
        ("nat", State.PROBLEM),
        ("node_cgroups", State.PROBLEM),
        ("bridge_filter", State.WARNING),
    ],
)
def test_what_a_kernel_lacks_is_named(lost: str, state: State) -> None:
    answers = {**dict.fromkeys(ALL, "yes"), lost: "no Error: Unknown device type."}
    found = probe.kernel(probe.Probe(answers, free=50 * GIB))
    assert states(found)[lost] is state
    assert next(f.seen for f in found if f.id == lost) == "Error: Unknown device type."
    complete(found)


def test_without_ipvs_nftables_takes_its_place_and_without_both_nothing_does() -> None:
    answers = {**dict.fromkeys(ALL, "yes"), "ipvs": "no"}
    found = probe.kernel(probe.Probe(answers))
    assert states(found)["data-plane"] is State.OK
    assert "nftables" in next(f.seen for f in found if f.id == "data-plane")
    found = probe.kernel(probe.Probe({**answers, "nftables": "no"}))
    assert states(found)["data-plane"] is State.PROBLEM
    complete(found)


@pytest.mark.parametrize(
    ("free", "state"), [(GIB, State.PROBLEM), (4 * GIB, State.WARNING), (9 * GIB, State.OK)]
)
def test_disk(free: int, state: State) -> None:
    found = probe.kernel(probe.Probe(dict.fromkeys(ALL, "yes"), free=free))
    assert states(found)["disk"] is state
    complete(found)


def test_an_engine_that_may_not_give_rights() -> None:
    found = probe.kernel(probe.Probe({}, refused="unable to apply caps"))
    assert states(found) == {"rights": State.PROBLEM}
    complete(found)


def test_the_probes_words_are_read() -> None:
    output = "vxlan=yes\nipvs=no RTNETLINK answers: a=b\nnoise\ncaps=00ff\nfree=1000\n"
    found = probe.parse(output)
    assert found.works("vxlan")
    assert not found.works("nat")
    assert found.why("ipvs") == "RTNETLINK answers: a=b"
    assert found.why("nat") == "not tried"
    assert found.free == 1024000
    assert probe.parse("").free is None


@pytest.mark.parametrize(
    ("apart", "state", "words"),
    [
        (0, State.OK, "the same here and at the engine, to a second"),
        (3, State.OK, "3 s apart from the engine's: no harm"),
        (-600, State.WARNING, "600 s apart from the engine's"),
        (200_000, State.PROBLEM, "200000 s apart from the engine's"),
    ],
)
def test_clocks(apart: int, state: State, words: str) -> None:
    there = (NOW + timedelta(seconds=apart)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    found = findings.clock(there, NOW, NOW)
    assert (found.state, found.seen) == (state, words)
    complete([found])


def test_an_engine_that_is_slow_to_answer_has_no_other_clock() -> None:
    there = (NOW + timedelta(seconds=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = findings.clock(there, NOW, NOW + timedelta(seconds=80))
    assert found.seen == "the same here and at the engine, to a second"


@pytest.mark.parametrize("there", ["", "yesterday", "2026-03-01T12:00:00"])
def test_a_clock_that_says_nothing_is_not_called_the_same(there: str) -> None:
    found = findings.clock(there, NOW, NOW)
    assert found.state is State.WARNING and found.seen.startswith("not compared")
    complete([found])


def test_a_clock_with_an_offset_or_without_fractions() -> None:
    for there in ("2026-03-01T14:00:00.5+02:00", "2026-03-01T12:00:00Z"):
        assert findings.clock(there, NOW, NOW).seen.startswith("the same here")


def test_a_clock_that_is_behind_is_seen_without_another_one() -> None:
    assert findings.own_clock(NOW, NOW + timedelta(hours=20)) == []
    found = findings.own_clock(NOW, NOW + timedelta(days=2))
    complete(found)
    assert found[0].seen == "2026-03-01, before swarmlab was put here (2026-03-03)"
    assert findings.own_clock(datetime.now(UTC), doctor._installed()) == []


def test_subnets() -> None:
    assert findings.free_subnet([]).state is State.OK
    full = [
        IPv4Network(text)
        for text in ("192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "198.18.0.0/15")
    ]
    found = findings.free_subnet(full)
    assert found.state is State.PROBLEM
    complete([found])


def test_variables_are_named_but_never_shown() -> None:
    env = {"HTTPS_PROXY": "http://me:secret@proxy:3128", "no_proxy": "", "SSL_CERT_FILE": "/none"}
    found = belongings.variables(env)
    assert states(found) == {"proxy": State.OK, "authorities": State.WARNING}
    told = json.dumps([finding.to_dict() for finding in found])
    assert "HTTPS_PROXY" in told
    assert "no_proxy" not in told
    assert "secret" not in told
    complete(found)
    assert states(belongings.variables({})) == {"proxy": State.OK, "authorities": State.OK}


def test_authorities_are_looked_into(tmp_path: Path) -> None:
    """A file that a build would refuse, or cannot read, is told before one is begun."""
    wordy = tmp_path / "wordy.pem"
    wordy.write_text("no certificate")
    for path, why in (
        (wordy, "it holds no certificate (PEM)"),
        (tmp_path, "it is a folder"),
        (tmp_path / "absent", "there is no such file"),
    ):
        (found,) = belongings.variables({"SSL_CERT_FILE": str(path)})[1:]
        assert found.state is State.WARNING
        assert f"SSL_CERT_FILE ({why})" in found.seen
        assert found.mend == "`unset SSL_CERT_FILE`"
    wordy.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (found,) = belongings.variables({"CURL_CA_BUNDLE": str(wordy)})[1:]
    assert (found.state, found.seen) == (State.OK, "set: CURL_CA_BUNDLE")


def test_memory_that_is_left(tmp_path: Path) -> None:
    table = tmp_path / "meminfo"
    table.write_text("MemTotal:  100 kB\nMemAvailable:  42 kB\n")
    assert findings.available_memory(table) == 42 * 1024
    assert findings.available_memory(tmp_path / "none") is None
    table.write_text("MemTotal: 100 kB\n")
    assert findings.available_memory(table) is None


def test_no_engine_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise EngineUnreachable("No Docker engine.", hint="Install it.")

    monkeypatch.setattr("swarmlab.engine.connect", none)
    found = doctor.examine()
    assert not found.healthy
    assert found.findings[0].to_dict() == {
        "id": "engine",
        "title": "Docker engine",
        "state": "problem",
        "seen": "No Docker engine.",
        "why": found.findings[0].why,
        "mend": "Install it.",
    }


def test_an_engine_that_goes_away_meanwhile_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def info(self) -> None:
            raise ConnectionError("gone")

    client = SimpleNamespace(api=Gone(), close=lambda: None)
    target = SimpleNamespace(url="unix:///x", source="test", local=True)
    engine = SimpleNamespace(client=client, target=target, version="26", api="1.44")
    monkeypatch.setattr("swarmlab.engine.connect", lambda: engine)
    found = doctor.examine()
    assert [f.state for f in found.findings[:2]] == [State.OK, State.PROBLEM]
    assert not found.healthy


def test_warnings_stop_nothing() -> None:
    warned = Diagnosis((Finding("x", "X", State.WARNING, "seen", "why", "mend"),))
    assert warned.healthy
    told = warned.to_dict()
    assert (told["version"], told["kind"], told["healthy"]) == (1, "swarmlab-doctor", True)


def test_a_lab_that_was_stopped_is_no_trouble_and_half_a_lab_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lab(name: str, state: str) -> Any:
        return SimpleNamespace(name=name, state=state, running=3)

    labs = [lab("default", "broken"), lab("monday", "stopped"), lab("tuesday", "up")]
    monkeypatch.setattr("swarmlab.cluster.lifecycle.labs", lambda: labs)
    broken, stopped, up = doctor._labs()
    assert (broken.state, stopped.state, up.state) == (State.WARNING, State.OK, State.OK)
    assert "`swarmlab up` mends it" in broken.mend
    assert "`swarmlab start --name monday`" in stopped.seen
    assert up.seen == "up, 3 nodes"
    complete([broken])


def test_without_a_docker_client_a_shell_is_not_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = doctor.client()
    complete([found])
    assert found.state is State.WARNING and "docker-cli" in found.mend
    (tmp_path / "docker").write_text("")
    (tmp_path / "docker").chmod(0o755)
    assert doctor.client().state is State.OK


def test_keys_of_a_lab_that_the_engine_does_not_have_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarmlab.cluster import lifecycle

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("ghost", "here"):
        key = state.lab_folder(name) / "certs" / "key.pem"
        key.parent.mkdir(parents=True)
        key.touch()
    (tmp_path / "swarmlab" / "labs" / "bare").mkdir()
    lab: Any = SimpleNamespace(name="here", state="up", running=3)
    monkeypatch.setattr(lifecycle, "labs", lambda: [lab])
    keys, _ = found = doctor._labs()
    complete(found)
    assert "ghost" in keys.title and keys.mend.startswith("`swarmlab down --name ghost`")
    assert state.with_keys(()) == ["ghost", "here"]
