"""The cluster on the terminal: brought up, removed, as it stands, and what this machine can do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swarmlab.console import mark, out
from swarmlab.naming import option
from swarmlab.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from swarmlab.cluster.cluster import Cluster
    from swarmlab.cluster.labs import Lab as ListedLab
    from swarmlab.cluster.lifecycle import Removed
    from swarmlab.cluster.standby import Stopped
    from swarmlab.cluster.status import ClusterStatus, NodeStatus
    from swarmlab.doctor import Diagnosis
    from swarmlab.mending import Deed
    from swarmlab.model import Lab, Step
    from swarmlab.results import RunResult

_PLANES = {
    "ipvs": "ipvs (the kernel's own load balancer)",
    "nftables": "nftables (the mesh fallback: this kernel has no IPVS)",
}


_WHOLE = ("Lab", "Node", "Nodes", "Address", "Service", "Subnet")


def program() -> str:
    """How swarmlab is called from here: its name where the PATH leads to it, else its path."""
    called = Path(sys.argv[0]) if sys.argv else Path()
    found = shutil.which("swarmlab")
    if called.name != "swarmlab" or (found and Path(found).resolve() == called.resolve()):
        return "swarmlab"
    return os.path.relpath(called)


def cluster_up(cluster: Cluster, following: Step | None) -> None:
    """The lab is ready: where its nodes are, and what to type next.

    `following` is the first step that is not done.
    """
    console = out()
    whole = not console.is_terminal
    console.print(f"The lab [bold]{escape(cluster.name)}[/bold] is up:")
    for node in cluster.nodes:
        console.print(f"  {node}  {cluster.address(node)}")
    console.print(f"Data plane: {_PLANES.get(cluster.data_plane, 'unknown')}", soft_wrap=whole)
    name = option(cluster.name)
    if following is not None:
        console.print(
            f"Next: [bold]{program()} step {following.number}{name}[/bold] "
            f"({escape(following.title)}), or [bold]{program()} run{name}[/bold] (all that is "
            "left of the chapter).",
            soft_wrap=whole,
        )


def cluster_down(removed: Removed | None) -> None:
    """What was taken away, in one line; `None` when there was no lab at all."""
    console = out()
    if removed is None:
        console.print("There is no lab on this machine: nothing to remove.")
        return
    if removed.nothing:
        console.print(f"There is no lab {removed.name!r}: nothing to remove.", markup=False)
        return
    parts = [
        f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
        for what, things in (
            ("container", removed.containers),
            ("volume", removed.volumes),
            ("network", removed.networks),
        )
        if things
    ]
    what = ", ".join(parts) or "its files"
    console.print(
        f"The lab {removed.name!r} is gone ({what}, {removed.seconds:.1f} s). "
        "Images and the build cache stay.",
        markup=False,
        soft_wrap=not console.is_terminal,
    )


def cluster_stopped(stopped: Stopped) -> None:
    """What was stopped, and how to go on; in one line and a next step."""
    console = out()
    name = option(stopped.name)
    if stopped.containers:
        count = len(stopped.containers)
        words = (
            f"The lab {stopped.name!r} is stopped ({count} container{'' if count == 1 else 's'}, "
            f"{stopped.seconds:.1f} s). All that it holds stays, and your progress."
        )
    else:
        words = f"The lab {stopped.name!r} is stopped already."
    console.print(words, markup=False, soft_wrap=not console.is_terminal)
    console.print(f"Next: [bold]{program()} start{name}[/bold] (goes on where you were)")


def standing(result: RunResult, last: int) -> None:
    """After `start`: whether the steps that are done still hold. `last` is the last of them."""
    console = out()
    lost = [s for s in result.steps if s.verdict in (Verdict.FAILED, Verdict.ERRORED)]
    whole = not console.is_terminal
    if not result.steps:
        return
    if not lost:
        console.print(
            f"[green]{mark(console, True)}[/green] All that is done still holds, to step {last}.",
            soft_wrap=whole,
        )
        return
    numbers = ", ".join(str(step.number) for step in lost)
    words = "steps" if len(lost) > 1 else "step"
    name = option(result.name)
    console.print(
        f"[red]{mark(console, False)}[/red] Not as before: {words} {numbers}. "
        f"`{program()} verify{name}` tells why, `{program()} run --to {last}{name}` does it again.",
        soft_wrap=whole,
    )


def cluster_status(status: ClusterStatus, lab: Lab, done: Collection[str]) -> None:
    """Nodes, services, steps and problems as two tables and a list."""
    console = out()
    if not status.present and not status.problems:
        console.print(
            f"There is no lab {status.name!r} on this machine. `swarmlab up"
            f"{option(status.name)}` makes one.",
            markup=False,
            soft_wrap=not console.is_terminal,
        )
        return
    console.print(f"Lab [bold]{escape(status.name)}[/bold]")
    if status.data_plane:
        console.print(f"Data plane: {_PLANES.get(status.data_plane, status.data_plane)}")
    console.print(_nodes(status, console))
    if status.services:
        console.print(_services(status))
    count = sum(1 for step in lab.steps if step.id in done)
    console.print(f"Steps: {count} of {len(lab.steps)} done.")
    for problem in status.problems:
        console.print(
            f"[red]{mark(console, False)}[/red] {escape(problem)}",
            soft_wrap=not console.is_terminal,
        )
    if status.stopped:
        console.print(
            f"What next: `swarmlab start{option(status.name)}` starts it again, as it was."
        )
    elif status.problems:
        console.print(f"What next: `swarmlab up{option(status.name)}` mends the lab.")
    else:
        console.print(f"[green]{mark(console, True)}[/green] The lab is up and well.")


def nothing_left() -> None:
    """That the engine was looked at once more, and has nothing of any lab."""
    out().print("Looked again: no container, volume or network of any lab is on this engine.")


def lab_list(labs: Sequence[ListedLab], done: Mapping[str, int]) -> None:
    """One line a lab; `done` has the numbers of steps that are recorded as done."""
    console = out()
    if not labs:
        console.print(
            "There is no lab on this machine. `swarmlab up` makes one.",
            soft_wrap=not console.is_terminal,
        )
        return
    columns = ["Lab", "State", "Nodes", "Steps", "Subnet", "Made"]
    # The time of making is what a narrow terminal can do without.
    shown = columns if console.width >= 76 else columns[:-1]
    table = _table(*shown)
    for lab in labs:
        nodes = f"{lab.running} of {lab.there.info.expected}"
        steps = str(done.get(lab.name, 0))
        made = lab.made.replace("T", " ")
        table.add_row(*(lab.name, lab.state, nodes, steps, lab.subnet, made)[: len(shown)])
    console.print(table)
    broken = [lab.name for lab in labs if lab.state == "broken"]
    if broken:
        names = ", ".join(broken)
        console.print(
            f"Of {names} something is stopped or missing: `swarmlab status --name NAME` says what.",
            markup=False,
            soft_wrap=not console.is_terminal,
        )


def _nodes(status: ClusterStatus, console: Console) -> Table:
    narrow = console.width < 70
    columns = ("Node", "Address", "Role", "State")
    table = _table(*columns) if narrow else _table(*columns, "Engine")
    for node in status.nodes:
        state = " ".join(part for part in (node.state, node.availability) if part)
        row = (node.name, node.address, _role(node), state or node.container)
        table.add_row(*row) if narrow else table.add_row(*row, node.engine)
    return table


def _role(node: NodeStatus) -> str:
    if node.leader:
        return "leader"
    if node.role == "manager":
        return f"manager, {node.reachability}" if node.reachability else "manager"
    return node.role or "-"


def _services(status: ClusterStatus) -> Table:
    table = _table("Service", "Mode", "Running", "Image", "Ports")
    for service in status.services:
        table.add_row(
            service.name,
            service.mode,
            f"{service.running} of {service.desired}",
            service.image,
            " ".join(str(port) for port in service.ports),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for column in columns:
        # An address or a name that is broken into two lines is another address.
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    return table


def diagnosis(found: Diagnosis) -> None:
    """Each finding with its state in words; why and how to mend where it is not in order."""
    console = out()
    words = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
    colours = {"ok": "green", "warning": "yellow", "problem": "bold red"}
    for finding in found.findings:
        state = finding.state.value
        console.print(
            f"[{colours[state]}]{words[state]}[/{colours[state]}] "
            f"[bold]{escape(finding.title)}[/bold]: {escape(finding.seen)}",
            soft_wrap=not console.is_terminal,
        )
        if state != "ok":
            for label, text in (("why", finding.why), ("mend", finding.mend)):
                if text:
                    console.print(
                        f"        {label}: {escape(text)}", soft_wrap=not console.is_terminal
                    )
    good = "A lab can run here." if found.healthy else "Something stops a lab; see PROBLEM above."
    console.print(good)


def mended(deeds: Collection[Deed]) -> None:
    """What `doctor --fix` did, and what it tried in vain."""
    console = out()
    for deed in deeds:
        sign = mark(console, deed.done)
        console.print(
            f"[green]{sign}[/] Fixed: {escape(deed.said)}."
            if deed.done
            else f"[red]{sign}[/] Not fixed: {escape(deed.said)}.",
            soft_wrap=not console.is_terminal,
        )
    if not deeds:
        console.print("There was nothing that could be fixed safely.")
