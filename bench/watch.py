"""What `status --watch` costs: in a real terminal, counted by the system and not by the clock."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.tools import LAB, SWARMLAB, down, run, say
from swarmlab import engine
from swarmlab.checks.looking import over
from swarmlab.wait import Observation, until

_TICKS = os.sysconf("SC_CLK_TCK")
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_SEEN = re.compile(r"Seen at (\d\d:\d\d:\d\d)")


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time in `seconds` of the clock.

    `program` is the whole process with all that it started; `nodes` is what all containers of the
    lab took, and `before` what they took in as many seconds without anybody watching. `looks` is
    how often something new was shown, as far as the picture tells it: it names whole seconds.
    """

    seconds: float
    program: float
    nodes: float
    before: float
    looks: int

    @property
    def percent(self) -> float:
        """Of one core, the program alone."""
        return 100 * self.program / self.seconds

    @property
    def inside(self) -> float:
        """Percent of one core in the lab's containers that nobody would use without the watch."""
        return 100 * (self.nodes - self.before) / self.seconds


def watched(name: str, columns: int, rows: int, seconds: float) -> Cost:
    """Watch the lab `name` for so long; as long before that, what it takes by itself is counted."""
    before = _containers(name)
    _pass(seconds)
    alone = _containers(name) - before
    with _Terminal(name, columns, rows).open() as terminal:
        # To ask about containers takes a moment, which is to count for neither of the two.
        of_nodes = _containers(name)
        begun, of_program, seen = time.monotonic(), terminal.spent(), len(terminal.seen())
        _pass(seconds)
        took, program = time.monotonic() - begun, terminal.spent() - of_program
        looks, nodes = len(terminal.seen()) - seen, _containers(name) - of_nodes
    return Cost(took, program, nodes, alone, looks)


def _pass(seconds: float) -> None:
    """Let time go by: what is measured is what others do meanwhile."""
    threading.Event().wait(seconds)


def _containers(name: str) -> float:
    """Seconds of processor time that the lab's containers have taken since they began."""
    with closing(engine.connect().client) as client:
        boxes = client.containers.list(filters={"label": f"swarmlab.lab={name}"})
        told = over(boxes, _told).values()
    return float(sum(one["cpu_stats"]["cpu_usage"]["total_usage"] for one in told)) / 1e9


def _told(box: Any) -> Any:
    return box.stats(stream=False, one_shot=True)


class _Terminal:
    """`status --watch` in a terminal of that size."""

    def __init__(self, name: str, columns: int, rows: int) -> None:
        self._name = name
        self._size = struct.pack("HHHH", rows, columns, 0, 0)
        self._drawn = bytearray()
        self._pid = self._screen = -1

    @contextmanager
    def open(self) -> Iterator[_Terminal]:
        """Begin, and wait for the first pictures; Ctrl-C at the end."""
        self._pid, self._screen = pty.fork()
        if self._pid == 0:
            # Whoever starts this in the background hands on that SIGINT is ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            room = {name: value for name, value in os.environ.items() if name not in _ROOM}
            words = ["-m", "swarmlab", "status", "--watch", "--name", self._name]
            environment = {**room, "TERM": "xterm-256color", "SWARMLAB_LANG": "en"}
            os.execve(sys.executable, [sys.executable, *words], environment)
        reader = threading.Thread(target=self._read, daemon=True)
        try:
            fcntl.ioctl(self._screen, termios.TIOCSWINSZ, self._size)
            reader.start()
            until(
                "the first pictures of the lab",
                lambda: Observation(len(self.seen()) > 2, f"{len(self.seen())} pictures"),
                within=60,
            )
            yield self
        finally:
            os.kill(self._pid, signal.SIGINT)
            os.waitpid(self._pid, 0)
            reader.join(5)
            os.close(self._screen)

    def spent(self) -> float:
        """Seconds of processor time of the process and of those that it started and that ended."""
        stat = Path(f"/proc/{self._pid}/stat").read_text(encoding="utf-8")
        fields = stat.rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS

    def seen(self) -> set[str]:
        """The times that the pictures bear."""
        return set(_SEEN.findall(_ESCAPES.sub(b"", bytes(self._drawn)).decode("utf-8", "replace")))

    def _read(self) -> None:
        while True:
            try:
                select.select([self._screen], [], [])
                part = os.read(self._screen, 65536)
            except OSError:
                return
            if not part:
                return
            self._drawn += part


_ROOM = ("COLUMNS", "LINES", "NO_COLOR")


WATCH = "## Watching"
WATCH_SECONDS = 60.0
SIZES = ((80, 24), (120, 40))
# How the nodes are reached, in the words of `up --reach`.
WAYS = {"direct": "their own addresses", "published": "published ports"}


def watching() -> list[str]:
    """The section about `status --watch`: a lab with thirteen steps done, reached either way."""
    rows = []
    for reach, words in WAYS.items():
        say(f"status --watch by {words}, thirteen steps done")
        down()
        run(*SWARMLAB, "up", "--reach", reach, *LAB)
        run(*SWARMLAB, "run", "--to", "13", "--json", *LAB)
        for columns, lines in SIZES:
            cost = watched("bench", columns, lines, WATCH_SECONDS)
            rows.append(
                f"| {columns}×{lines}, {words} | {cost.percent:.1f} | {cost.inside:.1f} "
                f"| {cost.looks / cost.seconds:.2f} |"
            )
    return [
        WATCH,
        "",
        "`status --watch` in a terminal of that size, thirteen steps done, over "
        f"{WATCH_SECONDS:.0f} s: processor time of the whole process, and what the lab's "
        "containers take more than in as long without it, in percent of one core; the bound is "
        "5 for the process. A picture counts when the second that it names is a new one.",
        "",
        "| terminal, nodes reached by | the process | in the nodes | pictures a second |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
