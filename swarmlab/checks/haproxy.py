"""Reading haproxy.cfg as far as routes go: acl, use_backend, backend and server line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_SECTIONS = ("global", "defaults", "frontend", "backend", "listen", "resolvers", "userlist")


@dataclass(frozen=True)
class Route:
    """A service that HAProxy serves: for paths that begin so, at that port of the service."""

    service: str
    paths: tuple[str, ...]
    port: str

    def __str__(self) -> str:
        return f"{','.join(self.paths)} -> {self.service}:{self.port}"


@dataclass
class _Parts:
    """The lines of a configuration that make routes, each by the name it defines."""

    paths: dict[str, list[str]] = field(default_factory=dict)
    uses: list[tuple[str, list[str]]] = field(default_factory=list)
    servers: dict[str, list[str]] = field(default_factory=dict)


def route(text: str, service: str) -> Route | None:
    """The service's complete route, or None.

    Complete: a backend with a server line to the service, a use_backend for that backend, and
    the path acl that it names. The names of backend and acl do not matter.
    """
    parts = _parts(text)
    for backend, acls in parts.uses:
        paths = [path for acl in acls for path in parts.paths.get(acl, [])]
        for address in parts.servers.get(backend, []):
            host, _, port = address.rpartition(":")
            if host == service and paths:
                return Route(service, tuple(paths), port)
    return None


def _parts(text: str) -> _Parts:
    parts = _Parts()
    section = name = ""
    for words in _lines(text):
        if words[0] in _SECTIONS:
            section, name = words[0], words[1] if len(words) > 1 else ""
            if section == "backend":
                parts.servers.setdefault(name, [])
        elif section == "frontend" and words[0] == "acl" and len(words) > 3:
            # Several paths stand on one line: `acl url_x path_beg /a path_beg /b`.
            if words[2].startswith("path"):
                found = [word for word in words[3:] if word != words[2] and word[0] != "-"]
                parts.paths.setdefault(words[1], []).extend(found)
        elif section == "frontend" and words[0] == "use_backend" and "if" in words[2:3]:
            parts.uses.append((words[1], words[3:]))
        elif section == "backend" and words[0] == "server" and len(words) > 2:
            parts.servers[name].append(words[2])
    return parts


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            yield words
