"""A new replica learns from Consul what the others know, before it serves anything.

Consul may be starting too, or its leader may just have gone: so the replica asks again, with longer
and longer pauses, but not for ever. A replica that ends with a message is seen and started again by
Swarm; one that waits silently is not.
"""

import logging
import time
from pathlib import Path

from .consul import Consul, ConsulUnavailable
from .services import Refused, Service, check

log = logging.getLogger("flow-proxy")

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 4.0


class RestoreFailed(Exception):
    """Consul did not tell within the time that a start may take."""


def stored_services(consul: Consul, seconds: float, templates: Path) -> list[Service]:
    """The services in Consul that can be served; raises RestoreFailed after about `seconds`."""
    found = _patiently(consul, seconds)
    usable = [service for service in found if _usable(service, templates)]
    log.info("restored from Consul: %s", ", ".join(s.name for s in usable) or "no service")
    return usable


def _patiently(consul: Consul, seconds: float) -> list[Service]:
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return consul.services()
        except ConsulUnavailable as error:
            if time.monotonic() + pause > deadline:
                raise RestoreFailed(
                    "Could not retrieve the list of services from Consul\n"
                    f"{error}\n"
                    f"Gave up after {seconds:g} seconds (RESTORE_SECONDS)"
                ) from error
            log.warning("Consul does not answer, next try in %g seconds:\n%s", pause, error)
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _usable(service: Service, templates: Path) -> bool:
    # Anybody can write into the KV store, so what comes from there is judged like a request.
    try:
        if not service.paths and not (service.fe_template and service.be_template):
            raise Refused("it has no path")
        check(service, templates)
    except Refused as reason:
        log.warning("left out: %r as stored in Consul: %s", service.name, reason)
        return False
    return True
