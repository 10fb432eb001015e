"""Checks of the proxy's instances and of Swarm's name service."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from swarmlab.checks import CHECKS, dns, haproxy
from swarmlab.checks.base import Finding
from swarmlab.checks.looking import Unfit
from swarmlab.errors import EnvironmentProblem
from tests.checks_fakes import DEMO_NET, PROXY_NET, Lab, api_error, service, task

EMPTY = "global\n    maxconn 10\n\nfrontend services\n    bind *:80\n"
ROUTED = """\
frontend services
    bind *:80

    acl url_go-demo8080 path_beg /demo path_beg /other  # two
    use_backend go-demo-be8080 if url_go-demo8080

backend go-demo-be8080
    mode http
    server go-demo go-demo:8080
"""


@pytest.fixture
def lab() -> Lab:
    return Lab()


def check(lab: Lab, which: str, /, **params: Any) -> Finding:
    return CHECKS[which](lab, **params)


def proxies(lab: Lab, *configurations: str) -> None:
    tasks = [
        task("proxy", slot, f"swarm-{(slot - 1) % 3 + 1}", networks={PROXY_NET: f"10.0.1.{slot}"})
        for slot in range(1, len(configurations) + 1)
    ]
    lab.add(service("proxy", len(tasks), vips={PROXY_NET: "10.0.1.2"}), tasks)
    for one, text in zip(tasks, configurations, strict=True):
        engine = lab.engines[one["NodeID"].removeprefix("id-")]
        box = engine.boxes[one["Status"]["ContainerStatus"]["ContainerID"]]
        box.files["/cfg/haproxy.cfg"] = text


# Reading configurations


def test_route() -> None:
    assert haproxy.route(ROUTED, "go-demo") == haproxy.Route("go-demo", ("/demo", "/other"), "8080")
    assert haproxy.route(ROUTED, "go-demo-db") is None
    assert haproxy.route("", "go-demo") is None


@pytest.mark.parametrize(
    "line",
    ["    acl url_", "    use_backend", "backend go-demo", "    server go-demo"],
)
def test_route_is_whole_or_not_there(line: str) -> None:
    left = "\n".join(one for one in ROUTED.splitlines() if not one.startswith(line))
    assert haproxy.route(left, "go-demo") is None
    commented = ROUTED.replace(line, f"#{line}", 1)
    assert haproxy.route(commented, "go-demo") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if url_go-demo8080", "if url_other"),
        ("use_backend go-demo-be8080", "use_backend other-be"),
        ("server go-demo go-demo:8080", "server go-demo other:8080"),
        ("path_beg /demo path_beg /other", "hdr_dom(host) -i acme.com"),
    ],
)
def test_route_of_parts_that_belong_together(old: str, new: str) -> None:
    assert haproxy.route(ROUTED.replace(old, new), "go-demo") is None


# proxy.*


def test_routes(lab: Lab) -> None:
    proxies(lab, EMPTY, ROUTED, EMPTY)
    found = check(lab, "proxy.routes", service="go-demo", have=1, of=3)
    assert found.passed
    assert found.actual == "1 of 3 have it: proxy.2 on swarm-2"
    for have, of in ((0, 3), (2, 3), (3, 3), (1, 2), (1, 4)):
        assert not check(lab, "proxy.routes", service="go-demo", have=have, of=of).passed


def test_identical(lab: Lab) -> None:
    proxies(lab, ROUTED, ROUTED, ROUTED)
    texts = ["acl url_go-demo8080 path_beg /demo", "server go-demo  go-demo:8080"]
    assert check(lab, "proxy.identical", instances=3, contains=texts).passed
    fewer = check(lab, "proxy.identical", instances=6)
    assert not fewer.passed
    assert fewer.actual.startswith("3 instances")
    lacking = check(lab, "proxy.identical", instances=3, contains=["server books"])
    assert not lacking.passed
    assert "proxy.1 lacks 'server books'" in lacking.actual


def test_identical_differs(lab: Lab) -> None:
    proxies(lab, ROUTED, ROUTED, ROUTED + "\n")
    found = check(lab, "proxy.identical", instances=3)
    assert not found.passed
    assert "different" in found.actual
    assert "proxy.3 on swarm-3" in found.actual


def test_a_stopped_instance_does_not_count(lab: Lab) -> None:
    proxies(lab, ROUTED, ROUTED, ROUTED)
    lab.swarm.tasks[2]["DesiredState"] = "shutdown"
    assert not check(lab, "proxy.identical", instances=3).passed


def test_differ(lab: Lab) -> None:
    proxies(lab, EMPTY, ROUTED, EMPTY)
    assert check(lab, "proxy.differ").passed


@pytest.mark.parametrize("configurations", [(ROUTED, ROUTED), (ROUTED,)])
def test_do_not_differ(lab: Lab, configurations: tuple[str, ...]) -> None:
    proxies(lab, *configurations)
    assert not check(lab, "proxy.differ").passed


def test_instance(lab: Lab) -> None:
    proxies(lab, EMPTY, ROUTED)
    assert check(lab, "proxy.instance", slot=2, contains=["server go-demo"]).passed
    assert not check(lab, "proxy.instance", slot=1, contains=["server go-demo"]).passed
    found = check(lab, "proxy.instance", slot=6)
    assert not found.passed
    assert found.actual == "no task of proxy runs in slot 6"


PROXY: dict[str, dict[str, Any]] = {
    "proxy.routes": {"service": "go-demo", "have": 3, "of": 3},
    "proxy.identical": {"instances": 3},
    "proxy.differ": {},
    "proxy.instance": {"slot": 2},
}


@pytest.mark.parametrize("name", PROXY)
def test_without_proxy_file_or_container(lab: Lab, name: str) -> None:
    assert "no service proxy" in check(lab, name, **PROXY[name]).actual
    proxies(lab, ROUTED, ROUTED, ROUTED)
    lab.engines["swarm-2"].boxes["proxy-2-swarm-2"].files.clear()
    found = check(lab, name, **PROXY[name])
    assert not found.passed
    assert "/cfg/haproxy.cfg of proxy.2 on swarm-2 is not there" in found.actual
    lab.engines["swarm-2"].boxes.clear()
    assert not check(lab, name, **PROXY[name]).passed


@pytest.mark.parametrize("name", PROXY)
def test_proxy_on_an_engine_that_is_gone(lab: Lab, name: str) -> None:
    proxies(lab, ROUTED, ROUTED, ROUTED)
    lab.engines["swarm-2"].alive = False
    with pytest.raises(requests.ConnectionError):
        check(lab, name, **PROXY[name])


# dns.lookup

HEAD = """\
;; ->>HEADER<<- opcode: QUERY, rcode: {code}, id: 29062
;; flags: qr rd ra ; QUERY: 1, ANSWER: 3, AUTHORITY: 0, ADDITIONAL: 0
;; QUESTION SECTION:
;; {name}.\tIN\tA

