"""A lab of plain facts, for tests of the runner: commands make and drop facts, checks see them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from docker import DockerClient

from swarmlab.checks.base import Check, Finding, Observer, ObserverFactory, World
from swarmlab.errors import ClusterProblem, EnvironmentProblem
from swarmlab.listener import SilentListener
from swarmlab.model import CheckSpec, Command, Lab, Step, Where
from swarmlab.progress import SilentProgress
from swarmlab.results import CheckResult, CommandResult, StepResult, Verdict
from swarmlab.runner import Runner
from swarmlab.student import ProgressStore
from swarmlab.workspace import Outcome
from tests.checks_fakes import Engine, Swarm, node


class Facts:
    """The world: what is true now, and what cannot be looked at."""

    def __init__(self) -> None:
        self.true: set[str] = set()
        self.hidden: set[str] = set()
        self.looks: list[str] = []
        self.later: dict[str, int] = {}
        self.watched: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self.nodes = self.managers = ("swarm-1",)
        self.swarm = Swarm([node("swarm-1", leader=True)])
        self._engine = Engine("swarm-1", self.swarm)

    def engine(self, node: str) -> DockerClient:
        return cast(DockerClient, self._engine)

    def look(self, name: str) -> bool:
        self.looks.append(name)
        if name in self.hidden:
            raise ClusterProblem(f"cannot see {name}", hint="look for the light switch")
        if self.later.get(name, 0) > 0:
            self.later[name] -= 1
            return False
        return name in self.true


def _facts(world: World) -> Facts:
    return cast(Facts, world)


def holds(world: World, *, name: str) -> Finding:
    seen = _facts(world).look(name)
    return Finding(seen, f"{name} holds", f"{name} {'holds' if seen else 'does not hold'}", "ask")


def absent(world: World, *, name: str) -> Finding:
    seen = _facts(world).look(name)
    return Finding(not seen, f"no {name}", name if seen else "nothing", "ask")


def broken(world: World, *, name: str) -> Finding:
    raise TypeError(f"{name} is not callable, token=abc")


class Steady:
    """An observer that notes when it starts and ends, and sees what holds at the end."""

    def __init__(self, world: World, *, name: str) -> None:
        self._facts, self._name = _facts(world), name

    def start(self) -> None:
        self._facts.watched.append(("start", self._name))

    def finish(self) -> Finding:
        self._facts.watched.append(("finish", self._name))
        good = self._name in self._facts.true
        return Finding(good, f"{self._name} all the time", "so" if good else "not so", "watch")


class Blind(Steady):
    """An observer that cannot start."""

    def start(self) -> None:
        raise EnvironmentProblem("no eyes")


CHECKS: Mapping[str, Check] = {
    "fact.holds": holds,
    "fact.absent": absent,
    "fact.broken": broken,
}
OBSERVERS: Mapping[str, ObserverFactory] = {
    "fact.steady": cast(Callable[..., Observer], Steady),
    "fact.blind": cast(Callable[..., Observer], Blind),
}


class FakeShell:
    """Understands one word and one value a line; `before` may interfere with each line."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.typed: list[str] = []
        self.before: Callable[[str], None] = lambda line: None

    def run(
        self, command: str, on_output: Callable[[str], None] | None = None, timeout: float = 120.0
    ) -> Outcome:
        said = ""
        code: int | None = 0
        for line in command.splitlines():
            self.before(line)
            self.typed.append(line)
            word, _, value = line.partition(" ")
            if word == "make":
                self._facts.true.add(value)
            elif word == "create":
                code = 1 if value in self._facts.true else code
                self._facts.true.add(value)
            elif word == "drop":
                self._facts.true.discard(value)
            elif word == "say":
                said += value + "\n"
                if on_output:
                    on_output(value + "\n")
            elif word == "fail":
                code = int(value)
            elif word == "hang":
                code = None
            elif word in ("ask", "watch"):
                said += "told\n"
            elif word == "eval":
                pass
            elif word == "lost":
                raise EnvironmentProblem("the workstation is gone", hint="swarmlab up")
            elif word == "interrupt":
                raise KeyboardInterrupt
            else:
                raise AssertionError(line)
        return Outcome(said, code, 0.01)

    def close(self) -> None:
        return None


