"""Building images on a real engine: what is built, what is refused, what is left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker import DockerClient

from swarmlab.errors import ImageProblem
from swarmlab.images import base, build, builder, catalog, recipe, schedule, store
from swarmlab.labels import OWNER
from swarmlab.wait import Observation, until
from tests.docker.heard import once
from tests.docker.registry_site import free_port

pytestmark = pytest.mark.docker

BUILD = """
import sys, threading, docker
from pathlib import Path
from swarmlab.images import build
build.build(docker.from_env(), Path(sys.argv[1]), name="cut", target=sys.argv[2],
            args={"BASE": sys.argv[3], "TARGET": sys.argv[2]}, labels={}, tell=print,
            stop=threading.Event())
"""


STORE = """
import sys, docker
from swarmlab.images import recipe, schedule, store
store._PLENTY_OF_MEMORY = sys.maxsize  # a volume on any machine
def job(stop):
    return store.make(docker.from_env(), recipe.Keys(), sys.argv[1],
                      lambda line: print(line, flush=True), stop)
schedule.run({"store": job}, {}, workers=1)
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def images(engine: DockerClient) -> dict[str, builder.Built]:
    """All images, built where they were missing."""
    return {image.name: image for image in builder.ensure(engine=engine)}


@pytest.fixture
def target(engine: DockerClient) -> Iterator[str]:
    """A tag for one test; whatever has it afterwards is removed."""
    name = f"swarmlab/test-{uuid.uuid4().hex[:12]}:1"
    yield name
    for image in engine.images.list(name=name.partition(":")[0]):
        engine.images.remove(str(image.id), force=True)


@pytest.fixture
def registry(engine: DockerClient, images: dict[str, builder.Built]) -> Iterator[str]:
    """A registry on this machine's loopback: that of a node, run by itself."""
    port = free_port()
    container = engine.containers.run(
        images["loaded-node"].reference,
        entrypoint=["python3", "-m", "registry", str(port)],
        network_mode="host",
        detach=True,
        labels={"swarmlab.role": "build"},
    )
    address = f"127.0.0.1:{port}"

    def answers() -> Observation[None]:
        there = base.registry_has(engine, f"{address}/swarmlab/util:1.0")
        return Observation(there, "no answer yet")

    try:
        until("the registry to answer", answers, within=60)
        yield address
    finally:
        container.remove(force=True, v=True)
        api: Any = engine.api
        # Not `images.list`, which looks at each: those of other tests go meanwhile.
        for image in api.images():
            for tag in image["RepoTags"] or ():
                if tag.startswith(address):
                    engine.images.remove(tag)


def made(
    engine: DockerClient, folder: Path, target: str, stop: threading.Event | None = None
) -> list[str]:
    """Build a folder as `target` with the lab's base; the lines that were said."""
    said: list[str] = []
    build.build(
        engine,
        folder,
        name="test",
        target=target,
        args={"BASE": recipe.reference("base"), "TARGET": target},
        labels={},
        tell=said.append,
        stop=stop or threading.Event(),
    )
    return said


def dockerfile(folder: Path, *lines: str) -> Path:
    head = ("ARG BASE", "FROM ${BASE}", "ARG TARGET", "LABEL swarmlab.test=${TARGET}")
    (folder / "Dockerfile").write_text("\n".join((*head, *lines, "")))
    return folder


def leftovers(engine: DockerClient, target: str) -> list[str]:
    """Containers and tags of a build that should not have left any."""
    api: Any = engine.api
    containers = api.containers(all=True, filters={"label": f"swarmlab.test={target}"})
    tags = api.images(name=target.partition(":")[0])
    return [str(found["Id"]) for found in (*containers, *tags)]


def test_all_images_are_there_and_a_second_build_does_nothing(
    engine: DockerClient, images: dict[str, builder.Built]
) -> None:
    again = builder.ensure(engine=engine)
    assert [image.name for image in again] == list(recipe.names())
    assert not any(image.built for image in again)
    for state in builder.list_images(engine):
        assert state.built, state.name
        assert state.size > 10_000_000, state.name
        assert state.reference == images[state.name].reference
        assert state.source, state.name


def test_the_base_is_small_and_of_one_layer(
    engine: DockerClient, images: dict[str, builder.Built]
) -> None:
    found = engine.images.get(images["base"].reference)
    assert len(found.attrs["RootFS"]["Layers"]) == 1
    assert found.attrs["Size"] < 150_000_000


def test_a_changed_file_makes_another_image(
    engine: DockerClient, images: dict[str, builder.Built], tmp_path: Path, target: str
) -> None:
    dockerfile(tmp_path, "COPY word /word")
    (tmp_path / "word").write_text("one\n")
    assert any("Successfully tagged" in line for line in made(engine, tmp_path, target))
    first = engine.images.get(target).id
    (tmp_path / "word").write_text("two\n")
    made(engine, tmp_path, target)
    assert engine.images.get(target).id != first
    assert once(engine, target, ["cat", "/word"]) == "two\n"


def test_a_failed_step_says_its_last_lines_and_leaves_nothing(
    engine: DockerClient, images: dict[str, builder.Built], tmp_path: Path, target: str
) -> None:
    dockerfile(tmp_path, "RUN echo about to fail; exit 7")
    with pytest.raises(ImageProblem) as caught:
        made(engine, tmp_path, target)
    assert "7" in caught.value.message
    assert "about to fail" in caught.value.evidence
    assert leftovers(engine, target) == []


def test_a_full_disk_is_named(
    engine: DockerClient, images: dict[str, builder.Built], tmp_path: Path, target: str
) -> None:
    dockerfile(tmp_path, "RUN cat /etc/passwd >/dev/full")
    with pytest.raises(ImageProblem, match="disk is full"):
        made(engine, tmp_path, target)
    assert leftovers(engine, target) == []


def test_a_build_that_is_told_to_stop_leaves_nothing(
    engine: DockerClient, images: dict[str, builder.Built], tmp_path: Path, target: str
) -> None:
    dockerfile(tmp_path, "RUN while true; do echo still at it; sleep 0.1; done")
    stop = threading.Event()

    def building() -> Observation[None]:
        return Observation(bool(leftovers(engine, target)), "no container yet")

    def when_it_runs() -> None:
        try:
            until("the build to run", building, within=120)
        finally:
            stop.set()

    watcher = threading.Thread(target=when_it_runs)
    watcher.start()
    with pytest.raises(schedule.Stopped):
        made(engine, tmp_path, target, stop)
    watcher.join()
    gone(engine, target)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_build_leaves_nothing(
    engine: DockerClient,
    images: dict[str, builder.Built],
    tmp_path: Path,
    target: str,
    how: signal.Signals,
) -> None:
    dockerfile(tmp_path, "RUN while true; do echo still at it; sleep 0.1; done")
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(tmp_path), target, images["base"].reference],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(
            "the build to run",
            lambda: Observation[None](bool(leftovers(engine, target)), "no container yet"),
            within=120,
        )
        process.send_signal(how)
        assert process.wait(timeout=120) != 0
    finally:
        process.kill()
        process.wait()
    gone(engine, target)


def gone(engine: DockerClient, target: str) -> None:
    """The engine ends a build whose caller went away; a moment later nothing is left of it."""

    def look() -> Observation[None]:
        left = leftovers(engine, target)
        return Observation(not left, f"left: {left}")

    until("the engine to clear up", look, within=120)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_build_killed_while_it_arranges_the_store_leaves_nothing(
    engine: DockerClient, images: dict[str, builder.Built], target: str, how: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STORE, target], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        with process.stdout as words:
            assert b"arranging the store\n" in iter(words.readline, b"")
            left = owned(engine, process.pid)
            process.send_signal(how)
            assert process.wait(timeout=120) != 0
    finally:
        process.kill()
        process.wait()
    (names,) = left.values()
    assert len(names) == 1, "the loader has one volume"

    def look() -> Observation[None]:
        # Ctrl-C clears up by itself; after a kill the next command that needs images does.
        if how == signal.SIGKILL:
            builder.ensure(["base"], engine=engine)
        rest = list(owned(engine, process.pid))
        # The engine takes the container off its list first, whoever has it removed.
        rest += {str(volume.name) for volume in engine.volumes.list()} & set(names)
        return Observation(not rest, f"left: {rest}")

    until("the loader and its volume to be gone", look, within=120)


