"""A lab's life on a real engine: up, twice, broken by hand, mended, cut short, taken away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from swarmlab import lookout, state
from swarmlab.cluster import lifecycle, swarm
from swarmlab.errors import EnvironmentProblem, LabBusy
from swarmlab.wait import Observation, until
from tests.docker.lifecycle_site import (
    Heard,
    RealLab,
    containers,
    cut_short,
    host,
    kill,
    left,
    looked,
    networks,
    stop,
    typed,
)

pytestmark = pytest.mark.docker


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a lab that is not there yet, and is gone afterwards."""
    chosen = f"life-{os.getpid()}"
    try:
        yield chosen
    finally:
        lifecycle.down(chosen)


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    """The name of a lab that tests break and mend again."""
    chosen = f"mend-{os.getpid()}"
    try:
        lifecycle.up(chosen).close()
        yield chosen
    finally:
        lifecycle.down(chosen)


def members(name: str, node: str = "swarm-1") -> list[swarm.Member]:
    with lifecycle.up(name) as cluster:
        return swarm.members(cluster.engine(node).api)


def proven(name: str) -> None:
    """Three ready managers, one leading, seen alike from each; `up` itself is not believed."""
    found = lifecycle.find(name)
    assert found is not None
    with found as cluster:
        for node in cluster.nodes:
            listed = swarm.members(cluster.engine(node).api)
            assert [m.name for m in listed] == ["swarm-1", "swarm-2", "swarm-3"]
            assert all(m.well("manager") and m.labels.get("env") == "prod" for m in listed), listed
            assert sum(m.leader for m in listed) == 1


# The lab as it is made.


def test_swarm_is_proven_from_every_manager(lab: RealLab) -> None:
    proven(lab.name)
    assert lab.cluster.data_plane in ("ipvs", "nftables")
    assert lab.cluster.cluster_id == lab.engine("swarm-3").api.inspect_swarm()["ID"]


def test_nodes_are_not_privileged_and_publish_nothing(lab: RealLab) -> None:
    for node in lab.nodes:
        told = host().inspect_container(f"swarmlab-{lab.name}-{node.name}")
        assert told["HostConfig"]["Privileged"] is False
        added = {cap.removeprefix("CAP_") for cap in told["HostConfig"]["CapAdd"]}
        assert added == {"SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"}
        assert not any(told["NetworkSettings"]["Ports"].values())
        sources = [mount["Source"] for mount in told["Mounts"]]
        assert not any("docker.sock" in source for source in sources)
        assert [mount["Name"] for mount in told["Mounts"]] == [f"swarmlab-{lab.name}-{node.name}"]


def test_a_node_cannot_read_the_hosts_disks(lab: RealLab) -> None:
    script = (
        "set -- $(awk 'NR > 2 { print $1, $2; exit }' /proc/partitions); "
        "mknod /tmp/disk b $1 $2 && dd if=/tmp/disk of=/dev/null count=1; "
        "code=$?; rm -f /tmp/disk; exit $code"
    )
    for node in lab.nodes:
        box = f"swarmlab-{lab.name}-{node.name}"
        code, said = lookout.run(host(), box, ["sh", "-c", script])
        assert "Operation not permitted" in said, said
        assert code > 0


def test_engines_refuse_whoever_has_no_certificate(lab: RealLab) -> None:
    import ssl
    import urllib.error
    import urllib.request

    plain = ssl.create_default_context(cafile=str(lab.cluster.certificates / "ca.pem"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=plain)
    )
    for node in lab.nodes:
        with pytest.raises((urllib.error.URLError, ssl.SSLError, OSError)):
            opener.open(f"https://{node.address}:2376/version", timeout=5).read()


def test_everything_carries_the_labels(lab: RealLab) -> None:
    roles = []
    for container in host().containers(all=True, filters={"label": f"swarmlab.lab={lab.name}"}):
        roles.append(container["Labels"]["swarmlab.role"])
        if roles[-1] == "node":
            assert container["Labels"]["swarmlab.node"] in [node.name for node in lab.nodes]
    assert sorted(roles) == ["node", "node", "node", "workstation"]
    volumes = host().volumes(filters={"label": f"swarmlab.lab={lab.name}"})["Volumes"]
    assert {volume["Labels"]["swarmlab.role"] for volume in volumes} == {"volume"}
    assert len(volumes) == 3


