"""What is missing is told once: what depends on it is skipped, and names the check that failed."""

from __future__ import annotations

import pytest

from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.inspection import Inspector, claims
from swarmlab.listener import SilentListener
from swarmlab.loader import load_builtin
from swarmlab.results import Verdict
from tests.checks_fakes import NODES, PROXY_NET, Lab, service, task

LAB = load_builtin("service-discovery")
# Consul does not run beside these fakes, and is no service of the swarm.
BESIDE = ("consul.",)


ADDRESS = {PROXY_NET: "10.0.1.2"}


def failing(lab: Lab, number: int) -> dict[str, set[str]]:
    """The checks of a step that fail, and those that were skipped because of each."""
    (step,) = [one for one in LAB.steps if one.number == number]
    specs = [one for one in step.checks if not one.check.startswith(BESIDE)]
    inspector = Inspector(CHECKS, OBSERVERS, SilentListener())
    results = inspector.inspect(lab, claims(number, specs), once=True).values()
    assert not [one for one in results if one.verdict is Verdict.ERRORED]
    found: dict[str, set[str]] = {one.id: set() for one in results if one.verdict is Verdict.FAILED}
    blocked = {one.id: one.blocked_by for one in results if one.verdict is Verdict.SKIPPED}
    for id, by in blocked.items():
        while by in blocked:
            by = blocked[by]
        found[by].add(id)
    return found


@pytest.mark.parametrize(
    ("number", "told", "skipped"),
    [
        (3, {"exactly-three"}, {"exactly-three-containers"}),
        # A wrong address may be why the instances are not healthy, so both are looked at.
        (
            6,
            {"three-healthy", "consul-address"},
            {"on-network", "mode", "ports-open", "nothing-known"},
        ),
        (
            7,
            {"database-runs"},
            {"go-demo-runs", "database-volume", "database-network", "both-networks"}
            | {"database-name", "hello-inside", "people-stored"},
        ),
        (8, {"one-has-it"}, {"one-to-two", "hashes-differ"}),
        (9, {"routes"}, {"everywhere", "identical"}),
        (10, {"one-vip"}, {"three-tasks"}),
        (12, {"six-healthy"}, {"all-alike", "sixth", "six-addresses"}),
        (13, {"healed"}, {"synchronised", "restored", "serves"}),
    ],
)
def test_a_service_that_is_not_there_is_told_once(
    number: int, told: set[str], skipped: set[str]
) -> None:
    """Of all services only util is there, from which names are asked."""
    lab = Lab()
    lab.swarm.networks.append({"Name": "proxy", "Scope": "swarm", "Driver": "overlay"})
    lab.add(service("util", None), [task("util", 0, one, networks=ADDRESS) for one in NODES])
    found = failing(lab, number)
    assert set(found) == told
    assert set().union(*found.values()) == skipped
