"""What this machine can do for a lab, what stops one, and how to mend it. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from swarmlab import engine as engines
from swarmlab import findings, state
from swarmlab.engine import Engine
from swarmlab.errors import SwarmlabError
from swarmlab.findings import Diagnosis, Finding, State
from swarmlab.probe import Probe, kernel
from swarmlab.providers import subnets
from swarmlab.providers.problems import explained

__all__ = ["Diagnosis", "Finding", "State", "examine"]

_WHY_ENGINE = "The nodes are containers of this machine's Docker engine."


def examine() -> Diagnosis:
    """Look at everything; what cannot be looked at becomes a finding, never an error."""
    found: list[Finding] = []
    try:
        engine = engines.connect()
        found.append(_engine(engine))
        try:
            found += _of_engine(engine)
        finally:
            engine.client.close()
    except SwarmlabError as error:
        found.append(
            Finding(
                "engine", "Docker engine", State.PROBLEM, error.message, _WHY_ENGINE, error.hint
            )
        )
    found.append(findings.files(state.folder()))
    return Diagnosis((*found, *findings.variables(os.environ)))


def _engine(engine: Engine) -> Finding:
    where = f"at {engine.target.url} (from {engine.target.source})"
    seen = f"{engine.version}, API {engine.api}, {where}"
    return Finding("engine", "Docker engine", State.OK, seen)


def _of_engine(engine: Engine) -> list[Finding]:
    with explained("asking the engine about itself"):
        info: Mapping[str, Any] = engine.client.api.info()
        taken = subnets.of_engine(engine.client.api.networks())
    available, ports = None, list[Finding]()
    if engine.target.local:
        available = findings.available_memory()
        taken += subnets.routes()
        ports = findings.ports()
    found = findings.machine(info, available)
    found.append(findings.clock(str(info.get("SystemTime", "")), datetime.now(UTC)))
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
        "Kernel",
        State.WARNING,
        "not tried: the node image is not built yet",
        "What the kernel lets a node do is tried in a container of that image.",
        "`swarmlab images build`, then `swarmlab doctor` again",
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
            "Left behind",
            State.WARNING,
            f"{left} container{'' if left == 1 else 's'} of a swarmlab that was killed",
            "They take disk.",
            "`swarmlab doctor --fix` removes them",
        )
    ]


def _labs() -> list[Finding]:
    """The labs of this engine; one of which a part is missing or stopped is worth a word."""
    from swarmlab.cluster import lifecycle

    found = []
    for lab in lifecycle.labs():
        option = "" if lab.name == "default" else f" --name {lab.name}"
        title = f"Lab {lab.name}"
        if lab.state == "up":
            seen = f"up, {lab.running} node{'' if lab.running == 1 else 's'}"
            found.append(Finding("lab", title, State.OK, seen))
        elif lab.state == "stopped":
            seen = f"stopped; `swarmlab start{option}` starts it"
            found.append(Finding("lab", title, State.OK, seen))
        else:
            found.append(
                Finding(
                    "lab",
                    title,
                    State.WARNING,
                    "parts of it are missing or stopped",
                    "It takes disk and a subnet.",
                    f"`swarmlab up{option}` mends it, `swarmlab down{option}` removes it",
                )
            )
    return found
