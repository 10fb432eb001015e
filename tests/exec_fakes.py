"""What an engine answers when an exec is started, for what stands in for its API."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import Any

import requests


class Execs(ABC):
    """To be inherited: `words` tells what that exec prints, on its output and its error output."""

    base_url = "http://engine"
    api_version = "1.44"
    timeout = 60

    @abstractmethod
    def words(self, identity: str) -> tuple[bytes, bytes]:
        """What that exec prints."""

    def post(self, url: str, *, json: dict[str, bool], timeout: Any) -> requests.Response:
        version, _, identity, what = url.removeprefix(f"{self.base_url}/").split("/")
        assert (version, what) == ("v1.44", "start")
        assert json == {"Detach": False, "Tty": False}
        answer = requests.Response()
        answer.status_code = 200
        answer._content = frames(*self.words(identity))
        return answer


def frames(output: bytes, errors: bytes = b"") -> bytes:
    """As the engine packs them: each part with the number of its stream and its length."""
    parts = [(1, output), (2, errors)]
    return b"".join(struct.pack(">BxxxL", n, len(part)) + part for n, part in parts if part)