;; ANSWER SECTION:
"""
TAIL = """
;; AUTHORITY SECTION:

;; ADDITIONAL SECTION:

;; Query time: 0 msec
;; SERVER: {server}
;; WHEN: Sat Jan  4 10:00:00 2025
;; MSG SIZE  rcvd: 75
"""


def drill(
    name: str,
    *addresses: str,
    ttl: int = 600,
    server: str = "127.0.0.11",
    code: str = "NOERROR",
    extra: str = "",
) -> str:
    lines = "".join(f"{name}.\t{ttl}\tIN\tA\t{address}\n" for address in addresses)
    return HEAD.format(code=code, name=name) + lines + extra + TAIL.format(server=server)


def util(lab: Lab, output: str, exit_code: int = 0, network: str = PROXY_NET) -> None:
    tasks = [task("util", 0, f"swarm-{n}", networks={network: f"10.0.1.2{n}"}) for n in (1, 2, 3)]
    runs = lambda command: (exit_code, output, "")  # noqa: E731 (a value, handed on)
    lab.add(service("util", None), tasks, runs=runs)


def vip(lab: Lab, **params: Any) -> Finding:
    return check(lab, "dns.lookup", name="proxy", expect="vip", of="proxy", **params)


def tasks_of(lab: Lab, **params: Any) -> Finding:
    return check(lab, "dns.lookup", name="tasks.proxy", expect="tasks", of="proxy", **params)


def test_vip(lab: Lab) -> None:
    proxies(lab, EMPTY, EMPTY, EMPTY)
    util(lab, drill("proxy", "10.0.1.2"))
    found = vip(lab, count=1)
    assert found.passed
    assert "10.0.1.2, TTL 600, from 127.0.0.11" in found.actual


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (drill("proxy", "10.0.1.1"), "10.0.1.1, where Swarm reports 10.0.1.2"),
        (drill("proxy", "10.0.1.2", "10.0.1.1"), "2 A records"),
        (drill("proxy"), "proxy does not resolve (NOERROR, 0 records)"),
        (drill("proxy", "10.0.1.2", ttl=60), "TTL 60"),
        (drill("proxy", "10.0.1.2", server="10.0.0.2"), "answered by 10.0.0.2"),
        (drill("proxy", code="NXDOMAIN"), "NXDOMAIN"),
        (drill("proxy", "10.0.1.2", extra="x.\t600\tIN\tCNAME\tproxy.\n"), "x CNAME"),
        (drill("proxy-old", "10.0.1.2"), "other records"),
        (drill("proxy", "10.0.1.2", extra="nonsense\n"), "makes no sense"),
        ("Error: error sending query: No (valid) nameservers", "drill got no reply"),
    ],
)
def test_other_vip(lab: Lab, output: str, words: str) -> None:
    proxies(lab, EMPTY, EMPTY, EMPTY)
    util(lab, output)
    found = vip(lab, count=1)
    assert not found.passed
    assert words in found.actual


def test_only_the_answer_section_counts() -> None:
    reply = dns.parse(
        drill("proxy", "10.0.1.2") + ";; ADDITIONAL SECTION:\na.\t1\tIN\tA\t9.9.9.9\n"
    )
    assert [record.data for record in reply.records] == ["10.0.1.2"]
    with pytest.raises(Unfit):
        dns.parse("proxy.\t600\tIN\tA\t10.0.1.2\n")


def test_tasks(lab: Lab) -> None:
    proxies(lab, EMPTY, EMPTY, EMPTY)
    lab.swarm.tasks.append(
        task("proxy", 1, "swarm-1", state="shutdown", networks={PROXY_NET: "10.0.1.99"})
    )
    util(lab, drill("tasks.proxy", "10.0.1.3", "10.0.1.1", "10.0.1.2"))
    assert tasks_of(lab, count=3).passed
    assert not tasks_of(lab, count=6).passed


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.1.1", "10.0.1.2"),
        ("10.0.1.1", "10.0.1.2", "10.0.1.99"),
        ("10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.3"),
        ("10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4"),
    ],
)
def test_other_tasks(lab: Lab, addresses: tuple[str, ...]) -> None:
    proxies(lab, EMPTY, EMPTY, EMPTY)
    util(lab, drill("tasks.proxy", *addresses))
    assert not tasks_of(lab).passed


def test_lookup_without_a_shared_network(lab: Lab) -> None:
    proxies(lab, EMPTY)
    util(lab, drill("proxy", "10.0.1.2"), network=DEMO_NET)
    assert "on a network that util on swarm-1 is on" in vip(lab).actual
    assert not tasks_of(lab).passed


def test_lookup_without_a_virtual_address(lab: Lab) -> None:
    proxies(lab, EMPTY)
    lab.swarm.services[0]["Endpoint"] = {}
    util(lab, drill("proxy", "10.0.1.1"))
    assert "proxy has no virtual address" in vip(lab).actual


@pytest.mark.parametrize(
    ("exit_code", "words"), [(127, "has no drill"), (124, "ended with exit code 124")]
)
def test_drill_that_does_not_run(lab: Lab, exit_code: int, words: str) -> None:
    proxies(lab, EMPTY)
    util(lab, "", exit_code)
    found = vip(lab)
    assert not found.passed
    assert words in found.actual


def test_an_engine_that_cannot_run_drill_is_not_the_students(lab: Lab) -> None:
    proxies(lab, EMPTY)
    util(lab, "OCI runtime exec failed: exec failed: error executing setns process: unknown", 126)
    with pytest.raises(EnvironmentProblem, match="cannot run anything"):
        vip(lab)


def test_no_drill_in_the_image_is_a_finding(lab: Lab) -> None:
    proxies(lab, EMPTY)
    util(lab, 'OCI runtime exec failed: exec: "timeout": executable file not found in $PATH', 127)
    assert "has no drill" in vip(lab).actual


def test_lookup_needs_both_services_and_the_engine(lab: Lab) -> None:
    proxies(lab, EMPTY)
    assert "no service util" in vip(lab).actual
    util(lab, drill("proxy", "10.0.1.2"))
    assert vip(lab).passed
    for one in lab.swarm.tasks[1:]:
        one["Status"]["State"] = "failed"
    assert "no running task to ask in" in vip(lab).actual
    for engine in lab.engines.values():
        engine.alive = False
    with pytest.raises(requests.ConnectionError):
        vip(lab)


def test_engine_errors_inside_are_not_the_students(lab: Lab) -> None:
    proxies(lab, EMPTY)

    def broken(command: list[str]) -> tuple[int, str, str]:
        raise api_error(500, "no space left on device")

    util(lab, "")
    for engine in lab.engines.values():
        for box in engine.boxes.values():
            box.runs = broken
    with pytest.raises(type(api_error(500, ""))):
        vip(lab)
