"""The file that names machines: what it says, and everything wrong with it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmlab.errors import UsageError
from swarmlab.providers.hosts.file import SOCKET, Host, load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certs = tmp_path / "certs"
    certs.mkdir()
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (certs / name).write_text("x")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "hosts.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(written(folder, text))
    assert caught.value.exit_code == 2
    return caught.value.evidence.splitlines()


def test_three_ways_to_three_machines(folder: Path) -> None:
    hosts = load(
        written(
            folder,
            """\
hosts:
  - engine: ssh://me@pc-01.example.org/run/user/engine.sock
  - engine: tcp://192.168.1.12
    certs: certs
    address: 10.1.1.12
  - context: pc-03
    socket: /run/docker.sock
""",
        )
    )
    assert [host.node for host in hosts] == ["swarm-1", "swarm-2", "swarm-3"]
    first, second, third = hosts
    assert first.url == "ssh://me@pc-01.example.org/run/user/engine.sock"
    assert first.socket == "/run/user/engine.sock"
    assert second.url == "tcp://192.168.1.12:2376"
    assert second.certs == folder / "certs"
    assert second.address == "10.1.1.12"
    assert second.socket == SOCKET
    assert (third.context, third.socket) == ("pc-03", "/run/docker.sock")
    assert third.place == "the docker context pc-03"
    assert [Host.from_dict(host.to_dict()) for host in hosts] == list(hosts)


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("tcp://[2001:db8::5]", "tcp://[2001:db8::5]:2376"),
        ("tcp://[2001:db8::5]:2375", "tcp://[2001:db8::5]:2375"),
        ("tcp://pc-02/", "tcp://pc-02:2376"),
    ],
)
def test_the_port_of_tls_is_added_where_none_is_named(folder: Path, told: str, url: str) -> None:
    (host,) = load(written(folder, f'hosts:\n  - engine: "{told}"\n    certs: certs\n'))
    assert host.url == url


def test_all_problems_are_told_at_once_with_their_lines(folder: Path) -> None:
    (folder / "half").mkdir()
    found = problems(
        folder,
        """\
hosts:
  - engine: http://10.0.0.1
  - engine: tcp://10.0.0.2
  - engine: tcp://10.0.0.3:2376
    certs: half
  - engine: ssh://me@10.0.0.4
    adress: 10.0.0.4
    certs: certs
  - {}
  - context: a
    engine: ssh://b
    address: 127.0.0.1
""",
    )
    told = "\n".join(found)
    assert [line.split(":")[1] for line in found] == ["2", "3", "5", "7", "8", "9", "11", "12"]
    assert "names no machine: write ssh://USER@HOST or tcp://HOST:2376" in told
    assert "certs is missing" in told
    assert "has no ca.pem, cert.pem, key.pem" in told
    assert "no field 'adress' (did you mean address?)" in told
    assert "certs are for tcp://" in told
    assert "engine (ssh:// or tcp://) or context is missing" in told
    assert "both say where it is" in told
    assert "127.0.0.1 cannot be reached by the other machines" in told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("engine: ssh://me:secret@host", "a password has no place here"),
        ("engine: ssh://-oProxyCommand=x", "names no machine"),
        ("engine: tcp://h:port", "is a number"),
        ("engine: tcp://h:0", "is a number from 1 to 65535"),
        ("engine: tcp://h:65536", "is a number from 1 to 65535"),
        ("engine: ssh://h:0", "is a number from 1 to 65535"),
        ("engine: tcp://[2001:db8::5", "is no address"),
        ("engine: tcp://h\n    certs: ~nobodyxyz/c", "the home of nobody known here"),
        ("engine: tcp://h:2376/x", "something behind the machine's name"),
        ("engine: tcp://me@h:2376", "knows no user"),
        ("context: ../../x", "cannot be the name of a docker context"),
        ("engine: ssh://h\n    socket: run/x.sock", "is no absolute path"),
        ("engine: ssh://h\n    address: fe80::1", "is no IPv4 address"),
        ("context: c\n    certs: certs", "a docker context has its own certificates"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, line: str, said: str) -> None:
    told = "\n".join(problems(folder, f"hosts:\n  - {line}\n"))
    assert said in told
    assert "secret" not in told


def test_one_machine_is_named_once(folder: Path) -> None:
    found = problems(
        folder,
        "hosts:\n  - engine: ssh://a\n  - engine: ssh://a/\n  - context: b\n    address: 10.0.0.1\n"
        "  - context: c\n    address: 10.0.0.1\n  - context: b\n",
    )
    assert [line.split(":")[1] for line in found] == ["3", "7", "8"]
    assert "is in line 2 already" in found[0]


@pytest.mark.parametrize(
    "text", ["", "hosts:\n", "hosts: []\n", "- a\n", "hosts: [a, b]\n", "\x00"]
)
def test_no_list_of_machines_is_told_and_nothing_else(folder: Path, text: str) -> None:
    assert problems(folder, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.yaml")


def test_the_example_of_the_documents_is_sound(tmp_path: Path) -> None:
    text = Path(__file__).parent.parent.joinpath("docs/examples/hosts.yaml").read_text()
    certs = tmp_path / "certs" / "pc-02"
    certs.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (certs / name).write_text("x")
    hosts = load(written(tmp_path, text))
    assert len(hosts) == 3
    assert {bool(host.context) for host in hosts} == {True, False}
