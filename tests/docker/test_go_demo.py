"""go-demo and its database as containers, looked at from outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container

from swarmlab import lookout
from swarmlab.engine import connect
from swarmlab.images.builder import ensure, reference
from swarmlab.wait import Observation, until

pytestmark = pytest.mark.docker

DATABASE = "go-demo-db"
GRACE = 10
"""Seconds, as Swarm gives them, until the engine kills; the exit code is then 137."""


@dataclass
class Site:
    """A network with a volume of its own; what is started on it goes with it."""

    engine: DockerClient
    network: str
    volume: str
    labels: dict[str, str]

    def app(self, **environment: str) -> Container:
        return self._start("go-demo", environment={"DB": DATABASE, **environment})

    def database(self) -> Container:
        volumes = {self.volume: {"bind": "/data/db", "mode": "rw"}}
        return self._start("go-demo-db", alias=DATABASE, volumes=volumes)

    def _start(self, image: str, alias: str = "", **options: Any) -> Container:
        container = self.engine.containers.create(
            reference(image), network=self.network, labels=self.labels, **options
        )
        if alias:
            network = self.engine.networks.get(self.network)
            network.disconnect(container)
            network.connect(container, aliases=[alias])
        container.start()
        return container


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    client = connect().client
    ensure(["go-demo", "go-demo-db"], engine=client)
    yield client
    client.close()


@pytest.fixture
def site(engine: DockerClient) -> Iterator[Site]:
    mine = uuid.uuid4().hex[:8]
    labels = {
        "swarmlab.lab": "test-go-demo",
        "swarmlab.role": "build",
        "swarmlab.test": mine,
    }
    name = f"swarmlab-test-go-demo-{mine}"
    by_label: dict[str, Any] = {"label": [f"{key}={value}" for key, value in labels.items()]}
    try:
        engine.networks.create(name, labels=labels)
        engine.volumes.create(name, labels=labels)
        yield Site(engine, name, name, labels)
    finally:
        for container in engine.containers.list(all=True, filters=by_label):
            with contextlib.suppress(NotFound):
                container.remove(force=True, v=True)
        for network in engine.networks.list(filters=by_label):
            network.remove()
        for volume in engine.volumes.list(filters=by_label):
            volume.remove()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


def request(app: Container, method: str, target: str) -> Answer:
    """One request on a connection of its own. Raises OSError or HTTPException."""
    app.reload()
    (network,) = app.attrs["NetworkSettings"]["Networks"].values()
    start = time.monotonic()
    connection = http.client.HTTPConnection(network["IPAddress"], 8080, timeout=60)
    try:
        connection.request(method, target)
        got = connection.getresponse()
        body = got.read()
        return Answer(got.status, dict(got.getheaders()), body, time.monotonic() - start)
    finally:
        connection.close()


def answered(app: Container, method: str, target: str, *, within: float = 120) -> Answer:
    """The first answer that comes, whatever its status."""

    def look() -> Observation[Answer]:
        try:
            answer = request(app, method, target)
        except (OSError, http.client.HTTPException) as error:
            return Observation(False, repr(error))
        return Observation(True, f"status {answer.status}", answer)

    got = until(f"{method} {target}", look, within=within, every=0.1).last.value
    assert got is not None
    return got


def said(container: Container) -> str:
    return str(container.logs().decode())


def says(container: Container, words: str) -> None:
    """Wait for words in the log: the engine hands a line on a moment after the answer has come."""

    def look() -> Observation[None]:
        text = said(container)
        return Observation(words in text, text or "nothing in the log")

    until(f"{words!r} in the log", look, within=90, every=0.1)


def exit_code(container: Container) -> int:
    return int(container.wait(timeout=90)["StatusCode"])


def typed(container: Container, *argv: str) -> str:
    """What a command inside the container prints; it must succeed."""
    assert container.client is not None
    code, output = lookout.run(container.client.api, str(container.id), argv)
    assert code == 0, output
    return output


def names(app: Container) -> list[str]:
    return answered(app, "GET", "/demo/person").body.decode().splitlines()


def test_hello(site: Site) -> None:
    site.database()
    app = site.app()
    answer = answered(app, "GET", "/demo/hello")
    assert (answer.status, answer.body) == (200, b"hello, world!\n")
    assert answer.headers["Content-Length"] == "14"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    slow = request(app, "POST", "/demo/hello?delay=700")
    assert slow.body == b"hello, world!\n" and 0.7 <= slow.seconds < 10
    missing = request(app, "GET", "/demo/hello/")
    assert (missing.status, missing.body) == (404, b"404 page not found\n")
    says(app, "POST request to /demo/hello?delay=700\n")


def test_people_live_in_the_database(site: Site) -> None:
    site.database()
    app, other = site.app(), site.app()
    assert names(app) == []
    for name in ("viktor", "sara", "viktor", "j%C3%B6rg"):
        # A disk that is busy elsewhere may take longer than the service waits for the database.
        answer = answered(app, "PUT", f"/demo/person?name={name}")
        assert (answer.status, answer.body) == (200, b"")
    assert names(app) == ["viktor", "sara", "jörg"]
    assert names(other) == ["viktor", "sara", "jörg"]
    look = (
        "import json, pymongo; c = pymongo.MongoClient('go-demo-db', directConnection=True);"
        "print(json.dumps(list(c.test.people.find({'name': 'sara'}))))"
    )
    assert json.loads(typed(app, "python3", "-c", look)) == [{"_id": "sara", "name": "sara"}]


def test_reconnects_when_the_database_was_killed_and_comes_back(site: Site) -> None:
    database, app = site.database(), site.app()
    assert answered(app, "PUT", "/demo/person?name=before").status == 200
    database.kill()
    assert request(app, "GET", "/demo/hello").status == 200
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        request(app, "GET", "/demo/person")
    says(app, "panic: ")
    database.remove()
    site.database()
    assert answered(app, "PUT", "/demo/person?name=back").status == 200
    assert names(app) == ["before", "back"]
    app.reload()
    assert app.attrs["RestartCount"] == 0 and app.status == "running"


def test_data_outlives_the_database_container(site: Site) -> None:
    database, app = site.database(), site.app()
    answered(app, "PUT", "/demo/person?name=viktor")
    database.stop(timeout=GRACE)
    assert exit_code(database) == 0
    database.remove()
    site.database()
    assert names(app) == ["viktor"]


def test_the_database_is_not_root(site: Site) -> None:
    database, app = site.database(), site.app()
    answered(app, "PUT", "/demo/person?name=viktor")
    owners = typed(database, "stat", "-c", "%u:%g", "/data/db/WiredTiger", "/proc/1")
    assert owners.split() == ["65534:65534", "65534:65534"]


def test_waits_for_a_database_that_comes_late(site: Site) -> None:
    app = site.app()
    says(app, "database not reachable")
    with pytest.raises(OSError):
        request(app, "GET", "/demo/hello")
    site.database()
    assert answered(app, "GET", "/demo/hello").status == 200


@pytest.mark.parametrize("host", ["no-such-host", "127.0.0.1"])
def test_gives_up_when_the_database_never_comes(site: Site, host: str) -> None:
    start = time.monotonic()
    app = site.app(DB=host, DB_WAIT_SECONDS="3")
    assert exit_code(app) == 2
    # Without the limit it would be a minute, beside what a busy machine takes to start it.
    assert 3 <= time.monotonic() - start < 55
    says(app, "\npanic: no reachable servers\n")


def test_refuses_a_limit_that_is_none(site: Site) -> None:
    app = site.app(DB_WAIT_SECONDS="soon")
    assert exit_code(app) == 1
    says(app, "DB_WAIT_SECONDS must be between 0 and 86400 seconds, not 'soon'")


def test_stops_at_once_while_it_waits_for_the_database(site: Site) -> None:
    app = site.app()
    says(app, "not reachable")
    app.stop(timeout=GRACE)
    assert exit_code(app) == 0


def test_stops_at_once_while_it_serves(site: Site) -> None:
    site.database()
    app = site.app()
    answered(app, "GET", "/demo/hello")
    app.stop(timeout=GRACE)
    assert exit_code(app) == 0
