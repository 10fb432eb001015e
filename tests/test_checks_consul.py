"""Checks of Consul against real HTTP servers that answer as Consul 1.8 does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from swarmlab.checks import CHECKS
from swarmlab.checks.base import Finding
from tests.checks_fakes import PROXY_NET, Asked, Lab, Reply, http_servers, service, task

CONFIGURATION = """
frontend services
    bind *:80
    acl url_go-demo8080 path_beg /demo
    use_backend go-demo-be8080 if url_go-demo8080

backend go-demo-be8080
    mode http
    server go-demo go-demo:{port}
"""


@dataclass
class Consul:
    """One Consul cluster; `odd` answers in its place where it wants to."""

    keys: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    leader: str = "172.31.0.11:8300"
    members: list[dict[str, Any]] = field(default_factory=list)
    odd: Callable[[Asked], Reply | None] = lambda asked: None

    def reply(self, asked: Asked) -> Reply | None:
        if odd := self.odd(asked):
            return odd
        url = urlsplit(asked.path)
        if url.path == "/v1/status/leader":
            return 200, json.dumps(self.leader).encode()
        if url.path == "/v1/agent/members":
            return 200, json.dumps(self.members).encode()
        name = unquote(url.path.removeprefix("/v1/kv/"))
        if url.query in ("recurse", "keys"):
            found = [key for key in self.keys if key.startswith(name)]
        else:
            found = [name] if name in self.keys else []
        if not found:
            return 404, b""
        if url.query == "raw":
            return 200, self.keys[name][0]
        if url.query == "keys":
            return 200, json.dumps(found).encode()
        return 200, json.dumps([self._entry(key) for key in found]).encode()

    def _entry(self, key: str) -> dict[str, Any]:
        value, flags = self.keys[key]
        encoded = base64.b64encode(value).decode() if value else None
        return {"Key": key, "Flags": flags, "Value": encoded, "ModifyIndex": 7}


def member(number: int, *, server: bool = False, status: int = 1) -> dict[str, Any]:
    return {
        "Name": f"swarm-{number}",
        "Addr": f"172.31.0.1{number}",
        "Tags": {"role": "consul" if server else "node"},
        "Status": status,
    }


@pytest.fixture
def consul() -> Consul:
    return Consul(members=[member(1, server=True), member(2), member(3)])


@pytest.fixture
def lab(consul: Consul) -> Iterator[Lab]:
    lab = Lab()
    with http_servers(lab, 8500, consul.reply):
        yield lab


def check(lab: Lab, which: str, /, **params: Any) -> Finding:
    return CHECKS[f"consul.{which}"](lab, **params)


def no_server(asked: Asked) -> Reply | None:
    """What an agent says whose server is gone."""
    return (500, b"No known Consul servers") if asked.node == "swarm-3" else None


# Refused ports are the student's

REFUSED: dict[str, dict[str, Any]] = {
    "leader": {},
    "members": {},
    "key": {"key": "a", "value": "b"},
    "absent": {},
    "proxy_keys": {"service": "go-demo", "path": "/demo", "port": 8080},
    "matches_proxies": {"service": "go-demo"},
    "index": {"services": []},
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_consul_is_a_finding(name: str) -> None:
    found = check(Lab(), name, **REFUSED[name])
    assert not found.passed
    assert "connection refused" in found.actual


@pytest.mark.parametrize("name", sorted(set(REFUSED) - {"leader", "members", "matches_proxies"}))
def test_an_agent_without_server_is_a_finding(lab: Lab, consul: Consul, name: str) -> None:
    consul.odd = no_server
    found = check(lab, name, **REFUSED[name])
    assert not found.passed
    assert "No known Consul servers" in found.actual


def test_unreachable(lab: Lab) -> None:
    found = check(lab, "unreachable", nodes=["swarm-2"])
    assert not found.passed
    assert check(Lab(), "unreachable").passed


def test_unreachable_behind_published_ports() -> None:
    lab = Lab()
    with http_servers(lab, 8500, lambda _: None):
        found = check(lab, "unreachable")
        assert found.passed
        assert found.actual.endswith("swarm-3: connection closed without an answer")
        lab.direct = True
        assert not check(lab, "unreachable").passed


# leader, members


def test_leader(lab: Lab, consul: Consul) -> None:
    assert check(lab, "leader").actual == "the leader is 172.31.0.11:8300"
    consul.leader = ""
    found = check(lab, "leader", node="swarm-2")
    assert not found.passed
    assert "Consul on swarm-2 knows no leader" in found.actual


def test_members(lab: Lab) -> None:
    found = check(lab, "members", alive=3, servers=1)
    assert found.passed
    assert found.actual.startswith("3 members alive (swarm-1, swarm-2 and swarm-3), 1 server")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([member(1, server=True), member(2)], "swarm-3 missing"),
        ([member(1, server=True), member(2), member(3, status=4)], "swarm-3 missing"),
        ([member(1, server=True), member(2, server=True), member(3)], "2 servers"),
        ([member(1), member(2), member(3)], "0 servers"),
        ([member(1, server=True), *map(member, (2, 3, 4))], "4 members alive"),
    ],
)
def test_other_members(lab: Lab, consul: Consul, members: list[Any], words: str) -> None:
    consul.members = members
    found = check(lab, "members")
    assert not found.passed
    assert words in found.actual


def test_members_as_one_node_sees_them(lab: Lab, consul: Consul) -> None:
    alone = json.dumps([member(3)]).encode()
    consul.odd = lambda asked: (200, alone) if asked.node == "swarm-3" else None
    found = check(lab, "members")
    assert not found.passed
    assert found.actual.startswith("swarm-3: 1 member alive (swarm-3), 0 servers")
    assert check(lab, "members", nodes=["swarm-1", "swarm-2"]).passed


# key, absent


def test_key(lab: Lab, consul: Consul) -> None:
    consul.keys["messages/msg3"] = (b"this is yet another test", 1234)
    params = {"key": "messages/msg3", "value": "this is yet another test"}
    assert check(lab, "key", **params, flags=1234).passed
    assert check(lab, "key", **params).passed
    found = check(lab, "key", **params, flags=0)
    assert not found.passed
    assert "flags 1234" in found.actual


@pytest.mark.parametrize("value", [b"this is a test\n", b"This is a test", b"", b"\xff\xfe"])
def test_key_of_other_bytes(lab: Lab, consul: Consul, value: bytes) -> None:
    consul.keys["msg1"] = (value, 0)
    assert not check(lab, "key", key="msg1", value="this is a test").passed


def test_key_with_odd_characters(lab: Lab, consul: Consul) -> None:
    consul.keys["a b/c?d#e"] = ("grüße".encode(), 0)
    assert check(lab, "key", key="a b/c?d#e", value="grüße").passed


def test_key_at_every_node(lab: Lab, consul: Consul) -> None:
    consul.keys["msg1"] = (b"x", 0)
    consul.odd = lambda asked: (404, b"") if asked.node == "swarm-2" else None
    found = check(lab, "key", key="msg1", value="x")
    assert not found.passed
    assert found.actual == "swarm-2: no such key (404)"
    assert check(lab, "key", key="msg1", value="x", nodes=["swarm-1"]).passed


def test_key_asked_raw_too(lab: Lab, consul: Consul) -> None:
    consul.keys["msg1"] = (b"x", 0)
    consul.odd = lambda asked: (200, b"y") if asked.path.endswith("?raw") else None
    found = check(lab, "key", key="msg1", value="x")
    assert not found.passed
    assert "raw 200 'y'" in found.actual


def test_absent(lab: Lab, consul: Consul) -> None:
    assert check(lab, "absent").passed
    consul.keys["messages/msg2"] = (b"x", 0)
    assert check(lab, "absent", prefix="docker-flow").passed
    assert check(lab, "absent", keys=["msg1", "messages"]).passed
    for params in ({}, {"prefix": "messages/"}, {"keys": ["msg1", "messages/msg2"]}):
        found = check(lab, "absent", **params)
        assert not found.passed
        assert "messages/msg2" in found.actual


# proxy_keys, matches_proxies


def flow(consul: Consul, path: bytes = b"/demo", port: bytes = b"8080") -> None:
    consul.keys |= {
        "docker-flow/go-demo/path": (path, 0),
        "docker-flow/go-demo/port": (port, 0),
        "docker-flow/go-demo/domain": (b"", 0),
        "docker-flow/service/go-demo": (b"swarm", 0),
    }


def proxies(lab: Lab, *configurations: str) -> None:
    tasks = [
        task("proxy", slot, f"swarm-{slot}", networks={PROXY_NET: f"10.0.1.{slot}"})
        for slot in range(1, len(configurations) + 1)
    ]
    lab.add(service("proxy", len(tasks)), tasks)
    for slot, text in enumerate(configurations, 1):
        box = lab.engines[f"swarm-{slot}"].boxes[f"proxy-{slot}-swarm-{slot}"]
        box.files["/cfg/haproxy.cfg"] = text


GO_DEMO = {"service": "go-demo", "path": "/demo", "port": 8080}


def test_proxy_keys(lab: Lab, consul: Consul) -> None:
    flow(consul)
    assert check(lab, "proxy_keys", **GO_DEMO).passed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"docker-flow/go-demo/path": (b"demo", 0)}, "path 'demo'"),
        ({"docker-flow/go-demo/port": (b"80801", 0)}, "port '80801'"),
        ({"docker-flow/go-demo/port": (b"8080\n", 0)}, "port '8080\\n'"),
        ({"docker-flow/go-demo/path": None}, "path missing"),
        ({"docker-flow/service/go-demo": None}, "no index entry"),
    ],
)
def test_other_proxy_keys(lab: Lab, consul: Consul, change: dict[str, Any], words: str) -> None:
    flow(consul)
    consul.keys |= change
    consul.keys = {key: value for key, value in consul.keys.items() if value is not None}
    found = check(lab, "proxy_keys", **GO_DEMO)
    assert not found.passed
    assert words in found.actual


TWO = ["swarm-1", "swarm-2"]


def test_consul_need_not_be_on_every_node(lab: Lab, consul: Consul) -> None:
    """A lab may have more nodes than the chapter gives a Consul to."""
    flow(consul)
    consul.members = [member(1, server=True), member(2)]
    del lab.ports["swarm-3", 8500]
    asks: dict[str, dict[str, Any]] = {
        "members": {"alive": 2},
        "key": {"key": "docker-flow/go-demo/path", "value": "/demo"},
        "absent": {"prefix": "messages"},
        "proxy_keys": GO_DEMO,
        "index": {"services": ["go-demo"]},
    }
    for name, params in asks.items():
        assert not check(lab, name, **params).passed, name
        found = check(lab, name, **params, nodes=TWO)
        assert found.passed, (name, found)
        assert "swarm-3" not in f"{found.expected} {found.actual}"


def test_a_node_without_consul_is_no_missing_member(lab: Lab, consul: Consul) -> None:
    consul.members = [member(1, server=True)]
    found = check(lab, "members", alive=2, nodes=TWO)
    assert "swarm-2 missing" in found.actual
    assert "swarm-3" not in found.actual


def test_index(lab: Lab, consul: Consul) -> None:
    assert check(lab, "index", services=[]).passed
    flow(consul)
    found = check(lab, "index", services=["go-demo"])
    assert found.passed
    assert found.actual == "the index names go-demo"
    early = check(lab, "index", services=[])
    assert not early.passed
    assert early.actual == "swarm-1, swarm-2 and swarm-3: the index names go-demo"


def test_index_with_a_stranger(lab: Lab, consul: Consul) -> None:
    flow(consul)
    consul.keys["docker-flow/service/shop"] = (b"swarm", 0)
    found = check(lab, "index", services=["go-demo"])
    assert not found.passed
    assert "the index names go-demo and shop" in found.actual


def test_matches_proxies(lab: Lab, consul: Consul) -> None:
    flow(consul)
    proxies(lab, *[CONFIGURATION.format(port=8080)] * 3)
    found = check(lab, "matches_proxies", service="go-demo")
    assert found.passed
    assert found.actual == ("/demo -> go-demo:8080 in Consul and in proxy.1, proxy.2 and proxy.3")


@pytest.mark.parametrize("third", [CONFIGURATION.format(port=8081), "frontend services\n"])
def test_a_proxy_that_serves_otherwise(lab: Lab, consul: Consul, third: str) -> None:
    flow(consul)
    proxies(lab, CONFIGURATION.format(port=8080), CONFIGURATION.format(port=8080), third)
    found = check(lab, "matches_proxies", service="go-demo")
    assert not found.passed
    assert "proxy.3 serves" in found.actual
    assert "proxy.1" not in found.actual


def test_matches_proxies_without_keys_or_proxies(lab: Lab, consul: Consul) -> None:
    assert "holds no path" in check(lab, "matches_proxies", service="go-demo").actual
    flow(consul)
    assert "no service proxy" in check(lab, "matches_proxies", service="go-demo").actual
