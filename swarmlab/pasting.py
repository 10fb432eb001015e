"""A step's commands as one text to paste: after each what waits for that which it began.

Whoever types sees when to go on; a text that is pasted runs on at once. Many orders are only
accepted when their command ends (`docker service create -d`), so the next one may come too early.
`swarmlab run` waits for the checks of a command. Pasted, lines of shell do: they look at the same
with what the workstation has, and prove nothing.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from swarmlab.checks.tasks import beside
from swarmlab.model import CheckSpec, Command, Step, Where
from swarmlab.naming import named
from swarmlab.words import say

# The tasks of a service come and go after the command; containers of `docker run` do not.
_OF_SWARM = "com.docker.swarm."
_CONNECT_SECONDS = 2


def pasted(step: Step, util: str) -> str:
    """The step's commands and the waits between them, for a shell of the workstation.

    `util` is what the nodes call the image with curl and drill in it.
    """
    blocks = []
    for command in step.commands:
        lines = command.run.rstrip()
        if command.where is Where.HOST:
            lines = named(f"`{lines}`").strip("`")
            where = say("# on your own machine, not in the workstation:")
            lines = "\n".join([where, *(f"# {line}" for line in lines.splitlines())])
        blocks.append("\n".join([lines, *_waiting(command, util)]) + "\n")
    return "\n".join(blocks)


def conditions(spec: CheckSpec, util: str) -> tuple[str, ...]:
    """Lines of shell that succeed once it is so; none where it is so when the command ends."""
    find = _FINDERS.get(spec.check)
    return find({**spec.params, "util": util}) if find else ()


def _waiting(command: Command, util: str) -> list[str]:
    """A loop with an end, in parentheses: the shell stays pointed at the node it is pointed at."""
    waits = [(spec, found) for spec in command.checks if (found := conditions(spec, util))]
    if not waits:
        return []
    seconds = math.ceil(max(spec.within for spec, _ in waits))
    lines = [line for _, found in waits for line in found]
    late = say("not yet: {titles}", titles=say("; ").join(spec.title for spec, _ in waits))
    return [
        *(say("# wait: {title}", title=spec.title) for spec, _ in waits),
        "(",
        "    eval $(docker-machine env swarm-1)",
        f"    for try in $(seq {seconds}); do",
        *(f"        {line} &&" for line in lines),
        "        exit",
        "        sleep 1",
        "    done 2>/dev/null",
        f"    echo {shlex.quote(late)}",
        ")",
    ]


def _service(params: dict[str, Any]) -> tuple[str, ...]:
    name, replicas = params["name"], params.get("replicas")
    wanted = f"{replicas}/{replicas}" if replicas is not None else r"([1-9][0-9]*)/\1"
    return (f"docker service ls --format '{{{{.Name}}}} {{{{.Replicas}}}}' | {_row(name, wanted)}",)


def _healed(params: dict[str, Any]) -> tuple[str, ...]:
    service, slot = params["service"], params["slot"]
    states = (
        f"docker service ps -f name={service}.{slot} --format '{{{{.CurrentState}}}}' {service}"
    )
    return (
        f"{states} | grep -Eq '^(Failed|Complete|Shutdown)'",
        f"{states} | grep -q '^Running'",
    )


def _containers(params: dict[str, Any]) -> tuple[str, ...]:
    label = str(params.get("label", ""))
    if not label.startswith(_OF_SWARM):
        return ()
    every = "-q" if params.get("running", True) else "-aq"
    ask = f"eval $(docker-machine env $n); docker ps {every} -f {shlex.quote(f'label={label}')}"
    return (f"[ $(for n in $(docker-machine ls -q); do {ask}; done | wc -l) = {params['count']} ]",)


def _absent(params: dict[str, Any]) -> tuple[str, ...]:
    found = []
    for kind, key in (("service", "services"), ("network", "networks")):
        if names := params.get(key):
            rows = " ".join(f"-e {shlex.quote(name)}" for name in names)
            found.append(f"! docker {kind} ls --format '{{{{.Name}}}}' | grep -qxF {rows}")
    return tuple(found)


def _leader(params: dict[str, Any]) -> tuple[str, ...]:
    return (f"curl -sf {params.get('node', 'swarm-1')}:8500/v1/status/leader | grep -q :",)


def _members(params: dict[str, Any]) -> tuple[str, ...]:
    alive = f"jq -e 'map(select(.Status == 1)) | length == {params.get('alive', 3)}'"
    nodes: Sequence[str] = params.get("nodes") or ("swarm-1",)
    return tuple(f"curl -s {node}:8500/v1/agent/members | {alive} >/dev/null" for node in nodes)


def _ports(params: dict[str, Any]) -> tuple[str, ...]:
    ports = " ".join(map(str, params["ports"]))
    reach = f'timeout {_CONNECT_SECONDS} bash -c ": </dev/tcp/$n/$p" || echo $n:$p'
    each = f"for n in $(docker-machine ls -q); do for p in {ports}; do {reach}; done; done"
    return (f'[ -z "$({each})" ]',)


def _inside(params: dict[str, Any]) -> tuple[str, ...]:
    run = f"docker run --rm --network container:$c {params['util']}"
    ask = f"{run} curl -s -o /dev/null -w '%{{http_code}}' {shlex.quote(params['url'])}"
    return (f"{beside(params['service'], ask)} | grep -qx {params.get('status', 200)}",)


def _row(name: str, wanted: str) -> str:
    escaped = name.replace(".", r"\.")
    return f"grep -Eq {shlex.quote(f'^{escaped} {wanted}( |$)')}"


_FINDERS: dict[str, Callable[[dict[str, Any]], tuple[str, ...]]] = {
    "swarm.service": _service,
    "swarm.healed": _healed,
    "swarm.absent": _absent,
    "engines.containers": _containers,
    "consul.leader": _leader,
    "consul.members": _members,
    "http.ports_open": _ports,
    "http.inside": _inside,
}
