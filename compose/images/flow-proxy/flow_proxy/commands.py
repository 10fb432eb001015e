"""What the two commands do with their query parameters, and what they answer.

Nothing here knows about sockets: parameters go in, a reply comes out.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace

from . import distribute
from .configuration import TemplateError
from .consul import ConsulUnavailable
from .haproxy import ConfigurationRefused, HaproxyFailed
from .proxy import Proxy, UnknownService
from .replies import Reply
from .services import Refused, Service, check, check_name
from .settings import Settings

log = logging.getLogger("flow-proxy")

RECONFIGURE = "/v1/docker-flow-proxy/reconfigure"
REMOVE = "/v1/docker-flow-proxy/remove"

_NAME_MISSING = "The serviceName query is mandatory"
_MANDATORY = (
    "The following queries are mandatory: (serviceName and servicePath) or "
    "(serviceName, consulTemplateFePath, and consulTemplateBePath)"
)
_PORT_MISSING = 'When MODE is set to "service" or "swarm", the port query is mandatory'
_MODE_MISSING = (
    "This proxy knows Swarm services only: start it with the environment variable MODE=swarm "
    '(now it is "{mode}")'
)
_DISTRIBUTED = "Distributed to all instances"

# What Go's strconv.ParseBool takes for true; all else is false, without a word.
_TRUE = ("1", "t", "T", "true", "TRUE", "True")


class Commands:
    """The commands of one replica."""

    def __init__(self, settings: Settings, proxy: Proxy) -> None:
        self._settings = settings
        self._proxy = proxy

    def reconfigure(self, query: Mapping[str, str]) -> Reply:
        """Route requests to a service, here or (`distribute`) on all replicas."""
        service = _service(query)
        everywhere = query.get("distribute") in _TRUE
        reply = self._echo(service, everywhere)
        if not service.name or not (service.paths or service.fe_template):
            return replace(reply, code=400, message=_MANDATORY)
        if service.fe_template and not service.be_template:
            return replace(reply, code=400, message=_MANDATORY)
        if not self._settings.swarm:
            return self._wrong_mode(reply)
        if not service.port:
            return replace(reply, code=400, message=_PORT_MISSING)
        try:
            check(service, self._settings.templates)
            if everywhere:
                distribute.refuse_failures(self._send(RECONFIGURE, query))
                return replace(reply, message=_DISTRIBUTED)
            self._proxy.reconfigure(service)
        except _FAILURES as error:
            return _failure(reply, error)
        return reply

    def remove(self, query: Mapping[str, str]) -> Reply:
        """Forget a service, here or (`distribute`) on all replicas."""
        name = query.get("serviceName", "")
        everywhere = query.get("distribute") in _TRUE
        reply = Reply(service_name=name, distribute=everywhere)
        if not name:
            return replace(reply, code=400, message=_NAME_MISSING)
        if not self._settings.swarm:
            return self._wrong_mode(reply)
        try:
            check_name(name)
            if everywhere:
                self._remove_everywhere(name, query)
                return replace(reply, message=_DISTRIBUTED)
            self._proxy.remove(name)
        except _FAILURES as error:
            return _failure(reply, error)
        return reply

    def _remove_everywhere(self, name: str, query: Mapping[str, str]) -> None:
        # The first replica deletes the keys. One that never served the service then knows nothing
        # of it and says 404: that is an error only when all of them say so.
        statuses = self._send(REMOVE, query)
        if all(status == 404 for status in statuses.values()):
            raise UnknownService(f"The service {name} is not known")
        distribute.refuse_failures(statuses, also_fine=404)

    def _send(self, path: str, query: Mapping[str, str]) -> dict[str, int]:
        addresses = distribute.peers(self._settings.service_name)
        return distribute.send(addresses, self._settings.port, path, query.items())

    def _wrong_mode(self, reply: Reply) -> Reply:
        return replace(reply, code=409, message=_MODE_MISSING.format(mode=self._settings.mode))

    def _echo(self, service: Service, everywhere: bool) -> Reply:
        return Reply(
            service_name=service.name,
            service_color=service.color,
            service_path=service.paths or None,
            service_domain=service.domain,
            fe_template=service.fe_template,
            be_template=service.be_template,
            path_type=service.path_type,
            skip_check=service.skip_check,
            mode=self._settings.mode,
            port=service.port,
            distribute=everywhere,
        )


_FAILURES = (
    Refused,
    UnknownService,
    TemplateError,
    ConfigurationRefused,
    ConsulUnavailable,
    HaproxyFailed,
    distribute.LookupFailed,
    distribute.PeersFailed,
)


def _failure(reply: Reply, error: Exception) -> Reply:
    codes: dict[type[Exception], int] = {Refused: 400, UnknownService: 404}
    message = str(error.args[0])
    if isinstance(error, ConsulUnavailable):
        message = f"Could not send KV data to Consul\n{message}"
    log.error("%s: %s", reply.service_name or "no service", message)
    return replace(reply, code=codes.get(type(error), 500), message=message)


def _service(query: Mapping[str, str]) -> Service:
    path = query.get("servicePath", "")
    return Service(
        name=query.get("serviceName", ""),
        paths=tuple(path.split(",")) if path else (),
        port=query.get("port", ""),
        domain=query.get("serviceDomain", ""),
        color=query.get("serviceColor", ""),
        path_type=query.get("pathType", ""),
        skip_check=query.get("skipCheck") in _TRUE,
        fe_template=query.get("consulTemplateFePath", ""),
        be_template=query.get("consulTemplateBePath", ""),
    )