def owned(engine: DockerClient, pid: int) -> dict[str, list[str]]:
    """The containers of that process's build, each with its volumes."""
    containers = engine.api.containers(all=True, filters={"label": [OWNER]})
    return {
        container["Id"]: [mount["Name"] for mount in container["Mounts"] if "Name" in mount]
        for container in containers
        if container["Labels"][OWNER].endswith(f" {pid}")
    }


def test_an_image_that_deletes_files_is_kept_out_of_the_store(
    engine: DockerClient,
    images: dict[str, builder.Built],
    tmp_path: Path,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made(engine, dockerfile(tmp_path, "RUN rm /etc/debian_version"), target)
    with pytest.raises(ImageProblem) as caught:
        _store_of(engine, images["node"].reference, target, monkeypatch)
    assert "/etc/debian_version" in caught.value.evidence
    assert owned(engine, os.getpid()) == {}


def test_a_store_that_does_not_fit_says_so(
    engine: DockerClient,
    images: dict[str, builder.Built],
    target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "_DATA_BYTES", 20 << 20)
    monkeypatch.setattr(store, "_PLENTY_OF_MEMORY", 0)
    engine.api.tag(images["util"].reference, target.partition(":")[0], "1")
    with pytest.raises(ImageProblem, match="disk is full"):
        _store_of(engine, images["node"].reference, target, monkeypatch)
    assert owned(engine, os.getpid()) == {}


def _store_of(engine: DockerClient, node: str, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Try to make a store that holds `image` alone."""
    known = catalog.load()
    spec = dataclasses.replace(known.images["util"], inside="swarmlab/odd:1.0")
    only = dataclasses.replace(known, images={"node": known.images["node"], "util": spec})
    keys = recipe.Keys()
    monkeypatch.setattr(catalog, "load", lambda: only)
    monkeypatch.setattr(keys, "reference", lambda name: node if name == "node" else image)
    monkeypatch.setattr(keys, "key", lambda name: "0" * 12)
    store.make(
        engine, keys, f"{image.partition(':')[0]}:store", lambda line: None, threading.Event()
    )


def test_the_base_is_taken_from_a_registry_where_one_answers(
    engine: DockerClient, registry: str, target: str
) -> None:
    said: list[str] = []
    image = f"{registry}/swarmlab/util:1.0"
    source = base.make(
        engine,
        recipe.folder("base"),
        image=image,
        suite="trixie",
        target=target,
        key="0" * 12,
        tell=said.append,
        stop=threading.Event(),
    )
    assert source == f"registry: {image}"
    found = engine.images.get(target)
    assert len(found.attrs["RootFS"]["Layers"]) == 1
    assert found.labels["swarmlab.content"] == "0" * 12
    look = "cat /etc/apt/apt.conf.d/90swarmlab; ls /var/lib/apt/lists /var/log; drill -v"
    output = once(engine, target, ["sh", "-c", look])
    assert "Install-Recommends" in output
    assert "drill version" in output


def test_consul_comes_from_a_registry_when_no_archive_has_it(
    engine: DockerClient, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = catalog.load()
    image = f"{registry}/swarmlab/consul:1.8.7"
    spec = dataclasses.replace(
        known.images["consul"],
        args={**known.images["consul"].args, "VERSION": "0.0.0-absent"},
        fallback=catalog.Fallback(image, "CONSUL_FROM"),
    )
    other = dataclasses.replace(known, images={**known.images, "consul": spec})
    latest = engine.images.get("swarmlab/consul:latest")
    monkeypatch.setattr(catalog, "load", lambda: other)
    try:
        (made_here,) = builder.ensure(["consul"], engine=engine)
        assert made_here.built
        assert made_here.source == f"registry: {image}"
        assert "Consul v1.8.7" in once(engine, made_here.reference, ["version"])
    finally:
        latest.tag("swarmlab/consul", "latest")
        for found in engine.images.list(name=recipe.reference("consul")):
            engine.images.remove(str(found.id), force=True)


def test_a_registry_that_does_not_answer_is_given_up_soon(engine: DockerClient) -> None:
    # 192.0.2.0/24 is kept for documentation, RFC 5737: packets to it get no answer.
    assert not base.registry_has(engine, "192.0.2.1:5000/debian:trixie-slim", within=1.0)
