"""The command that a finding tells to type shows what the check saw, and not that all is well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.checks.base import Finding
from tests.checks_fakes import Asked, Container, Lab, Reply, http_servers, service, task

# As much of curl as the evidence uses, for nodes that are ports of this machine.
CURL = """#!{python}
import http.client, json, os, sys
ports = json.loads(os.environ["PORTS"])
words, written, head, quiet = [], "", False, False
given = iter(sys.argv[1:])
for word in given:
    if word in ("-w", "-o"):
        value = next(given)
        written, quiet = (value, quiet) if word == "-w" else (written, True)
    elif word.startswith("-"):
        head = head or "i" in word
    else:
        words.append(word)
place, slash, path = words[0].partition("/")
node, _, port = place.partition(":")
connection = http.client.HTTPConnection("127.0.0.1", ports.get(f"{{node}}:{{port or 80}}", 1))
status, body = 0, b""
try:
    connection.request("GET", slash + path)
    answer = connection.getresponse()
    status, body = answer.status, answer.read()
    if head:
        print(f"HTTP/1.1 {{status}} {{answer.reason}}")
    if not quiet:
        print(body.decode(), end="")
except (OSError, http.client.HTTPException):
    print(f"curl: (7) Failed to connect to {{node}}", file=sys.stderr)
