"""The swarm itself: begun on one node, joined by the others, proven ready, mended.

The join tokens are secrets: each is held in a Token, which prints as stars, and errors of calls
that carry one are raised anew without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docker import APIClient
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from swarmlab.errors import ClusterProblem, EnvironmentProblem
from swarmlab.process import redact
from swarmlab.size import Size
from swarmlab.wait import Observation, until
from swarmlab.words import later, say

PORT = 2377
LABELS: Mapping[str, str] = {"env": "prod"}
"""What the book's script puts on each node."""

EVERY = 0.05
"""Seconds between two looks: all of them are on this machine."""

_READY_SECONDS = 60.0
_FORGET_SECONDS = 30.0
_JOIN_SECONDS = 60.0
# Moby, daemon/cluster/errors.go: errSwarmJoinTimeoutReached.
_GOES_ON = "will continue in the background"
_ANEW = later("Look with `swarmlab status`; `swarmlab down` and `swarmlab up` begin anew.")


@dataclass(frozen=True, repr=False)
class Token:
    """A join token; only `reveal` shows it."""

    secret: str

    def reveal(self) -> str:
        return self.secret

    def __repr__(self) -> str:
        return "Token(***)"

    __str__ = __repr__


@dataclass(frozen=True)
class Tokens:
    """The tokens by which nodes join, one for each role."""

    manager: Token
    worker: Token

    def of(self, role: str) -> Token:
        """The token of that role, `manager` or `worker`."""
        return self.manager if role == "manager" else self.worker


@dataclass(frozen=True)
class Member:
    """One node as a manager's list shows it. `reachability` is empty for a worker."""

    id: str
    name: str
    address: str
    role: str
    availability: str
    state: str
    leader: bool
    reachability: str
    engine: str
    labels: Mapping[str, str]

    def well(self, role: str) -> bool:
        """Whether it is a manager or a worker as `up` leaves one."""
        return (
            self.state == "ready"
            and self.availability == "active"
            and self.role == role
            and self.reachability == ("reachable" if role == "manager" else "")
        )


@dataclass(frozen=True)
class Standing:
    """What a node's engine says of its own place: `manager` when it can answer for the swarm.

    `state` is Docker's word: inactive, pending, active, locked or error.
    """

    state: str
    node_id: str
    manager: bool
    cluster: str


def begin(api: APIClient, address: str, overlays: Sequence[str] = ()) -> Tokens:
    """Make the node at `address` the first manager, `overlays` its networks' ranges; the tokens."""
    with asking(say("begin the swarm")):
        api.init_swarm(address, f"0.0.0.0:{PORT}", default_addr_pool=list(overlays) or None)
    return tokens(api)


def tokens(api: APIClient) -> Tokens:
    """The tokens by which nodes join, as a manager tells them."""
    with asking(say("tell how to join the swarm")):
        told = api.inspect_swarm()["JoinTokens"]
        return Tokens(Token(str(told["Manager"])), Token(str(told["Worker"])))


def leave(api: APIClient) -> None:
    """Let the node forget whatever swarm it believes to be in."""
    with asking(say("leave its old swarm")):
        api.leave_swarm(force=True)


def join(api: APIClient, address: str, remotes: Sequence[str], token: Token) -> None:
    """Let the node at `address` join by one of the managers at `remotes`; the token says as what.

    The engine itself waits 20 seconds and then goes on joining in the background: on a slow or
    crowded machine that is waited for. Raises ClusterProblem, EnvironmentProblem or TimedOut.
    """
    with asking(say("join {address} to the swarm", address=address)):
        try:
            api.join_swarm(
                remote_addrs=[f"{remote}:{PORT}" for remote in remotes],
                join_token=token.reveal(),
                advertise_addr=address,
                listen_addr=f"0.0.0.0:{PORT}",
            )
            return
        except APIError as error:
            if _GOES_ON not in _words(error):
                raise

    def look() -> Observation[None]:
        with asking(say("join {address} to the swarm", address=address)):
            state = standing(api).state or say("not known")
        return Observation(state == "active", say("its state is {state}", state=state))

    what = say("the node at {address} to join the swarm", address=address)
    hint = say("Look with `swarmlab doctor`, then run the command again.")
    until(what, look, within=_JOIN_SECONDS, hint=hint)


def members(api: APIClient) -> list[Member]:
    """The swarm's nodes in this manager's view, by name."""
    return sorted((_member(node) for node in api.nodes()), key=lambda member: member.name)


def standing(api: APIClient) -> Standing:
    """The node's own place in the swarm."""
    swarm = api.info().get("Swarm") or {}
    return Standing(
        state=str(swarm.get("LocalNodeState", "")),
        node_id=str(swarm.get("NodeID", "")),
        manager=bool(swarm.get("ControlAvailable")),
        cluster=str((swarm.get("Cluster") or {}).get("ID", "")),
    )


