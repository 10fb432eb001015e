"""The console of a terminal that can draw nothing twice."""

from __future__ import annotations

import os
import sys
from typing import Any

import pexpect
import pytest

WIDTH = "from swarmlab import console as c; print('wide', c.out().width, c.err().width)"


@pytest.mark.parametrize("columns", [60, 80, 132])
@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_every_terminal_is_as_wide_as_it_is(terminal: str, columns: int) -> None:
    environment = {**os.environ, "TERM": terminal}
    environment.pop("COLUMNS", None)
    here: Any = pexpect.spawn(
        sys.executable, ["-c", WIDTH], encoding="utf-8", dimensions=(24, columns), env=environment
    )
    here.expect(pexpect.EOF, timeout=180)
    here.close()
    assert f"wide {columns} {columns}" in here.before
