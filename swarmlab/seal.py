"""Seals on results: what tells a changed file from the one that swarmlab wrote.

With a teacher's key the seal is a signature (HMAC-SHA256): nobody without the key can make one.
Whoever has the key can sign anything, and where the key lies on a student's machine that is the
student. Without a key the seal is a plain checksum: it catches accidents, and nobody who means to
change a result.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from swarmlab.errors import UsageError
from swarmlab.words import say

KEY = "SWARMLAB_GRADE_KEY"
KEY_FILE = "SWARMLAB_GRADE_KEY_FILE"

SIGNED = "hmac-sha256"
CHECKSUM = "sha256"

LEAST, MOST = 16, 4096
"""Bytes of a key: fewer can be guessed, more are some other file."""


class Broken(Enum):
    """Why a seal does not hold."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    OTHER_KEY = "other key"
    NOT_SIGNED = "not signed"
    NO_KEY = "no key"


def key(environment: Mapping[str, str]) -> bytes | None:
    """The teacher's key from the environment, or from the file that it names; None without.

    Raises UsageError for a key that is no key; the words never hold it.
    """
    value, path = environment.get(KEY, ""), environment.get(KEY_FILE, "")
    if value and path:
        raise UsageError(
            say("{one} and {other} are both set.", one=KEY, other=KEY_FILE),
            hint=say("Unset one of the two."),
        )
    if path:
        try:
            with Path(path).open("rb") as file:
                found = file.read(MOST + 1)
        except OSError as error:
            raise UsageError(
                say(
                    "The key file {path} cannot be read: {reason}.",
                    path=path,
                    reason=error.strerror or type(error).__name__,
                ),
                hint=say("Name a file with the key in {name}, or unset it.", name=KEY_FILE),
            ) from None
    else:
        found = value.encode()
    if not value and not path:
        return None
    found = found.strip()
    if not LEAST <= len(found) <= MOST:
        raise UsageError(
            say("The key for grades has {length} characters.", length=len(found)),
            hint=say(
                "Use {least} to {most}; `openssl rand -hex 32` makes a good one.",
                least=LEAST,
                most=MOST,
            ),
        )
    return found


def sealed(data: Mapping[str, Any], key: bytes | None) -> dict[str, Any]:
    """The data with a seal on all of it. `data` is as JSON has it."""
    bare = {name: value for name, value in data.items() if name != "seal"}
    if key is None:
        return {**bare, "seal": {"kind": CHECKSUM, "key_id": "", "value": _checksum(bare)}}
    return {
        **bare,
        "seal": {"kind": SIGNED, "key_id": key_id(key), "value": _signature(bare, key)},
    }


def broken(data: Mapping[str, Any], key: bytes | None) -> Broken | None:
    """Why the seal on data read from somewhere does not hold; None when it does.

    With a key only its own signature holds, without one only a checksum does.
    """
    seal = data.get("seal")
    if not isinstance(seal, dict):
        return Broken.MISSING
    kind, value, signer = seal.get("kind"), seal.get("value"), seal.get("key_id")
    if not isinstance(value, str) or kind not in (SIGNED, CHECKSUM):
        return Broken.UNKNOWN
    bare = {name: part for name, part in data.items() if name != "seal"}
    if kind == CHECKSUM:
        if not _same(value, _checksum(bare)):
            return Broken.CHANGED
        return None if key is None else Broken.NOT_SIGNED
    if key is None:
        return Broken.NO_KEY
    if signer != key_id(key):
        return Broken.OTHER_KEY
    return None if _same(value, _signature(bare, key)) else Broken.CHANGED


def key_id(key: bytes) -> str:
    """A short name of the key, so that another key is told from a changed result."""
    return hmac.new(key, b"swarmlab key id", hashlib.sha256).hexdigest()[:8]


def _same(one: str, other: str) -> bool:
    # Bytes: what was read may be no ASCII.
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def _checksum(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(data)).hexdigest()


def _signature(data: Mapping[str, Any], key: bytes) -> str:
    return hmac.new(key, _canonical(data), hashlib.sha256).hexdigest()


def _canonical(data: Mapping[str, Any]) -> bytes:
    """The same bytes for the same data, however its file was laid out."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
