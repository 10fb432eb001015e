"""The environment, read once at the start and checked at once.

A wrong value stops the program before it does anything: a replica that starts with half of its
settings is harder to understand than one that says why it does not start.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class SettingsError(Exception):
    """A value of the environment that this program cannot work with."""


@dataclass(frozen=True)
class Settings:
    """What one replica knows about itself.

    `restore_seconds` is how long a start may wait for Consul before it gives up.
    """

    mode: str = "default"
    service_name: str = "proxy"
    instance_name: str = "docker-flow"
    ip: str = "0.0.0.0"
    port: int = 8080
    consul_addresses: tuple[str, ...] = ()
    restore_seconds: float = 30.0
    folder: Path = Path("/cfg")
    templates: Path = Path("/consul_templates")
    run_folder: Path = Path("/run/flow-proxy")

    @property
    def swarm(self) -> bool:
        """Whether the services are Swarm services, whose names DNS knows."""
        return self.mode.lower() in ("swarm", "service")


def read(environment: Mapping[str, str]) -> Settings:
    """The settings that the environment holds; raises SettingsError with a sentence for people."""
    return Settings(
        mode=environment.get("MODE", "") or "default",
        service_name=_name(environment, "SERVICE_NAME", "proxy"),
        instance_name=_name(environment, "PROXY_INSTANCE_NAME", "docker-flow"),
        ip=_ip(environment.get("IP", "") or "0.0.0.0"),
        port=_port("PORT", environment.get("PORT", "") or "8080"),
        consul_addresses=consul_addresses(environment.get("CONSUL_ADDRESS", "")),
        restore_seconds=_seconds(environment.get("RESTORE_SECONDS", "") or "30"),
    )


def consul_addresses(text: str) -> tuple[str, ...]:
    """Split a comma list into base addresses such as `http://10.0.0.2:8500`.

    White space around an element is dropped: the book itself prints the list with a space in it.
    Raises SettingsError for anything that is neither host:port nor an http(s) address.
    """
    if not text.strip():
        return ()
    return tuple(_consul_address(element.strip()) for element in text.split(","))


def _consul_address(element: str) -> str:
    wrong = SettingsError(
        f"CONSUL_ADDRESS: {element!r} is neither host:port nor an http(s) address. "
        "Write for example CONSUL_ADDRESS=10.0.0.2:8500,10.0.0.3:8500"
    )
    is_url = element.lower().startswith(("http://", "https://"))
    if re.search(r"[\s\x00-\x1f\x7f?#@]", element):
        raise wrong
    try:
        parts = urlsplit(element if is_url else f"http://{element}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    if port == 0 or not (_HOST.fullmatch(host) or _is_ipv6(host)):
        raise wrong
    if not is_url and (port is None or parts.path):
        raise wrong
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _name(environment: Mapping[str, str], variable: str, default: str) -> str:
    # Both names become parts of addresses (a DNS name, a KV path): no slash, and nothing worse.
    value = environment.get(variable, "") or default
    if not _NAME.fullmatch(value):
        raise SettingsError(
            f"{variable}: {value!r} may hold letters, digits, '-', '_' and '.' only, 63 at most"
        )
    return value


def _ip(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise SettingsError(f"IP: {value!r} is not an IPv4 address") from None


def _port(variable: str, value: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,4}", value) and int(value) <= 65535:
        return int(value)
    raise SettingsError(f"{variable}: {value!r} is not a port between 1 and 65535")


def _seconds(value: str) -> float:
    if re.fullmatch(r"[0-9]{1,4}", value):
        return float(value)
    raise SettingsError(f"RESTORE_SECONDS: {value!r} is not a whole number of seconds")
