"""Labs out of a registry, on an engine that has no image to begin with.

It is a second engine of this machine, in a network namespace of its own, from which nothing leads
away: what it has, it has from the registry beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker import DockerClient

from swarmlab import archive, labels
from swarmlab.images import catalog, recipe, registry, shared, transfer
from swarmlab.wait import Observation, until
from tests.docker import registry_site
from tests.docker.own_engine import OwnEngine, own_engine

pytestmark = [
    pytest.mark.docker,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts an engine of its own: only root can"),
]

# Of the namespace alone. Nodes reach it through their gateway; their 127.0.0.1 is their own.
ADDRESS = "10.251.7.1"
LOCKED, OPEN, CACHE = 5000, 5001, 5002
PLACE = "class"
# The devices of a network are in its own /sys, and the engine's cgroups in the machine's.
SYS = ("sh", "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "sh")
LIBRARY = {"mongo:3.2.10": "library/mongo:3.2.10"}


@dataclass(frozen=True)
class Second:
    """The second engine; `inside` are the words that run a program in its network."""

    engine: OwnEngine
    inside: tuple[str, ...]
    folder: Path
    storage: Path

    def client(self) -> DockerClient:
        return self.engine.client()

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DOCKER_HOST": self.engine.url,
            "DOCKER_CONFIG": str(self.folder / "docker"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "SWARMLAB_NAME": "far",
        }

    def command(self, *words: str) -> list[str]:
        return [*self.inside, sys.executable, "-m", "swarmlab", *words]

    def run(self, *words: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=self.environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def done(self, *words: str) -> str:
        ended = self.run(*words)
        assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
        return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the registry holds: swarmlab's images, and the same under the originals' names."""
    folder = tmp_path_factory.mktemp("registry")
    here = docker.from_env()
    with registry_site.registry(folder) as running, pytest.MonkeyPatch.context() as patch:
        host = f"127.0.0.1:{running.port}"
        patch.setenv("DOCKER_CONFIG", str(registry_site.logged_in(folder / "docker", host)))
        place = registry.parse(f"{host}/{PLACE}")
        shared.push(["loaded-node", "workstation"], engine=here, registry=place)
        keys = recipe.Keys()
        for name, original in catalog.substitutions("upstream").items():
            with _other(here, keys.reference(name)) as image:
                for far in (f"{PLACE}/{original}", LIBRARY.get(original, original)):
                    _push(here, image, f"{host}/{far}")
    here.close()
    yield folder
    # Hundreds of megabytes, which pytest would keep for three runs more.
    shutil.rmtree(folder)


@contextmanager
def _other(here: DockerClient, reference: str) -> Iterator[str]:
    """An image that does the same and is not the same: nodes hold swarmlab's own from the start,
    and of what they hold an engine pulls no more than the name."""
    api: Any = here.api
    container = api.create_container(reference)["Id"]
    try:
        api.put_archive(container, "/", archive.pack({"/.original": reference.encode()}))
        # With a name of its own: without one it would go with the first name that is taken off it.
        api.commit(container, "original.test/image", container[:12])
    finally:
        api.remove_container(container, v=True, force=True)
    image = f"original.test/image:{container[:12]}"
    try:
        yield image
    finally:
        api.remove_image(image)


def _push(here: DockerClient, reference: str, far: str) -> None:
    from threading import Event

    name, _, tag = far.rpartition(":")
    here.api.tag(reference, name, tag)
    try:
        transfer.push(here, far, tell=lambda words: None, stop=Event())
    finally:
        here.api.remove_image(far)


@contextmanager
def second(folder: Path, storage: Path) -> Iterator[Second]:
    """A second engine without images, and a way to it by which its network is seen as here."""
    registry_site.logged_in(folder / "docker", f"127.0.0.1:{LOCKED}", f"{ADDRESS}:{LOCKED}")
    flags = (f"--insecure-registry={ADDRESS}:{LOCKED}", "--max-download-attempts=2")
    with own_engine(*flags) as engine:
        told = ["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"]
        subprocess.run(engine.inside(told), check=True)
        yield Second(engine, tuple(engine.inside(["unshare", "--mount", *SYS])), folder, storage)


@pytest.fixture
def there(tmp_path: Path, storage: Path) -> Iterator[Second]:
    with second(tmp_path, storage) as made:
        try:
            yield made
        finally:
            made.run("down")
            assert left(made) == []


def left(there: Second) -> list[str]:
    """What is there of any lab."""
    client = there.client()
    api: Any = client.api
    of = {"label": labels.LAB}
    found = [c["Names"][0] for c in api.containers(all=True, filters=of)]
    found += [n["Name"] for n in api.networks(filters=of)]
    found += [v["Name"] for v in api.volumes(filters=of)["Volumes"] or ()]
    client.close()
    return found


def tags(there: Second) -> set[str]:
    """The names of its engine's images; one without a name is `none`."""
    client = there.client()
    listed = client.api.images()
    client.close()
    return {tag for image in listed for tag in image["RepoTags"] or ("none",)}


def named(*names: str) -> set[str]:
    """The names that those images have when they are whole."""
    return {recipe.reference(name) for name in names} | {
        f"swarmlab/{name}:latest" for name in names
    }


