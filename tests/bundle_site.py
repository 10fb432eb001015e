"""Small bundles for tests: whole ones, with bytes in place of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from swarmlab import __version__
from swarmlab.bundle import serving, writing
from swarmlab.bundle.manifest import Image, Manifest
from swarmlab.images import recipe

WHEEL = "wheels/none-1-py3-none-any.whl"


def made(path: Path, *, size: int = 100_000, version: str = __version__, key: str = "") -> bytes:
    """A bundle at `path` with `size` random bytes for images; those bytes."""
    content = os.urandom(size)
    reference = f"swarmlab/workstation:{key}" if key else recipe.reference("workstation")
    with writing.written(path) as writer:
        writer.add(WHEEL, b"a wheel")
        writer.add_images([content[: size // 2], content[size // 2 :]])
        writer.finish(
            Manifest(
                version=version,
                architecture="amd64",
                images=(Image("workstation", reference, ("sha256:1",)),),
                members=dict(writer.members),
                system="Linux x86_64",
                pythons=("3.11",),
            )
        )
    return content


class Copies:
    """Remembers what the server told of each copy."""

    def __init__(self) -> None:
        self.all: list[tuple[int, bool]] = []

    def told(self, client: str, size: int, whole: bool, seconds: float) -> None:
        self.all.append((size, whole))


@contextmanager
def served(path: Path, copies: Copies | None = None, port: int = 0) -> Iterator[tuple[str, int]]:
    """The bundle on loopback; host and port."""
    told = (copies or Copies()).told
    with serving.serving(path, "127.0.0.1", port, told) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield "127.0.0.1", int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
