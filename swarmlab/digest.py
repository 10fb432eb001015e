"""Tells one content of a lab from another, whatever its version says."""

from __future__ import annotations

import hashlib

from swarmlab.model import Lab

LAB_FILE = "lab.yaml"


def digest(lab: Lab) -> str:
    """`sha256:` and the digest of what is typed and checked: the lab's file, and `files/`.

    The texts are left out: a corrected sentence makes no other lab. Raises OSError.
    """
    found = hashlib.sha256()
    paths = [lab.folder / LAB_FILE, *sorted(lab.files.rglob("*"))]
    for path in paths:
        if path.is_file():
            # A checkout on Windows may have ended the lines otherwise.
            content = path.read_bytes().replace(b"\r\n", b"\n")
            found.update(f"{path.relative_to(lab.folder).as_posix()} {len(content)}\n".encode())
            found.update(content)
    return f"sha256:{found.hexdigest()}"
