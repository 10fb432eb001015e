"""A registry that images are taken from or given to: its address as a user writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from swarmlab.errors import UsageError
from swarmlab.words import later, say

PREFIX = "swarmlab"
"""The prefix where none is given."""

HUB = "docker.io"
_HUBS = (HUB, f"index.{HUB}", f"registry-1.{HUB}", "hub.docker.com")
_API = ("v1", "v2")
"""Where registries have their API; no prefix of images, but often copied along with an address."""
_LAST_PORT = 65535

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_SIXTH = re.compile(r"\[(?P<address>[0-9a-f:.]+)\](:(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_DIGEST = re.compile(r"@sha[0-9]+:")
_PART = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*")
_FORM = later(
    "Write it as HOST[:PORT][/PREFIX], such as registry.example.org, 10.0.0.5:5000/class or "
    "[fd00::5]:5000."
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
        return self.host == HUB

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
    host, _, prefix = rest.partition("/")
    if "@" in host or (":" in rest.partition("@")[0] and "@" in _DIGEST.sub("", rest)):
        raise UsageError(
            say("No name and password may stand in the address of a registry."),
            hint=say("Leave them away: `docker login HOST` keeps them for docker and swarmlab."),
        )
    host = host.lower()
    prefix = prefix.strip("/")
    if scheme not in ("", "http", "https") or not _sound(host):
        raise UsageError(say("{text!r} is no address of a registry.", text=text), hint=say(_FORM))
    if prefix and not all(_PART.fullmatch(part) for part in prefix.split("/")):
        raise UsageError(
            say("{prefix!r} cannot begin an image's name.", prefix=prefix),
            hint=say(
                "Use small letters and digits, with single dots, underscores and hyphens between "
                "them, and no tag or digest."
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
    if host in _HUBS:
        host = HUB
        if not prefix or "/" in prefix or prefix in _API:
            raise UsageError(
                say("On Docker Hub the prefix is an account's name, and nothing more."),
                hint=say("Write it as {hub}/ACCOUNT.", hub=HUB),
            )
    if prefix in _API:
        raise UsageError(
            say("{prefix!r} is where a registry has its API, and no prefix.", prefix=prefix),
            hint=say("Leave it away: {host} is its address.", host=host),
        )
    return Registry(host, prefix or PREFIX, plain=scheme == "http")


def _sound(host: str) -> bool:
    """Whether it is a host, and its port, where it names one, one that there can be."""
    found = _HOST.fullmatch(host)
    if found is None and (found := _SIXTH.fullmatch(host)):
        try:
            IPv6Address(found["address"])
        except ValueError:
            return False
    return found is not None and (not found["port"] or 0 < int(found["port"]) <= _LAST_PORT)


def mirror(text: str) -> str:
    """The URL of a mirror of Docker Hub, as a user names it. Raises UsageError."""
    try:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
        sound = parts.scheme in ("http", "https") and _sound(host)
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
