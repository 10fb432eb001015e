"""The cluster on the terminal: brought up, stopped, removed, listed, and as it stands."""

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
from rich.text import Text

from swarmlab.checks.looking import counted
from swarmlab.console import mark, out
from swarmlab.naming import option
from swarmlab.providers.base import ENGINE_PORT
from swarmlab.report import pieces
from swarmlab.results import Verdict
from swarmlab.words import later, say

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from swarmlab.cluster.cluster import Cluster
    from swarmlab.cluster.labs import Lab as ListedLab
    from swarmlab.cluster.lifecycle import Removed
    from swarmlab.cluster.standby import Stopped
    from swarmlab.cluster.status import ClusterStatus, NodeStatus
    from swarmlab.model import Lab, Step
    from swarmlab.results import RunResult
    from swarmlab.size import Quorum

_PLANES = {
    "ipvs": later("ipvs (the kernel's own load balancer)"),
    "nftables": later("nftables (the mesh fallback: this kernel has no IPVS)"),
}


_LAB, _NODE, _COUNT = later("Lab"), later("Node"), later("Nodes")
_ADDRESS, _SERVICE, _SUBNET = later("Address"), later("Service"), later("Subnet")
_WHOLE = (_LAB, _NODE, _COUNT, _ADDRESS, _SERVICE, _SUBNET)

_STATES = {"up": later("up"), "stopped": later("stopped"), "broken": later("broken")}
_ROLES = {"manager": later("manager"), "worker": later("worker")}


def program() -> str:
    """How swarmlab is called from here: its name where the PATH leads to it, else its path."""
    called = Path(sys.argv[0]) if sys.argv else Path()
    found = shutil.which("swarmlab")
    if called.name != "swarmlab" or (found and Path(found).resolve() == called.resolve()):
        return "swarmlab"
    return os.path.relpath(called)


def tell(text: str, *, mark_good: bool | None = None) -> None:
    """A line of words, whole where nobody has a terminal; `mark_good` puts a sign before it."""
    console = out()
    line = Text.from_markup(text)
    if mark_good is not None:
        sign = Text(mark(console, mark_good), style="green" if mark_good else "red")
        line = sign + Text(" ") + line
    pieces.show(console, line, wrap=console.is_terminal)


def cluster_up(cluster: Cluster, following: Step | None) -> None:
    """The lab is ready: where its nodes are, and what to type next.

    `following` is the first step that is not done.
    """
    tell(say("The lab {name} is up:", name=f"[bold]{escape(cluster.name)}[/bold]"))
    for node in cluster.nodes:
        role = "" if node in cluster.managers else f"  {say('worker')}"
        tell(f"  {node}  {cluster.address(node)}{role}")
    for node in cluster.nodes:
        _published(node, cluster.published(node))
    tell(say("Data plane: {plane}", plane=_plane(cluster.data_plane or say("unknown"))))
    name = option(cluster.name)
    if following is not None:
        tell(
            say(
                "Next: {step} ({title}), or {run} (all that is left of the chapter).",
                step=f"[bold]{escape(program())} step {following.number}{name}[/bold]",
                title=escape(following.title),
                run=f"[bold]{escape(program())} run{name}[/bold]",
            )
        )


def _published(node: str, ports: Mapping[int, Sequence[object]]) -> None:
    """Where a browser finds what the node serves, if its ports are published on this machine."""
    # The engine's own port is for `swarmlab env` to tell.
    found = {port: at for port, at in sorted(ports.items()) if port != ENGINE_PORT}
    if found:
        host, _ = next(iter(found.values()))
        list_ = say(", ").join(
            say("{port} is {at}", port=port, at=at[1]) for port, at in found.items()
        )
        tell("  " + say("{node} at {host}: port {ports}", node=node, host=host, ports=list_))


def _plane(name: str) -> str:
    return say(_PLANES[name]) if name in _PLANES else name


def cluster_down(removed: Removed | None) -> None:
    """What was taken away, in one line; `None` when there was no lab at all."""
    if removed is None:
        tell(say("There is no lab on this machine: nothing to remove."))
        return
    if removed.nothing:
        tell(say("There is no lab {name!r}: nothing to remove.", name=removed.name))
        return
    parts = [
        counted(len(things), what)
        for what, things in (
            ("container", removed.containers),
            ("volume", removed.volumes),
            ("network", removed.networks),
            ("machine", removed.machines),
        )
        if things
    ]
    what = say(", ").join(parts) or say("its files")
    tell(
        say(
            "The lab {name!r} is gone ({what}, {seconds}). Images and the build cache stay.",
            name=removed.name,
            what=what,
            seconds=pieces.seconds(removed.seconds),
        )
    )


def cluster_stopped(stopped: Stopped) -> None:
    """What was stopped, and how to go on; in one line and a next step."""
    name = option(stopped.name)
    kinds = (("machine", stopped.machines), ("container", stopped.containers))
    parts = [counted(len(things), what) for what, things in kinds if things]
    if parts:
        words = say(
            "The lab {name!r} is stopped ({count}, {seconds}). All that it holds stays, and your "
            "progress.",
            name=stopped.name,
            count=say(", ").join(parts),
            seconds=pieces.seconds(stopped.seconds),
        )
    else:
        words = say("The lab {name!r} is stopped already.", name=stopped.name)
    tell(words)
    command = f"[bold]{escape(program())} start{name}[/bold]"
    tell(say("Next: {command} (goes on where you were)", command=command))


