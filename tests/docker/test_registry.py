"""Images by way of a real registry: put there, taken by an engine that has none, and troubles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests
from docker import DockerClient

from swarmlab import archive, labels
from swarmlab.errors import ImageProblem
from swarmlab.images import builder, recipe, registry, shared, transfer
from swarmlab.images import engine as transport
from tests.docker import heard
from tests.docker.machine_site import Machine, machine
from tests.docker.registry_site import PASSWORD, USER, Way, logged_in, way
from tests.docker.registry_site import registry as started

pytestmark = pytest.mark.docker

NAME = f"registry-{os.getpid()}"
PREFIX = "class/one"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A second machine, whose engine tries a broken layer once more and no further."""
    folder = tmp_path_factory.mktemp("there")
    with machine(folder, NAME, flags="--max-download-attempts=1 ") as made:
        yield made


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A registry on this machine's loopback to which `util` was pushed."""
    folder = tmp_path_factory.mktemp("registry")
    with started(folder) as running, pytest.MonkeyPatch.context() as patch:
        host = f"127.0.0.1:{running.port}"
        patch.setenv("DOCKER_CONFIG", str(logged_in(folder / "docker", host)))
        here = docker.from_env()
        try:
            before = set(here.images.get(recipe.reference("util")).tags) if _has(here) else set()
            place = registry.parse(f"{host}/{PREFIX}")
            (pushed,) = shared.push(["util"], engine=here, registry=place)
            assert pushed.startswith(f"{host}/{PREFIX}/util:")
            after = set(here.images.get(recipe.reference("util")).tags)
            assert not any(tag.startswith(host) for tag in after)
            assert before <= after
        finally:
            here.close()
        yield running.port


def _has(engine: DockerClient) -> bool:
    return bool(engine.images.list(name=recipe.reference("util")))


@pytest.fixture
def engine(there: Machine) -> Iterator[DockerClient]:
    """The second machine's engine, which holds no image, before and after."""
    client = there.client()
    assert client.api.images() == []
    yield client
    for one in client.api.images():
        client.api.remove_image(one["Id"], force=True)
    client.close()


@pytest.fixture
def gateway(there: Machine) -> str:
    """This machine's address on the second machine's network."""
    return there.address.rpartition(".")[0] + ".1"


@pytest.fixture
def trusted(gateway: str, port: int) -> Iterator[Way]:
    """A way to the registry with TLS, whose authority the second machine's engine believes."""
    with way(gateway, port) as made:
        here = docker.from_env()
        files = {f"/etc/docker/certs.d/{made.address}/ca.crt": made.authority}
        here.api.put_archive(labels.container(NAME, "machine"), "/", archive.pack(files))
        here.close()
        yield made


@pytest.fixture
def known(trusted: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    """The same, with the user's name and password in the docker configuration."""
    monkeypatch.setenv("DOCKER_CONFIG", str(logged_in(tmp_path / "docker", trusted.address)))
    return trusted


def pull(engine: DockerClient, through: Way, name: str = "util") -> list[builder.Built]:
    place = registry.parse(f"{through.address}/{PREFIX}")
    return shared.ensure([name], engine=engine, registry=place)


def refused(engine: DockerClient, through: Way, name: str = "util") -> ImageProblem:
    """The error of a pull that must fail, and must leave nothing."""
    with pytest.raises(ImageProblem) as caught:
        pull(engine, through, name)
    assert engine.api.images() == []
    assert caught.value.hint
    assert PASSWORD.rpartition("-")[0] not in str(caught.value)
    return caught.value


def test_an_engine_without_images_takes_them(engine: DockerClient, known: Way) -> None:
    (found,) = pull(engine, known)
    assert (found.name, found.built) == ("util", True)
    assert found.source == f"registry: {known.address}/{PREFIX}"
    image = engine.images.get(recipe.reference("util"))
    assert set(image.tags) == {recipe.reference("util"), "swarmlab/util:latest"}
    versions = ["sh", "-c", "drill -v; curl --version"]
    said = heard.once(engine, recipe.reference("util"), versions, network_mode="none")
    assert "drill version" in said
    passed = known.passed
    (again,) = pull(engine, known)
    assert not again.built
    assert known.passed == passed


def test_an_image_that_was_not_pushed(engine: DockerClient, known: Way) -> None:
    error = refused(engine, known, "consul")
    reference = f"{known.address}/{PREFIX}/consul:{recipe.Keys().key('consul')}-"
    assert f"The registry has no {reference}" in error.message
    assert f"images push --registry {known.address}/{PREFIX}" in error.hint


def test_without_a_password(
    engine: DockerClient, trusted: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    error = refused(engine, trusted)
    assert "the docker configuration has none for it" in error.message
    assert f"docker login {trusted.address}" in error.hint


def test_with_a_wrong_password(
    engine: DockerClient, trusted: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = logged_in(tmp_path / "docker", trusted.address, password="tall-order-72")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    assert "do not count there" in refused(engine, trusted).message


def test_a_registry_with_an_authority_of_its_own(
    engine: DockerClient, gateway: str, port: int
) -> None:
    with way(gateway, port) as unknown:
        error = refused(engine, unknown)
    assert f"does not trust the certificate of {unknown.address}" in error.message
    assert f"/etc/docker/certs.d/{unknown.address}/ca.crt" in error.hint


def test_a_registry_without_tls(engine: DockerClient, gateway: str, port: int) -> None:
    with way(gateway, port, secure=False) as plain:
        error = refused(engine, plain)
    assert f"{plain.address} speaks plain HTTP" in error.message
    assert "insecure-registries" in error.hint


def test_a_registry_that_is_gone(engine: DockerClient, gateway: str, port: int) -> None:
    with way(gateway, port) as gone:
        pass
    assert f"{gone.address} does not answer the Docker engine" in refused(engine, gone).message


def test_a_registry_that_goes_half_way(engine: DockerClient, known: Way) -> None:
    known.cut = 4_000_000
    error = refused(engine, known)
    assert f"{known.address} broke off" in error.message
    assert known.passed > known.cut
    # Nothing of it is in the way of the next try.
    known.cut = None
    assert pull(engine, known)[0].built


def test_a_registry_that_falls_silent_half_way(
    engine: DockerClient, known: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "SILENCE_SECONDS", 3.0)
    known.cut, known.hang = 4_000_000, True
    assert "sent nothing of" in refused(engine, known).message


def test_another_image_under_the_tag_is_not_taken(
    engine: DockerClient, known: Way, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can push there can put anything under any tag."""
    kind = transport.architecture(engine)
    tag, other = f"{recipe.Keys().key('util')}-{kind}", "f" * recipe.KEY_LENGTH
    copy_tag(f"http://127.0.0.1:{port}/v2/{PREFIX}/util/manifests", tag, f"{other}-{kind}")
    monkeypatch.setattr(recipe.Keys, "key", lambda self, name: other)
    error = refused(engine, known)
    assert "is not what its name says" in error.message
    assert tag.partition("-")[0] in error.message


def copy_tag(url: str, tag: str, other: str) -> None:
    """Give an image of the registry one more tag."""
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    who = (USER, PASSWORD)
    found = requests.get(f"{url}/{tag}", auth=who, headers={"Accept": kind}, timeout=20)
    found.raise_for_status()
    told = requests.put(
        f"{url}/{other}", data=found.content, auth=who, headers={"Content-Type": kind}, timeout=20
    )
    told.raise_for_status()