def test_workstation_reaches_each_node_as_the_chapter_types_it(lab: RealLab) -> None:
    for node in lab.nodes:
        script = (
            f'eval "$(docker-machine env {node.name})" && docker info --format "{{{{.Name}}}}"'
            f" && docker-machine ip {node.name} && getent hosts {node.name}"
        )
        code, output = typed(lab.cluster, script)
        assert code == 0, output
        words = output.split()
        assert words[0] == node.name
        assert words[1] == node.address
        assert words[2] == node.address
    code, output = typed(lab.cluster, "ls docker-compose-proxy.yml")
    assert code == 0, output


def test_keys_are_readable_by_their_owner_alone(lab: RealLab) -> None:
    folder = lab.cluster.certificates
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    script = "find /root/.docker /etc/swarmlab -name '*key.pem' ! -perm 600"
    assert typed(lab.cluster, script) == (0, "")


def test_status_is_healthy_and_tells_services(lab: RealLab) -> None:
    api: Any = lab.engine("swarm-2").api
    image = "swarmlab/util:1.0"
    task = {"ContainerSpec": {"Image": image, "Args": ["sleep", "600"]}}
    service = api.create_service(task, name="seen", mode={"Replicated": {"Replicas": 2}})["ID"]
    try:

        def look() -> Observation[lifecycle.ClusterStatus]:
            now = lifecycle.status(lab.name)
            seen = [(s.name, s.running, s.desired) for s in now.services]
            shown = seen == [("seen", 2, 2)] and now.healthy
            return Observation(shown, f"{seen} {now.problems}", now)

        last = until("both replicas to show in the status", look, within=180).last.value
        assert last is not None
        assert last.healthy
        assert last.problems == ()
        assert last.to_dict()["services"][0]["mode"] == "replicated"
        assert [node.answers for node in last.nodes] == [True, True, True]
    finally:
        api.remove_service(service)


def status_seconds(name: str) -> float:
    """How long looking at the lab takes."""
    begun = time.monotonic()
    assert lifecycle.status(name).present
    return time.monotonic() - begun


def second_up_is_quick(lab: RealLab) -> bool:
    """Whether it is as quick as looking is on this machine, now."""
    heard = Heard()
    looking = status_seconds(lab.name)
    begun = time.monotonic()
    with lifecycle.up(lab.name, progress=heard) as cluster:
        assert cluster.cluster_id == lab.cluster.cluster_id
    took = time.monotonic() - begun
    assert heard.notes == ["The lab is already up."]
    return took < 2 + 5 * max(looking, status_seconds(lab.name))


def test_second_up_is_quick_and_says_so(lab: RealLab) -> None:
    # The best of three: a neighbour may have taken the processor for the time of one.
    assert any(second_up_is_quick(lab) for _ in range(3))


def test_a_lost_state_folder_is_no_loss(lab: RealLab) -> None:
    before = lab.cluster.cluster_id
    shutil.rmtree(state.lab_folder(lab.name))
    found = lifecycle.find(lab.name)
    assert found is not None
    with found:
        assert found.cluster_id == before
    assert (state.lab_folder(lab.name) / "certs" / "key.pem").is_file()


def test_a_hung_engine_delays_the_status_by_its_bound_only(lab: RealLab) -> None:
    # Without the leader no manager would answer for the swarm, which is another matter.
    nodes = looked(lab.name).nodes
    hung = next(node.name for node in reversed(nodes) if node.role and not node.leader)

    def send(sign: str) -> None:
        container = f"swarmlab-{lab.name}-{hung}"
        command = ["sh", "-c", f"kill -{sign} $(cat /run/docker.pid)"]
        host().exec_start(host().exec_create(container, command)["Id"])

    usual = status_seconds(lab.name)
    send("STOP")
    try:
        begun = time.monotonic()
        seen = lifecycle.status(lab.name)
        # Its bound for an engine is two seconds; a call without one would take half a minute.
        assert time.monotonic() - begun < 8 + 5 * usual
        late = {
            node.name: f"the engine of {node.name} does not answer within 2 s" for node in nodes
        }
        told = late.pop(hung)
        # On a busy machine another one may be late as well.
        assert set(seen.problems) - set(late.values()) == {told}
    finally:
        send("CONT")
    until(
        "the swarm to take the node back",
        lambda: Observation(lifecycle.status(lab.name).healthy, "not healthy"),
        within=180,
    )


# Labs beside each other, and other ways to reach them.


