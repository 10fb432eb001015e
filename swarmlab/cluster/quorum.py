"""What is left of a lab's swarm: where each node stands in it, and who can speak for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from docker import APIClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.cluster import swarm
from swarmlab.errors import EnvironmentProblem, SwarmlabError
from swarmlab.wait import Observation, poll
from swarmlab.words import say

_STANDING_SECONDS = 15.0
_LEADER_SECONDS = 90.0


class NoSwarm(EnvironmentProblem):
    """The nodes answer, but no swarm with a quorum is among them; the message is the reason."""


def standing(api: APIClient) -> swarm.Standing:
    """The node's standing; a swarm that is just coming up again (`pending`) is waited for."""

    def look() -> Observation[swarm.Standing]:
        now = _asked(api)
        return Observation(now.state != "pending", now.state, now)

    found = poll(look, within=_STANDING_SECONDS, every=swarm.EVERY).last.value
    assert found is not None, "a look always has a value"
    return found


def led(
    apis: Mapping[str, APIClient], standings: Mapping[str, swarm.Standing]
) -> dict[str, swarm.Standing]:
    """The same standings once a manager names its swarm.

    An engine does so only while its swarm has a leader: managers that are choosing one are waited
    for. To take them for nodes without a swarm would cost the student the lab. Raises NoSwarm.
    """
    managers = {node: apis[node] for node, one in standings.items() if one.manager}
    if not managers:
        raise NoSwarm(say("its nodes never formed a swarm"))
    found = dict(standings)

    def look() -> Observation[None]:
        if not main_cluster(found):
            found.update({node: _asked(api) for node, api in managers.items()})
        return Observation(bool(main_cluster(found)), say("no leader"))

    if not poll(look, within=_LEADER_SECONDS, every=swarm.EVERY).last.done:
        raise _leaderless()
    return found


def main_cluster(standings: Mapping[str, swarm.Standing]) -> str:
    """The swarm that most nodes are in; empty when none is named."""
    counted = Counter(one.cluster for one in standings.values() if one.manager and one.cluster)
    return counted.most_common(1)[0][0] if counted else ""


def speaker(apis: Mapping[str, APIClient]) -> tuple[APIClient, list[swarm.Member]]:
    """A manager that can answer for the swarm, and its list. Raises NoSwarm if none can."""

    def look() -> Observation[tuple[APIClient, list[swarm.Member]]]:
        for api in apis.values():
            try:
                listed = swarm.members(api)
            except (DockerException, RequestException, SwarmlabError):
                continue
            if any(member.leader for member in listed):
                return Observation(True, say("a leader"), (api, listed))
        return Observation(False, say("no leader"))

    found = poll(look, within=_LEADER_SECONDS, every=0.2).last.value
    if found is None:
        raise _leaderless()
    return found


def _leaderless() -> NoSwarm:
    return NoSwarm(say("its managers found no leader: the swarm has lost its quorum"))


def _asked(api: APIClient) -> swarm.Standing:
    with swarm.asking(say("tell its place in the swarm")):
        return swarm.standing(api)
