"""The credentials that this machine's docker client has for a registry.

Read by the Docker SDK: the `auths` of the client's configuration file, and its credential helpers,
which are programs of others that may wait for somebody. They go to an engine in a header and
nowhere else.
"""

from __future__ import annotations

import subprocess
import warnings
from typing import Any

from docker import auth
from docker.credentials import Store
from docker.credentials.errors import StoreError, process_store_error
from docker.errors import DockerException

from swarmlab import process
from swarmlab.errors import EnvironmentProblem, ImageProblem, TimedOut
from swarmlab.wait import patient
from swarmlab.words import say

HEADER = "X-Registry-Auth"
_HELPER_SECONDS = 60.0
"""How long a credential helper may take: it may have to ask its user for a password."""

# The SDK's word of a helper that is missing, on the terminal; the error that follows says it.
warnings.filterwarnings("ignore", message="docker-credential-", category=UserWarning)


def header(reference: str) -> dict[str, str]:
    """The header with what the docker configuration has for the registry; empty for nothing.

    Raises ImageProblem when a credential helper does not work, or does not answer in time.
    """
    host = auth.resolve_repository_name(reference)[0]
    try:
        found = _Configuration.load_config(None, None).resolve_authconfig(host)
    except (DockerException, OSError, ValueError, TypeError, KeyError) as error:
        raise ImageProblem(
            say("The docker configuration cannot tell the credentials for {host}.", host=host),
            hint=say(
                "Its credential helper is missing or failed: `docker login` shows it, too. Mend "
                '"credsStore" or "credHelpers" in ~/.docker/config.json.'
            ),
            evidence=_cause(error),
        ) from None
    return {HEADER: auth.encode_header(found).decode()} if found else {}


def _cause(error: Exception) -> str:
    """The helper's own complaint, which the SDK wraps in its own."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"[:300]


class _Configuration(auth.AuthConfig):
    """The client's configuration file, with helpers that have a time limit."""

    def _get_store_instance(self, name: str) -> Store:
        return _Helper(name)


class _Helper(Store):
    """A credential helper; the SDK would wait for it without end."""

    def _execute(self, subcmd: str, data_input: Any) -> bytes:
        if self.exe is None:
            raise StoreError(f"{self.program} not installed or not available in PATH")
        seconds = patient(_HELPER_SECONDS)
        try:
            done = process.run([self.exe, subcmd], timeout=seconds, input=data_input.decode())
        except TimedOut:
            # Its last words are not shown: they may be what it was asked for.
            raise _silent(self.program, seconds) from None
        except EnvironmentProblem as error:
            raise StoreError(error.message) from None
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
