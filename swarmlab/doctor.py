"""What this machine can do for a lab, what stops one, and how to mend it. Changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swarmlab import belongings, findings, state
from swarmlab import engine as engines
from swarmlab.checks.looking import counted
from swarmlab.engine import Engine
from swarmlab.errors import SwarmlabError
from swarmlab.findings import Diagnosis, Finding, State
from swarmlab.probe import Probe, kernel
from swarmlab.providers import subnets
from swarmlab.providers.problems import explained
from swarmlab.size import USUAL
from swarmlab.terminal import INSTALL
from swarmlab.words import later, say

__all__ = ["Diagnosis", "Finding", "State", "examine"]

_WHY_ENGINE = later("The nodes are containers of this machine's Docker engine.")


def examine(nodes: int = USUAL) -> Diagnosis:
    """Look at everything, for a lab of so many nodes.

    What cannot be looked at becomes a finding, never an error.
    """
    found: list[Finding] = []
    try:
        engine = engines.connect()
        found.append(_engine(engine))
        try:
            found += _of_engine(engine, nodes)
        finally:
            engine.client.close()
    except SwarmlabError as error:
        found.append(
            Finding(
                "engine",
                say("Docker engine"),
                State.PROBLEM,
                error.message,
                say(_WHY_ENGINE),
                error.hint,
            )
        )
    found += findings.own_clock(datetime.now(UTC), _installed())
    found.append(client())
    found.append(belongings.files(state.folder()))
    return Diagnosis((*found, *belongings.variables(os.environ)))


def _installed() -> datetime:
    """When this file was written here: by whoever installed swarmlab, or worked on it."""
    return datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)


def client() -> Finding:
    """Whether the docker client is here: the engine and the nodes do without, a shell does not."""
    title = say("Docker client")
    path = shutil.which("docker")
    if path is None:
        return Finding(
            "client",
            title,
            State.WARNING,
            say("no `docker` on the PATH"),
            say("`swarmlab shell`, `ssh` and `logs`, and the shell of a walk, cannot do without."),
            say(INSTALL),
        )
    return Finding("client", title, State.OK, path)


def _engine(engine: Engine) -> Finding:
    where = say("at {url} (from {source})", url=engine.target.url, source=engine.target.source)
    seen = say("{version}, API {api}, {where}", version=engine.version, api=engine.api, where=where)
    return Finding("engine", say("Docker engine"), State.OK, seen)


def _of_engine(engine: Engine, nodes: int) -> list[Finding]:
    with explained(say("asking the engine about itself")):
        asked = datetime.now(UTC)
        info: Mapping[str, Any] = engine.client.api.info()
        heard = datetime.now(UTC)
        taken = subnets.of_engine(engine.client.api.networks())
    available, ports = None, list[Finding]()
    if engine.target.local:
        available = findings.available_memory()
        taken += subnets.routes()
        ports = findings.ports()
    found = findings.machine(info, available, nodes)
    found.append(findings.clock(str(info.get("SystemTime", "")), asked, heard))
    found.append(findings.free_subnet(taken))
    found += ports
    probe, note = _probe(engine)
    found += kernel(probe) if probe else [note]
    return found + _labs() + _leftovers(engine)


def _probe(engine: Engine) -> tuple[Probe | None, Finding]:
    """Try the kernel with the node image; without one, say how to get it."""
    from swarmlab import probe
    from swarmlab.images import builder

    built = {image.name: image for image in builder.list_images(engine.client) if image.built}
    unknown = Finding(
        "images",
        say("Kernel"),
        State.WARNING,
        say("not tried: the node image is not built yet"),
        say("What the kernel lets a node do is tried in a container of that image."),
        say("`swarmlab images build`, then `swarmlab doctor` again"),
    )
    image = built.get("node") or built.get("loaded-node")
    return (probe.run(engine, image.reference) if image else None), unknown


def _leftovers(engine: Engine) -> list[Finding]:
    """Containers of builds and tries that were killed."""
    from swarmlab.images import leftovers

    left = len(leftovers.look(engine.client))
    if not left:
        return []
    return [
        Finding(
            "leftovers",
            say("Left behind"),
            State.WARNING,
            say("{count} of a swarmlab that was killed", count=counted(left, "container")),
            say("They take disk."),
            say("`swarmlab doctor --fix` removes them"),
        )
    ]


def _labs() -> list[Finding]:
    """The labs of this engine; one of which a part is missing or stopped is worth a word."""
    from swarmlab.cluster import lifecycle

    found = []
    labs = lifecycle.labs()
    for name in state.with_keys({lab.name for lab in labs}):
        option = "" if name == state.DEFAULT_LAB else f" --name {name}"
        found.append(
            Finding(
                "keys",
                say("Keys of lab {name}", name=name),
                State.WARNING,
                say("in {folder}; this engine has no such lab", folder=state.lab_folder(name)),
                say("They open the nodes of a lab that another engine may still have."),
                say("`swarmlab down{option}` removes them", option=option),
            )
        )
    for lab in labs:
        option = "" if lab.name == "default" else f" --name {lab.name}"
        title = say("Lab {name}", name=lab.name)
        if lab.state == "up":
            seen = say("up, {count}", count=counted(lab.running, "node"))
            found.append(Finding("lab", title, State.OK, seen))
        elif lab.state == "stopped":
            seen = say("stopped; `swarmlab start{option}` starts it", option=option)
            found.append(Finding("lab", title, State.OK, seen))
        else:
            found.append(
                Finding(
                    "lab",
                    title,
                    State.WARNING,
                    say("parts of it are missing or stopped"),
                    say("It takes disk and a subnet."),
                    say(
                        "`swarmlab up{option}` mends it, `swarmlab down{option}` removes it",
                        option=option,
                    ),
                )
            )
    return found
