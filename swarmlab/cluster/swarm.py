"""The swarm itself: begun on one node, joined by the others, proven ready, mended.

The join token is a secret: it is held in a Token, which prints as stars, and errors of calls
that carry one are raised anew without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docker import APIClient
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from swarmlab.errors import ClusterProblem, EnvironmentProblem
from swarmlab.process import redact
from swarmlab.wait import Observation, until

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
_ANEW = "Look with `swarmlab status`; `swarmlab down` and `swarmlab up` begin anew."


@dataclass(frozen=True, repr=False)
class Token:
    """A manager's join token; only `reveal` shows it."""

    secret: str

    def reveal(self) -> str:
        return self.secret

    def __repr__(self) -> str:
        return "Token(***)"

    __str__ = __repr__


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

    @property
    def well(self) -> bool:
        """A manager as `up` leaves it."""
        return (
            self.state == "ready"
            and self.availability == "active"
            and self.role == "manager"
            and self.reachability == "reachable"
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


def begin(api: APIClient, address: str) -> Token:
    """Make the node at `address` the first manager; the token for the others."""
    with asking("begin the swarm"):
        api.init_swarm(advertise_addr=address, listen_addr=f"0.0.0.0:{PORT}")
    return manager_token(api)


def manager_token(api: APIClient) -> Token:
    """The token by which managers join."""
    with asking("tell how to join the swarm"):
        return Token(str(api.inspect_swarm()["JoinTokens"]["Manager"]))


def leave(api: APIClient) -> None:
    """Let the node forget whatever swarm it believes to be in."""
    with asking("leave its old swarm"):
        api.leave_swarm(force=True)


def join(api: APIClient, address: str, remotes: Sequence[str], token: Token) -> None:
    """Let the node at `address` join as a manager by one of the `remotes` (addresses).

    The engine itself waits 20 seconds and then goes on joining in the background: on a slow or
    crowded machine that is waited for. Raises ClusterProblem, EnvironmentProblem or TimedOut.
    """
    with asking(f"join {address} to the swarm"):
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
        with asking(f"join {address} to the swarm"):
            state = standing(api).state
        return Observation(state == "active", f"its state is {state or 'not known'}")

    until(f"the node at {address} to join the swarm", look, within=_JOIN_SECONDS)


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


def settle(
    api: APIClient,
    names: Sequence[str],
    *,
    check: Callable[[], None],
    report: Callable[[str], None] | None = None,
) -> None:
    """Wait until the named nodes are ready managers, labelled and active, mending on the way.

    A node that a student demoted, drained or paused is put right. `check` raises when the wait
    is called off. Raises TimedOut with what was last seen.
    """

    def look() -> Observation[None]:
        check()
        try:
            seen = members(api)
            for member in seen:
                if member.name in names and member.state == "ready":
                    _put_right(api, member)
        except (DockerException, RequestException) as error:
            # A node may also have changed between our look and our request: look again.
            return Observation(False, redact(_words(error)))
        return _judge([m for m in seen if m.name in names], len(names), labelled=True)

    until(
        f"{len(names)} ready managers",
        look,
        within=_READY_SECONDS,
        every=EVERY,
        report=report,
        hint=_ANEW,
    )


def agree(api: APIClient, node: str, names: Sequence[str], *, check: Callable[[], None]) -> None:
    """Wait until this manager, too, sees the named nodes as ready managers, one leading."""

    def look() -> Observation[None]:
        check()
        try:
            seen = [member for member in members(api) if member.name in names]
            return _judge(seen, len(names), labelled=False)
        except (DockerException, RequestException) as error:
            return Observation(False, redact(_words(error)))

    until(
        f"{node} to see {len(names)} ready managers",
        look,
        within=_READY_SECONDS,
        every=EVERY,
        hint=_ANEW,
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
        f"the swarm to let go of the lost {member.name}",
        look,
        within=_FORGET_SECONDS,
        every=EVERY,
        hint=_ANEW,
    )


def _put_right(api: APIClient, member: Member) -> None:
    labelled = LABELS.items() <= member.labels.items()
    if labelled and member.role == "manager" and member.availability == "active":
        return
    labels = {**member.labels, **LABELS}
    _update(api, member, Role="manager", Availability="active", Labels=labels)


def _update(api: APIClient, member: Member, **changes: Any) -> None:
    node = api.inspect_node(member.id)
    spec: Any = {**node["Spec"], **changes}
    api.update_node(member.id, node["Version"]["Index"], spec)


def _judge(seen: Sequence[Member], count: int, *, labelled: bool) -> Observation[None]:
    ready = sum(1 for m in seen if m.well)
    leaders = sum(1 for m in seen if m.leader)
    marked = sum(1 for m in seen if LABELS.items() <= m.labels.items())
    words = f"{ready} of {count} managers ready"
    if leaders != 1:
        words += f", {leaders} leaders"
    if labelled and marked < count:
        words += f", {marked} labelled"
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
            f"A node's engine would not {doing}.",
            evidence=redact(_words(error))[:500],
            hint="`swarmlab down` and `swarmlab up` begin anew.",
        ) from None
    except (DockerException, RequestException) as error:
        raise EnvironmentProblem(
            f"A node's engine did not answer when asked to {doing}.",
            evidence=redact(_words(error))[:500],
            hint="`swarmlab up` mends the lab; `swarmlab doctor` tells whether this machine is "
            "fit for one.",
        ) from None


def _words(error: Exception) -> str:
    """What the engine said, without the address around it; or what the client says of it."""
    return str(getattr(error, "explanation", "") or error)
