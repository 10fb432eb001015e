"""Nodes as machines that docker-machine makes, by whichever of its drivers.

Nothing of them is remembered but what docker-machine itself keeps: a machine is a lab's when its
engine was given the lab's label, and one without it is never touched.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, MachineUnknown, UsageError
from swarmlab.providers import machine_api, machine_env, machine_removal, machine_taken
from swarmlab.providers import machine_options as options
from swarmlab.providers import machine_store as stores
from swarmlab.providers.base import ENGINE_PORT, Info, Node, NodeState
from swarmlab.providers.dind import number
from swarmlab.providers.machine_options import NAME
from swarmlab.providers.machine_program import Program, answer, failed
from swarmlab.providers.network import LabNetwork
from swarmlab.providers.turns import Turn
from swarmlab.size import UNKNOWN, Size
from swarmlab.wait import patient
from swarmlab.words import say

_CREATE_SECONDS = 1800.0
_MOVE_SECONDS = 300.0
_ASK_SECONDS = 30.0
_CONNECT_SECONDS = 2.0
# docker-machine makes its certificates with the first machine of all, before it says this; two
# that do so at once spoil it for each other.
_CERTIFIED = "Running pre-create checks"
_ALREADY = "is already"
# It starts a machine and looks half a minute for its engine; swarmlab is more patient.
_LATE = "Unable to verify the Docker daemon is listening"


class DockerMachine(LabNetwork):
    """The machines of one lab, in one store."""

    name = NAME

    def __init__(
        self, engine: Engine, lab: str, settings: Mapping[str, Any], size: Size = UNKNOWN
    ) -> None:
        self._store = Path(str(settings.get(options.STORE) or stores.usual()))
        self._driver = str(settings.get(options.DRIVER) or "")
        self._options = [str(option) for option in settings.get(options.OPTIONS) or ()]
        # What is kept is seen by whoever may ask the engine: of secrets only their names are.
        remembered = {**settings, options.STORE: str(self._store), **options.kept(settings)}
        super().__init__(engine, lab, size=size, settings=remembered)
        self._program = Program(self._store, self._hidden)
        self._certifying = Turn()
        self._leaving = threading.Lock()  # managers that leave together wait for one another
        self._ways: dict[str, machine_env.Way] = {}
        self._asked: dict[str, str] = {}
        self._spoken = machine_api.Spoken()

    # -- making ------------------------------------------------------------------------------

    def prepare(self, reach: str = "auto", publish: str = "") -> None:
        """Make the lab's network, once the program and all names are known to be at hand."""
        self._program.path()
        for node in self._size.names:
            self._free(node)
        stores.begin(self._store)
        self.avoided = options.networks(self._options)
        super().prepare(reach, publish)

    def create(self, node: str) -> None:
        """Make the machine and wait until its engine is set up. What fails half-way goes again."""
        self._free(node)
        held = False

        def heard(line: str) -> None:
            nonlocal held
            if held and line.startswith(_CERTIFIED):
                held = False
                self._certifying.over()
            told = f"{node}: {line.removeprefix(f'({node}) ')}"
            if held:
                self._certifying.heard(told)
            self.report(told)

        try:
            if not self._certified:
                # Whoever has the turn is ended at the limit of its own run, and hands it on.
                self._certifying.take(self.check, within=2 * _CREATE_SECONDS)
                held = True
                self.check()
            ended = self._program.run(
                *self._arguments(node),
                within=patient(_CREATE_SECONDS),
                tell=heard,
                check=self.check,
            )
        except BaseException:
            self._drop_empty(node)
            raise
        finally:
            if held:
                self._certifying.over()
        if ended.code != 0:
            raise options.unmade(node, ended, self._settings, self._options)
        made = self._machine(node)
        if made is None:
            words = say("docker-machine said that it made {node}, and did not.", node=node)
            raise failed(words, ended)
        way = machine_env.ask(self._program, node, self.check)
        self._spoken.agree(node, way)
        self.keep_clear(way.address)
        if made.driver in machine_taken.DRIVERS:
            machine_taken.vacant(node, way)
        self._ways[node] = way

    def _arguments(self, node: str) -> list[str]:
        marks = {labels.LAB: self._lab, labels.INSTANCE: self.instance, **self._size.marks}
        argv = ["create"]
        argv += ["--driver", self._driver] if self._driver else []
        for key, value in marks.items():
            argv += ["--engine-label", f"{key}={value}"]
        for option in self._options:
            key, equals, value = option.partition("=")
            argv.append(f"--{key}{equals}{self._filled(value, node)}")
        return [*argv, node]

    def _hidden(self) -> list[str]:
        """The values that are secrets: as given, as each node is given them, as drivers keep."""
        values = [one.partition("=")[2] for one in self._options if options.secret(one)]
        filled = [self._filled(one, node) for one in values for node in self._size.names]
        return [*values, *filled, *stores.secrets(self._store)]

    def _filled(self, value: str, node: str) -> str:
        return value.replace("{n}", str(number(node))).replace("{name}", self._lab)

    @property
    def _certified(self) -> bool:
        names = ("ca.pem", "ca-key.pem", "cert.pem", "key.pem")
        return all((self._store / "certs" / name).is_file() for name in names)

    def _free(self, node: str) -> None:
        """Raises UsageError when there is a machine of that name, whosever it is."""
        if not stores.folder(self._store, node).exists():
            return
        try:
            found = stores.machine(self._store, node)
        except EnvironmentProblem:
            found = None
        words = say(
            "docker-machine has a machine {node} already, that swarmlab did not make ({store}).",
            node=node,
            store=self._store,
        )
        hint = say("If it is of no more use, `docker-machine rm {node}` removes it.", node=node)
        if found is not None and found.lab:
            words = say(
                "docker-machine has a machine {node} already, of the lab {lab!r} ({store}).",
                node=node,
                lab=found.lab,
                store=self._store,
            )
            hint = say("`swarmlab down --name {lab}` removes that lab.", lab=found.lab)
        more = say("To keep it, give this lab a store of its own, in MACHINE_STORAGE_PATH.")
        raise UsageError(words, hint=f"{hint} {more}")

    # -- stopping, starting, removing ----------------------------------------------------------

    def start(self, node: str, files: Mapping[str, bytes]) -> None:
        """Start the machine if it does not run. It has docker-machine's certificates already, and
        its driver's secrets are in docker-machine's own store."""
        if not self._answers(node):
            words = say("docker-machine could not start {node}.", node=node)
            self._must("start", node, words)
            self._ways[node] = machine_env.ask(self._program, node, self.check)

    def stop(self, node: str) -> None:
        self._ways.pop(node, None)
        self._asked.pop(node, None)
        self._must("stop", node, say("docker-machine could not stop {node}.", node=node))

    def pause(self, node: str) -> None:
        raise UsageError(
            say(
                "{node} cannot be paused: docker-machine can only stop and start a machine.",
                node=node,
            ),
            hint=say("`swarmlab fault stop {node}` stops it.", node=node),
        )

    def remove(self, node: str) -> tuple[str, ...]:
        """Remove the lab's machine of that name, as `machine_removal.remove` does.

        Raises MachineUnknown when it cannot be told whether there is one.
        """
        if not stores.there(self._store):
            raise stores.lost(self._store, node)
        found = self._machine(node)
        if found is None or found.lab != self._lab:
            return ()
        self.report(say("{node}: it is removed", node=node))
        self._ways.pop(node, None)
        self._asked.pop(node, None)
        if found.driver not in machine_taken.DRIVERS:
            return machine_removal.remove(self._program, self._store, found)
        stays = machine_taken.clear(found, self._store, self._told(node), self._leaving)
        machine_removal.remove(self._program, self._store, found)
        return stays

    def left(self) -> tuple[str, ...]:
        names = {one.name for one in self._own()} | set(self.unknown())
        return tuple(sorted(names, key=number))

    def unknown(self) -> Mapping[str, MachineUnknown]:
        size = self._size
        if not size.count and (own := self._own()):
            size = Size.told(own[0].marks)
        troubles = {node: stores.trouble(self._store, node) for node in size.names}
        return {node: trouble for node, trouble in troubles.items() if trouble is not None}

    def _drop_empty(self, node: str) -> None:
        """Take a folder away that docker-machine had begun and written nothing into."""
        folder = stores.folder(self._store, node)
        if folder.is_dir() and not (folder / "config.json").exists():
            self._program.run("rm", "-f", node, within=patient(_ASK_SECONDS))

    def _must(self, what: str, node: str, otherwise: str) -> None:
        ended = self._program.run(
            what,
            node,
            within=patient(_MOVE_SECONDS),
            tell=self._told(node),
            check=self.check,
        )
        if ended.code != 0 and not any(sign in answer(ended) for sign in (_ALREADY, _LATE)):
            raise failed(otherwise, ended)

    def _told(self, node: str) -> Callable[[str], None]:
        return lambda line: self.report(f"{node}: {line}")

    # -- looking -------------------------------------------------------------------------------

    def info(self) -> Info:
        own = sorted(self._own(), key=lambda one: number(one.name))
        with ThreadPoolExecutor(max_workers=max(1, len(own))) as pool:
            nodes = tuple(pool.map(self._seen, own))
        if not own:
            return Info(nodes, size=self._size)
        return Info(nodes, own[0].marks.get(labels.INSTANCE, ""), Size.told(own[0].marks))

    def address(self, node: str) -> str:
        """Where the machine is: as docker-machine has said, or keeps it; else it is asked."""
        if node in self._ways:
            return self._ways[node].address
        found = self._machine(node)
        if found is not None and found.address:
            return found.address
        if node not in self._asked:
            self._asked[node] = self._program.address(node)
        return self._asked[node]

    def place(self, node: str) -> Node:
        found = self._ways.get(node) or self._machine(node)
        port = found.port if found is not None else ENGINE_PORT
        way = machine_env.Way(self.address(node), port, self.certs(node))
        api = self._spoken.known(node, way)
        return Node(node, way.address, NodeState.RUNNING, engine_port=port, api=api)

    def certs(self, node: str) -> Path:
        way = self._ways.get(node)
        return way.certs if way is not None else stores.folder(self._store, node)

    def last_words(self, node: str) -> str | None:
        state = self._program.state(node)
        if state in ("", "Running", "Starting"):
            return None
        return say("is in the state {state}", state=state)

    def check_kernel(self, node: str) -> None:
        """Nothing can be told of a machine before it has the lab's images."""

    def _own(self) -> list[stores.Machine]:
        names = re.compile(r"swarm-[1-9][0-9]*")
        found = stores.machines(self._store)
        return [one for one in found if one.lab == self._lab and names.fullmatch(one.name)]

    def _machine(self, node: str) -> stores.Machine | None:
        return stores.machine(self._store, node)

    def _seen(self, one: stores.Machine) -> Node:
        """The machine that answers runs; of another docker-machine is asked, which takes longer."""
        if self._connects(one):
            state, detail = NodeState.RUNNING, "running"
        else:
            told = self._program.state(one.name)
            state = NodeState.RUNNING if told == "Running" else NodeState.STOPPED
            detail = told.lower() or say("its state is not known")
        address = one.address
        if state is NodeState.RUNNING and not address:
            try:
                address = self.address(one.name)
            except EnvironmentProblem:
                state, detail = NodeState.STOPPED, say("its address is not known")
        way = machine_env.Way(address, one.port, self.certs(one.name))
        # What answers a connection tells its version, too.
        api = self._spoken.known(one.name, way) if detail == "running" else ""
        return Node(one.name, address, state, detail=detail, engine_port=one.port, api=api)

    def _answers(self, node: str) -> bool:
        found = self._machine(node)
        return found is not None and self._connects(found)

    def _connects(self, one: stores.Machine) -> bool:
        if not one.address:
            return False
        try:
            where = (one.address, one.port)
            socket.create_connection(where, timeout=patient(_CONNECT_SECONDS)).close()
        except OSError:
            return False
        return True
