"""What a bundle says it holds: the list inside it, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmlab.errors import ImageProblem
from swarmlab.words import say

FORMAT = 1
NAME = "bundle.json"
IMAGES = "images.tar.zst"
PROGRAM = "__main__.py"
WHEELS = "wheels/"

LARGEST = 1 << 20
"""Bytes that a list may have: far more than any needs."""


@dataclass(frozen=True)
class Image:
    """An image in the bundle: its tag, and its layers by the digests of their content."""

    name: str
    reference: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """A file in the bundle: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All that a bundle holds.

    `architecture` is the engine's, in Debian's words; `system` and `pythons` say for which
    machines the package's wheels are, and are empty when it holds none.
    """

    version: str
    architecture: str
    images: tuple[Image, ...]
    members: Mapping[str, Member]
    system: str = ""
    pythons: tuple[str, ...] = ()

    @property
    def wheels(self) -> tuple[str, ...]:
        """The members that are wheels."""
        return tuple(name for name in self.members if name.startswith(WHEELS))

    def to_json(self) -> bytes:
        """The list as it stands in the bundle."""
        told = {
            "kind": "swarmlab-bundle",
            "format": FORMAT,
            "swarmlab": self.version,
            "architecture": self.architecture,
            "system": self.system,
            "pythons": list(self.pythons),
            "images": [
                {"name": i.name, "reference": i.reference, "layers": list(i.layers)}
                for i in self.images
            ],
            "members": {
                name: {"size": member.size, "sha256": member.sha256}
                for name, member in self.members.items()
            },
        }
        return json.dumps(told, indent=2).encode() + b"\n"


def parse(text: bytes) -> Manifest:
    """The list from its text. Raises ImageProblem for one that this swarmlab cannot read."""
    try:
        told = json.loads(text)
        if told["kind"] != "swarmlab-bundle":
            raise ValueError(told["kind"])
        if int(told["format"]) > FORMAT:
            raise ImageProblem(
                say(
                    "The bundle is of format {found}, made by swarmlab {version}; "
                    "this swarmlab reads formats up to {most}.",
                    found=told["format"],
                    version=told["swarmlab"],
                    most=FORMAT,
                ),
                hint=say("`python3 FILE`, with the bundle as FILE, installs the swarmlab in it."),
            )
        return _manifest(told)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ImageProblem(
            say("The list in the bundle cannot be read: this is no bundle of swarmlab's."),
            hint=say("`swarmlab bundle create FILE` makes one."),
        ) from error


def _manifest(told: Mapping[str, Any]) -> Manifest:
    return Manifest(
        version=str(told["swarmlab"]),
        architecture=str(told["architecture"]),
        system=str(told["system"]),
        pythons=tuple(str(one) for one in told["pythons"]),
        images=tuple(
            Image(str(i["name"]), str(i["reference"]), tuple(str(one) for one in i["layers"]))
            for i in told["images"]
        ),
        members={
            str(name): Member(int(member["size"]), str(member["sha256"]))
            for name, member in told["members"].items()
        },
    )
