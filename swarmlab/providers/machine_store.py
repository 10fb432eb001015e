"""docker-machine's own folder, read: which machines there are, whose they are, where they answer.

Its layout is documented and old: `machines/<name>/config.json` of version 3, and beside it the
certificates of a client. A machine is a lab's when its engine has the lab's label.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmlab import labels
from swarmlab.errors import EnvironmentProblem, MachineUnknown
from swarmlab.providers.base import ENGINE_PORT
from swarmlab.providers.machine_program import SECRET
from swarmlab.words import later, say

CONFIG_VERSION = 3
_SHORTEST = 4  # of a secret that is no common word
_FORGET = later(
    "`swarmlab down --forget-lost` forgets such machines, which may then still run somewhere."
)


@dataclass(frozen=True)
class Machine:
    """One machine as its file describes it; `address` is empty for one that has none yet."""

    name: str
    driver: str
    address: str
    port: int
    marks: Mapping[str, str]

    @property
    def lab(self) -> str:
        """The lab that it was made for, by swarmlab; else empty."""
        return self.marks.get(labels.LAB, "")


def usual(env: Mapping[str, str] = os.environ) -> Path:
    """Where docker-machine keeps its things: MACHINE_STORAGE_PATH, or below the home folder."""
    told = env.get("MACHINE_STORAGE_PATH", "")
    return Path(told).absolute() if told else Path.home() / ".docker" / "machine"


def folder(store: Path, name: str) -> Path:
    """The folder of the machine of that name, whether it is there or not."""
    return store / "machines" / name


def begin(store: Path) -> None:
    """Make its folders, as docker-machine does: one that is missing later on was lost.

    Raises EnvironmentProblem.
    """
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        (store / "machines").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(
            say("docker-machine's folder {store} cannot be made.", store=store),
            evidence=str(error)[:300],
            hint=say("MACHINE_STORAGE_PATH names another one."),
        ) from error


def there(store: Path) -> bool:
    """Whether its folder of machines is there."""
    try:
        return (store / "machines").is_dir()
    except OSError:
        return False


def trouble(store: Path, name: str) -> MachineUnknown | None:
    """Why it cannot be told what there is of that name; None when it can, be it nothing."""
    if not there(store):
        return lost(store, name)
    try:
        machine(store, name)
    except MachineUnknown as error:
        return error
    return None


def lost(store: Path, name: str) -> MachineUnknown:
    """The error of a machine whose store is gone."""
    return MachineUnknown(
        say(
            "What became of {node} cannot be told: docker-machine kept it in {store}, which is not"
            " there or may not be read.",
            node=name,
            store=store,
        ),
        hint=f"{say('Bring that folder back, then run the command again.')} {say(_FORGET)}",
    )


def machines(store: Path) -> Iterator[Machine]:
    """The machines whose file can be read, in no order; what cannot be read is nobody's."""
    try:
        names = sorted(path.name for path in (store / "machines").iterdir())
    except OSError:
        return
    for name in names:
        try:
            found = machine(store, name)
        except EnvironmentProblem:
            continue
        if found is not None:
            yield found


def secrets(store: Path) -> set[str]:
    """The secrets that drivers keep in their machines' files, for them to be hidden in words."""
    found: set[str] = set()
    for path in (store / "machines").glob("*/config.json"):
        try:
            told = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        driver = _part(told, "Driver") if isinstance(told, dict) else {}
        found |= {
            value
            for key, value in driver.items()
            if isinstance(value, str) and len(value) >= _SHORTEST and SECRET.search(key)
        }
    return found


def machine(store: Path, name: str) -> Machine | None:
    """The machine of that name; None when it has no file.

    Raises MachineUnknown for a file that is not what docker-machine writes.
    """
    path = folder(store, name) / "config.json"
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _odd(path, str(error)) from error
    version = told.get("ConfigVersion") if isinstance(told, dict) else None
    if version != CONFIG_VERSION:
        words = say("its version is {version}, not {known}", version=version, known=CONFIG_VERSION)
        raise _odd(path, words)
    driver, options = _part(told, "Driver"), _part(told, "HostOptions")
    listed = _part(options, "EngineOptions").get("Labels")
    pairs = (str(one).partition("=") for one in (listed if isinstance(listed, list) else ()))
    port = driver.get("EnginePort")
    return Machine(
        name=name,
        driver=str(told.get("DriverName") or ""),
        address=str(driver.get("IPAddress") or ""),
        port=port if isinstance(port, int) and 0 < port < 65536 else ENGINE_PORT,
        marks={key: value for key, _, value in pairs},
    )


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _odd(path: Path, why: str) -> MachineUnknown:
    wrong = say(
        "`docker-machine inspect {node}` tells what is wrong; a machine that is of no more use"
        " is removed with `docker-machine rm -f`.",
        node=path.parent.name,
    )
    return MachineUnknown(
        say("{path} is not a file as docker-machine writes it.", path=path),
        evidence=why[:300],
        hint=f"{wrong} {say(_FORGET)}",
    )
