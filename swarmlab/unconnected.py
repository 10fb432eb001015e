"""Why an engine cannot be reached, out of what the libraries between it and us said."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from swarmlab.errors import EngineUnreachable
from swarmlab.words import later, say

if TYPE_CHECKING:
    from swarmlab.engine import Target

_REFUSED = ("connection refused", "connection reset", "no route to host", "timed out", "time-out")
_INSTALL = later(
    "Install the engine (on Debian and Ubuntu: `sudo apt-get install "
    "docker.io`) or start it (`sudo systemctl start docker`), then look with "
    "`swarmlab doctor`."
)


def _other(where: Target) -> str:
    """What to do where no engine is: who chose another one than the default begins with that."""
    from swarmlab.engine import DEFAULT_SOURCE

    if where.source == "DOCKER_HOST":
        return say(
            "Unset DOCKER_HOST to use this machine's own engine, or give it the address of one"
            " that runs; then look with `swarmlab doctor`."
        )
    if where.source != say(DEFAULT_SOURCE):
        return say(
            "`docker context use default`, and DOCKER_CONTEXT unset, go back to this machine's"
            " own engine; `docker context ls` lists others. Then look with `swarmlab doctor`."
        )
    return say(_INSTALL)


def explain(where: Target, error: BaseException) -> EngineUnreachable:
    """The failure to reach an engine in words: what, why, and what to do."""
    text = _chain(error)
    low = text.lower()
    at = say("the Docker engine at {url} (from {source})", url=where.url, source=where.source)
    if "permission denied" in low or isinstance(error, PermissionError):
        return EngineUnreachable(
            say("No rights: this user may not talk to {at}.", at=at),
            hint=say(
                "Join the group that owns the socket: `sudo usermod -aG "
                "docker $USER`, then log in again; or run swarmlab as root."
            ),
        )
    if "no such file" in low or "filenotfounderror" in low:
        return EngineUnreachable(
            say("No Docker engine: {at} does not exist.", at=at), hint=_other(where)
        )
    if "certificate" in low or "ssl" in low:
        return EngineUnreachable(
            say("No trust: the TLS handshake with {at} failed.", at=at),
            evidence=last_line(text),
            hint=say(
                "Check DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, or unset "
                "DOCKER_HOST to use this machine's own engine."
            ),
        )
    if any(word in low for word in _REFUSED):
        if urlsplit(where.url).scheme == "unix":
            return EngineUnreachable(
                say(
                    "No Docker engine answers: nothing listens at {url} (from {source}).",
                    url=where.url,
                    source=where.source,
                ),
                hint=_other(where),
            )
        return EngineUnreachable(
            say("Unreachable: {at} does not answer.", at=at),
            hint=say("Check that it runs and that the address is right, or unset DOCKER_HOST."),
        )
    if "name or service not known" in low or "name resolution" in low:
        return EngineUnreachable(
            say(
                "Unreachable: the name in {url} (from {source}) does not resolve.",
                url=where.url,
                source=where.source,
            ),
            hint=say("Check the spelling of DOCKER_HOST, or unset it."),
        )
    return EngineUnreachable(
        say("Unreachable: {at} cannot be used.", at=at),
        evidence=last_line(text),
        hint=_other(where),
    )


def _chain(error: BaseException) -> str:
    """The texts of an error and of all that caused it: the cause is often at the bottom."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(texts) < 8:
        texts.append(f"{type(seen).__name__}: {seen}")
        seen = seen.__cause__ or seen.__context__
    return "\n".join(texts)


def last_line(text: str) -> str:
    """The last line with words in it, cut; empty when there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
