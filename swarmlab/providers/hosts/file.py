"""Reads the file that names the machines of a lab; all its problems at once, each with its line."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from swarmlab.errors import UsageError
from swarmlab.loading import nodes
from swarmlab.loading.fields import Fields, Notes, short
from swarmlab.words import say

MOST = 14
SOCKET = "/var/run/docker.sock"
CERTIFICATES = ("ca.pem", "cert.pem", "key.pem")
TLS_PORT = 2376
_LAST_PORT = 65535

_FIELDS = ("engine", "context", "address", "certs", "socket")
_CONTEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Host:
    """One machine, and the node that it becomes.

    Its engine is at `url`, or where the docker context of that name leads; `certs` is the folder
    with the client's certificates. `address` is what the nodes use for one another, empty when it
    is to be found out; `socket` is the engine's own on that machine.
    """

    node: str
    url: str = ""
    context: str = ""
    certs: Path | None = None
    address: str = ""
    socket: str = SOCKET
    api: str = ""

    @property
    def place(self) -> str:
        """Where it is, as the file says it."""
        return self.url or say("the docker context {name}", name=self.context)

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "certs": str(self.certs) if self.certs else ""}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Host:
        """What `to_dict` made. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            node=str(told["node"]),
            url=str(told["url"]),
            context=str(told["context"]),
            certs=Path(told["certs"]) if told["certs"] else None,
            address=str(told["address"]),
            socket=str(told["socket"]),
            api=str(told["api"]),
        )


def load(path: Path) -> tuple[Host, ...]:
    """The machines that the file names, in its order. Raises UsageError with all its problems."""
    notes = Notes(path.name)
    hosts: list[Host] = []
    try:
        with path.open("rb") as file:
            data = file.read(nodes.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            say(
                "The hosts file {path} cannot be read: {why}.",
                path=path,
                why=error.strerror or error,
            ),
            hint=say(
                "Give --hosts the file that names your machines; the page `Machines of your own` "
                "of the documents shows one."
            ),
        ) from error
    root = nodes.parse(data, notes.at)
    if root is not None:
        hosts = _hosts(Fields(notes, root, say("the file"), ("hosts",)), path.absolute().parent)
    if notes.problems:
        count = len(notes.problems)
        raise UsageError(
            say("The hosts file {path} has a problem.", path=path)
            if count == 1
            else say("The hosts file {path} has {count} problems.", path=path, count=count),
            evidence="\n".join(
                str(problem) for problem in sorted(notes.problems, key=lambda p: (p.line, p.column))
            ),
            hint=say("Mend the lines named above and run the command again."),
        )
    return tuple(hosts)


def _hosts(root: Fields, folder: Path) -> list[Host]:
    items = root.items("hosts", required=True)
    if len(items) > MOST:
        root.wrong(
            "hosts",
            say(
                "{count} machines are too many: a lab has {most} at most",
                count=len(items),
                most=MOST,
            ),
        )
    hosts = []
    seen: dict[str, int] = {}
    for number, item in enumerate(items, 1):
        fields = Fields(root.notes, item, say("machine {number}", number=number), _FIELDS)
        host = _host(fields, f"swarm-{number}", folder)
        for name, text in (("engine", host.url), ("context", host.context)):
            _once(fields, name, text.rstrip("/"), seen)
        _once(fields, "address", host.address, seen)
        hosts.append(host)
    return hosts


def _once(fields: Fields, name: str, text: str, seen: dict[str, int]) -> None:
    if not text:
        return
    first = seen.setdefault(f"{name} {text}", fields.place(name).line)
    if first != fields.place(name).line:
        fields.wrong(
            name,
            say(
                "{text} is in line {line} already: each node needs a machine of its own",
                text=short(text),
                line=first,
            ),
        )


def _host(fields: Fields, node: str, folder: Path) -> Host:
    url, context = fields.text("engine", ""), fields.text("context", "")
    if bool(url) == bool(context) and fields.sound:
        fields.wrong(
            "engine",
            say("engine and context both say where it is: leave one of them away")
            if url
            else say("engine (ssh:// or tcp://) or context is missing"),
        )
    if context and not _CONTEXT.fullmatch(context):
        fields.wrong(
            "context", say("{text} cannot be the name of a docker context", text=short(context))
        )
    parts = _engine(fields, url)
    if parts is not None and parts.scheme == "tcp" and parts.port is None:
        name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        url = f"tcp://{name}:{TLS_PORT}"
    return Host(
        node=node,
        url=url,
        context=context,
        certs=_certs(fields, parts, folder),
        address=_address(fields),
        socket=_socket(fields, parts),
    )


def _engine(fields: Fields, url: str) -> SplitResult | None:
    """The parts of an address that names a machine; None, and a note, for any other."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
        sound = parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        fields.wrong(
            "engine",
            say(
                "{url} is no address: the port, where there is one, is a number from 1 to {most}",
                url=short(url),
                most=_LAST_PORT,
            ),
        )
        return None
    if parts.password is not None:
        # Not shown: it would stand in logs.
        fields.wrong("engine", say("a password has no place here; give ssh a key in an agent"))
        return None
    if parts.scheme not in ("ssh", "tcp") or not host or host.startswith("-"):
        fields.wrong(
            "engine",
            say(
                "{url} names no machine: write ssh://USER@HOST or tcp://HOST:{port}",
                url=short(url),
                port=TLS_PORT,
            ),
        )
        return None
    if parts.query or parts.fragment or (parts.scheme == "tcp" and parts.path not in ("", "/")):
        fields.wrong("engine", say("{url} has something behind the machine's name", url=short(url)))
    if parts.scheme == "tcp" and parts.username:
        fields.wrong("engine", say("tcp:// knows no user; certificates say who you are"))
    return parts


def _certs(fields: Fields, parts: SplitResult | None, folder: Path) -> Path | None:
    told = fields.text("certs", "")
    tcp = parts is not None and parts.scheme == "tcp"
    if not told:
        if tcp:
            fields.wrong(
                "engine",
                say(
                    "certs is missing: the folder with ca.pem, cert.pem and key.pem. An engine "
                    "that listens without TLS makes everybody root on its machine, and is not used"
                ),
            )
        return None
    if not tcp and fields.value("engine") is not None:
        fields.wrong("certs", say("certs are for tcp://; ssh has its own keys"))
        return None
    if fields.value("context") is not None:
        fields.wrong("certs", say("a docker context has its own certificates"))
        return None
    try:
        path = folder / Path(told).expanduser()
    except RuntimeError:
        fields.wrong(
            "certs", say("{text} begins with the home of nobody known here", text=short(told))
        )
        return None
    missing = [name for name in CERTIFICATES if not (path / name).is_file()]
    if missing:
        fields.wrong(
            "certs",
            say(
                "the folder {path} has no {names}",
                path=short(str(path)),
                names=say(", ").join(missing),
            ),
        )
    return path


def _address(fields: Fields) -> str:
    told = fields.text("address", "")
    if not told:
        return ""
    try:
        address = ipaddress.IPv4Address(told)
    except ValueError:
        fields.wrong("address", say("{text} is no IPv4 address", text=short(told)))
        return ""
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        fields.wrong("address", say("{text} cannot be reached by the other machines", text=told))
        return ""
    return told


def _socket(fields: Fields, parts: SplitResult | None) -> str:
    told = fields.text("socket", "")
    if not told and parts is not None and parts.scheme == "ssh" and len(parts.path) > 1:
        return parts.path
    if told and (not posixpath.isabs(told) or ":" in told):
        fields.wrong("socket", say("{text} is no absolute path", text=short(told)))
    return told or SOCKET
