"""Images built where a proxy and an authority of one's own lead out, and what stays of the two."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import secrets
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import docker
import pytest

from swarmlab import labels
from swarmlab.errors import ImageProblem
from swarmlab.images import apt, base, build, builder, catalog, internet, recipe
from swarmlab.images import archive as archives
from tests.docker.proxy_site import LOGIN, archive, locked_archive, proxy

pytestmark = pytest.mark.docker
# An ordinary user cannot make the base image; continuous integration is root and skips nothing.
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap needs root")

TAG = f"swarmlab-test/way-out-{os.getpid()}"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An engine, no way out but the one that a test gives, and its images removed at the end."""
    for name in (*internet.PROXIES, *internet.AUTHORITIES, archives.VARIABLE):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    client = docker.from_env(version="auto", timeout=300)
    yield client
    for image in client.images.list(name=TAG):
        client.images.remove(image.tags[0], force=True)
    client.close()


def changed(name: str, to: Path) -> Path:
    """The folder of an image, every command of it so changed that no cache knows it."""
    folder = Path(shutil.copytree(recipe.folder(name), to / name))
    file = folder / "Dockerfile"
    lines = file.read_text().splitlines()
    extra = f" && : {secrets.token_hex(8)}"
    file.write_text("".join(f"{x}{extra if x.startswith('RUN ') else ''}\n" for x in lines))
    return folder


def built(engine: Any, folder: Path, on: str) -> tuple[str, list[str]]:
    """The image of that folder, and all that was said while it was built."""
    said: list[str] = []
    target = f"{TAG}:{folder.name}"
    build.build(
        engine,
        folder,
        name=folder.name,
        target=target,
        args={"BASE": on, **dict(catalog.load().images[folder.name].args)},
        labels={labels.ROLE: labels.ROLE_BUILD},
        tell=said.append,
        stop=threading.Event(),
    )
    return target, said


def nothing_stays(engine: Any, image: str, port: int, *more: str) -> None:
    """No settings, no history and no file of the image holds a word of the way out."""
    told = json.dumps([engine.api.inspect_image(image), engine.api.history(image)])
    assert not re.search(f"proxy|planted|:{port}", told, re.I), told
    words = ("planted", unquote(LOGIN), f"127.0.0.1:{port}", *more)
    with io.BytesIO(b"".join(engine.images.get(image).save())) as whole:
        for name, content in files(whole):
            assert [word for word in words if word.encode() in content] == [], name


def files(whole: io.BytesIO) -> Iterator[tuple[str, bytes]]:
    """Every small file of a saved image's layers, and its settings."""
    with tarfile.open(fileobj=whole) as saved:
        for layer in saved:
            if not layer.isfile():
                continue
            held = saved.extractfile(layer)
            assert held is not None
            if not layer.name.endswith("layer.tar") and "blobs/" not in layer.name:
                yield layer.name, held.read()
                continue
            try:
                with tarfile.open(fileobj=held) as tree:
                    for file in tree:
                        if file.isfile() and file.size < 500_000:
                            content = tree.extractfile(file)
                            assert content is not None
                            yield file.name, content.read()
            except tarfile.ReadError:
                held.seek(0)
                yield layer.name, held.read()


