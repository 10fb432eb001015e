"""What the managers say about services, and the containers behind a service's tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from swarmlab.checks.base import World
from swarmlab.checks.looking import Unfit, over
from swarmlab.errors import EnvironmentProblem
from swarmlab.inquiry import in_turn
from swarmlab.words import say

if TYPE_CHECKING:
    from docker.api import APIClient
    from docker.errors import APIError

T = TypeVar("T")
Raw = dict[str, Any]

# What engines answer when they cannot speak for a swarm: 503 for a worker, for a node outside
# any swarm and for a locked one; 406 did the same job before 17.x; a lost quorum is a 500 with
# one of these texts.
_NO_SWARM_STATUS = (406, 503)
_NO_QUORUM = ("does not have a leader", "context deadline exceeded")


@dataclass(frozen=True)
class Refusal:
    """Why a node's engine does not speak for a swarm, in its own words."""

    node: str
    reason: str

    def __str__(self) -> str:
        return say(
            "{node} does not answer as a manager ({reason})", node=self.node, reason=self.reason
        )


@dataclass(frozen=True)
class Attachment:
    """A task's place on a network; the address is without its prefix length."""

    network_id: str
    network: str
    address: str


@dataclass(frozen=True)
class Instance:
    """A running task: its slot (0 for a global service), node, container and addresses."""

    service: str
    slot: int
    node: str
    task: str
    container: str
    image: str
    attachments: tuple[Attachment, ...]

    @property
    def name(self) -> str:
        """`proxy.3` as `docker service ps` prints it, or `util on swarm-2` for a global one."""
        if self.slot:
            return f"{self.service}.{self.slot}"
        return say("{name} on {node}", name=self.service, node=self.node)

    @property
    def place(self) -> str:
        """`proxy.3 on swarm-2`, `util on swarm-2`."""
        if not self.slot:
            return self.name
        return say("{name} on {node}", name=self.name, node=self.node)


