"""The images at work in a lab: the nodes' store and registry, and the workstation's words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from docker.errors import DockerException

from swarmlab.images import catalog
from swarmlab.lookout import heard
from swarmlab.wait import Observation, until
from tests.docker.heard import once
from tests.docker.lifecycle_site import RealLab, typed

pytestmark = pytest.mark.docker

STORED = {str(spec.inside) for spec in catalog.load().stored()}
ON_FIRST = 'eval "$(docker-machine env swarm-1)"; '


@pytest.fixture
def service(lab: RealLab) -> Iterator[str]:
    name = "im-service"
    yield name
    typed(lab.cluster, f"{ON_FIRST} docker service rm {name}")


def test_every_node_holds_every_image_pinned(lab: RealLab) -> None:
    for node in lab.nodes:
        for image in lab.engine(node.name).images.list():
            assert len(image.attrs["RepoDigests"]) == 1, (node.name, image.tags)
        held = {tag for image in lab.engine(node.name).images.list() for tag in image.tags}
        assert held >= STORED


def test_a_service_is_pinned_without_a_warning(lab: RealLab, service: str) -> None:
    code, said = typed(
        lab.cluster,
        f"{ON_FIRST} docker service create --quiet --name {service} --mode global "
        "--stop-grace-period 1s swarmlab/util:1.0 sleep 3600",
    )
    assert code == 0, said
    assert "registry" not in said
    assert "digest" not in said
    (found,) = lab.engine("swarm-1").services.list(filters={"name": service})
    image = found.attrs["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    assert image.startswith("swarmlab/util:1.0@sha256:")
    code, said = typed(
        lab.cluster, f"{ON_FIRST} docker service update --quiet --label-add a=b {service}"
    )
    assert code == 0, said
    assert "digest" not in said
    api: Any = lab.engine("swarm-1").api
    tasks = api.tasks(filters={"service": service, "desired-state": "running"})
    assert {task["Status"]["State"] for task in tasks} == {"running"}
    assert len(tasks) == len(lab.nodes)


def test_an_image_that_nobody_has_is_still_warned_of(lab: RealLab, service: str) -> None:
    _, said = typed(
        lab.cluster,
        f"{ON_FIRST} docker service create --detach --name {service} swarmlab/absent:1.0",
    )
    assert "digest" in said


def test_an_image_that_was_removed_comes_back_by_pulling(lab: RealLab) -> None:
    engine = lab.engine("swarm-3")
    before = engine.images.get("swarmlab/consul:1.8.7").id
    engine.images.remove("swarmlab/consul:1.8.7", force=True)
    assert before not in {image.id for image in engine.images.list()}
    assert engine.images.pull("swarmlab/consul", tag="1.8.7").id == before
    assert "Consul v1.8.7" in once(engine, "swarmlab/consul:1.8.7", ["version"])


def test_nodes_answer_for_their_images_on_loopback_only(lab: RealLab) -> None:
    code, said = typed(lab.cluster, "curl -sS --max-time 3 http://swarm-1:5000/v2/")
    assert code == 7, said


def test_a_stopped_node_comes_back_as_itself_and_soon(lab: RealLab) -> None:
    host = lab.cluster.host_engine()
    container = host.containers.get(f"swarmlab-{lab.name}-swarm-3")
    before = lab.engine("swarm-3").info()["Swarm"]["NodeID"]
    try:
        container.stop(timeout=30)
        container.reload()
        state = container.attrs["State"]
        assert state["ExitCode"] == 0, container.logs(tail=20)
        assert not state["OOMKilled"]
    finally:
        container.start()

    def ready() -> Observation[None]:
        try:
            nodes = lab.engine("swarm-1").nodes.list(filters={"id": before})
        except DockerException as error:
            # Where the node led the swarm, there is no leader for a moment.
            return Observation(False, str(error))
        seen = nodes[0].attrs["Status"]["State"] if nodes else "not listed"
        reachable = nodes[0].attrs.get("ManagerStatus", {}).get("Reachability") if nodes else ""
        return Observation(seen == "ready" and reachable == "reachable", f"{seen}, {reachable}")

    until("the node to be ready again", ready, within=120)
    held = {tag for image in lab.engine("swarm-3").images.list() for tag in image.tags}
    assert held >= STORED


def test_a_node_buries_its_orphans(lab: RealLab) -> None:
    container = lab.cluster.host_engine().containers.get(f"swarmlab-{lab.name}-swarm-2")
    code, _ = container.exec_run(["bash", "-c", "for i in 1 2 3; do (sleep 0.2 &) ; done"])
    assert code == 0

    api = lab.cluster.host_engine().api

    def look() -> Observation[None]:
        rows = heard(api, str(container.id), ["ps", "-eo", "ppid=,stat=,args="]).output.splitlines()
        left = [row for row in rows if "sleep 0.2" in row or (" Z" in row and "sleep" in row)]
        return Observation(bool(rows) and not left, f"{left}")

    until("the orphans to be buried", look, within=60)


def test_the_engine_ended_early_ends_the_node_with_its_log(lab: RealLab) -> None:
    host = lab.cluster.host_engine()
    image = host.containers.get(f"swarmlab-{lab.name}-swarm-1").attrs["Config"]["Image"]
    # Without its rights the engine cannot start; the node must not hang about.
    container = host.containers.create(
        image, network_mode="none", labels={"swarmlab.role": "build"}
    )
    try:
        container.start()
        assert container.wait(timeout=180)["StatusCode"] != 0
        until(
            "the engine's last words",
            lambda: Observation(bool(container.logs()), "nothing in the log"),
            within=60,
        )
    finally:
        container.remove(force=True, v=True)


def test_docker_machine_tells_addresses(lab: RealLab) -> None:
    code, said = typed(lab.cluster, "docker-machine ip swarm-1 swarm-2")
    assert code == 0
    assert said.split() == [lab.nodes[0].address, lab.nodes[1].address]
    code, said = typed(lab.cluster, "docker-machine url swarm-2")
    assert said.strip() == f"tcp://{lab.nodes[1].address}:2376"


def test_docker_machine_points_docker_at_a_node(lab: RealLab) -> None:
    look = "docker info --format '{{.Name}}'; docker-machine active"
    code, said = typed(lab.cluster, f'eval "$(docker-machine env swarm-2)"; {look}')
    assert (code, said.split()) == (0, ["swarm-2", "swarm-2"])
    code, said = typed(lab.cluster, "docker-machine env swarm-2")
    assert "# Run this command to configure your shell:" in said
    assert "# eval $(docker-machine env swarm-2)" in said
    code, said = typed(
        lab.cluster,
        f'{ON_FIRST} eval "$(docker-machine env -u)"; echo "[$DOCKER_HOST]"; docker-machine active',
    )
    assert code == 1
    assert said.splitlines() == ["[]", "No active host found"]


def test_docker_machine_lists_the_nodes(lab: RealLab) -> None:
    code, said = typed(lab.cluster, f"{ON_FIRST} docker-machine ls")
    head, *rows = said.splitlines()
    assert code == 0
    assert " ".join(head.split()) == "NAME ACTIVE DRIVER STATE URL SWARM DOCKER ERRORS"
    assert [row.split()[:2] for row in rows] == [
        ["swarm-1", "*"],
        ["swarm-2", "-"],
        ["swarm-3", "-"],
    ]
    for row, node in zip(rows, lab.nodes, strict=True):
        assert "Running" in row
        assert f"tcp://{node.address}:2376" in row
        assert "v26.1" in row
    assert typed(lab.cluster, "docker-machine ls -q")[1].split() == [n.name for n in lab.nodes]
    assert typed(lab.cluster, "docker-machine status swarm-3") == (0, "Running\n")


def test_docker_machine_inspects(lab: RealLab) -> None:
    code, said = typed(lab.cluster, "docker-machine inspect swarm-1")
    assert code == 0
    assert json.loads(said)["Driver"]["IPAddress"] == lab.nodes[0].address


def test_docker_machine_gives_a_shell_in_the_node(lab: RealLab) -> None:
    command = "docker-machine ssh swarm-2 'hostname; pgrep -c dockerd; docker node ls -q | wc -l'"
    code, said = typed(lab.cluster, command)
    assert (code, said.split()) == (0, ["swarm-2", "1", "3"])
    code, said = typed(lab.cluster, "docker-machine ssh swarm-2 exit 7")
    assert code == 7
    code, said = typed(lab.cluster, "echo hostname | docker-machine ssh swarm-3")
    assert (code, said.strip()) == (0, "swarm-3")
    assert lab.engine("swarm-2").containers.list(filters={"label": "swarmlab.role=shell"}) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("docker-machine ip swarm-9", 'Docker machine "swarm-9" does not exist.'),
        ("docker-machine env swarm-9", 'Docker machine "swarm-9" does not exist.'),
        ("docker-machine ssh ../../x ls", "does not exist."),
        ("docker-machine ip", "No machine name(s) specified"),
        ("docker-machine rm -f swarm-1 swarm-2 swarm-3", "swarmlab down"),
        ("docker-machine create --driver virtualbox swarm-4", "swarmlab up"),
        ("docker-machine fly", "'fly' is not a command"),
    ],
)
def test_docker_machine_refuses(lab: RealLab, command: str, words: str) -> None:
    code, said = typed(lab.cluster, f"{command} >/dev/null")
    assert code == 1
    assert words in said


def test_the_workstation_has_what_the_chapter_types(lab: RealLab) -> None:
    script = "docker-compose version --short; jq --version; drill -v; curl --version; pwd"
    code, said = typed(lab.cluster, script)
    assert code == 0, said
    assert said.startswith("2.26")
    assert said.splitlines()[-1] == "/root/lab"


def test_consul_runs_as_the_usual_image_does(lab: RealLab) -> None:
    engine = lab.engine("swarm-2")
    container = engine.containers.run(
        "swarmlab/consul:1.8.7",
        ["agent", "-server", "-bootstrap-expect=1", "-client=0.0.0.0", "-bind=127.0.0.1"],
        name="im-consul",
        detach=True,
    )
    put = ["curl", "-sf", "-X", "PUT", "-d", "kept", "http://127.0.0.1:8500/v1/kv/word"]
    get = ["curl", "-sf", "http://127.0.0.1:8500/v1/kv/word?raw"]
    within = {"network_mode": "container:im-consul"}

    def asked(command: list[str], wanted: str) -> None:
        patient = ["sh", "-c", '"$@" || true', "sh", *command]

        def look() -> Observation[None]:
            try:
                out = once(engine, "swarmlab/util:1.0", patient, **within)
            except DockerException as error:
                return Observation(False, str(error))
            return Observation(out == wanted, repr(out))

        until("consul to answer", look, within=180)

    try:
        asked(put, "true")
        container.stop(timeout=60)
        container.reload()
        # 1 is Consul's own word for a server that stopped without leaving its cluster.
        assert container.attrs["State"]["ExitCode"] == 1
        container.start()
        asked(get, "kept")
        members = heard(engine.api, str(container.id), ["consul", "members"])
        assert "alive" in members.output, members
    finally:
        container.remove(force=True, v=True)
