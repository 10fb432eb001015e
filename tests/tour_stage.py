"""A guided tour through a lab of plain facts, to be driven in a terminal of its own.

    python -m tests.tour_stage FOLDER [--plain] [--lang zh] [--no-keys]

Each fact is a file in FOLDER/facts, so that a test can make one true while the tour looks on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarmlab import console, keyboard, words
from swarmlab.errors import EnvironmentProblem, SwarmlabError
from swarmlab.listener import Listener
from swarmlab.model import Lab, Step
from swarmlab.onlooker import Onlooker
from swarmlab.report.tour import TerminalGuide
from swarmlab.results import RunResult
from swarmlab.runner import Runner
from swarmlab.tour import Tour
from tests import lab_fakes as fake


class Files(set[str]):
    """A set of facts of which each is a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __contains__(self, name: object) -> bool:
        return (self._folder / str(name)).exists()

    def add(self, name: str) -> None:
        (self._folder / name).touch()

    def discard(self, name: object) -> None:
        (self._folder / str(name)).unlink(missing_ok=True)


class FactHands:
    """`swarmlab.tour.Hands` on a room of facts."""

    def __init__(self, room: fake.Room) -> None:
        self.room = room
        self.shells = 0

    def _runner(self, listener: Listener) -> Runner:
        return Runner(
            self.room.lab,
            workspace=self.room.workspace,
            progress=self.room.store,
            listener=listener,
            checks=fake.CHECKS,
            observers=fake.OBSERVERS,
        )

    @property
    def _cluster(self) -> str:
        return self.room.workspace.cluster_id

    def silence(self) -> SwarmlabError | None:
        return None

    def wake(self) -> None:
        return None

    def place(self) -> str:
        return self.room.store.load(self._cluster).place

    def stay(self, step: Step) -> None:
        self.room.store.stay(self._cluster, step.id)

    def done(self) -> frozenset[str]:
        return frozenset(self.room.done)

    def begun(self) -> frozenset[str]:
        return frozenset(self.room.begun)

    def run(self, step: Step, listener: Listener) -> RunResult:
        return self._runner(listener).step(step.number)

    def prepare(self, step: Step, listener: Listener, *, anew: bool) -> bool:
        fresh = anew or step.id not in self.begun()
        if fresh and self._runner(listener).goto(step.number).exit_code:
            return False
        self.room.store.begin(self._cluster, step.id)
        return True

    @contextmanager
    def watching(self, step: Step) -> Iterator[Onlooker]:
        world = self.room.workspace.world()
        with Onlooker(step, world, checks=fake.CHECKS, observers=fake.OBSERVERS) as onlooker:
            yield onlooker

    def prove(self, onlooker: Onlooker, listener: Listener) -> RunResult:
        return self._runner(listener).verify([onlooker.step.number])

    def shell(self) -> None:
        self.shells += 1
        if self.shells == 2:
            raise EnvironmentProblem("the workstation is gone", hint="`swarmlab up`")
        sys.stdout.write("here is a shell\n")


def lab() -> Lab:
    """Three steps: a plain one, one with moments, and one that fails until `mend` is true."""
    second = (
        fake.command("make first", "c1", checks=(fake.check("first", until=None),)),
        fake.command("drop first\nmake f2", "c2"),
    )
    third = (fake.command("say trying\nmake f3", "c1"),)
    text = "Read this first.\n\n[command: c1]\n\nAnd this afterwards.\n"
    return fake.lab(
        fake.step(1, text={"en": text}, commands=(fake.command("say hello\nmake f1"),)),
        fake.step(
            2, text={"en": "Two moments."}, commands=second, nudge="Think.", pointer="Use `make`."
        ),
        fake.step(
            3,
            text={"en": "The third.\n\n```picture: A leads to B.\nA --> B\n```\n"},
            commands=third,
            checks=(fake.check("f3"), fake.check("mend")),
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--no-keys", action="store_true", help="as on Windows, without termios")
    asked = parser.parse_args()
    if asked.no_keys:
        vars(keyboard)["termios"] = None
    words.use(asked.lang)
    if asked.plain:
        console.plain()
    room = fake.Room(lab(), asked.folder)
    room.facts.true = Files(asked.folder / "facts")
    try:
        Tour(room.lab, FactHands(room), TerminalGuide(plain=asked.plain)).walk()
    except KeyboardInterrupt:
        # As the root of the command line does.
        sys.exit(130)


if __name__ == "__main__":
    main()
