"""Looks at one kind of thing each, and keeps of it what must be the same next time.

What is left out differs from run to run although nothing is wrong: ids, times, versions of
objects, addresses and subnets that the engine chooses, and on which node the scheduler puts a
task. What is chosen by somebody (names, options, numbers, what is kept) stays.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from swarmlab import labels
from swarmlab.checks.base import World
from swarmlab.checks.looking import over
from swarmlab.checks.web import get
from swarmlab.cluster.workstation import NAME, WORKDIR
from swarmlab.errors import EnvironmentProblem
from swarmlab.lookout import heard
from swarmlab.words import say

Facts = dict[str, Any]

CONSUL_PORT = 8500
SERVICE = "com.docker.swarm.service.name"
# Every engine makes these itself, some of them only when the first container needs them.
_PREDEFINED = ("bridge", "docker_gwbridge", "host", "none")
# What the engine calls a container or a volume that nobody named.
_CHANCE_NAME = re.compile(r"[a-z]+_[a-z]+\d?")
_CHANCE_VOLUME = re.compile(r"[0-9a-f]{64}")
# Compose writes hashes of its own files and the time of its version there.
_TOLD_BY_COMPOSE = "com.docker.compose."


def _api(world: World, node: str) -> Any:
    # The types of docker-py know only half of its calls.
    return world.engine(node).api


def _manager(world: World) -> Any:
    """The engine of the first node that speaks for the swarm."""
    for node in world.nodes:
        api = _api(world, node)
        if api.info()["Swarm"].get("ControlAvailable"):
            return api
    raise EnvironmentProblem(
        say("No node of the lab is a manager, so nothing can be said about its services."),
        hint=say("See `swarmlab status`; `swarmlab up` mends what is broken."),
    )


def swarm(world: World) -> Facts:
    """The swarm's settings, its nodes, services and networks, as a manager tells them."""
    api = _manager(world)
    networks = {one["Id"]: one for one in api.networks() if one["Scope"] == "swarm"}
    facts: Facts = {say("the swarm's settings"): api.inspect_swarm()["Spec"]}
    for node in api.nodes():
        # Who leads is chosen by the managers among themselves.
        facts[say("node {name}", name=node["Description"]["Hostname"])] = {
            **node["Spec"],
            "state": node["Status"]["State"],
            "reachability": (node.get("ManagerStatus") or {}).get("Reachability"),
        }
    wanted = Counter(
        task["ServiceID"] for task in api.tasks() if task["DesiredState"] in ("running", "ready")
    )
    for service in api.services():
        facts[say("service {name}", name=service["Spec"]["Name"])] = {
            **_spec(service["Spec"], networks),
            "wanted": wanted[service["ID"]],
        }
    for network in networks.values():
        # The subnet is the next free one.
        facts[say("network {name}", name=network["Name"])] = {
            **{name: network[name] for name in ("Driver", "Internal", "Attachable", "Ingress")},
            "Labels": network["Labels"] or {},
        }
    for one in api.secrets():
        facts[say("secret {name}", name=one["Spec"]["Name"])] = one["Spec"]
    for one in api.configs():
        facts[say("config {name}", name=one["Spec"]["Name"])] = one["Spec"]
    return facts


def _spec(spec: Mapping[str, Any], networks: Mapping[str, Any]) -> Facts:
    """A service as it was asked for; networks by name, because ids are new each time."""
    template = dict(spec["TaskTemplate"])
    # Counts how often somebody forced new tasks; the tasks are the same.
    template.pop("ForceUpdate", None)
    attached = template.pop("Networks", None) or spec.get("Networks") or []
    return {
        **spec,
        "TaskTemplate": template,
        "Networks": sorted(
            networks.get(one["Target"], {}).get("Name", say("a network that is gone"))
            for one in attached
        ),
    }


def local_networks(world: World) -> Facts:
    """Networks that only one engine knows."""

    def at(node: str) -> list[str]:
        found = _api(world, node).networks()
        return [n["Name"] for n in found if n["Scope"] == "local" and n["Name"] not in _PREDEFINED]

    return {
        say("network {name} of {node} alone", name=name, node=node): say("there")
        for node, names in over(world.nodes, at).items()
        for name in names
    }


