"""The order of it all: restore, then HAProxy, then the controller's port; and the end.

The order is the point. The port opens last, and the health check asks at the port: so Swarm sends
requests to a replica, and names it in `tasks.`, only when it knows all that the others know.
"""

import argparse
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from . import settings as environment
from .api import Server
from .children import Children
from .commands import Commands
from .configuration import Folder
from .consul import Consul
from .haproxy import ConfigurationRefused, Haproxy, HaproxyFailed
from .proxy import Proxy
from .restore import RestoreFailed, stored_services

log = logging.getLogger("flow-proxy")

# Swarm waits ten seconds between SIGTERM and SIGKILL, unless told otherwise.
_DRAIN_SECONDS = 7.0


def main(arguments: Sequence[str]) -> None:
    """Run the command line; never returns."""
    parser = argparse.ArgumentParser(prog="flow-proxy", description="The lab's proxy.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("server", help="start the proxy and its controller")
    if parser.parse_args(arguments).command is None:
        parser.print_help()
        sys.exit(0)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    code = _serve()
    logging.shutdown()
    # Not sys.exit: it would wait for threads that still wait for a silent peer.
    os._exit(code)


def _serve() -> int:
    # PID 1 gets only the signals that it asked for. Nothing is served yet, so leave at once.
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda _sign, _frame: os._exit(0))
    try:
        settings = environment.read(os.environ)
        children = Children(os.environ)
        folder = Folder(settings.folder)
        haproxy = Haproxy(folder.live, settings.run_folder, children)
        settings.run_folder.mkdir(parents=True, exist_ok=True)
        (settings.run_folder / "was-healthy").unlink(missing_ok=True)
        proxy = _restored(settings, folder, haproxy)
        end = _EndSignal()
        haproxy.start()
        address = (settings.ip, settings.port)
        server = Server(address, Commands(settings, proxy), proxy.text)
        server.start()
    except (environment.SettingsError, RestoreFailed, HaproxyFailed, OSError) as error:
        log.error("%s", error)
        return 1
    except ConfigurationRefused as error:
        log.error("%s", error.args[0])
        return 1
    log.info("ready: mode %s, controller on port %d", settings.mode, settings.port)
    return _until_the_end(end, children, haproxy, server)


def _restored(settings: environment.Settings, folder: Folder, haproxy: Haproxy) -> Proxy:
    if not settings.consul_addresses:
        proxy = Proxy(folder, haproxy, None)
        proxy.resume()
        return proxy
    consul = Consul(settings.consul_addresses, settings.instance_name)
    proxy = Proxy(folder, haproxy, consul)
    proxy.load(stored_services(consul, settings.restore_seconds, settings.templates))
    return proxy


def _until_the_end(end: "_EndSignal", children: Children, haproxy: Haproxy, server: Server) -> int:
    while not end.within(0.5):
        children.bury()
        if haproxy.exit_code() is not None:
            # Without HAProxy the replica is useless: end, so that Swarm replaces it.
            log.error("HAProxy ended with code %s", haproxy.exit_code())
            return 1
    log.info("stopping: no new requests, at most %g seconds for those in flight", _DRAIN_SECONDS)
    deadline = time.monotonic() + _DRAIN_SECONDS
    server.close(_DRAIN_SECONDS)
    haproxy.stop(deadline)
    log.info("stopped")
    return 0


class _EndSignal:
    """SIGTERM or SIGINT, as something that a loop can wait for.

    A handler may interrupt any line of the program, so it does the least: one byte into a pipe.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._note)

    def _note(self, _sign: int, _frame: FrameType | None) -> None:
        os.write(self._write, b".")

    def within(self, seconds: float) -> bool:
        """Wait at most this long; whether the signal has come."""
        return bool(select.select([self._read], [], [], seconds)[0])
