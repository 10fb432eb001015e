"""What the commands about the cluster, the machine and the class show in Chinese, end to end."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from swarmlab import words
from swarmlab.belongings import variables
from swarmlab.bundle.fetching import Fetched
from swarmlab.bundle.loading import Loaded
from swarmlab.cluster import labs
from swarmlab.cluster.lifecycle import Removed
from swarmlab.cluster.standby import Stopped
from swarmlab.cluster.status import ClusterStatus, NodeStatus, ServiceStatus
from swarmlab.engine import Target
from swarmlab.findings import GIB, Diagnosis, machine
from swarmlab.grading.sheet import Refusal, Sheet
from swarmlab.loader import load_builtin
from swarmlab.loading.languages import localized
from swarmlab.mending import Deed
from swarmlab.probe import Probe, kernel
from swarmlab.report import bundle, cluster, diagnosis, grades
from swarmlab.size import Quorum
from swarmlab.unconnected import explain

THREE = ("swarm-1", "swarm-2", "swarm-3")


@pytest.fixture
def chinese() -> Iterator[None]:
    words.use("zh")
    yield
    words.use(words.MAIN)


def node(name: str, **more: Any) -> NodeStatus:
    return NodeStatus(
        name, f"192.168.96.1{name[-1]}", "Up 2 hours", True, "manager", "ready", "active",
        "reachable", name == "swarm-1", "26.1.5", "nftables",
        ports={"80": "127.0.0.1:49153", "443": "127.0.0.1:49154", "8080": "127.0.0.1:49155",
               "8500": "127.0.0.1:49156", "2376": "127.0.0.1:49157"}, **more,
    )  # fmt: skip


def listed(*states: str) -> labs.Lab:
    boxes = [
        {
            "Names": [f"/swarmlab-monday-swarm-{number}"],
            "State": state,
            "Created": 1790000000,
            "Labels": {
                "swarmlab.lab": "monday",
                "swarmlab.role": "node",
                "swarmlab.node": f"swarm-{number}",
                "swarmlab.nodes": "3",
            },
        }
        for number, state in enumerate(states, 1)
    ]
    return labs.read(boxes, [], [])[0]


def shown(monkeypatch: pytest.MonkeyPatch, columns: int) -> str:
    """All of it, for a terminal of that width."""
    file = io.StringIO()
    console = Console(
        file=file, width=columns, force_terminal=True, color_system=None, highlight=False
    )
    for module in (cluster, bundle, grades):
        monkeypatch.setattr(module, "out", lambda: console)
    lab = localized(load_builtin("service-discovery"), words.language())
    up: Any = SimpleNamespace(
        name="monday",
        nodes=THREE,
        managers=THREE[:2],
        data_plane="nftables",
        address=lambda name: f"192.168.96.1{name[-1]}",
        published=lambda name: {80: ("127.0.0.1", 49153), 8500: ("127.0.0.1", 49156)},
    )
    cluster.cluster_up(up, lab.steps[3])
    gone = Removed("monday", ("a", "b"), ("c",), ("d",), files=True, seconds=3.2)
    for removed in (None, Removed("monday"), gone):
        cluster.cluster_down(removed)
    for stopped in (Stopped("monday"), Stopped("monday", ("a", "b"), 4.0)):
        cluster.cluster_stopped(stopped)
    service = ServiceStatus("go-demo", "replicated", 2, 3, "swarmlab/go-demo:1.0", (8080,))
    well = ClusterStatus(
        "monday", True, tuple(map(node, THREE)), (service,), "running", "c", "nftables",
        quorum=Quorum(3, 3),
    )  # fmt: skip
    cluster.cluster_status(well, lab, {"swarm"})
    cluster.cluster_status(ClusterStatus("monday", False), lab, set())
    with_problems = ClusterStatus(
        "monday", True, tuple(map(node, THREE)), problems=(words.say("the swarm has no leader"),)
    )
    cluster.cluster_status(with_problems, lab, set())
    cluster.lab_list([listed("running", "running", "exited"), listed(*["exited"] * 3)], {})
    cluster.lab_list([], {})
    cluster.nothing_left(["monday"])
    info = {"MemTotal": 4 * GIB, "NCPU": 1, "Driver": "vfs", "IPv4Forwarding": False}
    found = [
        *machine(info, GIB // 2),
        *kernel(Probe({}, free=GIB, inotify=8)),
        *variables({"HTTP_PROXY": "http://p", "SSL_CERT_FILE": "/none"}),
    ]
    for healthy in (found, []):
        diagnosis.diagnosis(Diagnosis(tuple(healthy)))
    diagnosis.mended([Deed("x", words.say("built the lab's images"), True)])
    diagnosis.mended([])
    path = Path("bundle.zip")
    bundle.loaded(Loaded(("swarmlab/workstation:1",), ("swarmlab/workstation:1",)))
    bundle.loaded(Loaded((), ()))
    bundle.fetched(Fetched(path, 200_000_000, 100_000_000, 3.0))
    grades.table(Sheet(lab, (), (Refusal("anna.json", words.say("it is not JSON")),), False))
    return file.getvalue()


# Names, commands, and what Docker says: the same in every language.
ALIKE = re.compile(
    r"`[^`]*`|[\w./:@%=<>'\"*-]*[\d./:=_'\"*-][\w./:@%=<>'\"*-]*"
    r"|swarmlab (step|run|up|start|bundle|verify|status)( \w+)*|IPVS|VXLAN|OverlayFS|iptables"
    r"|inotify|cgroup|nftables|ipvs|overlay2?|vfs|Docker|Desktop|AppArmor|SELinux|GiB|MB|HTTPS?"
    r"|[A-Z_]{5,}|manager|ready|active|reachable|replicated|Leader|SSL|PROXY|Consul|rootless|lab"
    r"|ext|xfs|ftype|json|JSON|too many open files|kernel|monday|go|demo|anna|root|CONFIG|set|root",
    re.ASCII,
)


@pytest.mark.usefixtures("chinese")
def test_no_english_is_left_about_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, 300)
    left = [line for line in text.splitlines() if re.search("[A-Za-z]{3}", ALIKE.sub("", line))]
    assert left == []
    for sign in ("已启动", "已删除", "已停止", "数据平面", "怎么办", "问题", "警告", "拒绝"):
        assert sign in text, sign


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("columns", [60, 80])
def test_chinese_about_the_cluster_keeps_to_the_window(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    lines = shown(monkeypatch, columns).splitlines()
    assert len(lines) > 60
    for line in lines:
        assert cell_len(line) <= columns, line
        assert line.strip()[:1] not in tuple("，。、：；！？）”"), line


@pytest.mark.usefixtures("chinese")
def test_an_engine_that_is_not_there_is_told_in_chinese() -> None:
    where = Target("unix:///nonexistent/docker.sock", "DOCKER_HOST")
    told = explain(where, FileNotFoundError(2, "No such file or directory"))
    assert told.message.startswith("没有 Docker 引擎：")
    assert "DOCKER_HOST" in told.hint and not re.search("[a-z]{3}", ALIKE.sub("", told.hint))
