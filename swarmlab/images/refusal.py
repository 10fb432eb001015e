"""Why an image did not come from a registry or go there: the engine's words, explained.

An engine tells all its troubles with registries in one sentence of English that changes little
from version to version; each kind of trouble has its own way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarmlab.errors import ImageProblem
from swarmlab.process import redact
from swarmlab.words import later, say

CERTS = "/etc/docker/certs.d"
HUB = "Docker Hub"
_MISSING = ""  # in place of a hint: the one for an image that is not there


@dataclass(frozen=True)
class _Kind:
    """One kind of trouble: what tells it, and what is said of it.

    `{image}` is the reference, `{host}` the registry, `{engine}` whose engine asked for it. `node`
    is the hint in place of `hint` where that is a node which swarmlab made and set up.
    """

    signs: Sequence[str]
    message: str
    hint: str
    node: str = ""


@dataclass(frozen=True)
class Asker:
    """Whose engine asks a registry.

    `name` is the node's, empty for the engine of the machine. `contained`: swarmlab made it, and
    told it whom to believe when it did.
    """

    name: str = ""
    contained: bool = False


HERE = Asker()


def _heard(*signs: str) -> Sequence[str]:
    """What engines say, in small letters, when it is trouble of a kind."""
    return signs


_AILING = (500, 502, 503, 504)
"""HTTP's codes for a server that is in trouble itself."""

# swarmlab has looked at all that a name may have, but for how old the engine is.
_MISNAMED = _heard("invalid reference format")

# The first that fits counts: what is sure before what is vague.
_KINDS = (
    _Kind(
        _heard("no space left on device"),
        later("The disk of {engine} is full, so {image} could not be stored."),
        later(
            "Free some space (`docker system df` shows who holds it), then run the command again."
        ),
    ),
    _Kind(
        _heard("server gave http response to https client"),
        later("{host} speaks plain HTTP, and {engine} asks registries over TLS only."),
        later(
            "Better: give the registry a certificate. Else name {host} as one without TLS: "
            '"insecure-registries" in /etc/docker/daemon.json of the machine with the engine, '
            "which must be started anew then. Whoever is on the way there can change what comes."
        ),
        later(
            "Better: give the registry a certificate. Else name it with http:// before its "
            "address: nodes are told so when they are made, so `swarmlab down`, then `swarmlab up` "
            "that way. Whoever is on the way there can change what comes."
        ),
    ),
    _Kind(
        _heard("certificate has expired", "is not yet valid"),
        later(
            "The certificate of {host} does not count today: it has expired or is not yet valid."
        ),
        later(
            "Is the clock right on the machine with the engine (`date`)? If it is, whoever runs "
            "the registry has to renew its certificate."
        ),
    ),
    _Kind(
        _heard(
            *("certificate is valid for", "certificate is not valid for"),
            *("doesn't contain any", "legacy common name"),
        ),
        later("The certificate of {host} is for other names than this."),
        later(
            "Name the registry as its certificate does; or whoever runs it gives it one for this "
            "name, too."
        ),
    ),
    _Kind(
        _heard(
            "x509", "certificate signed by unknown", "tls: failed to verify", "certificate is not"
        ),
        later("{engine} does not trust the certificate of {host}."),
        later(
            "Has the registry a certificate authority of its own? Put its certificate as "
            "/etc/docker/certs.d/{host}/ca.crt on the machine with the engine; no restart is "
            "needed."
        ),
        later(
            "Has the registry a certificate authority of its own? Put its certificate as "
            "/etc/docker/certs.d/{host}/ca.crt on the machine on which you type: nodes are given "
            "it when they are made, so `swarmlab down`, then `swarmlab up`."
        ),
    ),
    _Kind(
        _MISNAMED,
        later("{engine} is too old to ask a registry by an IPv6 address ({host})."),
        later(
            "Name the registry by a host name: where no DNS knows it, /etc/hosts of the machine "
            "with the engine may."
        ),
    ),
    _Kind(
        _heard("toomanyrequests", "too many requests", "rate limit"),
        later("{host} allows no more pulls for now: its limit is reached."),
        later(
            "Wait, or `docker login`, which gives a higher limit; a mirror in the room "
            "(--registry-mirror) asks for each image once."
        ),
    ),
    _Kind(
        _heard("no basic auth credentials"),
        later("{host} wants a name and a password, and the docker configuration has none for it."),
        later("`{login}`, then run the command again."),
    ),
    _Kind(
        _heard("manifest unknown", "name unknown", "name_unknown", "manifest_unknown"),
        later("The registry has no {image}."),
        _MISSING,
    ),
    _Kind(
        _heard(
            *("unauthorized", "authentication required", "incorrect username"),
            *("access denied", "denied:", "forbidden"),
        ),
        later(
            "{host} refused {image}: the name and password that the docker configuration has for "
            "it do not count there, or do not allow this; or it has none, and the image is not "
            "public."
        ),
        later("`{login}` as somebody who may do this, then run the command again."),
    ),
    _Kind(
        _heard("not found"),
        later("The registry has no {image}."),
        _MISSING,
    ),
    _Kind(
        _heard("proxyconnect"),
        later("{engine} asks for {host} by way of a proxy, which does not answer."),
        later(
            "The proxy is in the settings of the machine's own engine (HTTPS_PROXY in its "
            "service): mend it there, or name {host} in NO_PROXY there, and start the engine anew."
        ),
    ),
    _Kind(
        _heard("no such host", "server misbehaving", "name resolution"),
        later("The name {host} does not resolve where {engine} runs."),
        later("Check the spelling, and the DNS of the machine with the engine."),
    ),
    _Kind(
        _heard(
            *("connection refused", "no route to host", "network is unreachable", "i/o timeout"),
            *("timeout exceeded", "context deadline exceeded", "handshake timeout"),
        ),
        later("{host} does not answer {engine}."),
        later(
            "Does the registry run, and is its address right as seen from the machine with the "
            "engine?"
        ),
        later(
            "Does the registry run, and does its address lead there from inside a node? 127.0.0.1 "
            "is each node's own."
        ),
    ),
    _Kind(
        _heard("no matching manifest", "does not match the specified platform"),
        later("{image} is not for the processor of {engine}."),
        later(
            "The originals are for x86-64 alone; swarmlab's own images must be pushed once from "
            "each kind of machine."
        ),
    ),
    _Kind(
        _heard(
            *(f"status: {code}" for code in _AILING),
            *(f"http {code} " for code in _AILING),
            *("service unavailable", "bad gateway", "gateway timeout"),
        ),
        later("{host} is there, but cannot serve now: it, or a proxy before it, is in trouble."),
        later(
            "Look at the registry's own log and whether it is still starting, then run the "
            "command again."
        ),
    ),
    _Kind(
        _heard(
            *("unexpected eof", ": eof", "connection reset", "broken pipe", "use of closed"),
            *("verification failed", "unexpected status", "blob unknown"),
        ),
        later("{host} broke off while {image} was on its way, and trying again did not help."),
        later(
            "Look whether the registry still runs and the network holds, then run the command "
            "again."
        ),
    ),
)

