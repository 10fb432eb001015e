"""People in the collection `people` of the database `test`, through pymongo."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from .people import Unreachable


class MongoPeople:
    """People behind the MongoDB wire protocol at `host` (a name, or name:port)."""

    def __init__(self, host: str) -> None:
        # pymongo opens connections when they are needed and again after they broke: that is
        # how the service recovers when its database comes back.
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            host,
            # The name stands for one server, behind a service's VIP. Without this the driver
            # would go on to whatever address that server gives for itself.
            directConnection=True,
            # Short limits, so that a caller learns soon that the database is away.
            serverSelectionTimeoutMS=2_000,
            connectTimeoutMS=2_000,
            socketTimeoutMS=5_000,
            # Ask now and then whether the server is there, instead of hanging on a long answer
            # that a vanished container would never send.
            serverMonitoringMode="poll",
        )
        self._people = self._client["test"]["people"]

    def ping(self) -> None:
        with _unreachable():
            self._client["admin"].command("ping")

    def add(self, name: str) -> None:
        with _unreachable():
            self._people.replace_one({"_id": name}, {"name": name}, upsert=True)

    def names(self) -> list[str]:
        with _unreachable():
            return [str(person.get("name", "")) for person in self._people.find()]


@contextmanager
def _unreachable() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except PyMongoError as error:
        # pymongo appends its settings and its whole view of the topology; what happened is first.
        raise Unreachable(re.split(r" \(configured|, Timeout:", str(error))[0]) from error
