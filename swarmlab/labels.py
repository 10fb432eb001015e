"""The labels by which swarmlab finds again what it made on an engine: its only memory of it."""

from __future__ import annotations

LAB = "swarmlab.lab"
ROLE = "swarmlab.role"
NODE = "swarmlab.node"
ADDRESS = "swarmlab.address"
REACH = "swarmlab.reach"
PUBLISH = "swarmlab.publish"
INSTANCE = "swarmlab.instance"
COUNT = "swarmlab.nodes"
MANAGERS = "swarmlab.managers"
"""How many of a lab's nodes are managers: the first ones."""
PROVIDER = "swarmlab.provider"
"""On the network and the workstation of a lab whose nodes are no containers beside them."""
SETTINGS = "swarmlab.settings"
"""What that provider has to know, as JSON; never a secret."""
IMAGES = "swarmlab.images"
"""Where a lab's images come from, when that is not this machine alone; see images.sources."""
OWNER = "swarmlab.owner"
"""On what lives for a moment only: whose process removes it again."""

ROLE_NODE = "node"
ROLE_WORKSTATION = "workstation"
ROLE_NETWORK = "network"
ROLE_VOLUME = "volume"
ROLE_BUILD = "build"
ROLE_RELAY = "relay"
ROLE_LOOKOUT = "lookout"
ROLE_GATE = "gate"
ROLE_SHELL = "shell"
"""Of what `docker-machine ssh` in the workstation runs on a node's engine."""


def of(lab: str) -> dict[str, list[str]]:
    """The engine's filter for everything of one lab."""
    return {"label": [f"{LAB}={lab}"]}


def container(lab: str, what: str) -> str:
    """The name of a container (or of a node's volume): `swarmlab-default-swarm-1`."""
    return f"swarmlab-{lab}-{what}"


def network(lab: str) -> str:
    """The name of a lab's network."""
    return f"swarmlab-{lab}"
