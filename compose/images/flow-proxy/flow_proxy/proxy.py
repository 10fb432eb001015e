"""One change at a time: check, store, swap, reload.

The order decides what a failure leaves behind. HAProxy reads the new configuration first, beside
the old one. Then Consul stores the service. Only then the replica changes itself. So whatever fails
on the way, this replica goes on as it was.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from .configuration import Folder, Snippet, TemplateError, compose, snippet
from .consul import Consul
from .haproxy import ConfigurationRefused, Haproxy, HaproxyFailed
from .services import Refused, Service

log = logging.getLogger("flow-proxy")


class UnknownService(Exception):
    """There is nothing to remove under this name."""


class Proxy:
    """The configuration of this replica, and the store that it shares with the others.

    `consul` is None when the replica was given no address: then its state lives and dies with it.
    """

    def __init__(self, folder: Folder, haproxy: Haproxy, consul: Consul | None) -> None:
        self._folder = folder
        self._haproxy = haproxy
        self._consul = consul
        # Two requests at once would both start from the same old configuration, and one be lost.
        self._lock = threading.Lock()

    def reconfigure(self, service: Service) -> None:
        """Route requests to a service, or route them otherwise than before.

        Raises Refused, TemplateError, ConfigurationRefused, ConsulUnavailable or HaproxyFailed;
        after each of them this replica serves what it served before.
        """
        with self._lock:
            snippets = self._folder.snippets() | {service.name: snippet(service)}

            def store() -> None:
                if self._consul:
                    self._consul.save(service)

            self._change(snippets, store)
        log.info("configured: %s", service.name)

    def remove(self, name: str) -> None:
        """Forget a service, here and in Consul; raises UnknownService, and as `reconfigure`."""
        with self._lock:
            snippets = self._folder.snippets()
            stored = self._consul.knows(name) if self._consul else False
            if name not in snippets and not stored:
                raise UnknownService(f"The service {name} is not known")
            snippets.pop(name, None)

            def store() -> None:
                if self._consul:
                    self._consul.delete(name)

            self._change(snippets, store)
        log.info("removed: %s", name)

    def load(self, services: list[Service]) -> None:
        """Write the first configuration, for services that were stored before.

        Not every stored service must be fit to use: a template may be missing in this container.
        Such a one is left out, and the others are served.
        """
        snippets: dict[str, Snippet] = {}
        for service in services:
            try:
                snippets[service.name] = snippet(service)
            except TemplateError as error:
                log.warning("left out: %s: %s", service.name, error)
        try:
            self._propose(snippets)
        except (ConfigurationRefused, Refused):
            snippets = self._without_the_refused(snippets)
            self._propose(snippets)
        self._folder.accept(snippets)

    def resume(self) -> None:
        """Without a store: go on with what this container had before it was stopped."""
        snippets = self._folder.snippets()
        self._propose(snippets)
        self._folder.accept(snippets)

    def text(self) -> str:
        """The configuration in force."""
        return self._folder.text()

    def _change(self, snippets: Mapping[str, Snippet], store: Callable[[], None]) -> None:
        before = self._folder.snippets()
        self._propose(snippets)
        try:
            store()
        except Exception:
            self._folder.discard()
            raise
        self._folder.accept(snippets)
        try:
            self._haproxy.reload()
        except HaproxyFailed:
            self._folder.propose(compose(self._folder.base(), before))
            self._folder.accept(before)
            raise

    def _propose(self, snippets: Mapping[str, Snippet]) -> None:
        candidate = self._folder.propose(compose(self._folder.base(), snippets))
        try:
            remarks = self._haproxy.check(candidate)
        except ConfigurationRefused as refused:
            log.error("HAProxy refuses the configuration:\n%s", refused.args[1].strip())
            self._folder.discard()
            raise
        except HaproxyFailed:
            self._folder.discard()
            raise
        if remarks.strip():
            log.info("HAProxy remarks: %s", remarks.strip())

    def _without_the_refused(self, snippets: Mapping[str, Snippet]) -> dict[str, Snippet]:
        # One by one costs a check for each, so it is the way for the rare case only.
        good: dict[str, Snippet] = {}
        for name, parts in snippets.items():
            try:
                self._propose(good | {name: parts})
                good[name] = parts
            except (ConfigurationRefused, Refused):
                log.warning("left out: %s: HAProxy refuses its part", name)
        return good
