"""What swarmlab asks of engines and programs, for engineers: one line each on standard error.

Switched on once, for the whole process, by `--verbose`. Bodies are never shown; addresses and
commands pass through `redact`.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import APIClient
    from requests import Response

_begun = time.monotonic()
_on = False


def switch_on() -> None:
    """Tell from now on."""
    global _on
    _on = True


def listen(api: APIClient) -> None:
    """Tell of every answer that this client gets, when that is wanted."""
    if _on:
        api.hooks["response"].append(_answered)


def ran(command: str, exit_code: int, seconds: float) -> None:
    """Tell of a program of this machine that has ended, when that is wanted."""
    if _on:
        from swarmlab.words import say

        told = say("{command} -> exit code {exit_code}", command=command, exit_code=exit_code)
        _tell(told, seconds)


def _answered(answer: Response, *_: Any, **__: Any) -> None:
    asked = answer.request
    url = re.sub(r"(buildargs=)[^&]*", r"\1...", asked.url or "")
    what = f"{asked.method} {url} -> {answer.status_code}"
    _tell(what, answer.elapsed.total_seconds())


def _tell(what: str, seconds: float) -> None:
    from urllib.parse import unquote

    from swarmlab.console import aside

    at = time.monotonic() - _begun
    aside(f"[{at:8.3f} s] {unquote(what)} ({1000 * seconds:.0f} ms)")