print(written.replace("%{{http_code}}", f"{{status:03}}").replace("\\\\n", "\\n"), end="")
sys.exit(0 if status else 7)
"""


@pytest.fixture
def lab() -> Lab:
    return Lab()


def checked(lab: Lab, check: str, /, **params: Any) -> Finding:
    return CHECKS[check](lab, **params)


def typed(lab: Lab, found: Finding, folder: Path) -> str:
    """What a student sees who types the evidence of a finding that failed."""
    assert not found.passed
    curl = folder / "curl"
    curl.write_text(CURL.format(python=sys.executable))
    curl.chmod(0o755)
    ports = {f"{node}:{port}": number for (node, port), number in lab.ports.items()}
    done = subprocess.run(
        ["bash", "-c", found.source],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PORTS": json.dumps(ports)},
    )
    return done.stdout


def but(odd: str, otherwise: Reply, usual: Reply = (404, b"")) -> Callable[[Asked], Reply]:
    """Answers as `usual`, and at one node otherwise."""
    return lambda asked: otherwise if asked.node == odd else usual


def test_a_consul_that_is_left_on_another_node_is_seen(lab: Lab, tmp_path: Path) -> None:
    left = ("swarm-2", "swarm-3")
    with http_servers(lab, 8500, lambda _: (200, b'"172.31.0.11:8300"'), nodes=left):
        seen = typed(lab, checked(lab, "consul.unreachable"), tmp_path)
    first, second, third = seen.split("== ")[1:]
    assert first.startswith("swarm-1\n") and "Failed to connect" in first
    assert all("200" in one and "172.31.0.11" in one for one in (second, third))


def test_the_node_that_has_another_value_is_seen(lab: Lab, tmp_path: Path) -> None:
    reply = but("swarm-3", (500, b"No known Consul servers"), (200, b"[]"))
    with http_servers(lab, 8500, reply):
        seen = typed(lab, checked(lab, "consul.key", key="msg1", value="x"), tmp_path)
    assert "== swarm-3\nHTTP/1.1 500 " in seen and "No known Consul servers" in seen


def test_the_end_of_a_value_is_seen(lab: Lab, tmp_path: Path) -> None:
    """A new line at the end is what a student cannot see otherwise."""
    entry = json.dumps([{"Key": "msg1", "Flags": 0, "Value": "eAo="}]).encode()

    def reply(asked: Asked) -> Reply:
        return 200, b"x\n" if asked.path.endswith("?raw") else entry

    with http_servers(lab, 8500, reply):
        found = checked(lab, "consul.key", key="msg1", value="x", nodes=["swarm-1"])
        seen = typed(lab, found, tmp_path)
    assert "\nx$\n" in seen


def test_every_key_that_shall_be_gone_is_asked_for(lab: Lab, tmp_path: Path) -> None:
    def reply(asked: Asked) -> Reply:
        there = (asked.node, asked.path) == ("swarm-2", "/v1/kv/messages/msg2")
        return (200, b'[{"Key": "messages/msg2"}]') if there else (404, b"")

    with http_servers(lab, 8500, reply):
        found = checked(lab, "consul.absent", keys=["msg1", "messages/msg2", "other"])
        seen = typed(lab, found, tmp_path)
    assert found.actual == "swarm-2: there is messages/msg2"
    assert seen.count("HTTP/1.1 404") == 8
    assert '[{"Key": "messages/msg2"}]' in seen.split("== ")[2]


def test_a_stranger_in_the_index_is_seen_where_it_is(lab: Lab, tmp_path: Path) -> None:
    with http_servers(lab, 8500, but("swarm-3", (200, b'["docker-flow/service/shop"]'))):
        seen = typed(lab, checked(lab, "consul.index", services=[]), tmp_path)
    assert "docker-flow/service/shop" in seen.split("== swarm-3")[1]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("http.answers", {"path": "/x"}),
        ("http.unreachable", {"path": "/x", "status": 200}),
        ("http.all", {"path": "/x", "requests": 6}),
        ("http.split", {"path": "/x", "requests": 6, "share": [1, 1]}),
    ],
)
def test_the_node_that_answers_otherwise_is_seen(
    lab: Lab, tmp_path: Path, name: str, params: dict[str, Any]
) -> None:
    with http_servers(lab, 80, but("swarm-3", (418, b"tea"), (200, b"fine"))):
        seen = typed(lab, checked(lab, name, **params), tmp_path)
    assert "418" in seen and "tea" in seen and "swarm-3" in seen


def test_another_page_is_seen(lab: Lab, tmp_path: Path) -> None:
    with http_servers(lab, 80, lambda _: (200, b"other page\n")):
        found = checked(lab, "http.all", path="/demo/hello", body="hello, world!", requests=6)
        seen = typed(lab, found, tmp_path)
    lines = [line.split(maxsplit=1)[1] for line in seen.splitlines()]
    assert lines == [f"{node} other page 200" for node in lab.nodes]


def test_the_port_that_is_closed_is_seen(lab: Lab, tmp_path: Path) -> None:
    with http_servers(lab, 80, lambda _: (200, b"")):
        found = checked(lab, "http.ports_open", ports=[80, 443])
        seen = typed(lab, found, tmp_path)
    for node in lab.nodes:
        assert f"== {node}\n80 200\n" in seen
    assert seen.count("443 000\n") == 3


def test_what_was_seen_by_an_observer_is_asked_of_all_nodes(lab: Lab, tmp_path: Path) -> None:
    with http_servers(lab, 80, but("swarm-2", (503, b"away"), (200, b"fine"))):
        observer = OBSERVERS["http.steady"](lab, path="/x", at_least=6, every=0.01)
        observer.start()
        seen = typed(lab, observer.finish(), tmp_path)
    assert "swarm-2 away 503" in seen and "swarm-3 fine 200" in seen


def proxies(lab: Lab, text: str) -> None:
    lab.add(service("proxy", 1, ports=(80,)), [task("proxy", 1, "swarm-1")])
    lab.engines["swarm-1"].boxes["proxy-1-swarm-1"].files["/cfg/haproxy.cfg"] = text


def test_what_stands_in_the_place_of_a_text_is_looked_for(lab: Lab, tmp_path: Path) -> None:
    """The hash of a configuration is the same thrice, and says nothing of what is in it."""
    proxies(lab, "# a server\nbackend b\n    timeout server 5s\n    server go-demo go-demo:80\n")
    found = checked(lab, "proxy.identical", instances=1, contains=["server go-demo go-demo:8080"])
    assert found.actual == "proxy.1 lacks 'server go-demo go-demo:8080'"
    (tool,) = [part for part in found.source.split("; ") if "docker exec" in part]
    line = tool.removeprefix("docker exec $c ").replace("/cfg/haproxy.cfg", "")
    box = lab.engines["swarm-1"].boxes["proxy-1-swarm-1"]
    grep = subprocess.run(
        ["bash", "-c", line], input=box.files["/cfg/haproxy.cfg"], text=True, capture_output=True
    )
    assert grep.stdout == "    server go-demo go-demo:80\n"
    other = checked(lab, "proxy.identical", instances=2)
    assert "sha256sum" in other.source


@pytest.mark.parametrize("params", [{"ports": [80, 8080]}, {"mode": "global"}, {"replicas": 2}])
def test_mode_number_and_ports_of_a_service_are_listed(lab: Lab, params: dict[str, Any]) -> None:
    proxies(lab, "")
    found = checked(lab, "swarm.service", name="proxy", **params)
    assert not found.passed
    assert found.source.startswith("docker service ls -f name=proxy; ")


def test_the_health_of_containers_is_listed_on_each_node(lab: Lab) -> None:
    proxies(lab, "")
    found = checked(lab, "swarm.service", name="proxy", healthy=True)
    assert not found.passed
    assert "docker ps -a --filter label=com.docker.swarm.service.name=proxy" in found.source
    assert all(node in found.source for node in lab.nodes)


@pytest.mark.parametrize("name", ["http.inside", "http.database"])
def test_asking_inside_leaves_the_shell_and_takes_the_labs_own_image(lab: Lab, name: str) -> None:
    lab.add(service("util", None), [task("util", 0, node) for node in lab.nodes])
    told = Container(runs=lambda _: (0, json.dumps({"status": 500, "body": ""}), ""))
    lab.host.boxes = {f"swarmlab-unit-{node}": told for node in lab.nodes}
    params = {"contains": ["sara"]} if name == "http.database" else {}
    found = checked(lab, name, service="util", url="http://go-demo:8080/x?a=b&c=d", **params)
    assert not found.passed
    # In parentheses: an `eval` of its own would point the student's shell at another node.
    assert found.source.startswith("(") and found.source.endswith(")")
    assert "example/util:2 curl -sSi 'http://go-demo:8080/x?a=b&c=d'" in found.source


EVERY: dict[str, dict[str, Any]] = {
    "swarm.nodes": {},
    "swarm.quorum": {},
    "swarm.label": {"name": "env", "value": "prod"},
    "swarm.same_view": {},
    "swarm.network": {"name": "proxy"},
    "swarm.absent": {"services": ["proxy"], "networks": ["proxy"]},
    "swarm.service": {"name": "proxy", "healthy": True},
    "swarm.attached": {"service": "proxy", "networks": ["proxy"]},
    "swarm.environment": {"service": "proxy", "name": "MODE", "value_pattern": "x"},
    "swarm.volume": {"service": "proxy", "name": "data", "path": "/data"},
    "swarm.healed": {"service": "proxy", "slot": 1},
    "engines.containers": {"count": 1, "label": "a=b"},
    "engines.volume_absent": {"name": "data"},
    "consul.leader": {},
    "consul.members": {},
    "consul.key": {"key": "it's", "value": "x"},
    "consul.absent": {"prefix": "a b/"},
    "consul.unreachable": {},
    "consul.proxy_keys": {"service": "go-demo", "path": "/demo", "port": 8080},
    "consul.matches_proxies": {"service": "go-demo"},
    "consul.index": {"services": []},
    "http.answers": {"path": "/x?a=b&c=d"},
    "http.ports_open": {"ports": [80, 443]},
    "http.split": {"path": "/x", "share": [1, 3]},
    "http.all": {"path": "/x"},
    "http.inside": {"service": "proxy", "url": "http://a/'b"},
    "http.database": {"service": "proxy", "url": "http://a/b", "contains": ["x"]},
    "http.unreachable": {"path": "/x"},
    "proxy.routes": {"service": "go-demo", "have": 1, "of": 1},
    "proxy.identical": {"instances": 1, "contains": ["it's a (text)"]},
    "proxy.differ": {},
    "proxy.instance": {"slot": 1},
    "proxy.addresses": {"service": "proxy", "name": "A", "port": 8500},
    "dns.lookup": {"service": "proxy", "name": "proxy", "expect": "vip", "of": "proxy"},
    "host.clean": {},
}


def test_every_check_is_tried() -> None:
    assert sorted(EVERY) == sorted(CHECKS)


@pytest.mark.parametrize("name", EVERY)
def test_what_is_told_to_type_is_bash(lab: Lab, name: str) -> None:
    found = checked(lab, name, **EVERY[name])
    read = subprocess.run(["bash", "-n", "-c", found.source], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")
    assert found.source
