"""Start: wait for the database, then serve until told to stop."""

import os
import signal
import sys
from types import FrameType

from .mongo import MongoPeople
from .people import Unreachable
from .waiting import wait_for
from .web import PORT, Server, log


def main() -> int:
    # Process 1 of a container gets no default handling of signals: without this line
    # `docker stop` would wait ten seconds and kill.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        limit = wait_seconds(os.environ.get("DB_WAIT_SECONDS") or "60")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    people = MongoPeople(os.environ.get("DB") or "localhost")
    try:
        wait_for(people.ping, limit=limit, log=log)
    except Unreachable:
        print("panic: no reachable servers", file=sys.stderr)
        return 2
    with Server(("", PORT), people) as server:
        server.serve_forever()
    return 0


def wait_seconds(text: str) -> float:
    """DB_WAIT_SECONDS as a number; ValueError says what is wrong with it."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"DB_WAIT_SECONDS must be between 0 and 86400 seconds, not {text!r}")
    return seconds


def stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