class FakeWorkspace:
    """A lab that comes up and goes away at once; each time it is another cluster."""

    name = "default"
    data_plane = "ipvs"
    settling = False
    told = SilentProgress()

    def __init__(self, up: bool = True) -> None:
        self.facts = Facts()
        self.shell = FakeShell(self.facts)
        self.ups = 0
        self.is_up = False
        self.asleep = ""
        if up:
            self.world()

    @property
    def cluster_id(self) -> str:
        return f"cluster-{self.ups}" if self.is_up else ""

    def present(self) -> bool:
        return self.is_up

    def world(self) -> World:
        if not self.is_up:
            self.ups += 1
            self.is_up = True
        return cast(World, self.facts)

    def awake(self) -> None:
        if self.asleep:
            raise EnvironmentProblem(f"The node {self.asleep} does not run.", hint="swarmlab up")

    def session(self) -> FakeShell:
        return self.shell

    def host(self, command: Command) -> CommandResult:
        assert command.run == "swarmlab down"
        self.down()
        return CommandResult(command.id, command.run, "host", Verdict.PASSED, 0, "gone\n", 0.1)

    def down(self) -> None:
        self.is_up = False
        self.facts.true.clear()


class Recorder(SilentListener):
    """Writes down what it hears, one line an event."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def note(self, text: str) -> None:
        self.heard.append(f"note {text}")

    def reset_started(self, step: Step) -> None:
        self.heard.append(f"reset {step.number}")

    def step_started(self, step: Step) -> None:
        self.heard.append(f"step {step.number}")

    def command_started(self, command: Command) -> None:
        self.heard.append(f"command {command.id}")

    def output(self, text: str) -> None:
        self.heard.append(f"output {text.strip()}")

    def command_ended(self, result: CommandResult) -> None:
        self.heard.append(f"command {result.id} {result.verdict.value}")

    def check_waiting(self, spec: CheckSpec, seen: str) -> None:
        self.heard.append(f"waiting {spec.id}: {seen}")

    def check_ended(self, result: CheckResult) -> None:
        self.heard.append(f"check {result.id} {result.verdict.value}")

    def step_ended(self, result: StepResult) -> None:
        self.heard.append(f"ended {result.number} {result.verdict.value}")

    def step_verified(self, result: StepResult) -> None:
        self.heard.append(f"verified {result.number} {result.verdict.value}")

    def only(self, *starts: str) -> list[str]:
        return [line for line in self.heard if line.startswith(starts)]


def check(
    name: str, *, check: str = "fact.holds", until: str | None = None, needs: Iterable[str] = (),
    within: float = 0.0, id: str | None = None, **params: Any,
) -> CheckSpec:  # fmt: skip
    """A check that the fact `name` holds."""
    return CheckSpec(
        id or name,
        check,
        f"{name} is so",
        {"name": name, **params},
        hint=f"make {name}",
        within=within,
        until=until,
        needs=tuple(needs),
    )


def command(run: str, id: str = "c1", **more: Any) -> Command:
    return Command(id, run, **more)


def step(number: int, *, until: str | None = None, **more: Any) -> Step:
    """A step that makes the fact `fN` and proves it."""
    values: dict[str, Any] = {
        "commands": (command(f"make f{number}"),),
        "checks": (check(f"f{number}", until=until),),
        "reset": (command(f"drop f{number}", "r1"),),
        **more,
    }
    return Step(number, f"s{number}", f"Step {number}", "section", **values)


def lab(*steps: Step) -> Lab:
    return Lab("facts", "Facts", "1.0", steps, Path("/nowhere"))


def last_step(number: int) -> Step:
    """A step that takes the lab away."""
    return Step(
        number,
        "clean-up",
        "Clean up",
        "section",
        (command("swarmlab down", where=Where.HOST),),
        (check("anything", check="fact.absent"),),
    )


class Room:
    """A runner with everything around it."""

    def __init__(self, lab: Lab, folder: Path, *, up: bool = True) -> None:
        self.lab = lab
        self.workspace = FakeWorkspace(up)
        self.facts = self.workspace.facts
        self.shell = self.workspace.shell
        self.store = ProgressStore("default", folder)
        self.listener = Recorder()

    @property
    def runner(self) -> Runner:
        """A new runner each time, as each command of the command line has its own."""
        return Runner(
            self.lab,
            workspace=self.workspace,
            progress=self.store,
            listener=self.listener,
            checks=CHECKS,
            observers=OBSERVERS,
        )

    @property
    def done(self) -> set[str]:
        return set(self.store.load(self.workspace.cluster_id).done)

    @property
    def begun(self) -> set[str]:
        return set(self.store.load(self.workspace.cluster_id).begun)


def soon(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether the condition becomes true in time; the pause is not what the test relies on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()
