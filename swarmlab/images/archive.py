"""The Debian archive that images are made from, and the login that its address may hold.

The address stays in the images, in apt's list of sources. So it goes there without the login,
which travels beside it, as one of the things that may not stay (see `internet`).
"""

from __future__ import annotations

import os
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from swarmlab.errors import ImageProblem
from swarmlab.images import apt
from swarmlab.words import say

VARIABLE = "SWARMLAB_MIRROR"
LOGIN = "SWARMLAB_MIRROR_LOGIN"
"""By this name make.sh hears of the login."""


def address() -> str:
    """The archive, with the login if its address has one; empty where the machine names none."""
    told = os.environ.get(VARIABLE, "")
    return told or (apt.mirror() or "" if apt.of_debian() else "")


def plain(address: str) -> str:
    """The address without a login."""
    parts = _parts(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def for_apt(address: str) -> str:
    """The login as apt's auth.conf(5) has it; empty without one. Raises ImageProblem."""
    parts, login = _parts(address), _login(address)
    if login is None:
        return ""
    # Without the scheme it would be sent over TLS only.
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return f"machine {host} login {login[0]} password {login[1]}\n"


def for_wget(address: str) -> str:
    """The same as wget's .netrc has it, which knows machines by name and quotes."""
    login = _login(address)
    if login is None:
        return ""
    user, word = ('"' + one.replace("\\", r"\\").replace('"', r"\"") + '"' for one in login)
    return f"machine {_parts(address).hostname} login {user} password {word}"


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise ImageProblem(
            say("{variable} names no archive: it is no address.", variable=VARIABLE),
            hint=say("Give it one like http://mirror.example.org/debian, or unset it."),
        ) from None


def _login(address: str) -> tuple[str, str] | None:
    login, at, _ = _parts(address).netloc.rpartition("@")
    if not at:
        return None
    user, _, word = login.partition(":")
    found = unquote(user), unquote(word)
    if any(not one or not one.isprintable() or " " in one for one in found):
        raise ImageProblem(
            say("The login in the address of the Debian archive cannot be given to apt."),
            hint=say(
                "apt wants a name and a password, each in one word. Ask for such a login, or name "
                "another archive in {variable}.",
                variable=VARIABLE,
            ),
        )
    return found
