"""A layer's tar, put together from its unpacked files.

The engine keeps, for each layer it unpacked, a `tar-split.json.gz`: the bytes between the files
as they were, and where each file's content goes. Format: github.com/vbatts/tar-split.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FILE, _SEGMENT = 1, 2
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Layer:
    """One unpacked layer: its recipe, and the folder with its files."""

    recipe: Path
    files: Path


def tar_stream(layer: Layer) -> Iterator[bytes]:
    """The bytes of the layer's tar, exactly as it was when its digest was taken."""
    with gzip.open(layer.recipe, "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["type"] == _SEGMENT:
                yield base64.b64decode(entry["payload"])
            elif entry["type"] == _FILE and entry.get("size"):
                yield from _content(layer.files / _name(entry), entry["size"])


def _name(entry: dict[str, str]) -> str:
    if raw := entry.get("name_raw"):  # a name that is not UTF-8
        return base64.b64decode(raw).decode("utf-8", "surrogateescape")
    return entry["name"]


def _content(path: Path, size: int) -> Iterator[bytes]:
    seen = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            seen += len(block)
            yield block
    if seen != size:
        raise ValueError(f"{path} holds {seen} bytes, the layer says {size}")
