"""flow-proxy at work without an engine: order of effects, fail-over, time limits, its HTTP side."""

from __future__ import annotations

import base64
import http.client
import http.server
import importlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "compose" / "images" / "flow-proxy"
MODULES = (
    *("api", "children", "commands", "configuration", "consul", "distribute", "haproxy"),
    *("outbound", "proxy", "restore", "services", "settings"),
)


def load() -> Any:
    """The program's modules; it lives outside the package because it runs in an image."""
    sys.path.insert(0, str(SOURCE))
    try:
        return SimpleNamespace(
            **{name: importlib.import_module(f"flow_proxy.{name}") for name in MODULES}
        )
    finally:
        sys.path.remove(str(SOURCE))


flow = load()


@dataclass
class FakeHaproxy:
    """Refuses a configuration that holds `refuses`; `slow` and `broken` as they say."""

    refuses: str = "no configuration holds this"
    slow: bool = False
    broken: bool = False
    reloads: int = 0

    def check(self, candidate: Path) -> str:
        if self.slow:
            raise flow.haproxy.HaproxyFailed("HAProxy checks its configuration: no answer")
        if self.refuses in candidate.read_text(encoding="utf-8"):
            raise flow.haproxy.ConfigurationRefused("Command haproxy", "remarks")
        return ""

    def reload(self) -> None:
        if self.broken:
            raise flow.haproxy.HaproxyFailed("HAProxy did not reload")
        self.reloads += 1


@dataclass
class FakeStore:
    """Consul in a dict; `away` makes every write fail."""

    kept: dict[str, Any] = field(default_factory=dict)
    away: bool = False

    def save(self, service: Any) -> None:
        self._try()
        self.kept[service.name] = service

    def delete(self, name: str) -> None:
        self._try()
        self.kept.pop(name, None)

    def knows(self, name: str) -> bool:
        return name in self.kept

    def _try(self) -> None:
        if self.away:
            raise flow.consul.ConsulUnavailable("nobody answers")


@dataclass
class Bench:
    """A proxy whose HAProxy and Consul are ours."""

    folder: Any
    haproxy: FakeHaproxy
    store: FakeStore
    proxy: Any

    def state(self) -> tuple[str, Any, Any]:
        return self.folder.text(), self.folder.snippets(), dict(self.store.kept)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "tmpl").mkdir()
    (tmp_path / "tmpl" / "haproxy.tmpl").write_text("base\n", encoding="utf-8")
    folder = flow.configuration.Folder(tmp_path)
    haproxy, store = FakeHaproxy(), FakeStore()
    proxy = flow.proxy.Proxy(folder, haproxy, store)
    proxy.load([])
    return Bench(folder, haproxy, store, proxy)


def service(name: str = "go-demo", path: str = "/demo", **more: Any) -> Any:
    return flow.services.Service(name=name, paths=(path,), port="8080", **more)


def test_a_change_is_stored_written_and_loaded(bench: Bench) -> None:
    bench.proxy.reconfigure(service())
    assert "url_go-demo8080" in bench.proxy.text()
    assert bench.store.kept == {"go-demo": service()}
    assert bench.haproxy.reloads == 1


@pytest.mark.parametrize("fault", ["refused", "consul", "template", "rule"])
def test_a_change_that_fails_leaves_all_as_it_was(bench: Bench, fault: str) -> None:
    bench.proxy.reconfigure(service())
    before = bench.state()
    wanted = service(name="go-demo1", path="/other")
    if fault == "refused":
        bench.haproxy.refuses = "/other"
    elif fault == "consul":
        bench.store.away = True
    elif fault == "template":
        wanted = service(name="new", fe_template="/nowhere/fe", be_template="/nowhere/be")
    else:
        wanted = flow.services.Service(name="go-dem", paths=("/x",), port="8080")
        bench.folder.propose("x")
        bench.folder.accept(
            {"go-demo": flow.configuration.Snippet("    acl url_go-dem8080 path /", "backend x")}
        )
        before = bench.state()
    with pytest.raises(Exception) as caught:
        bench.proxy.reconfigure(wanted)
    assert (
        type(caught.value).__name__
        == {
            "refused": "ConfigurationRefused",
            "consul": "ConsulUnavailable",
            "template": "TemplateError",
            "rule": "Refused",
        }[fault]
    )
    assert bench.state() == before
    assert bench.haproxy.reloads == 1
    assert not bench.folder.candidate.exists()


