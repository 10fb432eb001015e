"""A registry that images are taken from or given to: its address as a user writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from swarmlab.errors import UsageError
from swarmlab.words import later, say

PREFIX = "swarmlab"
"""The prefix where none is given."""

HUB = "docker.io"
_HUBS = (HUB, f"index.{HUB}", f"registry-1.{HUB}")

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", re.IGNORECASE)
_PART = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*")
_FORM = later(
    "Write it as HOST[:PORT][/PREFIX], such as registry.example.org or 10.0.0.5:5000/class."
)


@dataclass(frozen=True)
class Registry:
    """Where images are: `host` with its port, `prefix` without slashes at its ends.

    `plain` says that its user named it with `http://`: nobody proves then whose images come.
    """

    host: str
    prefix: str = PREFIX
    plain: bool = False

    @property
    def hub(self) -> bool:
        """Whether it is Docker Hub itself."""
        return self.host in _HUBS

    @property
    def place(self) -> str:
        """Host and prefix, what the names of all its images begin with."""
        return f"{self.host}/{self.prefix}"

    def own(self, name: str, key: str, architecture: str) -> str:
        """The reference of one of swarmlab's own images.

        Equal content has one tag for each architecture, since a key is made of sources alone.
        """
        return f"{self.place}/{name}:{key}-{architecture}"

    def original(self, reference: str) -> str:
        """The reference of an image that Docker Hub has as `reference`."""
        return f"{self.place}/{reference}"

    def __str__(self) -> str:
        return f"{'http://' if self.plain else ''}{self.place}"


def parse(text: str) -> Registry:
    """The registry that a user names. Raises UsageError, which never repeats a password."""
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "", text
    if "@" in rest and ":" in rest.partition("@")[0]:
        raise UsageError(
            say("No name and password may stand in the address of a registry."),
            hint=say("Leave them away: `docker login HOST` keeps them for docker and swarmlab."),
        )
    host, _, prefix = rest.partition("/")
    host = host.lower()
    prefix = prefix.strip("/")
    if scheme not in ("", "http", "https") or not _HOST.fullmatch(host):
        raise UsageError(say("{text!r} is no address of a registry.", text=text), hint=say(_FORM))
    if prefix and not all(_PART.fullmatch(part) for part in prefix.split("/")):
        raise UsageError(
            say("{prefix!r} cannot begin an image's name.", prefix=prefix),
            hint=say(
                "Use small letters and digits, with single dots, underscores and hyphens between "
                "them, and no tag."
            ),
        )
    if not re.search(r"[.:]", host) and host != "localhost":
        # Docker would take it for a name on Docker Hub.
        raise UsageError(
            say(
                "{host!r} is no host that docker would look for: it has neither a dot nor a port.",
                host=host,
            ),
            hint=say(_FORM),
        )
    if host in _HUBS and (not prefix or "/" in prefix):
        raise UsageError(
            say("On Docker Hub the prefix is an account's name, and nothing more."),
            hint=say("Write it as {hub}/ACCOUNT.", hub=HUB),
        )
    return Registry(host, prefix or PREFIX, plain=scheme == "http")


def mirror(text: str) -> str:
    """The URL of a mirror of Docker Hub, as a user names it. Raises UsageError."""
    try:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
        sound = parts.scheme in ("http", "https") and bool(_HOST.fullmatch(host))
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(
            say("That is no URL of a registry mirror."),
            hint=say("Write it as http://HOST:PORT or https://HOST."),
        )
    if "@" in parts.netloc:
        raise UsageError(
            say("No name and password may stand in the URL of a registry mirror."),
            hint=say(
                "Leave them away, and let the mirror serve the nodes' addresses without: Docker "
                "engines send mirrors none."
            ),
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(
            say(
                "A registry mirror is named by its host alone, not with {path!r}.",
                path=parts.path or "?",
            ),
            hint=say("A registry below a path can be given by --registry HOST/PREFIX."),
        )
    return f"{parts.scheme}://{host.lower()}"
