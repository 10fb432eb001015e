"""What the web part needs from a database, without saying which database."""

from typing import Protocol


class Unreachable(Exception):
    """The database gave no answer, or not the one that was asked for."""


class People(Protocol):
    """The people the service knows. Every method raises Unreachable."""

    def ping(self) -> None:
        """Return when the database answers."""

    def add(self, name: str) -> None:
        """Remember a name; a name that is known already stays known once."""

    def names(self) -> list[str]:
        """All names, each once, in the database's own order."""