def test_a_reload_that_fails_brings_the_old_configuration_back(bench: Bench) -> None:
    bench.proxy.reconfigure(service())
    text = bench.proxy.text()
    bench.haproxy.broken = True
    with pytest.raises(flow.haproxy.HaproxyFailed):
        bench.proxy.reconfigure(service(name="other", path="/other"))
    assert bench.proxy.text() == text
    assert list(bench.folder.snippets()) == ["go-demo"]


def test_remove_takes_one_service_and_knows_strangers(bench: Bench) -> None:
    for name in ("go-demo", "go-demo-db"):
        bench.proxy.reconfigure(service(name=name))
    bench.proxy.remove("go-demo")
    assert list(bench.store.kept) == ["go-demo-db"]
    assert list(bench.folder.snippets()) == ["go-demo-db"]
    with pytest.raises(flow.proxy.UnknownService):
        bench.proxy.remove("go-demo")
    bench.store.kept["stored-only"] = service(name="stored-only")
    bench.proxy.remove("stored-only")
    assert "stored-only" not in bench.store.kept


def test_a_slow_check_costs_no_restored_service(bench: Bench) -> None:
    bench.haproxy.slow = True
    with pytest.raises(flow.haproxy.HaproxyFailed):
        bench.proxy.load([service()])
    assert not bench.folder.candidate.exists()
    bench.haproxy.slow = False
    bench.proxy.load([service()])
    assert list(bench.folder.snippets()) == ["go-demo"]


def test_a_check_without_an_end_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = tmp_path / "haproxy"
    never.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    never.chmod(0o755)
    monkeypatch.setattr(flow.haproxy, "_CHECK_SECONDS", 0.1)
    children = flow.children.Children({"PATH": f"{tmp_path}:/bin:/usr/bin"})
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    haproxy = flow.haproxy.Haproxy(tmp_path / "cfg", tmp_path / "run", children)
    with pytest.raises(flow.haproxy.HaproxyFailed, match=r"no answer within 0\.1 seconds"):
        haproxy.check(tmp_path / "candidate")


def test_a_restore_leaves_out_what_cannot_be_used(bench: Bench) -> None:
    bench.haproxy.refuses = "/bad"
    missing = service(name="missing", fe_template="/nowhere/fe", be_template="/nowhere/be")
    bench.proxy.load([service(), service(name="bad", path="/bad"), missing])
    assert list(bench.folder.snippets()) == ["go-demo"]
    assert "/bad" not in bench.proxy.text()


@dataclass
class Fake:
    """One HTTP server on loopback that answers everything with `status` and `body`.

    `before` is called when a request has come and before it is answered; it may wait.
    """

    status: int
    body: bytes = b""
    before: Callable[[], object] = lambda: None
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(*fakes: Fake) -> Iterator[None]:
    servers = []
    for fake in fakes:

        class Caller(http.server.BaseHTTPRequestHandler):
            mine = fake

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.mine.seen.append((self.command, self.path, body))
                self.mine.before()
                self.send_response(self.mine.status)
                self.send_header("Content-Length", str(len(self.mine.body)))
                self.end_headers()
                self.wfile.write(self.mine.body)

            do_GET = do_PUT = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Caller)
        fake.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.socket.close()


