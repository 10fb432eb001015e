"""What the service answers, free of sockets: a request goes in, a reply comes out."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from .people import People

LARGEST_INT = 2**63 - 1  # a longer number is no number for the original either


@dataclass(frozen=True)
class Reply:
    """Status and text of an answer."""

    status: int
    text: str = ""


def answer(
    method: str,
    target: str,
    people: People,
    *,
    log: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Reply:
    """The reply to `method` on `target` (path and query). Raises people.Unreachable."""
    path, _, query = target.partition("?")
    match unquote(path):
        case "/demo/hello":
            log(f"{method} request to {target}")
            sleep(delay_seconds(_first(query, "delay")))
            return Reply(200, "hello, world!\n")
        case "/demo/person" if method == "PUT":
            log(f"{method} request to {target}")
            people.add(_first(query, "name"))
            return Reply(200)
        case "/demo/person":
            log(f"{method} request to {target}")
            return Reply(200, "".join(f"{name}\n" for name in people.names()))
        case _:
            return Reply(404, "404 page not found\n")


def delay_seconds(milliseconds: str) -> float:
    """Seconds to wait for the query's `delay`; 0 where it is not a number, or negative."""
    if not re.fullmatch(r"\+?[0-9]{1,19}", milliseconds):
        return 0.0
    number = int(milliseconds)
    return min(number / 1000, threading.TIMEOUT_MAX) if number <= LARGEST_INT else 0.0


def _first(query: str, name: str) -> str:
    return parse_qs(query, keep_blank_values=True).get(name, [""])[0]