def volumes(world: World) -> Facts:
    """Volumes by name, on how many nodes; those that nobody named are counted."""
    found: list[str] = []
    for names in over(
        world.nodes, lambda node: [v["Name"] for v in _api(world, node).volumes()["Volumes"] or []]
    ).values():
        found += names
    named = Counter(name for name in found if not _CHANCE_VOLUME.fullmatch(name))
    # A volume of a service lies where the scheduler put the task.
    facts: Facts = {say("volume {name}", name=one): {"copies": n} for one, n in named.items()}
    return {**facts, say("unnamed volumes"): len(found) - named.total()}


def containers(world: World, node: str) -> list[Facts]:
    """The containers of one node, running or not, each as its engine tells it."""
    from docker.errors import NotFound

    api = _api(world, node)
    found = []
    for one in api.containers(all=True):
        try:
            found.append({**api.inspect_container(one["Id"]), "node": node})
        except NotFound:
            # It ended between the two questions; the next look does not see it.
            continue
    return found


def sorted_out(boxes: Mapping[str, list[Facts]]) -> tuple[Facts, dict[str, dict[str, int]]]:
    """Containers that somebody started by hand, and how many run of each service.

    Containers of ended tasks are a service's history, which Swarm keeps and clears by its own
    rules; only those that run count.
    """
    own: Facts = {}
    tasks: dict[str, dict[str, int]] = {}
    for box in (box for found in boxes.values() for box in found):
        state, config = box["State"], box["Config"]
        health = (state.get("Health") or {}).get("Status", "")
        name = (config.get("Labels") or {}).get(SERVICE)
        if name is not None:
            if state.get("Running"):
                counted = tasks.setdefault(name, {})
                word = health or "running"
                counted[word] = counted.get(word, 0) + 1
            continue
        called = box["Name"].lstrip("/")
        image, node = config["Image"], box["node"]
        key = (
            say("container of {image} on {node}", image=image, node=node)
            if _CHANCE_NAME.fullmatch(called)
            else say("container {name} of {image} on {node}", name=called, image=image, node=node)
        )
        labelled = {
            name: value
            for name, value in (config.get("Labels") or {}).items()
            if not name.startswith(_TOLD_BY_COMPOSE)
        }
        told = {
            "state": health or state["Status"],
            "command": config.get("Cmd"),
            "environment": sorted(config.get("Env") or []),
            "labels": labelled,
            "network": box["HostConfig"]["NetworkMode"],
            "ports": sorted((box["HostConfig"].get("PortBindings") or {}).keys()),
        }
        # Two of a kind that nobody named are told apart by their place in the list only.
        own.setdefault(key, []).append(told)
    return {key: sorted(kinds, key=repr) for key, kinds in own.items()}, tasks


def consul(world: World) -> Facts:
    """What Consul at each node tells: its members that are alive, and every key with its value."""

    def at(node: str) -> Facts:
        here = say("Consul at {node}", node=node)
        members = get(world, node, CONSUL_PORT, "/v1/agent/members")
        if members.status != 200:
            return {here: say("no answer") if members.trouble else str(members)}
        # Those that left or failed stay in the list for days.
        alive = [one for one in json.loads(members.body) if one["Status"] == 1]
        told = sorted(f"{m['Name']} ({(m.get('Tags') or {}).get('role')})" for m in alive)
        facts: Facts = {here: {"alive": ", ".join(told)}}
        keys = get(world, node, CONSUL_PORT, "/v1/kv/?recurse")
        if keys.status != 200:
            facts[here]["keys"] = str(keys.status or keys.trouble)
            return facts
        for one in json.loads(keys.body):
            # Indexes count writes, and are higher each time.
            key = say("key {name} at {node}", name=one["Key"], node=node)
            facts[key] = {"Value": one["Value"], "Flags": one["Flags"]}
        return facts

    return {name: fact for part in over(world.nodes, at).values() for name, fact in part.items()}


def files(world: World) -> Facts:
    """The names of the files in the student's working directory (in them are ids)."""
    api = world.host_engine().api
    # All of them, so that there always is something to hear.
    ran = heard(api, labels.container(world.name, NAME), ["ls", "-a", WORKDIR])
    listed = [name for name in ran.output.splitlines() if name not in (".", "..")]
    return {say("file {name} in the workstation", name=name): say("there") for name in listed}