def test_ports_on_loopback_where_addresses_cannot_be_reached(name: str, lab: RealLab) -> None:
    with lifecycle.up(name, managers=1, reach="published") as cluster:
        host_part, port = cluster.endpoint("swarm-1", 2376)
        assert host_part == "127.0.0.1"
        assert port != 2376
        assert cluster.engine("swarm-1").api.info()["Name"] == "swarm-1"
        assert cluster.address("swarm-1") not in {node.address for node in lab.nodes}
        told = host().inspect_container(f"swarmlab-{name}-swarm-1")
        bound = [b["HostIp"] for ports in told["NetworkSettings"]["Ports"].values() for b in ports]
        assert len(bound) == 5
        assert set(bound) == {"127.0.0.1"}
    assert {name, lab.name} <= set(lifecycle.names())
    removed = lifecycle.down(name)
    assert removed.containers == (f"swarmlab-{name}-swarm-1", f"swarmlab-{name}-workstation")
    assert left(name) == []
    proven(lab.name)


def test_only_one_command_changes_a_lab(name: str) -> None:
    script = (
        "import sys; from swarmlab.cluster import lifecycle\n"
        "with lifecycle.lock(sys.argv[1]): print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for change in (lifecycle.up, lifecycle.down):
            with pytest.raises(LabBusy, match=str(holder.pid)):
                change(name)
    finally:
        holder.kill()
        holder.wait()
    # Its holder is dead, killed without a chance to clean up: the lock is free.
    assert lifecycle.down(name).nothing


# Broken by hand.


@pytest.mark.parametrize("node", ["swarm-1", "swarm-3"])
def test_a_node_removed_by_hand_is_made_again(broken: str, node: str) -> None:
    before = looked(broken)
    host().remove_container(f"swarmlab-{broken}-{node}", force=True, v=True)
    seen = looked(broken)
    assert f"the container of {node} is missing" in seen.problems
    heard = Heard()
    lifecycle.up(broken, progress=heard).close()
    assert any(f"{node} was missing" in note for note in heard.notes), heard.notes
    after = looked(broken)
    assert after.healthy, after.problems
    assert after.cluster_id == before.cluster_id
    proven(broken)


def test_a_stopped_node_is_started(broken: str) -> None:
    stop(f"swarmlab-{broken}-swarm-2")
    assert any("swarm-2 is stopped" in p for p in looked(broken).problems)
    heard = Heard()
    lifecycle.up(broken, progress=heard).close()
    assert any("swarm-2 was stopped" in note for note in heard.notes), heard.notes
    proven(broken)


def in_node(container: str, script: str) -> int:
    """The exit code of a script in a node."""
    return lookout.run(host(), container, ["sh", "-c", script])[0]


def test_a_node_that_may_not_start_keeps_its_disk(broken: str) -> None:
    """Somebody took its address meanwhile: that is no reason to throw away what it holds."""
    node, network = f"swarmlab-{broken}-swarm-3", f"swarmlab-{broken}"
    assert in_node(node, "echo mine > /var/lib/docker/mine") == 0
    told = host().inspect_container(node)
    stop(node)
    taken = {"IPv4Address": told["NetworkSettings"]["Networks"][network]["IPAddress"]}
    config = {
        "Image": told["Config"]["Image"],
        "Entrypoint": ["sleep", "300"],
        "HostConfig": {"NetworkMode": network},
        "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": taken}}},
    }
    thief = host().create_container_from_config(config)["Id"]
    try:
        host().start(thief)
        with pytest.raises(EnvironmentProblem, match="is in use on this machine"):
            lifecycle.up(broken)
    finally:
        host().remove_container(thief, force=True, v=True)
    lifecycle.up(broken).close()
    proven(broken)
    assert in_node(node, "grep mine /var/lib/docker/mine") == 0


def test_a_node_whose_disk_is_broken_is_made_again(broken: str) -> None:
    node = f"swarmlab-{broken}-swarm-3"
    assert in_node(node, "echo broken > /var/lib/docker/network/files/local-kv.db") == 0
    kill(node)
    heard = Heard()
    lifecycle.up(broken, progress=heard).close()
    assert any("swarm-3 is made again" in note for note in heard.notes), heard.notes
    proven(broken)


def test_a_paused_node_goes_on(broken: str) -> None:
    host().pause(f"swarmlab-{broken}-swarm-2")
    assert any("swarm-2 is paused" in p for p in looked(broken).problems)
    lifecycle.up(broken).close()
    proven(broken)