@contextmanager
def serving(there: Second, *ports: int) -> Iterator[Mapping[int, registry_site.Registry]]:
    """The registry in the namespace: with a password, without one, or both."""
    with ExitStack() as stack:
        yield {
            port: stack.enter_context(
                registry_site.registry(
                    there.storage,
                    host="0.0.0.0",
                    port=port,
                    locked=port == LOCKED,
                    inside=there.inside,
                )
            )
            for port in ports
        }


def services(there: Second) -> Sequence[str]:
    """The images of the lab's services, as its own status tells them."""
    told = json.loads(there.done("status", "--json"))
    return [str(one["image"]) for one in told["services"]]


def test_a_lab_is_made_without_building_anything(there: Second) -> None:
    with serving(there, LOCKED):
        said = there.done("up", "--registry", f"127.0.0.1:{LOCKED}/{PLACE}")
        assert f"image loaded-node from 127.0.0.1:{LOCKED}/{PLACE}" in said
    # From here on nobody needs the registry.
    there.done("step", "1")
    assert "already up" in there.done("up")
    refused = there.run("up", "--registry", f"127.0.0.1:{OPEN}/{PLACE}")
    assert refused.returncode == 2
    assert f"was made with catalog local from 127.0.0.1:{LOCKED}/{PLACE}, not" in " ".join(
        refused.stderr.split()
    )
    assert tags(there) == named("loaded-node", "workstation")
    assert registry_site.PASSWORD not in said


def test_the_chapter_on_originals_out_of_a_registry(there: Second) -> None:
    place = f"http://{ADDRESS}:{LOCKED}/{PLACE}"
    with serving(there, LOCKED):
        said = there.done("up", "--catalog", "upstream", "--registry", place)
        assert f"Images come from {ADDRESS}:{LOCKED} without TLS" in said
        # Later commands know the lab's images without being told.
        there.done("run", "--to", "13")
        assert f"{ADDRESS}:{LOCKED}/{PLACE}/vfarcic/go-demo:1.0" in services(there)
        there.done("verify")
        refused = there.run("verify", "--catalog", "local")
    assert refused.returncode == 2
    assert "was made with catalog upstream" in refused.stderr


def test_originals_by_way_of_a_pull_through_mirror(there: Second, tmp_path: Path) -> None:
    """The mirror begins with nothing, and fetches what the nodes ask it for, once."""
    kept = tmp_path / "mirror"
    kept.mkdir()
    # swarmlab's own are from the registry; the mirror is for those of Docker Hub.
    with serving(there, LOCKED):
        place = f"127.0.0.1:{LOCKED}/{PLACE}"
        there.done("images", "pull", "--registry", place, "loaded-node", "workstation")
    up = ("up", "--catalog", "upstream", "--registry-mirror", f"http://{ADDRESS}:{CACHE}")
    with ExitStack() as stack:
        with serving(there, OPEN) as running:
            # It wants to see the registry behind it when it starts.
            url = f"http://127.0.0.1:{OPEN}"
            stack.enter_context(
                registry_site.registry(
                    kept, host="0.0.0.0", port=CACHE, locked=False, inside=there.inside,
                    upstream=url,
                )
            )  # fmt: skip
            assert not any(registry_site.holds(kept, *one).done for one in _originals())
            there.done(*up)
            there.done("run", "--to", "2")
            said = there.done("step", "3")
            assert "nicolaka/netshoot:v0.13" in said
            assert "could not be accessed on a registry" not in said
            # Nobody but the mirror writes there, and it may still be storing what it handed on.
            until("the mirror to have all", lambda: _all(kept), within=60, every=0.1)
            there.done("down")
            running[OPEN].process.kill()
        # Another lab of the class, whose nodes have nothing, with nobody behind the mirror.
        there.done(*up)


def test_a_registry_that_goes_while_a_lab_is_made(there: Second) -> None:
    with serving(there, LOCKED) as running:
        words = there.command("up", "--registry", f"127.0.0.1:{LOCKED}/{PLACE}")
        process = subprocess.Popen(
            words,
            env=there.environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            until("a layer to be on its way", lambda: _on_its_way(there), within=120, every=0.05)
            running[LOCKED].process.kill()
            said = process.communicate(timeout=300)[1]
        finally:
            process.kill()
    assert process.returncode == 3, said
    assert "does not answer" in said or "broke off" in said
    assert "What next:" in said
    assert left(there) == []
    # What came whole before may stay; nothing half does, and no name of the registry's.
    assert tags(there) <= named("workstation")


def _originals() -> list[tuple[str, str]]:
    """The originals as a mirror of Docker Hub stores them: repository and tag."""
    found = []
    for original in catalog.substitutions("upstream").values():
        repository, _, tag = LIBRARY.get(original, original).rpartition(":")
        found.append((repository, tag))
    return found


def _all(kept: Path) -> Observation[None]:
    seen = [registry_site.holds(kept, *one) for one in _originals()]
    return Observation(all(one.done for one in seen), "; ".join(one.seen for one in seen))


def _on_its_way(there: Second) -> Observation[None]:
    """Whether the engine is just storing what it pulls."""
    parts = (there.engine.data / "tmp").glob("GetImageBlob*")
    size = 0
    for part in parts:
        with suppress(FileNotFoundError):
            size += part.stat().st_size
    return Observation(size > 1_000_000, f"{size} bytes")
