"""Turns a stopped engine's data folder into the preloaded store: python3 -m registry.pack.

The store holds each layer's files once (`overlay2`), what a new engine must find in its own data
folder (`seed`), and what the registry answers (`registry`).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from registry.layers import Layer, tar_stream

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with owners, times, links and extended attributes, as `cp -a` does."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.spawnlp(os.P_WAIT, "cp", "cp", "-a", str(source), str(target)) != 0:
        raise SystemExit(f"{source} could not be copied; is the disk full?")


def refuse_deletions(layer: str, files: Path, below: list[Path]) -> None:
    """End with the name of a file that this layer deletes from one of those below it.

    overlayfs marks a deletion with a device file 0:0, and a replaced folder with an attribute.
    Both mean something else inside a layer of the node's own image, where the store will be, and
    are lost there. That does no harm where the layers below have nothing of that name, as with
    most new folders, which overlayfs marks as replaced too.
    """
    for folder, folders, names in os.walk(files):
        inside = Path(folder).relative_to(files)
        if folder != str(files) and _replaced(folder) and _holds(below, inside):
            raise SystemExit(f"{layer} replaces the folder /{inside}. {_ADVICE}")
        for name in (*names, *folders):
            status = Path(folder, name).lstat()
            deleted = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
            if deleted and _holds(below, inside / name):
                raise SystemExit(f"{layer} deletes /{inside / name}. {_ADVICE}")


_ADVICE = "Images for the nodes must delete nothing that a lower layer holds."


def _holds(below: list[Path], name: Path) -> bool:
    return any(os.path.lexists(lower / name) for lower in below)


def _replaced(folder: str) -> bool:
    try:
        return os.getxattr(folder, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


class Packer:
    """One run: from the engine's folder `data` to the store."""

    def __init__(self, data: Path, store: Path) -> None:
        self._image = data / "image" / "overlay2"
        self._layers = data / "overlay2"
        self._store = store
        self._seed = store / "seed"
        self._seen: dict[str, dict[str, Any]] = {}

    def pack(self) -> None:
        """Write the whole store."""
        repositories = json.loads((self._image / "repositories.json").read_text())
        self._copy_metadata()
        index: dict[str, dict[str, str]] = {}
        for name, references in repositories["Repositories"].items():
            for reference, image in list(references.items()):
                digest = self._image_manifest(reference, image)
                references[f"{name}@{digest}"] = image
                index.setdefault(name, {})[reference.rpartition(":")[2]] = digest
        text = json.dumps(repositories)
        (self._seed / "image/overlay2/repositories.json").write_text(text)
        self._write_registry(index)
        (self._store / "key").write_text(hashlib.sha256(text.encode()).hexdigest()[:12] + "\n")

    def _copy_metadata(self) -> None:
        target = self._seed / "image" / "overlay2"
        for part in ("imagedb", "layerdb/sha256"):
            _copy(self._image / part, target / part)
        _copy(self._layers / "l", self._seed / "overlay2" / "l")

    def _image_manifest(self, reference: str, image: str) -> str:
        """Keep an image's layers and its manifest; returns the manifest's digest."""
        config = (
            self._image / "imagedb/content/sha256" / image.removeprefix("sha256:")
        ).read_bytes()
        layers = []
        below: list[Path] = []
        chain = ""
        for diff in json.loads(config)["rootfs"]["diff_ids"]:
            # A chain's name, see the OCI image specification, "Layer ChainID".
            chain = _sha256(f"{chain} {diff}".encode()) if chain else diff
            layer = self._layer(reference, chain, diff, below)
            layers.append({"mediaType": LAYER, "size": layer["size"], "digest": diff})
            below.append(Path(layer["files"]))
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": image},
                "layers": layers,
            }
        ).encode()
        digest = _sha256(manifest)
        path = self._store / "registry" / "manifests" / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(manifest)
        return digest

    def _layer(self, reference: str, chain: str, diff: str, below: list[Path]) -> dict[str, Any]:
        """Keep one layer's files, once; returns what the registry must know about it."""
        if chain in self._seen:
            return self._seen[chain]
        described = self._image / "layerdb/sha256" / chain.removeprefix("sha256:")
        cache = (described / "cache-id").read_text()
        files = self._layers / cache / "diff"
        refuse_deletions(f"a layer of {reference}", files, below)
        kept = self._store / "overlay2" / cache / "diff"
        _copy(files, kept)
        seeded = self._seed / "overlay2" / cache
        seeded.mkdir(parents=True)
        for small in (self._layers / cache).iterdir():
            if small.name != "diff":
                _copy(small, seeded / small.name)
        (seeded / "diff").symlink_to(kept)
        total, size = hashlib.sha256(), 0
        for block in tar_stream(Layer(described / "tar-split.json.gz", kept)):
            total.update(block)
            size += len(block)
        if f"sha256:{total.hexdigest()}" != diff:
            raise SystemExit(f"a layer of {reference} does not give back its own digest {diff}")
        self._remember_digest(diff)
        recipe = self._seed / "image/overlay2/layerdb/sha256" / described.name
        self._seen[chain] = {
            "digest": diff,
            "size": size,
            "files": str(kept),
            "recipe": str(recipe / "tar-split.json.gz"),
        }
        return self._seen[chain]

    def _remember_digest(self, diff: str) -> None:
        """Tell the new engine that it has this layer, so that pulling transfers nothing."""
        path = self._seed / "image/overlay2/distribution/diffid-by-digest/sha256"
        path.mkdir(parents=True, exist_ok=True)
        (path / diff.removeprefix("sha256:")).write_text(diff)

    def _write_registry(self, index: dict[str, dict[str, str]]) -> None:
        layers = {entry["digest"]: entry for entry in self._seen.values()}
        configs = str(self._seed / "image/overlay2/imagedb/content/sha256")
        text = json.dumps({"images": index, "layers": layers, "configs": configs}, indent=1)
        (self._store / "registry" / "index.json").write_text(text)


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


if __name__ == "__main__":
    Packer(Path(sys.argv[1]), Path(sys.argv[2])).pack()
