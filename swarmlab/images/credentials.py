"""The credentials that this machine's docker client has for a registry.

What the client's configuration file says of other registries is of no account, however odd it is.
Credential helpers are asked by the Docker SDK: programs of others that may wait for somebody. What
is found goes to an engine in a header and nowhere else.
"""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Any

from docker import auth
from docker.credentials import Store
from docker.credentials.errors import StoreError, process_store_error
from docker.errors import DockerException
from docker.utils.config import find_config_file

from swarmlab import process
from swarmlab.errors import EnvironmentProblem, ImageProblem, TimedOut
from swarmlab.images.schedule import Stopped
from swarmlab.wait import patient
from swarmlab.words import say

HEADER = "X-Registry-Auth"
_FIELDS = ("auth", "username", "password", "identitytoken", "registrytoken")
_HELPER_SECONDS = 60.0
"""How long a credential helper may take: it may have to ask its user for a password."""

# The SDK's word of a helper that is missing, on the terminal; the error that follows says it.
warnings.filterwarnings("ignore", message="docker-credential-", category=UserWarning)


def header(reference: str, stop: Event) -> dict[str, str]:
    """The header with what the docker configuration has for the registry; empty for nothing.

    Raises ImageProblem when the file, or its entry for the registry, is not to be understood, and
    when a credential helper does not work, or does not answer in time; schedule.Stopped when
    `stop` was set while one was asked.
    """
    host = auth.resolve_repository_name(reference)[0]
    path = Path(str(find_config_file(None) or os.devnull))
    told = _read(path)
    found = _by_helper(told, host, stop) or _by_file(told, host, path)
    return {HEADER: auth.encode_header(found).decode()} if found else {}


def _read(path: Path) -> Mapping[str, Any]:
    """What the file says; parts that are left empty are absent."""
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text) if text.strip() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, str(getattr(error, "strerror", None) or error)) from None
    if not isinstance(told, dict):
        raise _unreadable(path, say("it is no JSON object"))
    for name, kind in (("auths", dict), ("credHelpers", dict), ("credsStore", str)):
        if told.get(name) is not None and not isinstance(told[name], kind):
            raise _unreadable(path, say('its "{name}" is not what docker writes', name=name))
    if not {"auths", "credHelpers", "credsStore"} & set(told):
        # As docker wrote it long ago: nothing but the entries.
        return {"auths": told}
    return {name: value for name, value in told.items() if value}


def _by_helper(told: Mapping[str, Any], host: str, stop: Event) -> Mapping[str, Any] | None:
    """What the credential helper for that registry tells; None without helper or answer."""
    name = told.get("credHelpers", {}).get(_asked(host), told.get("credsStore"))
    if not name:
        return None
    try:
        found = _Configuration({"credsStore": str(name)}, stop).resolve_authconfig(host)
    except (DockerException, OSError, ValueError, TypeError, KeyError) as error:
        raise ImageProblem(
            say("The docker configuration cannot tell the credentials for {host}.", host=host),
            hint=say(
                "Its credential helper is missing or failed: `docker login` shows it, too. Mend "
                '"credsStore" or "credHelpers" in ~/.docker/config.json.'
            ),
            evidence=_cause(error),
        ) from None
    return dict(found) if found else None


def _by_file(told: Mapping[str, Any], host: str, path: Path) -> Mapping[str, Any] | None:
    """What the registry's own entries in the file tell, whichever way they are written."""
    entries: Mapping[str, Any] = told.get("auths", {})
    names = [one for one in entries if auth.resolve_index_name(one).lower() == host.lower()]
    # What docker itself looks for counts before other ways to write the same.
    for name in sorted(names, key=lambda one: one != _asked(host)):
        if found := _entry(entries[name], host, path):
            return {**found, "serveraddress": _asked(host)}
    return None


def _asked(host: str) -> str:
    """What docker calls the registry where it keeps its credentials."""
    return auth.INDEX_URL if host == auth.INDEX_NAME else host


def _entry(entry: Any, host: str, path: Path) -> Mapping[str, str]:
    """What one entry tells; nothing where a helper keeps the rest of it."""
    if not isinstance(entry, (dict, type(None))):
        raise _unsound(path, host, say("it is no JSON object"))
    has: dict[str, str] = {}
    for name, value in (entry or {}).items():
        if value and name.lower() in _FIELDS:
            if not isinstance(value, str):
                raise _unsound(path, host, say('its "{name}" is no text', name=name))
            has[name.lower()] = value
    for token in ("registrytoken", "identitytoken"):
        if token in has:
            return {token: has[token]}
    if "auth" in has:
        try:
            user, password = auth.decode_auth(has["auth"])
        except ValueError:
            raise _unsound(path, host, say('its "auth" is no name and password')) from None
        return {"username": user, "password": password.strip("\0")}
    if "username" in has:
        return {"username": has["username"], "password": has.get("password", "")}
    return {}


def _unreadable(path: Path, why: str) -> ImageProblem:
    return ImageProblem(
        say("The docker configuration {path} cannot be read: {why}.", path=path, why=why),
        hint=say(
            "Mend the file, or move it away and `docker login` again. Then run the command again."
        ),
    )


def _unsound(path: Path, host: str, why: str) -> ImageProblem:
    """Says what is wrong with an entry, never what stands in it."""
    return ImageProblem(
        say(
            "The entry for {host} in the docker configuration {path} is not as docker writes it: "
            "{why}.",
            host=host,
            path=path,
            why=why,
        ),
        hint=say(
            "`{login}` writes it anew. Then run the command again.",
            login="docker login" + ("" if host == auth.INDEX_NAME else f" {host}"),
        ),
    )


def _cause(error: Exception) -> str:
    """The helper's own complaint, which the SDK wraps in its own."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"[:300]


class _Configuration(auth.AuthConfig):
    """The client's configuration, with helpers that have a time limit."""

    def __init__(self, told: dict[str, str], stop: Event) -> None:
        super().__init__(told)
        self._stop = stop

    def _get_store_instance(self, name: str) -> Store:
        return _Helper(name, self._stop)


class _Helper(Store):
    """A credential helper; the SDK would wait for it without end."""

    def __init__(self, name: str, stop: Event) -> None:
        super().__init__(name)
        self._stop = stop

    def _execute(self, subcmd: str, data_input: Any) -> bytes:
        if self.exe is None:
            raise StoreError(f"{self.program} not installed or not available in PATH")
        seconds = patient(_HELPER_SECONDS)
        try:
            done = process.run(
                [self.exe, subcmd], timeout=seconds, input=data_input.decode(), stop=self._stop
            )
        except TimedOut:
            # Its last words are not shown: they may be what it was asked for.
            raise _silent(self.program, seconds) from None
        except EnvironmentProblem as error:
            raise StoreError(error.message) from None
        if self._stop.is_set():
            raise Stopped(self.program)
        output = done.stdout.encode()
        if not done.ok:
            failed = subprocess.CalledProcessError(done.exit_code, self.program, output=output)
            raise process_store_error(failed, self.program)
        return output


def _silent(program: str, seconds: float) -> ImageProblem:
    return ImageProblem(
        say(
            "The credential helper {program} did not answer within {seconds} s.",
            program=program,
            seconds=f"{seconds:.0f}",
        ),
        hint=say(
            "It may be waiting for a password store to be opened: open it, or take the helper out "
            'of "credsStore" and "credHelpers" in ~/.docker/config.json and `docker login` again. '
            "Then run the command again."
        ),
    )