def settle(apis: Sequence[APIClient], size: Size, *, check: Callable[[], None]) -> None:
    """Wait until all nodes are ready in their roles, labelled and active, mending on the way.

    A node that a student promoted, demoted, drained or paused is put right. The first of `apis`
    that speaks for the swarm is asked, at each look anew: who does may change on the way. `check`
    raises when the wait is called off. Raises TimedOut with what was last seen.
    """

    def look() -> Observation[None]:
        check()
        said = ""
        for api in apis:
            try:
                seen = [member for member in members(api) if member.name in size.names]
                _put_right(api, seen, size)
                return _judge(seen, size, labelled=True)
            except (DockerException, RequestException) as error:
                # A node may also have changed between our look and our request: look again.
                said = said or redact(_words(error))
        return Observation(False, said)

    until(
        say("{size} to be ready", size=size),
        look,
        within=_READY_SECONDS,
        every=EVERY,
        hint=say(_ANEW),
    )


def agree(api: APIClient, node: str, size: Size, *, check: Callable[[], None]) -> None:
    """Wait until this manager, too, sees all nodes ready in their roles, and one leading."""

    def look() -> Observation[None]:
        check()
        try:
            seen = [member for member in members(api) if member.name in size.names]
            return _judge(seen, size, labelled=False)
        except (DockerException, RequestException) as error:
            return Observation(False, redact(_words(error)))

    until(
        say("{node} to see {size} ready", node=node, size=size),
        look,
        within=_READY_SECONDS,
        every=EVERY,
        hint=say(_ANEW),
    )


def forget(api: APIClient, member: Member, *, check: Callable[[], None]) -> None:
    """Take a lost node off the swarm's list: demoted first, as Swarm demands of a manager.

    Raises TimedOut when the swarm does not let go of it.
    """

    def look() -> Observation[None]:
        check()
        try:
            now = next((m for m in members(api) if m.id == member.id), None)
            if now is None:
                return Observation(True, "gone")
            if now.role == "manager":
                _update(api, now, Role="worker")
            else:
                api.remove_node(now.id, force=True)
        except (DockerException, RequestException) as error:
            return Observation(False, redact(_words(error)))
        return Observation(False, f"{now.role}, {now.state}")

    until(
        say("the swarm to let go of the lost {name}", name=member.name),
        look,
        within=_FORGET_SECONDS,
        every=EVERY,
        hint=say(_ANEW),
    )


def _put_right(api: APIClient, seen: Sequence[Member], size: Size) -> None:
    """Ask for what is amiss with the ready nodes; nobody is demoted while a manager is wanting."""
    whole = set(size.manager_names) <= {m.name for m in seen if m.well("manager")}
    for member in seen:
        role = size.role(member.name) if whole or member.role == "worker" else "manager"
        labels = {**member.labels, **LABELS}
        right = (role, "active", labels) == (member.role, member.availability, member.labels)
        if member.state == "ready" and not right:
            _update(api, member, Role=role, Availability="active", Labels=labels)


def _update(api: APIClient, member: Member, **changes: Any) -> None:
    node = api.inspect_node(member.id)
    spec: Any = {**node["Spec"], **changes}
    api.update_node(member.id, node["Version"]["Index"], spec)


def _judge(seen: Sequence[Member], size: Size, *, labelled: bool) -> Observation[None]:
    well = Counter(size.role(m.name) for m in seen if m.well(size.role(m.name)))
    count, ready = size.count, well.total()
    leaders = sum(1 for m in seen if m.leader)
    marked = sum(1 for m in seen if LABELS.items() <= m.labels.items())
    words = say("{well} of {managers} managers ready", well=well["manager"], managers=size.managers)
    if size.workers:
        words += say(", {well} of {workers} workers", well=well["worker"], workers=size.workers)
    if leaders != 1:
        words += say(", {leaders} leaders", leaders=leaders)
    if labelled and marked < count:
        words += say(", {marked} labelled", marked=marked)
    done = len(seen) == count == ready and leaders == 1 and (marked == count or not labelled)
    return Observation(done, words)


def _member(node: Mapping[str, Any]) -> Member:
    spec = node.get("Spec") or {}
    status = node.get("Status") or {}
    manager = node.get("ManagerStatus") or {}
    description = node.get("Description") or {}
    return Member(
        id=str(node["ID"]),
        name=str(description.get("Hostname", "")),
        address=str(status.get("Addr", "")),
        role=str(spec.get("Role", "")),
        availability=str(spec.get("Availability", "")),
        state=str(status.get("State", "")),
        leader=bool(manager.get("Leader")),
        reachability=str(manager.get("Reachability", "")),
        engine=str((description.get("Engine") or {}).get("EngineVersion", "")),
        labels=spec.get("Labels") or {},
    )


@contextmanager
def asking(doing: str) -> Iterator[None]:
    """Raise what a node's engine answers, or that it does not, anew and without any secret.

    `doing` completes "would not". Raises ClusterProblem when it refuses, EnvironmentProblem when
    it does not answer.
    """
    try:
        yield
    except APIError as error:
        raise ClusterProblem(
            say("A node's engine would not {doing}.", doing=doing),
            evidence=redact(_words(error))[:500],
            hint=say("`swarmlab down` and `swarmlab up` begin anew."),
        ) from None
    except (DockerException, RequestException) as error:
        raise EnvironmentProblem(
            say("A node's engine did not answer when asked to {doing}.", doing=doing),
            evidence=redact(_words(error))[:500],
            hint=say(
                "`swarmlab up` mends the lab; `swarmlab doctor` tells whether "
                "this machine is fit for one."
            ),
        ) from None


def _words(error: Exception) -> str:
    """What the engine said, without the address around it; or what the client says of it."""
    return str(getattr(error, "explanation", "") or error)
