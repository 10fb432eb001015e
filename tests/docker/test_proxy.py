"""Images built where a proxy and an authority of one's own lead out, and what stays of the two."""

from __future__ import annotations

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
from tests.docker.proxy_site import LOGIN, archive, proxy

pytestmark = pytest.mark.docker

TAG = f"swarmlab-test/way-out-{os.getpid()}"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An engine, no way out but the one that a test gives, and its images removed at the end."""
    for name in (*internet.PROXIES, *internet.AUTHORITIES):
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
@pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap needs root")
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
        on = f"{TAG}:base"
        base.make(
            engine,
            recipe.folder("base"),
            image="none",
            suite=catalog.load().suite,
            target=on,
            key="none",
            tell=lambda line: None,
            stop=threading.Event(),
        )
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