@pytest.fixture
def dead() -> str:
    """An address on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def rows(**values: str) -> bytes:
    return json.dumps(
        [
            {"Key": key, "Value": base64.b64encode(value.encode()).decode() or None}
            for key, value in values.items()
        ]
    ).encode()


@pytest.mark.parametrize("status", [500, 503, 403, 301, 404])
def test_only_an_answer_that_means_something_ends_the_search(dead: str, status: int) -> None:
    bad, good, unused = Fake(status), Fake(200, b"{}"), Fake(200, b"{}")
    with serving(bad, good, unused):
        addresses = (dead, bad.address, good.address, unused.address)
        flow.consul.Consul(addresses, "docker-flow").save(service())
    assert [len(fake.seen) for fake in (bad, good, unused)] == [1, 1, 0]
    operations = [operation["KV"] for operation in json.loads(good.seen[0][2])]
    assert good.seen[0][:2] == ("PUT", "/v1/txn")
    assert len(operations) == 9
    stored = {o["Key"]: base64.b64decode(o["Value"]).decode() for o in operations}
    assert stored["docker-flow/go-demo/path"] == "/demo"
    assert stored["docker-flow/service/go-demo"] == "swarm"


def test_when_no_address_helps_each_is_named(dead: str) -> None:
    bad = Fake(500, b"No cluster leader")
    with serving(bad), pytest.raises(flow.consul.ConsulUnavailable) as caught:
        flow.consul.Consul((dead, bad.address), "docker-flow").services()
    assert dead in str(caught.value)
    assert "status 500 No cluster leader" in str(caught.value)


def test_the_list_is_exact_and_404_means_nothing_stored() -> None:
    body = rows(
        **{
            "docker-flow/service/go-demo": "swarm",
            "docker-flow/service-x/path": "/x",
            "docker-flow/go-demo/path": "/demo,/b",
            "docker-flow/go-demo/port": "8080",
            "docker-flow/go-demo/domain": "",
            "docker-flow/go-demo-db/path": "/db",
        }
    )
    with serving(full := Fake(200, body), empty := Fake(404)):
        found = flow.consul.Consul((full.address,), "docker-flow").services()
        none = flow.consul.Consul((empty.address,), "docker-flow").services()
    assert found == [flow.services.Service("go-demo", ("/demo", "/b"), "8080")]
    assert full.seen[0][1] == "/v1/kv/docker-flow/?recurse"
    assert none == []


def test_a_request_keeps_its_time_limit() -> None:
    given_up = threading.Event()
    # It answers only after the request was given up, or far too late for any test.
    with serving(slow := Fake(200, before=lambda: given_up.wait(60))):
        with pytest.raises(flow.outbound.RequestFailed, match=slow.address):
            flow.outbound.request("GET", slow.address + "/", 0.2)
        given_up.set()


def test_a_restore_is_patient_and_then_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    fake_time = SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0])
    monkeypatch.setattr(flow.restore, "time", fake_time)

    class Away:
        def services(self) -> list[Any]:
            raise flow.consul.ConsulUnavailable("http://a:1: refused")

    with pytest.raises(flow.restore.RestoreFailed, match=r"(?s)Could not retrieve.*http://a:1"):
        flow.restore.stored_services(Away(), 30.0, Path("/consul_templates"))
    assert pauses[:5] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == 4.0
    assert 25 < sum(pauses) <= 30


def test_a_restore_judges_what_is_stored() -> None:
    stored = [service(), service(path="/a b"), service(name="no path"), flow.services.Service("x")]
    store = SimpleNamespace(services=lambda: stored)
    assert flow.restore.stored_services(store, 1.0, Path("/t")) == [service()]


def test_peers_are_asked_side_by_side_with_sorted_keys() -> None:
    # Nobody is answered before both have asked.
    both = threading.Barrier(2)
    with serving(slow := Fake(200, before=lambda: both.wait(30))):
        port = int(slow.address.rsplit(":", 1)[1])
        statuses = flow.distribute.send(
            ["127.0.0.1", "localhost"],
            port,
            "/v1/x",
            {"servicePath": "/demo", "distribute": "true", "port": "8080"}.items(),
        )
    assert statuses == {"127.0.0.1": 200, "localhost": 200}
    assert slow.seen[0][1] == "/v1/x?distribute=false&port=8080&servicePath=%2Fdemo"


def test_failed_peers_are_listed_as_the_original_did() -> None:
    statuses = {"10.0.1.3": 200, "10.0.1.4": 0, "10.0.1.5": 500, "10.0.1.6": 404}
    with pytest.raises(flow.distribute.PeersFailed) as caught:
        flow.distribute.refuse_failures(statuses, also_fine=404)
    assert str(caught.value.args[0]) == (
        "Could not send distribute request to the following addresses: [10.0.1.4 10.0.1.5]"
    )


def test_a_lookup_without_addresses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow.distribute.socket, "getaddrinfo", lambda *_: [])
    with pytest.raises(flow.distribute.LookupFailed, match=r"DNS tasks\.proxy lookup"):
        flow.distribute.peers("proxy")


@dataclass
class Desk:
    """The controller on loopback, with a proxy of ours behind it."""

    bench: Bench
    port: int

    def ask(self, target: str, method: str = "GET", body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, target, body=body)
        response = connection.getresponse()
        text = response.read().decode()
        kind = response.getheader("Content-Type")
        connection.close()
        is_json = kind == "application/json" and text
        return SimpleNamespace(
            status=response.status, text=text, kind=kind, json=json.loads(text) if is_json else None
        )


@contextmanager
def desk_for(bench: Bench, mode: str) -> Iterator[Desk]:
    settings = flow.settings.Settings(mode=mode)
    server = flow.api.Server(
        ("127.0.0.1", 0), flow.commands.Commands(settings, bench.proxy), bench.proxy.text
    )
    server.start()
    yield Desk(bench, server.server_address[1])
    server.close(2.0)


@pytest.fixture
def desk(bench: Bench) -> Iterator[Desk]:
    with desk_for(bench, "swarm") as desk:
        yield desk


API = "/v1/docker-flow-proxy"
MANDATORY = (
    "The following queries are mandatory: (serviceName and servicePath) or "
    "(serviceName, consulTemplateFePath, and consulTemplateBePath)"
)


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        ("/v1/test", 200, ""),
        ("/v2/test", 200, ""),
        (f"{API}/reconfigure", 400, MANDATORY),
        (f"{API}/reconfigure?serviceName=a&servicePath=", 400, MANDATORY),
        (f"{API}/reconfigure?serviceName=a&consulTemplateFePath=/x", 400, MANDATORY),
        (
            f"{API}/reconfigure?serviceName=a&servicePath=/a",
            400,
            'When MODE is set to "service" or "swarm", the port query is mandatory',
        ),
        (f"{API}/reconfigure?serviceName=a&servicePath=/a&port=80&distribute=yes", 200, ""),
        (f"{API}/remove", 400, "The serviceName query is mandatory"),
        (f"{API}/remove?serviceName=a", 404, "The service a is not known"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_answers(desk: Desk, target: str, status: int, message: str, method: str) -> None:
    answer = desk.ask(target, method)
    assert (answer.status, answer.json["Message"]) == (status, message)
    assert answer.json["Status"] == ("OK" if status == 200 else "NOK")
    assert "\n" not in answer.text


@pytest.mark.parametrize(
    "target", ["/", f"{API}/reconfigure/", "/v1/proxy/reconfigure", "/v1/test/", f"{API}/configs"]
)
def test_any_other_path_is_404_and_empty(desk: Desk, target: str) -> None:
    answer = desk.ask(target)
    assert (answer.status, answer.text) == (404, "")


def test_the_configuration_can_be_read(desk: Desk) -> None:
    wanted = f"{API}/reconfigure?serviceName=go-demo&servicePath=/demo&port=8080"
    assert desk.ask(wanted, "POST", body=b"x" * 100_000).status == 200
    answer = desk.ask(f"{API}/config")
    assert answer.text == desk.bench.folder.text()
    assert answer.kind == "text/plain; charset=utf-8"
    assert "url_go-demo8080" in answer.text


def test_only_swarm_mode_is_served(bench: Bench) -> None:
    with desk_for(bench, "default") as desk:
        answer = desk.ask(f"{API}/reconfigure?serviceName=a&servicePath=/a&port=80")
        assert (answer.status, answer.json["Mode"]) == (409, "default")
        assert "MODE=swarm" in answer.json["Message"]
        assert desk.ask(f"{API}/remove?serviceName=a").status == 409


@pytest.mark.parametrize(
    ("peers", "status"),
    [({"10.0.0.1": 200, "10.0.0.2": 404}, 200), ({"10.0.0.1": 404}, 404), ({"10.0.0.1": 0}, 500)],
)
def test_a_distributed_remove_forgives_those_that_never_knew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, peers: dict[str, int], status: int
) -> None:
    monkeypatch.setattr(flow.distribute, "peers", lambda _name: list(peers))
    monkeypatch.setattr(flow.distribute, "send", lambda *_: peers)
    assert desk.ask(f"{API}/remove?serviceName=a&distribute=true").status == status


def test_short_commands_give_code_and_output_and_end_in_time() -> None:
    children = flow.children.Children({"PATH": "/bin:/usr/bin"})
    assert children.run(["sh", "-c", "echo hello; exit 3"], 5.0) == (3, "hello\n")
    assert children.run(["sleep", "5"], 0.1)[0] == 124
