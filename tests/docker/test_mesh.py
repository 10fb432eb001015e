"""VIPs and published ports on a real swarm.

All but a few of these hold with IPVS as well as with the nftables fallback: that is what the
fallback is for. What it leaves on a node is looked at directly; with IPVS it must be nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from docker.types import EndpointSpec

from tests.docker.mesh_site import (
    ECHO,
    HTTP,
    Caller,
    Site,
    http_answer,
    look_until,
    published,
    run,
    site,
)

pytestmark = pytest.mark.docker

REACTION = 2.0  # seconds the data plane may need after swarm knows
CALLING = 0.5  # seconds between two looks: six calls at each of three nodes


@pytest.fixture
def mesh(lab: Any) -> Iterator[Site]:
    with site(lab) as made:
        yield made


def even(counted: Counter[str], tasks: set[str]) -> bool:
    """Each of `tasks` answered, none more than once oftener than another."""
    return set(counted) == tasks and max(counted.values()) - min(counted.values()) <= 1


def test_the_data_plane_is_named_and_is_the_kernels(mesh: Site) -> None:
    for node in mesh.nodes:
        asked = "test -e /proc/net/ip_vs"
        has_ipvs = mesh.outer(node).exec_run(["bash", "-c", asked]).exit_code == 0
        assert mesh.data_plane(node) == ("ipvs" if has_ipvs else "nftables")


def test_the_kernel_is_asked_for_families_it_has_and_has_not(mesh: Site) -> None:
    """`nlctrl` is the one family that every kernel has."""
    code = "from mesh.probe import family_known as f; print(f('nlctrl'), f('SWARMLAB_NONE'))"
    python = ["env", "PYTHONPATH=/usr/local/lib/swarmlab", "python3"]
    assert run(mesh.outer(mesh.nodes[0]), *python, "-c", code).split() == ["True", "False"]


def test_a_vip_takes_turns_over_all_tasks_the_caller_included(mesh: Site) -> None:
    net = mesh.network("mesh-turns")
    mesh.serve("mesh-turns", replicas=None, networks=[net])
    tasks = mesh.running("mesh-turns")
    url = f"http://mesh-turns:{HTTP}/"
    look_until(
        "an even answer of the VIP",
        lambda: even(mesh.calls_from("mesh-turns", url, 30), tasks),
        within=30,
    )


def test_a_service_on_two_networks_has_a_vip_on_each(mesh: Site) -> None:
    front, back = mesh.network("mesh-front"), mesh.network("mesh-back")
    mesh.serve("mesh-both", replicas=2, networks=[front, back])
    mesh.serve("mesh-f", networks=[front])
    mesh.serve("mesh-b", networks=[back])
    tasks = mesh.running("mesh-both")

    def both_answer(caller: str) -> bool:
        return even(mesh.calls_from(caller, f"http://mesh-both:{HTTP}/", 10), tasks)

    for caller in ("mesh-f", "mesh-b"):
        look_until(f"both tasks answer {caller}", partial(both_answer, caller))


def test_a_service_without_vip_is_reached_by_its_tasks(mesh: Site) -> None:
    net = mesh.network("mesh-rr")
    mesh.serve("mesh-rr", networks=[net], endpoint_spec=EndpointSpec(mode="dnsrr"))
    mesh.serve("mesh-c", networks=[net])
    tasks = mesh.running("mesh-rr")
    look_until(
        "the task by the service's name",
        lambda: set(mesh.calls_from("mesh-c", f"http://mesh-rr:{HTTP}/", 3)) == tasks,
    )


def test_a_published_port_answers_on_every_node_in_turn(mesh: Site) -> None:
    mesh.serve("mesh-pub", replicas=3, endpoint_spec=published((18000, HTTP, "tcp")))
    tasks = mesh.running("mesh-pub")

    def in_turn(address: str) -> bool:
        return even(mesh.calls(address, 18000, 9), tasks)

    for address in mesh.addresses:
        look_until(f"even answers at {address}", partial(in_turn, address))


def test_one_task_answers_at_every_address_and_at_localhost(mesh: Site) -> None:
    mesh.serve("mesh-one", endpoint_spec=published((18010, HTTP, "tcp")))
    mesh.wait_reached(18010, "mesh-one")
    ask = "exec 3<>/dev/tcp/127.0.0.1/18010; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    for node in mesh.nodes:
        told = run(mesh.outer(node), "timeout", "10", "bash", "-c", ask)
        assert {told.splitlines()[-1]} == mesh.running("mesh-one")


def test_a_task_reaches_a_published_port_at_any_node(mesh: Site) -> None:
    """On its own node the way leads out to docker_gwbridge and back in."""
    mesh.serve("mesh-hair", endpoint_spec=published((18020, HTTP, "tcp")))
    mesh.wait_reached(18020, "mesh-hair")
    tasks = mesh.running("mesh-hair")

    def reaches(address: str) -> bool:
        return set(mesh.calls_from("mesh-hair", f"http://{address}:18020/", 2)) == tasks

    for address in mesh.addresses:
        look_until(f"the task's own call at {address}", partial(reaches, address))


def test_a_port_that_is_not_published_is_refused(mesh: Site) -> None:
    mesh.serve("mesh-udp-only", endpoint_spec=published((18030, ECHO, "udp")))
    for address in mesh.addresses:
        look_until("an answer by udp", Caller(address, 18030).ask)
        with pytest.raises(ConnectionRefusedError):
            http_answer(address, 18030, timeout=10)


def test_one_number_published_for_tcp_and_udp(mesh: Site) -> None:
    """The two lead to different target ports, which gossip alone does not tell apart."""
    endpoint = published((18040, HTTP, "tcp"), (18040, ECHO, "udp"))
    mesh.serve("mesh-two", endpoint_spec=endpoint)
    mesh.wait_reached(18040, "mesh-two")
    for address in mesh.addresses:
        look_until("an answer by udp", Caller(address, 18040).ask)


def test_a_port_in_host_mode_stays_with_its_node(mesh: Site) -> None:
    endpoint = published((18050, HTTP, "tcp"), mode="host")
    mesh.serve("mesh-host", replicas=None, endpoint_spec=endpoint)
    look_until("one task at each", lambda: [len(s) for s in mesh.reached(18050)] == [1, 1, 1])
    assert set.union(*mesh.reached(18050)) == mesh.running("mesh-host")
    assert [node for node in mesh.nodes if "18050" in mesh.ours(node)] == []


def test_scaling_is_followed_on_every_node_in_time(mesh: Site) -> None:
    """Measured from the moment at which swarm calls the tasks running."""
    ports = published((18060, HTTP, "tcp"))
    service = mesh.serve("mesh-scale", healthy=True, endpoint_spec=ports)
    for replicas in (1, 3, 2):
        mesh.scale(service, replicas)
        mesh.wait_running("mesh-scale", replicas)
        late = mesh.wait_reached(18060, "mesh-scale")
        assert late < in_time(lambda: mesh.all_reached(18060, "mesh-scale"))


def in_time(look: Callable[[], object]) -> float:
    """How late the data plane may follow, in seconds; `look` is once more how that was seen.

    Where looking takes longer than it should, this machine has much else to do, and the program
    that keeps the nodes' rules waits for its turn, too.
    """
    begun = time.monotonic()
    with suppress(OSError):
        look()
    return REACTION + max(CALLING, 2 * (time.monotonic() - begun))


def test_no_call_fails_while_a_service_grows_and_shrinks(mesh: Site) -> None:
    """A task that leaves is no longer chosen before it stops, two seconds later."""
    ports = published((18070, HTTP, "tcp"))
    service = mesh.serve("mesh-calm", replicas=2, healthy=True, endpoint_spec=ports)
    mesh.wait_reached(18070, "mesh-calm")
    over = threading.Event()
    told: list[str] = []

    def call() -> None:
        while not over.wait(0.05):
            for address in mesh.addresses:
                try:
                    told.append(http_answer(address, 18070, timeout=10))
                except OSError as problem:
                    told.append(f"failed: {problem}")

    def last_answers_are_of(replicas: int) -> bool:
        return len(set(told[-18:])) == replicas

    caller = threading.Thread(target=call)
    caller.start()
    try:
        for replicas in (4, 1):
            mesh.scale(service, replicas)
            mesh.wait_running("mesh-calm", replicas)
            look_until(f"{replicas} tasks answer", partial(last_answers_are_of, replicas))
            assert_stopped(mesh, "mesh-calm", replicas)
    finally:
        over.set()
        caller.join()
    assert [answer for answer in told if answer.startswith("failed")] == []


def assert_stopped(mesh: Site, name: str, replicas: int) -> None:
    """Wait until no container is left of tasks that swarm does not want any more."""
    look_until(f"{replicas} containers", lambda: len(mesh.containers(name)) == replicas)


def test_a_killed_task_is_left_out_in_time(mesh: Site) -> None:
    ports = published((18080, HTTP, "tcp"))
    mesh.serve("mesh-kill", replicas=3, healthy=True, endpoint_spec=ports)
    mesh.wait_reached(18080, "mesh-kill")
    victim = mesh.container("mesh-kill")
    victim.kill()

    def left_out() -> bool:
        return all(str(victim.id)[:12] not in seen for seen in mesh.reached(18080))

    late = look_until("no call lost to the killed task", left_out)
    assert late < in_time(left_out)
    mesh.wait_reached(18080, "mesh-kill")


def test_a_udp_caller_that_never_pauses_gets_another_task(mesh: Site) -> None:
    mesh.serve("mesh-udp", replicas=2, endpoint_spec=published((18090, ECHO, "udp")))
    caller = Caller(mesh.addresses[0], 18090)
    look_until("an answer by udp", caller.ask)
    first = caller.ask(within=10)
    assert {caller.ask(within=10) for _ in range(5)} == {first}
    (serving,) = [c for c in mesh.containers("mesh-udp") if str(c.id).startswith(first)]
    serving.kill()
    look_until("another task answers the same caller", lambda: caller.ask() != first)


def test_a_vip_carries_udp(mesh: Site) -> None:
    net = mesh.network("mesh-vip-udp")
    service = mesh.serve("mesh-vip-udp", networks=[net])
    mesh.serve("mesh-asks", networks=[net])
    code = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2);"
        f"s.sendto(b'?', ('{mesh.vips(service)[-1]}', {ECHO})); print(s.recv(99).decode(), end='')"
    )

    def answered() -> set[str]:
        caller = mesh.container("mesh-asks")
        return {run(caller, "sh", "-c", 'python3 -c "$0" || true', code)}

    look_until("the task by udp", lambda: answered() == mesh.running("mesh-vip-udp"))


def test_a_removed_service_and_its_network_leave_nothing(mesh: Site) -> None:
    net = mesh.network("mesh-gone")
    ports = published((18100, HTTP, "tcp"), (18101, ECHO, "udp"))
    service = mesh.serve("mesh-gone", replicas=None, networks=[net], endpoint_spec=ports)
    mesh.wait_reached(18100, "mesh-gone")
    traces = ["mesh-gone", "18100", "18101", *(f"{vip}/32" for vip in mesh.vips(service))]

    def traces_on(node: str) -> list[str]:
        found = mesh.ours(node)
        return [trace for trace in traces if trace in found]

    def has(node: str, expected: list[str]) -> bool:
        return traces_on(node) == expected

    # The network's own VIP comes by gossip of its own, later perhaps than the published port.
    expected = traces if mesh.data_plane(mesh.nodes[0]) == "nftables" else []
    for node in mesh.nodes:
        look_until(f"all traces on {node}", partial(has, node, expected))
    mesh.remove(str(service.id))

    def refused_everywhere() -> bool:
        return all(refused(address, 18100) for address in mesh.addresses)

    late = look_until("the port refused", refused_everywhere)
    assert late < in_time(refused_everywhere)
    for node in mesh.nodes:
        look_until(f"no trace on {node}", partial(has, node, []))
    mesh.remove_network(net)
    assert [traces_on(node) for node in mesh.nodes] == [[]] * 3


def refused(address: str, port: int) -> bool:
    try:
        http_answer(address, port)
    except ConnectionRefusedError:
        return True
    return False


def test_a_node_that_was_restarted_balances_again(mesh: Site) -> None:
    mesh.serve("mesh-again", replicas=3, endpoint_spec=published((18110, HTTP, "tcp")))
    mesh.wait_reached(18110, "mesh-again")
    mesh.outer(mesh.nodes[2]).restart()
    look_until("three ready nodes", lambda: ready_nodes(mesh) == 3, within=120)
    mesh.wait_reached(18110, "mesh-again", within=120)


def ready_nodes(mesh: Site) -> int:
    api: Any = mesh.manager.api
    return len([node for node in api.nodes() if node["Status"]["State"] == "ready"])
