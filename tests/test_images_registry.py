"""The nodes' own registry: packing an engine's folder, and answering from the store."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "compose" / "images" / "node"))
layers = importlib.import_module("registry.layers")
pack = importlib.import_module("registry.pack")
server = importlib.import_module("registry.__main__")

FILES = {"etc/hello": b"hello\n", "empty": b"", "big": bytes(range(256)) * 9000}


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer_tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tar_split(tar: bytes) -> bytes:
    """What the engine keeps of a layer: the bytes around the files, and the files' names."""
    lines: list[dict[str, Any]] = []
    position = 0

    def segment(end: int) -> None:
        payload = base64.b64encode(tar[position:end]).decode()
        lines.append({"type": 2, "payload": payload, "position": len(lines)})

    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        for member in opened:
            segment(member.offset_data)
            position = member.offset_data + member.size
            entry = {"type": 1, "name": member.name, "payload": "", "position": len(lines)}
            lines.append(entry | ({"size": member.size} if member.size else {}))
    segment(len(tar))
    return gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())


class FakeEngine:
    """An engine's data folder with one image of two layers."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.image = data / "image" / "overlay2"
        self.tars: list[bytes] = []
        self._chain = ""
        (data / "overlay2" / "l").mkdir(parents=True)
        (self.image / "layerdb" / "mounts").mkdir(parents=True)

    def add_layer(self, cache: str, files: dict[str, bytes]) -> None:
        tar = layer_tar(files)
        self.tars.append(tar)
        self._chain = sha(f"{self._chain} {sha(tar)}".encode()) if self._chain else sha(tar)
        described = self.image / "layerdb" / "sha256" / self._chain.removeprefix("sha256:")
        described.mkdir(parents=True)
        (described / "cache-id").write_text(cache)
        (described / "diff").write_text(sha(tar))
        (described / "tar-split.json.gz").write_bytes(tar_split(tar))
        kept = self.data / "overlay2" / cache
        for name, content in files.items():
            (kept / "diff" / name).parent.mkdir(parents=True, exist_ok=True)
            (kept / "diff" / name).write_bytes(content)
        (kept / "link").write_text(cache.upper())
        (self.data / "overlay2" / "l" / cache.upper()).symlink_to(f"../{cache}/diff")

    def finish(self, reference: str) -> str:
        config = json.dumps(
            {"architecture": "amd64", "rootfs": {"diff_ids": [sha(tar) for tar in self.tars]}}
        ).encode()
        kept = self.image / "imagedb" / "content" / "sha256"
        kept.mkdir(parents=True)
        (kept / sha(config).removeprefix("sha256:")).write_bytes(config)
        name = reference.rpartition(":")[0]
        repositories = {"Repositories": {name: {reference: sha(config)}}}
        (self.image / "repositories.json").write_text(json.dumps(repositories))
        return sha(config)


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    fake = FakeEngine(tmp_path / "data")
    fake.add_layer("aaa", FILES)
    fake.add_layer("bbb", {"etc/more": b"more"})
    fake.finish("swarmlab/util:1.0")
    return fake


@pytest.fixture
def store(engine: FakeEngine, tmp_path: Path) -> Path:
    target = tmp_path / "store"
    pack.Packer(engine.data, target).pack()
    return target


@pytest.fixture
def url(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(server, "STORE", store / "registry")
    monkeypatch.setattr(server.Handler, "log_message", lambda *arguments: None)
    index = json.loads((store / "registry" / "index.json").read_text())
    monkeypatch.setattr(server.Handler, "index", index, raising=False)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), server.Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}/v2"
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_a_layer_is_put_together_byte_for_byte(engine: FakeEngine) -> None:
    chain = engine.image / "layerdb" / "sha256" / sha(engine.tars[0]).removeprefix("sha256:")
    layer = layers.Layer(chain / "tar-split.json.gz", engine.data / "overlay2" / "aaa" / "diff")
    assert b"".join(layers.tar_stream(layer)) == engine.tars[0]


def test_a_file_that_lost_bytes_is_noticed(engine: FakeEngine) -> None:
    files = engine.data / "overlay2" / "aaa" / "diff"
    (files / "big").write_bytes(b"short")
    chain = engine.image / "layerdb" / "sha256" / sha(engine.tars[0]).removeprefix("sha256:")
    with pytest.raises(ValueError, match="big"):
        list(layers.tar_stream(layers.Layer(chain / "tar-split.json.gz", files)))


def test_a_changed_layer_is_not_packed(engine: FakeEngine, tmp_path: Path) -> None:
    (engine.data / "overlay2" / "aaa" / "diff" / "etc" / "hello").write_bytes(b"hellO\n")
    with pytest.raises(SystemExit, match="digest"):
        pack.Packer(engine.data, tmp_path / "store").pack()


def test_the_seed_links_to_the_layers_and_pins_the_image(store: Path) -> None:
    diff = store / "seed" / "overlay2" / "aaa" / "diff"
    assert diff.is_symlink()
    assert (diff / "etc" / "hello").read_bytes() == b"hello\n"
    assert (store / "seed" / "overlay2" / "bbb" / "link").read_text() == "BBB"
    assert not (store / "seed" / "image" / "overlay2" / "layerdb" / "mounts").exists()
    text = (store / "seed" / "image" / "overlay2" / "repositories.json").read_text()
    known = json.loads(text)["Repositories"]["swarmlab/util"]
    pinned = [name for name in known if "@sha256:" in name]
    assert len(pinned) == 1
    digest = pinned[0].partition("@")[2]
    assert sha((store / "registry" / "manifests" / digest).read_bytes()) == digest
    assert len((store / "key").read_text().strip()) == 12


def test_a_pull_gets_manifest_configuration_and_layers(url: str, engine: FakeEngine) -> None:
    assert requests.get(f"{url}/", timeout=30).status_code == 200
    by_tag = requests.get(f"{url}/swarmlab/util/manifests/1.0?ns=docker.io", timeout=30)
    assert by_tag.headers["Docker-Content-Digest"] == sha(by_tag.content)
    assert by_tag.headers["Content-Type"] == by_tag.json()["mediaType"]
    by_digest = requests.get(f"{url}/swarmlab/util/manifests/{sha(by_tag.content)}", timeout=30)
    assert by_digest.content == by_tag.content
    manifest = by_tag.json()
    config = requests.get(f"{url}/swarmlab/util/blobs/{manifest['config']['digest']}", timeout=30)
    assert sha(config.content) == manifest["config"]["digest"]
    for entry, tar in zip(manifest["layers"], engine.tars, strict=True):
        assert entry["size"] == len(tar)
        blob = requests.get(f"{url}/swarmlab/util/blobs/{entry['digest']}", timeout=30)
        assert blob.content == tar


def test_head_gives_the_headers_alone(url: str) -> None:
    seen = requests.head(f"{url}/swarmlab/util/manifests/1.0", timeout=30)
    assert seen.status_code == 200
    assert seen.headers["Docker-Content-Digest"].startswith("sha256:")
    assert seen.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "swarmlab/util/manifests/2.0",
        "swarmlab/absent/manifests/1.0",
        "swarmlab/util/manifests/sha256:" + "0" * 64,
        "swarmlab/util/blobs/sha256:" + "0" * 64,
        "swarmlab/util/blobs/sha256:../../../../etc/passwd",
        "swarmlab/util/manifests/..%2f..%2findex.json",
        "_catalog",
    ],
)
def test_what_is_not_in_the_store_is_unknown(url: str, path: str) -> None:
    assert requests.get(f"{url}/{path}", timeout=30).status_code == 404


def test_nothing_can_be_written(url: str) -> None:
    assert requests.put(f"{url}/swarmlab/util/manifests/1.0", timeout=30).status_code == 501
    assert requests.post(f"{url}/swarmlab/util/blobs/uploads/", timeout=30).status_code == 501
