"""TLS to engines whose certificates others made, as they have always been made.

From Python 3.13 on, and with urllib3 2.8, a certificate must have the key identifiers that RFC
5280 asks for. docker-machine writes none, nor do the openssl commands in Docker's documentation.
That demand alone is dropped: the chain, the name and the dates are verified as ever.
"""

from __future__ import annotations

import ssl
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs


def relaxed(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, content with certificates that have no key identifiers."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Adapter(HTTPAdapter):
    """For `mount` of a client of an engine: all as usual, with such a context."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        pools = self.poolmanager.pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {**pools, "https": _Pool}


class _Connection(HTTPSConnection):
    def connect(self) -> None:
        # One context for each connection, as urllib3 has it: into it the certificates are loaded.
        if self.ssl_context is None:
            wanted = resolve_cert_reqs(self.cert_reqs)
            self.ssl_context = relaxed(create_urllib3_context(cert_reqs=wanted))
        super().connect()


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection
