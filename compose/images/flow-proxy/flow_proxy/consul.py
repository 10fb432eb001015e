"""The state of all services in Consul's KV store, with fail-over.

Keys, below the name of the proxy's instance (`docker-flow` unless told otherwise):

    docker-flow/<service>/path         /demo
    docker-flow/<service>/port         8080
    docker-flow/<service>/…            six more attributes, empty when not used
    docker-flow/service/<service>      swarm        (the index: which services exist)

Every operation starts with the first address, and goes on to the next one unless it gets an answer
that means something: 2xx, or 404 for "no such key". A Consul agent whose server is gone still
answers, with status 500: who takes that for success loses data without knowing.
"""

import base64
import binascii
import json
from collections.abc import Mapping

from .outbound import Answer, RequestFailed, request
from .services import Service

_SECONDS = 5.0

# The literal that the index entry holds as its value.
_INDEX_VALUE = "swarm"


class ConsulUnavailable(Exception):
    """No address gave an answer that means something; the text tells what each one said."""


class Consul:
    """The store behind the addresses; each operation may use another one of them."""

    def __init__(self, addresses: tuple[str, ...], instance: str) -> None:
        self._addresses = addresses
        self._instance = instance

    def services(self) -> list[Service]:
        """All stored services, by name, from one consistent answer."""
        answer = self._ask("GET", f"/v1/kv/{self._instance}/?recurse")
        if answer.status == 404:
            return []
        values = _values(answer.body)
        index = f"{self._instance}/service/"
        names = sorted(key.removeprefix(index) for key in values if key.startswith(index))
        return [service_of(name, values, f"{self._instance}/{name}/") for name in names if name]

    def knows(self, name: str) -> bool:
        """Whether the index has an entry for this service."""
        return self._ask("GET", f"/v1/kv/{self._instance}/service/{name}?raw").status != 404

    def save(self, service: Service) -> None:
        """Store all attributes and the index entry in one transaction: all of it or nothing."""
        keys = {f"{self._instance}/{service.name}/{k}": v for k, v in attributes(service).items()}
        keys[f"{self._instance}/service/{service.name}"] = _INDEX_VALUE
        operations = [
            {"KV": {"Verb": "set", "Key": key, "Value": base64.b64encode(value.encode()).decode()}}
            for key, value in keys.items()
        ]
        self._ask("PUT", "/v1/txn", json.dumps(operations).encode())

    def delete(self, name: str) -> None:
        """Delete the attributes and the index entry of this service, and of no other.

        The slash at the end matters: without it, `go-demo` would take `go-demo-db` along.
        """
        operations = [
            {"KV": {"Verb": "delete-tree", "Key": f"{self._instance}/{name}/"}},
            {"KV": {"Verb": "delete", "Key": f"{self._instance}/service/{name}"}},
        ]
        self._ask("PUT", "/v1/txn", json.dumps(operations).encode())

    def _ask(self, method: str, target: str, body: bytes | None = None) -> Answer:
        failures = []
        for address in self._addresses:
            try:
                answer = request(method, address + target, _SECONDS, body)
            except RequestFailed as error:
                failures.append(str(error))
                continue
            if answer.good or (answer.status == 404 and method == "GET"):
                return answer
            said = answer.body[:200].decode("utf-8", "replace").strip()
            failures.append(f"{address}{target}: status {answer.status} {said}".rstrip())
        raise ConsulUnavailable("\n".join(failures))


def attributes(service: Service) -> dict[str, str]:
    """What is stored of a service: the last part of each key, and its value."""
    return {
        "color": service.color,
        "path": ",".join(service.paths),
        "domain": service.domain,
        "pathtype": service.path_type,
        "skipcheck": "true" if service.skip_check else "false",
        "consultemplatefepath": service.fe_template,
        "consultemplatebepath": service.be_template,
        "port": service.port,
    }


def service_of(name: str, values: Mapping[str, str], prefix: str) -> Service:
    """The service that was stored under `prefix`; a missing key counts as an empty value."""
    path = values.get(prefix + "path", "")
    return Service(
        name=name,
        paths=tuple(path.split(",")) if path else (),
        port=values.get(prefix + "port", ""),
        domain=values.get(prefix + "domain", ""),
        color=values.get(prefix + "color", ""),
        path_type=values.get(prefix + "pathtype", ""),
        skip_check=values.get(prefix + "skipcheck", "") == "true",
        fe_template=values.get(prefix + "consultemplatefepath", ""),
        be_template=values.get(prefix + "consultemplatebepath", ""),
    )


def _values(body: bytes) -> dict[str, str]:
    # Consul sends every value in Base64, and null for an empty one.
    try:
        return {
            row["Key"]: base64.b64decode(row["Value"] or "").decode("utf-8", "replace")
            for row in json.loads(body)
        }
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise ConsulUnavailable(f"the answer is not a list of keys: {error}") from error