@dataclass(frozen=True)
class Service:
    """A service with its tasks and the swarm's nodes, as one manager sees them now."""

    raw: Raw
    tasks: tuple[Raw, ...]
    nodes: dict[str, Raw]

    @property
    def name(self) -> str:
        return str(self.raw["Spec"]["Name"])

    @property
    def container_spec(self) -> Raw:
        spec: Raw = self.raw["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
        return spec

    @property
    def replicas(self) -> int | None:
        """How many tasks are wanted; None for a service that is not replicated."""
        mode = self.raw["Spec"].get("Mode") or {}
        if "Replicated" not in mode:
            return None
        return int((mode["Replicated"] or {}).get("Replicas", 0))

    @property
    def mode(self) -> str:
        """`replicated` or `global` (or the name of a job mode)."""
        mode: Raw = self.raw["Spec"].get("Mode") or {"Replicated": {}}
        return next(iter(mode)).lower()

    def instances(self) -> list[Instance]:
        """The tasks that are meant to run and do, on nodes that answer, by slot and node.

        A task's last word stays "running" when its node is lost: such a one is not counted.
        """
        found = [self._instance(task) for task in self.tasks if self._runs(task)]
        return sorted(found, key=lambda one: (one.slot, one.node, one.task))

    def starting(self) -> list[Raw]:
        """The tasks that are meant to run and do not yet."""
        return [
            task
            for task in self.tasks
            if task.get("DesiredState") in ("running", "ready") and not self._runs(task)
        ]

    def last_error(self) -> str:
        """The newest task error, empty when there is none."""
        errors = [
            (task["Status"].get("Timestamp", ""), task["Status"]["Err"])
            for task in self.tasks
            if task["Status"].get("Err")
        ]
        return str(max(errors)[1]) if errors else ""

    def node_name(self, node_id: str) -> str:
        node = self.nodes.get(node_id)
        return str(node["Description"]["Hostname"]) if node else say("a removed node")

    def _runs(self, task: Raw) -> bool:
        node = self.nodes.get(task.get("NodeID", ""))
        return (
            task.get("DesiredState") == "running"
            and task["Status"].get("State") == "running"
            and node is not None
            and node["Status"].get("State") == "ready"
        )

    def _instance(self, task: Raw) -> Instance:
        return Instance(
            service=self.name,
            slot=int(task.get("Slot") or 0),
            node=self.node_name(task["NodeID"]),
            task=str(task["ID"]),
            container=str((task["Status"].get("ContainerStatus") or {}).get("ContainerID", "")),
            image=plain_image(task["Spec"].get("ContainerSpec") or {}),
            attachments=tuple(
                Attachment(
                    str(one["Network"]["ID"]),
                    str(one["Network"]["Spec"]["Name"]),
                    address.partition("/")[0],
                )
                for one in task.get("NetworksAttachments") or []
                for address in one.get("Addresses") or []
            ),
        )


def of_service(name: str) -> str:
    """What `docker ps --filter` finds the containers of a service by."""
    return f"label=com.docker.swarm.service.name={name}"


def beside(service: str, command: str) -> str:
    """A line that a student can type to run the command on the node of the service's first task.

    There `$c` is the task's container. Any manager's engine may be the one that is pointed to.
    """
    node = (
        f"docker service ps -f desired-state=running --format '{{{{.Node}}}}' {service} | head -1"
    )
    # In parentheses, so that the shell stays pointed at the node it was pointed at.
    return (
        f"(eval $(docker-machine env $({node}));"
        f" c=$(docker ps -q -f {of_service(service)} | head -1); {command})"
    )


def plain_image(container_spec: Raw) -> str:
    """The image as it was asked for, without the digest that a registry adds."""
    return str(container_spec.get("Image", "")).partition("@")[0]


def from_manager(world: World, node: str, ask: Callable[[APIClient], T]) -> T | Refusal:
    """What the node's engine says of the swarm, or why it cannot. Engine errors pass through."""
    from docker.errors import APIError

    try:
        return ask(world.engine(node).api)
    except APIError as error:
        if error.status_code in _NO_SWARM_STATUS or leaderless(error):
            return Refusal(node, str(error.explanation or error).partition(". ")[0].rstrip("."))
        raise


def leaderless(error: APIError) -> bool:
    """Whether a manager says by that error that its swarm has no leader, or none that it hears."""
    return any(part in str(error.explanation or error) for part in _NO_QUORUM)


def from_swarm(world: World, ask: Callable[[APIClient], T]) -> T:
    """What the first manager with a quorum says, whichever other nodes are down.

    One that is frozen takes a look's whole time, so the next is asked beside one that does not
    answer at once; and whoever was silent once is asked last from then on. Raises Unfit when no
    node is one. Where a manager could not be asked, which may have one, the reason why is raised
    instead.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    refusals: list[Refusal] = []
    down: list[Exception] = []
    order = sorted(world.nodes, key=world.silent.__contains__)
    asked = in_turn(order, lambda one: from_manager(world, one, ask), late=world.silent.add)
    for node, told in asked:
        try:
            answer = told.result()
        except APIError:
            # It does answer, and something is wrong with it.
            raise
        except (EnvironmentProblem, DockerException, RequestException) as error:
            if isinstance(error, Timeout):
                world.silent.add(node)
            if node in world.managers:
                down.append(error)
            continue
        if not isinstance(answer, Refusal):
            return answer
        if node in world.managers:
            refusals.append(answer)
    if down:
        raise down[0]
    raise Unfit(say("no node speaks for a swarm: ") + say("; ").join(map(str, refusals)))


def list_services(api: APIClient, **filters: str) -> list[Raw]:
    """The swarm's services, as a manager's engine lists them."""
    found: list[Raw] = api.services(filters=filters)  # type: ignore[no-untyped-call]
    return found


def _list_tasks(api: APIClient, service_id: str) -> list[Raw]:
    found: list[Raw] = api.tasks(filters={"service": service_id})  # type: ignore[no-untyped-call]
    return found


def service_named(world: World, name: str) -> Service:
    """The service with exactly that name. Raises Unfit when there is none."""

    def ask(api: APIClient) -> Service | None:
        # The engine's name filter matches beginnings: `go-demo` finds `go-demo-db` too.
        for raw in list_services(api, name=name):
            if raw["Spec"]["Name"] == name:
                nodes = {node["ID"]: node for node in api.nodes()}
                return Service(raw, tuple(_list_tasks(api, raw["ID"])), nodes)
        return None

    service = from_swarm(world, ask)
    if service is None:
        raise Unfit(say("there is no service {name}", name=name))
    return service


def running(world: World, name: str) -> list[Instance]:
    """The running instances of a service. Raises Unfit when there is no such service or none."""
    instances = service_named(world, name).instances()
    if not instances:
        raise Unfit(say("service {name} has no running task", name=name))
    return instances


def inspect_all(world: World, instances: list[Instance]) -> dict[Instance, Raw | None]:
    """Each instance's container as its node's engine knows it; None for one that is gone."""
    return over(instances, lambda instance: inspect(world, instance))


def inspect(world: World, instance: Instance) -> Raw | None:
    """The instance's container as its node's engine knows it; None when it is gone."""
    from docker.errors import NotFound

    try:
        raw: Raw = world.engine(instance.node).api.inspect_container(instance.container)
    except NotFound:
        return None
    return raw
