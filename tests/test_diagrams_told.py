"""The look at a lab by what its nodes tell: the same as by its engines, with fewer questions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import pytest

from swarmlab.errors import EnvironmentProblem
from swarmlab.handout.diagrams.look import Looker, look
from swarmlab.handout.diagrams.seen import Topology
from swarmlab.watching.eye import Eyes, Reading, Told
from tests.checks_fakes import NODES, Asked, Lab, Reply, http_servers, service, task

ROUTED = "frontend services\n    bind *:80\n"
MEMBERS = [
    {"Addr": f"172.31.0.1{one}", "Tags": {"role": "consul" if one == 1 else "node"}, "Status": 1}
    for one in (1, 2, 3)
]


class Telling:
    """Eyes that tell what the fake engines know; `blind` nodes have none, `asked` were asked."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.blind: set[str] = set()
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def look(self, nodes: Sequence[str], speakers: Iterable[str] = ()) -> dict[str, Told]:
        chosen = tuple(speakers)
        self.asked.append((tuple(nodes), chosen))
        return {n: self._told(n, n in chosen) for n in nodes if n not in self.blind}

    def _told(self, node: str, swarm: bool) -> Told:
        engine, known = self._lab.engines[node], self._lab.swarm
        if not engine.alive:
            return Told()
        return Told(
            engine.containers(),
            MEMBERS,
            (known.nodes, known.tasks, known.services)
            if swarm and engine.manager and engine.refusal is None
            else None,
            {
                identity: Reading(box.files["/cfg/haproxy.cfg"])
                for identity, box in engine.boxes.items()
                if box.files
            },
        )


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    files = {"/cfg/haproxy.cfg": ROUTED}
    lab.add(service("proxy", 3), [task("proxy", s, f"swarm-{s}") for s in (1, 2, 3)], files=files)
    lab.add(service("util", None), [task("util", 0, name) for name in NODES])

    def reply(asked: Asked) -> Reply:
        return 200, json.dumps(MEMBERS).encode()

    with http_servers(lab, 8500, reply):
        yield lab


def still(seen: Topology) -> Topology:
    return replace(seen, seen="now")


def looker(lab: Lab, eyes: Telling, stand_still: Sequence[str] = ()) -> Looker:
    return Looker(lab, cast(Eyes, eyes), stand_still)


@pytest.mark.parametrize("blind", [(), ("swarm-1",), ("swarm-2", "swarm-3"), NODES])
def test_what_nodes_tell_is_what_their_engines_tell(lab: Lab, blind: tuple[str, ...]) -> None:
    eyes = Telling(lab)
    eyes.blind = set(blind)
    seen = looker(lab, eyes).look()
    assert still(seen) == still(look(lab))
    assert all(one.configuration for one in seen.proxies())


def test_only_whoever_spoke_before_is_asked_about_the_swarm(lab: Lab) -> None:
    eyes = Telling(lab)
    eye = looker(lab, eyes)
    first = eye.look()
    assert still(eye.look()) == still(first)
    assert eyes.asked == [(NODES, NODES), (NODES, ("swarm-1",))]


def test_when_the_speaker_is_lost_the_others_are_asked_at_once(lab: Lab) -> None:
    eyes = Telling(lab)
    eye = looker(lab, eyes)
    eye.look()
    lab.engines["swarm-1"].alive = False
    seen = eye.look()
    assert seen.swarm and not seen.nodes[0].answers
    assert eyes.asked[2:] == [(("swarm-2", "swarm-3"), ("swarm-2", "swarm-3"))]
    eye.look()
    assert eyes.asked[-1] == (NODES, ("swarm-2",))


def test_without_a_quorum_each_look_asks_all_of_them_once(lab: Lab) -> None:
    eyes = Telling(lab)
    eye = looker(lab, eyes)
    for engine in lab.engines.values():
        engine.manager = False
    for _ in range(2):
        assert not eye.look().swarm
    assert eyes.asked == [(NODES, NODES)] * 2


def test_nodes_that_stand_still_are_not_asked(lab: Lab) -> None:
    eyes = Telling(lab)
    seen = looker(lab, eyes, ["swarm-1"]).look()
    assert [one.answers for one in seen.nodes] == [False, True, True]
    assert eyes.asked == [(("swarm-2", "swarm-3"), ("swarm-2", "swarm-3"))]
    lab.engines["swarm-1"].frozen = True
    looker(lab, eyes, ["swarm-1"]).look()
    assert lab.engines["swarm-1"].waits == 0
    with pytest.raises(EnvironmentProblem, match="No node of the lab"):
        looker(lab, eyes, NODES).look()
