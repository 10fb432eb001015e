"""What a lab needs for itself on every machine, ports and names, and who has them already."""

from __future__ import annotations

from swarmlab.providers.hosts.facts import Facts
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.words import later, say

GATE_PORT = 12376
"""Where a machine's engine answers the lab: beside 2376, which may be the engine's own."""
PORTS = {
    80: later("the proxy"),
    443: later("the proxy"),
    2377: later("the swarm's managers"),
    7946: later("the swarm"),
    8080: later("the proxy's commands"),
    8300: "Consul",
    8301: "Consul",
    8302: "Consul",
    8500: "Consul",
    8600: "Consul",
    GATE_PORT: later("the lab's way in"),
    27017: later("the database of step 1"),
}
"""TCP ports that a lab opens on every machine, and what for: to be said."""

# Names that the chapter gives to what it makes.
CONTAINERS = ("consul", "registry")
VOLUMES = ("consul_consul-data", "go-demo-db")
NETWORKS = ("proxy", "go-demo")


def ports(node: str, facts: Facts) -> list[Trouble]:
    """The ports that containers of others have."""
    taken = {port: name for port, name in facts.published.items() if port in PORTS}
    return [
        Trouble(
            node,
            say(
                "port {port}, which {what} needs, leads to its container {name}",
                port=port,
                what=say(PORTS[port]),
                name=name,
            ),
            say("There: `docker stop {name}`, or give that container another port.", name=name),
        )
        for port, name in sorted(taken.items())
    ]


def names(node: str, facts: Facts) -> list[Trouble]:
    """Things of others that have the name of something which the chapter makes."""
    kinds = (
        (
            set(facts.found.containers.values()),
            CONTAINERS,
            later("it has a container named {name}, as the chapter calls one of its own"),
            later("There: `{command}`."),
            "docker rename {name} {name}-old",
        ),
        (
            set(facts.found.volumes),
            VOLUMES,
            later("it has a volume named {name}, as the chapter calls one of its own"),
            later(
                "Save what is in it and remove it (there: `{command}`), or take another machine."
            ),
            "docker volume rm {name}",
        ),
        (
            set(facts.found.networks),
            NETWORKS,
            later("it has a network named {name}, as the chapter calls one of its own"),
            later("If nobody needs it, there: `{command}`; else take another machine."),
            "docker network rm {name}",
        ),
    )
    return [
        Trouble(node, say(what, name=name), say(mend, command=command.format(name=name)))
        for there, wanted, what, mend, command in kinds
        for name in wanted
        if name in there
    ]
