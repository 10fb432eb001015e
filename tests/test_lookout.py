"""From where a node is seen: what is run there, and what becomes of words that are lost."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlab.cluster import lookouts
from swarmlab.lookout import Lookout, heard


class Engine:
    """An engine that says these words, one after the other, of what it runs."""

    def __init__(self, *said: bytes | None, exit_code: int | None = 0) -> None:
        self.said = list(said)
        self.exit_code = exit_code
        self.ran: list[list[str]] = []

    def exec_create(self, container: str, argv: list[str]) -> dict[str, str]:
        self.ran.append(argv)
        return {"Id": container}

    def exec_start(self, identity: str, demux: bool = False) -> Any:
        words = self.said.pop(0)
        return (words, b"") if demux else words or b""

    def exec_inspect(self, identity: str) -> dict[str, Any]:
        return {"ExitCode": self.exit_code}


@pytest.mark.parametrize(
    ("said", "exit_code", "output", "times"),
    [
        ([b"ipvs"], 0, "ipvs", 1),
        ([None, b"ipvs"], 0, "ipvs", 2),
        ([b"", b"", b"", b"late"], 0, "", 3),
        ([None], 1, "", 1),
        ([None], None, "", 1),
    ],
)
def test_what_ended_well_and_said_nothing_is_asked_again(
    said: list[bytes | None], exit_code: int | None, output: str, times: int
) -> None:
    api = Engine(*said, exit_code=exit_code)
    ran = heard(api, "box", ["cat", "file"])
    assert (ran.output, len(api.ran)) == (output, times)
    assert ran.exit_code == (-1 if exit_code is None else exit_code)


def test_what_changes_something_is_run_once() -> None:
    api = Engine(b"", b"done")
    assert Lookout(api, "box").on_node("iptables -X $1", "chain") == (0, "")
    assert api.ran == [["sh", "-c", "iptables -X $1", "sh", "chain"]]


@pytest.mark.parametrize("own", [True, False])
def test_the_data_plane_is_asked_for_again_when_its_word_was_lost(own: bool) -> None:
    api = Engine(None, b"nftables\n")
    assert lookouts.data_plane(Lookout(api, "box", own=own)) == "nftables"
    assert len(api.ran) == 2
    assert (api.ran[0][0] == "nsenter") != own
    gone = Engine(b"", exit_code=1)
    assert lookouts.data_plane(Lookout(gone, "box", own=own)) == ""
    assert len(gone.ran) == 1