_NOT_PUSHED = later(
    "`swarmlab images push --registry {place}` puts the images of this version there, from a "
    "machine of the same kind that has them; without --registry they are built here."
)
_NO_ORIGINAL = later("Check the name and the tag, and whether the registry was given a copy of it.")


def explained(reference: str, said: str, *, own: bool = True, asker: Asker = HERE) -> ImageProblem:
    """The error for what an engine said of `reference` (HOST/PREFIX/NAME:TAG).

    `own` tells swarmlab's images from others; `asker` is whose engine it is.
    """
    host = host_of(reference)
    missing = say(_NOT_PUSHED if own else _NO_ORIGINAL, place=reference.rpartition("/")[0])
    low = f": {said.lower()}"  # so that a cause that is all there is looks like any other
    words = {
        "image": reference,
        "host": host,
        "login": "docker login" + ("" if host == HUB else f" {host}"),
        "engine": asker.name or say("the Docker engine"),
    }
    kind = next((one for one in _KINDS if any(sign in low for sign in one.signs)), _VAGUE)
    message = say(kind.message, **words)
    hint = kind.node if asker.contained and kind.node else kind.hint
    return ImageProblem(
        message[0].upper() + message[1:] if message.startswith("the ") else message,
        hint=missing if hint == _MISSING else say(hint, **words),
        evidence=redact(said.strip()),
    )


def misnamed(said: str) -> bool:
    """Whether an engine would not take the image's name, which is why it asked no registry."""
    return any(sign in said.lower() for sign in _MISNAMED)


_VAGUE = _Kind(
    (),
    later("{image} could not be had from {host}."),
    later("Look at the registry and at the network, then run the command again."),
)


def host_of(reference: str) -> str:
    """The registry that an engine asks for `reference`; Docker Hub where none is named."""
    host, slash, _ = reference.partition("/")
    named = slash and (host == "localhost" or "." in host or ":" in host)
    return host if named and host != "docker.io" else HUB


def silent(reference: str, seconds: float) -> ImageProblem:
    """The error for a registry that stopped sending and did not hang up."""
    return ImageProblem(
        say(
            "{host} sent nothing of {image} for {seconds} s.",
            host=host_of(reference),
            image=reference,
            seconds=f"{seconds:.0f}",
        ),
        hint=say(
            "Look whether the registry still runs and the network holds, then run the command "
            "again."
        ),
    )
