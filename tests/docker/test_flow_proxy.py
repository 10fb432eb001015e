"""flow-proxy as containers, with a real HAProxy and a real Consul."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator

import pytest

from swarmlab.engine import connect
from swarmlab.images.builder import ensure
from swarmlab.wait import Observation, until
from tests.docker.flow_proxy_support import NOBODY, Group, Place, Replica, ask, place

pytestmark = pytest.mark.docker

DEMO = {
    "/go-demo/color": "",
    "/go-demo/path": "/demo",
    "/go-demo/domain": "",
    "/go-demo/pathtype": "",
    "/go-demo/skipcheck": "false",
    "/go-demo/consultemplatefepath": "",
    "/go-demo/consultemplatebepath": "",
    "/go-demo/port": "8080",
    "/service/go-demo": "swarm",
}

LINES = (
    "    acl url_go-demo8080 path_beg /demo\n    use_backend go-demo-be8080 if url_go-demo8080\n",
    "\nbackend go-demo-be8080\n    mode http\n    server go-demo go-demo:8080\n",
)


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    client = connect().client
    ensure(["flow-proxy", "consul"], engine=client)
    with place(client) as made:
        yield made
    client.close()


def test_a_service_is_routed_stored_and_shown(here: Place) -> None:
    group = here.group()
    (proxy,) = group.ready()
    assert proxy.get("/demo/hello") == 503
    answer = proxy.demo()
    assert (answer.status, answer.kind) == (200, "application/json")
    assert answer.text == (
        '{"Status":"OK","Message":"","ServiceName":"go-demo","ServiceColor":"",'
        '"ServicePath":["/demo"],"ServiceDomain":"","ConsulTemplateFePath":"",'
        '"ConsulTemplateBePath":"","PathType":"","SkipCheck":false,"Mode":"swarm",'
        '"Port":"8080","Distribute":false}'
    )
    assert ask(proxy.address, 80, "/demo/hello").text == "hello, world!\n"
    assert ask(proxy.address, 443, "/demo/hello").status == 200
    assert proxy.get("/elsewhere") == 503
    assert proxy.get("/admin?stats") == 401
    assert group.values() == DEMO
    file = proxy.inside("cat", "/cfg/haproxy.cfg")
    assert file == proxy.config()
    assert all(lines in file for lines in LINES)


def test_paths_with_plus_and_ampersand_and_a_domain(here: Place) -> None:
    (proxy,) = here.group().ready()
    assert proxy.demo(servicePath="/a+b,/c&d", serviceDomain="acme.com").status == 200
    assert "    acl url_go-demo8080 path_beg /a+b path_beg /c&d\n" in proxy.config()
    assert proxy.get("/a+b") == 503
    connection = http.client.HTTPConnection(proxy.address, 80, timeout=30)
    connection.request("GET", "/c&d", headers={"Host": "acme.com"})
    assert connection.getresponse().status == 200
    connection.close()


def test_consul_fails_over_a_dead_and_a_failing_address(here: Place) -> None:
    group = here.group(CONSUL_ADDRESS=f"{NOBODY}, {here.servers}:8500 ,http://consul:8500")
    (proxy,) = group.ready()
    assert proxy.demo().status == 200
    assert group.values() == DEMO
    (other,) = group.ready()
    assert other.config() == proxy.config()
    assert other.get("/demo/hello") == 200


def test_a_machine_that_is_off_costs_two_seconds_an_operation(here: Place) -> None:
    group = here.group(CONSUL_ADDRESS=f"{here.servers}:8502,{here.nowhere}:8500,consul:8500")
    (proxy,) = group.ready()
    start = time.monotonic()
    assert proxy.demo().status == 200
    # Two for the address that swallows the request; the other may be known as unreachable by now.
    # Without a limit of its own a connection is tried for more than a minute.
    assert 2 <= time.monotonic() - start < 40
    assert group.values() == DEMO


def test_a_write_that_nobody_accepts_changes_nothing(here: Place) -> None:
    (proxy,) = here.group(CONSUL_ADDRESS=f"{here.servers}:8501,{NOBODY}").ready()
    before = proxy.config()
    answer = proxy.demo()
    assert answer.status == 500
    message = answer.json["Message"]
    assert message.startswith("Could not send KV data to Consul\n")
    assert f"{here.servers}:8501" in message
    assert NOBODY in message
    assert proxy.config() == before
    assert proxy.get("/demo/hello") == 503


def test_a_stored_service_without_a_name_in_dns_stops_nobody(here: Place) -> None:
    group = here.group()
    for name, path in (("go-demo", "/demo"), ("ghost", "/ghost")):
        here.put(f"{group.name}/{name}/path", path)
        here.put(f"{group.name}/{name}/port", "8080")
        here.put(f"{group.name}/service/{name}", "swarm")
    here.put(f"{group.name}/service/broken", "swarm")
    here.put(f"{group.name}/broken/path", "/x\n    use_backend ghost-be8080")
    here.put(f"{group.name}/broken/port", "8080")
    (proxy,) = group.ready()
    assert proxy.get("/demo/hello") == 200
    assert proxy.get("/ghost") == 503
    assert "broken" not in proxy.config()
    assert proxy.demo(servicePath="/other").status == 200
    # It comes late, and HAProxy finds it without being told.
    here.run_servers("ghost")
    until(
        "the late service",
        lambda: Observation(proxy.get("/ghost") == 200, "503"),
        within=90,
        every=0.2,
    )


def test_without_consul_the_start_gives_up_in_time(here: Place) -> None:
    proxy = here.group(CONSUL_ADDRESS=f"{NOBODY},{here.servers}:8500", RESTORE_SECONDS="5").start()
    assert proxy.wait_ended() == 1
    proxy.says("Could not retrieve the list of services from Consul")
    log = proxy.log()
    assert "next try in 0.25 seconds" in log
    assert "next try in 0.5 seconds" in log
    # After pauses of 0.25, 0.5, 1 and 2 another would be too long, however slow the machine is.
    assert log.count("next try in") <= 4
    assert proxy.health() != "healthy"


def test_healthy_only_when_the_restore_is_over(here: Place) -> None:
    group = here.group(CONSUL_ADDRESS="late:8501", RESTORE_SECONDS="120")
    proxy = group.start()
    until(
        "two tries to restore",
        lambda: Observation(proxy.log().count("next try in") >= 2, proxy.log()),
        within=60,
        every=0.2,
    )
    assert proxy.health() == "starting"
    with pytest.raises(OSError, match="refused"):
        ask(proxy.address, 8080, "/v1/test")
    with pytest.raises(OSError, match="refused"):
        proxy.get("/demo/hello")
    here.run_servers("late")
    proxy.wait_healthy()
    assert proxy.get("/demo/hello") == 503


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"CONSUL_ADDRESS": "consul:8500,not an address"}, "'not an address' is neither"),
        ({"PORT": "80800"}, "'80800' is not a port"),
    ],
)
def test_wrong_settings_end_the_start(here: Place, settings: dict[str, str], reason: str) -> None:
    proxy = here.group().start(**settings)
    assert proxy.wait_ended() == 1
    proxy.says(reason)
    assert "Traceback" not in proxy.log()


def test_distribute_reaches_all_and_says_who_was_not_reached(here: Place) -> None:
    group = here.group()
    proxies = group.ready(3)
    answer = proxies[0].demo(distribute="true")
    assert answer.status == 200
    assert answer.json["Message"] == "Distributed to all instances"
    assert answer.json["Distribute"] is True
    text, *others = (proxy.config() for proxy in proxies)
    assert others == [text, text]
    assert all(lines in text for lines in LINES)
    assert [proxy.get("/demo/hello") for proxy in proxies] == [200, 200, 200]

    silent = here.run("flow-proxy", ["sleep", "600"], aliases=[f"tasks.{group.name}"])
    answer = proxies[1].demo(servicePath="/again", distribute="true")
    assert answer.status == 500
    assert answer.json["Status"] == "NOK"
    assert answer.json["Message"] == (
        f"Could not send distribute request to the following addresses: [{here.address(silent)}]"
    )
    assert [proxy.get("/again") for proxy in proxies] == [200, 200, 200]
    silent.remove(force=True, v=True)

    assert proxies[2].call("remove", serviceName="go-demo", distribute="true").status == 200
    assert [proxy.get("/again") for proxy in proxies] == [503, 503, 503]
    assert group.values() == {}


def test_an_empty_lookup_is_an_error(here: Place) -> None:
    group = here.group(SERVICE_NAME="nobody-is-called-so")
    (proxy,) = group.ready()
    before = proxy.config()
    answer = proxy.demo(distribute="true")
    assert answer.status == 500
    assert answer.json["Message"] == "Could not perform DNS tasks.nobody-is-called-so lookup"
    assert proxy.config() == before
    assert group.values() == {}


HOSTILE = [
    *(("serviceName", value) for value in (
        "a b", "a\nb", "a\r\nb", "a\tb", "a\0b", 'a"b', "a'b", "a#b", "a/b", "../etc", "a.b",
        "a_b", "-a", "a-", "é", "aа", "a%0Ab", "a" * 64, "a;b", "a{b", "a\\b", "$HOME", "service",
        "a\u2028b", "a\x85b", "go-demo\n",
    )),
    *(("servicePath", value) for value in (
        "/a b", "/a\nuse_backend x", "/a\r", "/a\t", "/a\0", '/a"', "/a'", "/a#b", "/a\\", "/a%0A",
        "/a%20b", "/ä", "/" + "a" * 300, "-f", "/a,", ",/a", "/a,,/b", "/a,-f,/etc/passwd",
        ",".join(["/a"] * 70), "/a\u00a0b", "/a\x7f", "/a\n", "/a if TRUE", "/{a}", "/a${X}",
    )),
    *(("port", value) for value in (
        "0", "65536", "-1", "80a", "8080 ", " 8080", "8080\n", "0x50", "٨٠", "99999999999", "1e3",
        "8080#", "080", "8080 check", "\0",
    )),
    *(("serviceDomain", value) for value in (
        "a b.com", "a\n.com", "a..com", "a#.com", '"a".com', "ü.com", "a" * 300, "-a.com",
        "a.com -m reg .*", "*.com", "a.com:80", "a\0.com", "%61.com", "a.com\n", "-f",
    )),
    ("pathType", "path_beg -f /etc/passwd"),
    ("pathType", "hdr(host)"),
    ("serviceColor", "blue\n"),
    ("consulTemplateFePath", "/etc/passwd"),
    ("consulTemplateFePath", "/consul_templates/../etc/passwd"),
]  # fmt: skip


def test_hostile_values_leave_no_trace(here: Place) -> None:
    group = here.group()
    (proxy,) = group.ready()
    assert proxy.demo().status == 200
    text, rows = proxy.config(), here.rows(f"{group.name}/")
    assert len(HOSTILE) >= 30
    for field, value in HOSTILE:
        more = {"consulTemplateBePath": "/etc/passwd"} if field.startswith("consul") else {}
        for everywhere in ("false", "true"):
            answer = proxy.demo(**{field: value, "distribute": everywhere}, **more)
            assert answer.status == 400, f"{field}={value!r}: {answer.text}"
            assert answer.json["Status"] == "NOK"
        assert proxy.config() == text, f"{field}={value!r}"
        if field == "serviceName":
            assert proxy.call("remove", serviceName=value).status == 400, repr(value)
    assert here.rows(f"{group.name}/") == rows
    assert proxy.get("/demo/hello") == 200
    assert proxy.inside("ls", "/cfg", "/cfg/tmpl").split() == [
        "/cfg:", "haproxy.cfg", "tmpl",
        "/cfg/tmpl:", "go-demo-be.cfg", "go-demo-fe.cfg", "haproxy.tmpl",
    ]  # fmt: skip


def test_what_haproxy_refuses_leaves_the_old_in_force(here: Place) -> None:
    group = here.group()
    (proxy,) = group.ready()
    assert proxy.demo().status == 200
    text, rows = proxy.config(), here.rows(f"{group.name}/")
    answer = proxy.demo(servicePath="/a(", pathType="path_reg")
    assert answer.status == 500
    message = answer.json["Message"]
    assert message.startswith("Command haproxy -c -f /cfg/haproxy.cfg.new\n\nexit status 1\n")
    assert "path_reg /a(" in message
    assert proxy.config() == text
    assert here.rows(f"{group.name}/") == rows
    assert proxy.demo(serviceName="go-demo-db", servicePath="/db").status == 200
    assert (proxy.get("/demo/hello"), proxy.get("/db")) == (200, 200)


def test_remove_is_exact(here: Place) -> None:
    group = here.group()
    (proxy,) = group.ready()
    for name, path in (("go-demo", "/demo"), ("go-demo-db", "/db")):
        assert proxy.demo(serviceName=name, servicePath=path).status == 200
    assert proxy.call("remove").status == 400
    unknown = proxy.call("remove", serviceName="go")
    assert (unknown.status, unknown.json["Status"]) == (404, "NOK")
    assert proxy.call("remove", serviceName="go-demo").json["Status"] == "OK"
    assert {key.split("/")[1] for key in group.values()} == {"go-demo-db", "service"}
    assert "/service/go-demo-db" in group.values()
    assert "/service/go-demo" not in group.values()
    assert (proxy.get("/demo/hello"), proxy.get("/db")) == (503, 200)
    (restored,) = group.ready()
    assert restored.config() == proxy.config()
    assert proxy.call("remove", serviceName="go-demo").status == 404


def test_without_mode_swarm_it_says_what_is_missing(here: Place) -> None:
    group = here.group(MODE="")
    (proxy,) = group.ready()
    answer = proxy.demo(distribute="true")
    assert answer.status == 409
    assert "MODE=swarm" in answer.json["Message"]
    assert group.values() == {}


class Load:
    """Requests, one connection each, from a few threads at a measured pace."""

    def __init__(self, proxy: Replica, least: int, most: int) -> None:
        self.good = 0
        self.bad: list[str] = []
        self._proxy, self._least, self._most = proxy, least, most
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(4)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self) -> None:
        pace = threading.Event()
        while self.good + len(self.bad) < self._most:
            if self._enough.is_set() and self.good + len(self.bad) >= self._least:
                return
            try:
                answer = ask(self._proxy.address, 80, "/demo/hello", seconds=10)
                outcome = f"{answer.status} {answer.text!r}"
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
            with self._lock:
                if outcome == "200 'hello, world!\\n'":
                    self.good += 1
                else:
                    self.bad.append(outcome)
            pace.wait(0.005)


def test_twenty_reloads_lose_no_request_and_leave_no_zombie(here: Place) -> None:
    (proxy,) = here.group().ready()
    assert proxy.demo().status == 200
    load = Load(proxy, least=2000, most=12000)
    load.start()
    try:
        for number in range(20):
            answer = proxy.demo(serviceName="go-demo-db", servicePath=f"/n{number}")
            assert answer.status == 200
    finally:
        load.finish()
    assert load.bad == []
    assert load.good >= 2000
    proxy.says("Loading success", times=21)
    assert "path_beg /n19" in proxy.config()

    def old_workers_gone() -> Observation[None]:
        names = [name for name in proxy.processes() if name.startswith("haproxy ")]
        return Observation(len(names) == 2 and "haproxy Z" not in names, str(names))

    until("master and one worker only", old_workers_gone, within=60, every=0.2)
    assert not [process for process in proxy.processes() if process.endswith("Z")]


def test_the_end_is_quick_and_lets_a_request_finish(here: Place) -> None:
    (proxy,) = here.group().ready()
    assert proxy.demo().status == 200
    answers: list[int] = []
    # Long enough for a busy machine to see it there, and less than the proxy waits for it.
    slow = threading.Thread(target=lambda: answers.append(proxy.get("/demo/hello?delay=4")))
    slow.start()

    def there() -> Observation[None]:
        sessions = _sessions(proxy)
        assert slow.is_alive(), "the slow request ended before it was seen"
        return Observation(sessions > 0, f"{sessions} sessions")

    until("the slow request at its service", there, within=30, every=0.05)
    # After so long the engine would kill it, and the exit code tell.
    proxy.container.stop(timeout=10)
    slow.join(30)
    assert answers == [200]
    assert proxy.wait_ended() == 0


def _sessions(proxy: Replica) -> int:
    # HAProxy's own count of requests that are at the service now.
    connection = http.client.HTTPConnection(proxy.address, 80, timeout=30)
    secret = {"Authorization": "Basic YWRtaW46YWRtaW4="}
    connection.request("GET", "/admin?stats;csv", headers=secret)
    rows = [line.split(",") for line in connection.getresponse().read().decode().splitlines()]
    connection.close()
    return next(int(row[4]) for row in rows if row[:2] == ["go-demo-be8080", "go-demo"])


def test_the_replica_ends_when_haproxy_dies(here: Place) -> None:
    group: Group = here.group()
    (proxy,) = group.ready()
    proxy.container.exec_run(["bash", "-c", "kill -9 $(cat /var/run/haproxy.pid)"])
    assert proxy.wait_ended() == 1
    proxy.says("HAProxy ended")
