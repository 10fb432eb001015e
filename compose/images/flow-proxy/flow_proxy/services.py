"""What a student may ask for, and what is refused before it can do harm.

Names and paths are written into HAProxy's configuration, where a white space ends a word and a new
line begins a directive. So this page lists what is allowed; it does not hunt for what is dangerous.
"""

import re
from dataclasses import dataclass
from pathlib import Path

# A DNS label (RFC 1035, and digits first as RFC 1123 allows): Docker's DNS must know the name.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")

# The characters of RFC 3986 for paths, without quotes, '%', '$' and the comma, which separates
# paths. A '-' in front would be an option of HAProxy's acl (`-f` reads a file): not there, then.
_PATH = re.compile(r"(?!-)[A-Za-z0-9/._~!&()*+;=:@-]{1,255}")
_PATTERN = re.compile(r"(?!-)[A-Za-z0-9/._~!&()*+;=:@^$|?\[\]-]{1,255}")
_FILE = re.compile(r"/[A-Za-z0-9/._-]{1,254}")

# How a path can be compared: the fetch methods of HAProxy that take text.
_PATH_TYPES = ("path", "path_beg", "path_dir", "path_dom", "path_end", "path_reg", "path_sub")

# HAProxy takes 64 words a line; each path costs two.
_MOST_PATHS = 25

# Its keys would lie where the index of all services is: <instance>/service/…
_RESERVED = "service"


class Refused(Exception):
    """A request that was not carried out, because of what it asks for."""


@dataclass(frozen=True)
class Service:
    """One service behind the proxy, with the attributes that are kept in Consul."""

    name: str
    paths: tuple[str, ...] = ()
    port: str = ""
    domain: str = ""
    color: str = ""
    path_type: str = ""
    skip_check: bool = False
    fe_template: str = ""
    be_template: str = ""


def check(service: Service, templates: Path) -> None:
    """Raise Refused unless the service can be written into a configuration.

    `templates` is the folder outside of which no file may be included: the configuration can be
    read by everybody, so it must not show other files of the container.
    """
    check_name(service.name)
    _check_port(service.port)
    _check_domain(service.domain)
    if service.color and not _LABEL.fullmatch(service.color):
        raise Refused("The serviceColor query may hold letters, digits and '-' only")
    if service.path_type and service.path_type not in _PATH_TYPES:
        raise Refused(f"The pathType query must be one of {', '.join(_PATH_TYPES)}")
    _check_paths(service)
    for file in (service.fe_template, service.be_template):
        _check_template(file, templates)


def check_name(name: str) -> None:
    """Raise Refused unless the name can be the name of a Swarm service in DNS."""
    if not _LABEL.fullmatch(name):
        raise Refused(
            "The serviceName query must be a DNS label: letters, digits and '-', at most 63"
        )
    if name.lower() == _RESERVED:
        raise Refused(f'The serviceName "{_RESERVED}" is reserved for the index of all services')


def _check_port(port: str) -> None:
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise Refused("The port query must be a number between 1 and 65535")


def _check_domain(domain: str) -> None:
    if not domain:
        return
    labels = domain.split(".")
    if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("The serviceDomain query must be a domain name")


def _check_paths(service: Service) -> None:
    allowed = _PATTERN if service.path_type == "path_reg" else _PATH
    if len(service.paths) > _MOST_PATHS:
        raise Refused(f"The servicePath query may hold {_MOST_PATHS} paths at most")
    for path in service.paths:
        if not allowed.fullmatch(path):
            raise Refused(
                "The servicePath query may hold letters, digits and /._~!&()*+;=:@- only, "
                "255 characters for each path, and no empty path"
            )


def _check_template(file: str, templates: Path) -> None:
    if not file:
        return
    if not _FILE.fullmatch(file) or not Path(file).resolve().is_relative_to(templates.resolve()):
        raise Refused(f"Template files are read from {templates} only")
