"""What the machines were like, kept on the lab's own engine: a volume that is all label.

Each machine keeps its own part, too, in the gate; one of the two is enough for `down`.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from docker.errors import NotFound

from swarmlab import labels
from swarmlab.providers.hosts.snapshot import Snapshot
from swarmlab.providers.problems import explained
from swarmlab.words import say

_NAME = "found"
_MARK = "swarmlab.found."


def write(api: Any, lab: str, found: Mapping[str, Snapshot], told: Mapping[str, str]) -> None:
    """Keep the snapshots; `told` are the labels of everything of the lab."""
    name = labels.container(lab, _NAME)
    marks = {f"{_MARK}{node}": _packed(one) for node, one in found.items()}
    with explained(say("writing down what the machines hold")):
        api.create_volume(name, labels={**told, labels.ROLE: labels.ROLE_VOLUME, **marks})


def read(api: Any, lab: str) -> dict[str, Snapshot]:
    """The snapshots by node; those that cannot be read are left out."""
    with explained(say("reading what the machines held")):
        try:
            marks = api.inspect_volume(labels.container(lab, _NAME)).get("Labels") or {}
        except NotFound:
            return {}
    found = {}
    for key, text in marks.items():
        if key.startswith(_MARK):
            one = _unpacked(text)
            if one is not None:
                found[key.removeprefix(_MARK)] = one
    return found


def instance(api: Any, lab: str) -> str:
    """Which lab of that name kept them; empty when none did."""
    with explained(say("reading what the machines held")):
        try:
            told = api.inspect_volume(labels.container(lab, _NAME)).get("Labels") or {}
        except NotFound:
            return ""
    return str(told.get(labels.INSTANCE, ""))


def _packed(one: Snapshot) -> str:
    text = json.dumps(one.to_dict(), separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 9)).decode("ascii")


def _unpacked(text: str) -> Snapshot | None:
    try:
        return Snapshot.from_dict(json.loads(zlib.decompress(base64.b64decode(text))))
    except (KeyError, TypeError, ValueError, zlib.error):
        return None