def test_a_build_goes_through_the_proxy_and_keeps_nothing_of_it(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = builder.ensure(["base"], engine=engine)[0].reference
    with proxy() as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://{LOGIN}@127.0.0.1:{server.port}")
        image, said = built(engine, changed("util", tmp_path), on)
        assert sum(one.endswith(".deb") for one in server.asked) >= 3
        assert all(urlsplit(one).hostname for one in server.asked)
        assert "planted" not in "\n".join(said)
        nothing_stays(engine, image, server.port)


def test_a_proxy_that_refuses_is_told_without_its_password(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = builder.ensure(["base"], engine=engine)[0].reference
    with proxy() as server:
        wrong = f"http://ada:planted-wrong-word@127.0.0.1:{server.port}"
        monkeypatch.setenv("http_proxy", wrong)
        with pytest.raises(ImageProblem) as caught:
            built(engine, changed("util", tmp_path), on)
    assert server.refused > 0 and server.asked == []
    assert "407" in caught.value.evidence
    assert "planted" not in str(caught.value)


@pytest.mark.long
def test_pip_goes_through_it_too(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = builder.ensure(["base"], engine=engine)[0].reference
    with proxy() as server:
        for name in ("HTTP_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://{LOGIN}@127.0.0.1:{server.port}")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        image, said = built(engine, changed("go-demo-db", tmp_path), on)
    assert [one for one in server.asked if ":443" in one or "simple" in one]
    assert "planted" not in "\n".join(said)
    nothing_stays(engine, image, server.port)


@pytest.mark.long
@as_root
def test_the_login_of_an_archive_serves_every_build_and_stays_in_none(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base, and what is built on it, from an archive that lets in nobody without one."""
    mirror = apt.mirror()
    assert mirror is not None, "this machine's apt names no archive"
    parts = urlsplit(mirror)
    monkeypatch.setattr(base, "registry_has", lambda *args, **more: False)
    with locked_archive(f"{parts.scheme}://{parts.netloc}") as server:
        plain = f"127.0.0.1:{server.port}{parts.path}"
        monkeypatch.setenv(archives.VARIABLE, f"http://{LOGIN}@{plain}")
        on, told = made(engine)
        assert [f"debootstrap: {catalog.load().suite} from http://{plain}"] == told[-1:]
        asked = len(server.asked)
        assert asked > 50
        image, said = built(engine, changed("util", tmp_path), on)
        assert sum(one.endswith(".deb") for one in server.asked[asked:]) >= 3
        # Consul comes past apt's own list, from wherever the archive keeps what is old.
        folder, so_far = changed("consul", tmp_path), server.refused
        consul, more = built(engine, folder, on)
        assert any("consul_" in one for one in server.asked[asked:]), server.refused - so_far
        assert "planted" not in "\n".join([*told, *said, *more])
        listed = engine.containers.run(on, ["cat", "/etc/apt/sources.list"], remove=True).decode()
        assert f"http://{plain} " in listed.replace("/ ", " ") and "@" not in listed
        for one in (on, image, consul):
            no_login_stays(engine, one)
        # A control: where the builds are not handed the login, nobody is let in.
        monkeypatch.setattr(archives, "for_apt", lambda address: "")
        with pytest.raises(ImageProblem) as caught:
            built(engine, changed("workstation", tmp_path), on)
        assert "401" in caught.value.evidence


def made(engine: Any) -> tuple[str, list[str]]:
    """A base of the test's own; what was said while it was made, and last from where it is."""
    on, said = f"{TAG}:base", list[str]()
    source = base.make(
        engine,
        recipe.folder("base"),
        image="none",
        suite=catalog.load().suite,
        target=on,
        key="none",
        tell=said.append,
        stop=threading.Event(),
    )
    return on, [*said, source]


def no_login_stays(engine: Any, image: str) -> None:
    """Neither in its settings nor in its history nor in a file, in no way to write it."""
    word = LOGIN.partition(":")[2]
    ways = [one.encode() for one in (word, unquote(word), "planted")]
    ways += [base64.b64encode(one.encode()) for one in (LOGIN, unquote(LOGIN))]
    told = json.dumps([engine.api.inspect_image(image), engine.api.history(image)]).encode()
    assert [one for one in ways if one in told] == []
    assert b"ftp_proxy" not in told.lower()
    with io.BytesIO(b"".join(engine.images.get(image).save())) as whole:
        for name, content in files(whole):
            assert [one for one in ways if one in content] == [], name
            assert not name.startswith("dev/shm/"), name


@pytest.mark.long
@as_root
def test_an_authority_of_ones_own_serves_every_build_and_stays_in_none(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base from an archive over HTTPS that an authority unknown to all others vouches for."""
    mirror = apt.mirror()
    assert mirror is not None, "this machine's apt names no archive"
    parts = urlsplit(mirror)
    monkeypatch.setattr(base, "registry_has", lambda *args, **more: False)
    with archive(tmp_path, f"{parts.scheme}://{parts.netloc}") as (server, own), proxy() as out:
        monkeypatch.setenv("SWARMLAB_MIRROR", f"https://127.0.0.1:{server.port}{parts.path}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@127.0.0.1:{out.port}")
        monkeypatch.setenv("SWARMLAB_CA_BUNDLE", str(own))
        on, _ = made(engine)
        so_far = len(server.asked)
        image, said = built(engine, changed("util", tmp_path), on)
        assert sum(one.endswith(".deb") for one in server.asked[so_far:]) >= 3
        assert "planted" not in "\n".join(said)
        left = own.read_text().splitlines()[1][:60]
        for one in (on, image):
            nothing_stays(engine, one, out.port, left)
        monkeypatch.delenv("SWARMLAB_CA_BUNDLE")
        with pytest.raises(ImageProblem) as caught:
            built(engine, changed("workstation", tmp_path), on)
        assert "certificate" in caught.value.evidence.lower()
