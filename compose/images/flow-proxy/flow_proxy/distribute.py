"""The same request for every replica.

The routing mesh gives a request to one replica. It must reach all, so that one looks up
`tasks.<service>`: Docker's DNS answers with the address of each running, healthy task. It then
sends the request to all of them, to itself as well, with `distribute=false`, or each would send it
to all again.
"""

import ipaddress
import logging
import queue
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from .outbound import RequestFailed, request

log = logging.getLogger("flow-proxy")

_LOOKUP_SECONDS = 5.0

# A peer needs time for its own work: HAProxy's check, Consul with fail-over, the reload. An address
# where nobody is costs the connect limit of two seconds only.
_PEER_SECONDS = 20.0


class LookupFailed(Exception):
    """DNS gave no address for the replicas."""


class PeersFailed(Exception):
    """Some replicas did not take the request; `addresses` says which."""

    def __init__(self, addresses: list[str]) -> None:
        super().__init__(
            f"Could not send distribute request to the following addresses: [{' '.join(addresses)}]"
        )
        self.addresses = addresses


def peers(service_name: str) -> list[str]:
    """The addresses of all healthy replicas in numeric order; raises LookupFailed when none."""
    name = f"tasks.{service_name}"
    # The lookup has no time limit of its own, so it runs in a thread that we need not wait for.
    found: queue.Queue[list[str]] = queue.Queue()
    threading.Thread(target=lambda: found.put(_lookup(name)), daemon=True).start()
    try:
        addresses = found.get(timeout=_LOOKUP_SECONDS)
    except queue.Empty:
        addresses = []
    if not addresses:
        raise LookupFailed(f"Could not perform DNS {name} lookup")
    return addresses


def _lookup(name: str) -> list[str]:
    try:
        rows = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        log.error("%s: %s", name, error)
        return []
    return sorted({str(row[4][0]) for row in rows}, key=ipaddress.ip_address)


def send(
    addresses: list[str], port: int, path: str, query: Iterable[tuple[str, str]]
) -> dict[str, int]:
    """Send the request to all addresses at once; returns the status of each, 0 for no answer."""
    pairs = sorted((key, value) for key, value in query if key != "distribute")
    text = urlencode(sorted([*pairs, ("distribute", "false")]))
    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:
        urls = [f"http://{address}:{port}{path}?{text}" for address in addresses]
        return dict(zip(addresses, pool.map(_status, urls), strict=True))


def _status(url: str) -> int:
    try:
        answer = request("GET", url, _PEER_SECONDS)
    except RequestFailed as error:
        log.error("peer: %s", error)
        return 0
    if not answer.good:
        log.error("peer: %s: %s", url, answer.body.decode("utf-8", "replace"))
    return answer.status


def refuse_failures(statuses: dict[str, int], also_fine: int = 200) -> None:
    """Raise PeersFailed unless each status is 2xx or `also_fine`."""
    failed = [a for a, s in statuses.items() if not 200 <= s < 300 and s != also_fine]
    if failed:
        raise PeersFailed(failed)