def standing(result: RunResult, last: int) -> None:
    """After `start`: whether the steps that are done still hold. `last` is the last of them."""
    lost = [s for s in result.steps if s.verdict in (Verdict.FAILED, Verdict.ERRORED)]
    if not result.steps:
        return
    if not lost:
        tell(say("All that is done still holds, to step {last}.", last=last), mark_good=True)
        return
    name = option(result.name)
    message = (
        later("Not as before: step {numbers}. `{verify}` tells why, `{run}` does it again.")
        if len(lost) == 1
        else later("Not as before: steps {numbers}. `{verify}` tells why, `{run}` does it again.")
    )
    numbers = say(", ").join(str(step.number) for step in lost)
    verify, run = f"{escape(program())} verify{name}", f"{escape(program())} run --to {last}{name}"
    tell(say(message, numbers=numbers, verify=verify, run=run), mark_good=False)


def cluster_status(status: ClusterStatus, lab: Lab, done: Collection[str]) -> None:
    """Nodes, services, steps and problems as two tables and a list."""
    console = out()
    if not status.present and not status.problems:
        tell(
            say(
                "There is no lab {name!r} on this machine. `{command}` makes one.",
                name=status.name,
                command=f"swarmlab up{option(status.name)}",
            )
        )
        return
    tell(say("Lab {name}", name=f"[bold]{escape(status.name)}[/bold]"))
    if status.data_plane:
        tell(say("Data plane: {plane}", plane=_plane(status.data_plane)))
    if status.quorum and not status.stopped:
        tell(_quorum(status.quorum))
    console.print(_nodes(status, console))
    if status.services:
        console.print(_services(status))
    for node in status.nodes:
        _published(node.name, {int(p): at.rsplit(":", 1) for p, at in node.ports.items()})
    count = sum(1 for step in lab.steps if step.id in done)
    tell(say("Steps: {count} of {all} done.", count=count, all=len(lab.steps)))
    for problem in status.problems:
        tell(escape(problem), mark_good=False)
    name = option(status.name)
    if status.stopped:
        tell(
            say(
                "What next: `{command}` starts it again, as it was.",
                command=f"swarmlab start{name}",
            )
        )
    elif status.advice:
        tell(escape(say("What next: ") + status.advice))
    elif status.problems:
        tell(say("What next: `{command}` mends the lab.", command=f"swarmlab up{name}"))
    else:
        tell(say("The lab is up and well."), mark_good=True)


def nothing_left(keys: Sequence[str]) -> None:
    """That the engine was looked at once more, and has nothing of any lab; whose keys are left."""
    tell(say("Looked again: no container, volume or network of any lab is on this engine."))
    for name in keys:
        words = say(
            "Keys of the lab {name} stay: another engine may have it. If none does,"
            " `swarmlab down --name {name}` removes them.",
            name=name,
        )
        tell(words)


def lab_list(labs: Sequence[ListedLab], done: Mapping[str, int]) -> None:
    """One line a lab; `done` has the numbers of steps that are recorded as done."""
    console = out()
    if not labs:
        tell(say("There is no lab on this machine. `swarmlab up` makes one."))
        return
    columns = [_LAB, later("State"), _COUNT, later("Steps"), _SUBNET, later("Made")]
    # The time of making is what a narrow terminal can do without.
    shown = columns if console.width >= 76 else columns[:-1]
    table = _table(*shown)
    for lab in labs:
        nodes = _of(lab.running, lab.there.info.expected)
        steps = str(done.get(lab.name, 0))
        made = lab.made.replace("T", " ")
        table.add_row(
            *(lab.name, say(_STATES[lab.state]), nodes, steps, lab.subnet, made)[: len(shown)]
        )
    console.print(table)
    for lab in labs:
        if lab.problem:
            tell(escape(lab.problem), mark_good=False)
    broken = [lab.name for lab in labs if lab.state == "broken" and not lab.problem]
    if broken:
        tell(
            say(
                "Of {names} something is stopped or missing: `swarmlab status --name NAME` says "
                "what.",
                names=say(", ").join(broken),
            )
        )


def _nodes(status: ClusterStatus, console: Console) -> Table:
    narrow = console.width < 70
    columns = (_NODE, _ADDRESS, later("Role"), later("State"))
    table = _table(*columns) if narrow else _table(*columns, later("Engine"))
    for node in status.nodes:
        state = " ".join(part for part in (node.state, node.availability) if part)
        row = (node.name, node.address, _role(node), state or node.container)
        table.add_row(*row) if narrow else table.add_row(*row, node.engine)
    return table


def _role(node: NodeStatus) -> str:
    if node.leader:
        return say("leader")
    role = say(_ROLES[node.role]) if node.role in _ROLES else node.role
    if node.role == "manager" and node.reachability:
        return say("{role}, {reachability}", role=role, reachability=node.reachability)
    return role or "-"


def _quorum(quorum: Quorum) -> str:
    holding = later(
        "Managers: {all}; {needed} must agree, {spare} may be lost; {now} reachable now"
    )
    lost = later("Managers: {all}; {needed} must agree, {now} reachable now: no quorum")
    told = say(
        holding if quorum.holds else lost,
        all=quorum.managers,
        needed=quorum.needed,
        spare=quorum.may_lose,
        now=quorum.reachable,
    )
    return told if quorum.holds else f"[bold red]{told}[/]"


def _services(status: ClusterStatus) -> Table:
    table = _table(_SERVICE, later("Mode"), later("Running"), later("Image"), later("Ports"))
    for service in status.services:
        table.add_row(
            service.name,
            service.mode,
            _of(service.running, service.desired),
            service.image,
            " ".join(str(port) for port in service.ports),
        )
    return table


def _of(some: int, all_: int) -> str:
    return say("{some} of {all}", some=some, all=all_)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for column in columns:
        # An address or a name that is broken into two lines is another address.
        table.add_column(say(column), overflow="fold", no_wrap=column in _WHOLE)
    return table