def test_a_hung_engine_is_restarted(broken: str) -> None:
    before = looked(broken).cluster_id
    command = ["sh", "-c", "kill -STOP $(cat /run/docker.pid)"]
    host().exec_start(host().exec_create(f"swarmlab-{broken}-swarm-3", command)["Id"])
    heard = Heard()
    lifecycle.up(broken, progress=heard).close()
    assert any("swarm-3 did not answer" in note for note in heard.notes), heard.notes
    assert looked(broken).cluster_id == before
    proven(broken)


def test_all_nodes_stopped_come_back_as_the_same_swarm(broken: str) -> None:
    before = looked(broken).cluster_id
    for number in (1, 2, 3):
        kill(f"swarmlab-{broken}-swarm-{number}")
    kill(f"swarmlab-{broken}-workstation")
    lifecycle.up(broken).close()
    assert looked(broken).cluster_id == before
    proven(broken)


def test_the_workstation_is_made_again(broken: str) -> None:
    host().remove_container(f"swarmlab-{broken}-workstation", force=True, v=True)
    assert "the workstation is missing" in looked(broken).problems
    with lifecycle.up(broken) as cluster:
        script = 'eval "$(docker-machine env swarm-2)" && docker node ls -q | wc -l'
        assert typed(cluster, script) == (0, "3\n")


def test_what_students_do_to_nodes_is_put_right(broken: str) -> None:
    with lifecycle.up(broken) as cluster:
        api: Any = cluster.engine("swarm-1").api
        by_name = {node["Description"]["Hostname"]: node for node in api.nodes()}
        for node, change in (
            ("swarm-2", {"Availability": "drain"}),
            ("swarm-3", {"Role": "worker"}),
        ):
            spec = {**by_name[node]["Spec"], **change}
            api.update_node(by_name[node]["ID"], by_name[node]["Version"]["Index"], spec)
    problems = looked(broken).problems
    assert "swarm-2 takes no tasks: its availability is drain" in problems
    assert "swarm-3 is a worker, not a manager" in problems
    lifecycle.up(broken).close()
    proven(broken)


def test_a_node_that_left_the_swarm_is_taken_back(broken: str) -> None:
    before = looked(broken).cluster_id
    with lifecycle.up(broken) as cluster:
        cluster.engine("swarm-1").api.leave_swarm(force=True)
    assert not looked(broken).healthy
    heard = Heard()
    lifecycle.up(broken, progress=heard).close()
    assert any("swarm-1 was not in the swarm" in note for note in heard.notes), heard.notes
    assert looked(broken).cluster_id == before
    proven(broken)


def test_without_quorum_the_lab_is_made_anew_and_says_why(broken: str) -> None:
    before = looked(broken).cluster_id
    for number in (2, 3):
        host().remove_container(f"swarmlab-{broken}-swarm-{number}", force=True, v=True)
    seen = looked(broken)
    assert any("quorum" in problem for problem in seen.problems), seen.problems
    heard = Heard()
    lifecycle.up(broken, progress=heard).close()
    assert any("made anew" in n and "1 of 3 managers" in n for n in heard.notes), heard.notes
    assert looked(broken).cluster_id not in ("", before)
    proven(broken)
    assert "SWMTKN" not in heard.all


# Cut short.

MOMENTS: dict[str, Callable[[str], bool]] = {
    "the network is there": lambda name: networks(name) > 0,
    "some containers are made": lambda name: containers(name) >= 2,
    "nodes run": lambda name: containers(name, "running") >= 4,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_in_the_first_up_leaves_nothing(name: str, moment: str) -> None:
    code = cut_short(name, lambda: MOMENTS[moment](name), signal.SIGINT)
    assert code == 130
    assert left(name) == []
    assert not state.lab_folder(name).exists()


@pytest.mark.parametrize("moment", MOMENTS)
def test_down_after_a_kill_leaves_nothing(name: str, moment: str) -> None:
    assert cut_short(name, lambda: MOMENTS[moment](name), signal.SIGKILL) == -signal.SIGKILL
    assert not lifecycle.down(name).nothing
    assert left(name) == []


def test_up_after_a_kill_goes_on(name: str) -> None:
    cut_short(name, lambda: MOMENTS["some containers are made"](name), signal.SIGKILL)
    lifecycle.up(name).close()
    proven(name)
    lifecycle.down(name)
    assert left(name) == []


def test_down_of_nothing_is_content(name: str) -> None:
    assert lifecycle.find(name) is None
    removed = lifecycle.down(name)
    assert removed.nothing
    assert json.loads(json.dumps(removed.to_dict()))["containers"] == []
    seen = lifecycle.status(name)
    assert (seen.present, seen.healthy, seen.problems) == (False, False, ())
