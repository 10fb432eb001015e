"""The live picture: HAProxy's counters, what is new in them, and how a look is drawn."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from docker.errors import NotFound
from rich.cells import cell_len
from rich.console import Console

from swarmlab import words
from swarmlab.handout.diagrams.seen import Consul, Node, Task, Topology
from swarmlab.report import watch
from swarmlab.watching.counting import WINDOW, Answered, Rise, Traffic, answered
from swarmlab.watching.watcher import Probe, Sight, Watcher

PAGE = """\
# pxname,svname,scur,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,
services,FRONTEND,1,0,6,0,2,5,0,
go-demo-be8080,go-demo,0,0,6,0,1,1,0,
go-demo-be8080,BACKEND,0,0,6,0,1,1,0,
"""


def test_a_page_of_counters_is_read() -> None:
    """What the backends answered, and the errors that the frontend gave for want of a route."""
    assert answered(PAGE) == (
        Answered("", "5xx", 4),
        Answered("go-demo", "2xx", 6),
        Answered("go-demo", "4xx", 1),
        Answered("go-demo", "5xx", 1),
    )
    assert answered("") is None
    assert answered("<html>\nno counters here\n</html>") is None


@pytest.mark.parametrize(
    "page",
    [
        PAGE.replace("go-demo-be8080,BACKEND,0,0,6", "go-demo-be8080,BACKEND,0,0,six"),
        PAGE.replace("svname", "other"),
        PAGE + f'"{"x" * (1 << 18)}"\n',
    ],
)
def test_a_page_of_nonsense_is_none(page: str) -> None:
    assert answered(page) is None


def test_only_what_is_new_is_the_last_requests() -> None:
    traffic = Traffic()
    first = ("proxy.1", "box-1", (Answered("go-demo", "2xx", 50),))
    assert traffic.note(0.0, [first]) == []
    more = ("proxy.1", "box-1", (Answered("", "5xx", 1), Answered("go-demo", "2xx", 53)))
    assert traffic.note(1.0, [more]) == [
        Rise("proxy.1", "", "5xx", 1),
        Rise("proxy.1", "go-demo", "2xx", 3),
    ]
    assert traffic.recent() == {"proxy.1": Counter({("go-demo", "2xx"): 3, ("", "5xx"): 1})}
    assert traffic.note(1.0 + WINDOW, [more]) == []
    assert traffic.recent() == {}


def test_counters_that_fell_begin_anew() -> None:
    """HAProxy counts from zero when it has read another configuration."""
    traffic = Traffic()
    traffic.note(0.0, [("proxy.1", "box-1", (Answered("go-demo", "2xx", 50),))])
    fell = [("proxy.1", "box-1", (Answered("go-demo", "2xx", 2),))]
    assert traffic.note(1.0, fell) == [Rise("proxy.1", "go-demo", "2xx", 2)]
    # A new container in the same slot is another proxy: nothing of it was seen to come.
    other = [("proxy.1", "box-2", (Answered("go-demo", "2xx", 9),))]
    assert traffic.note(2.0, other) == []


def lab(*hashes: str | None) -> Topology:
    """A lab with one proxy a hash, over three nodes, the third of which is silent."""
    nodes = []
    for number in (1, 2, 3):
        tasks = [
            Task(f"proxy.{slot}", "proxy", True, one, (), f"box-{slot}")
            for slot, one in enumerate(hashes, 1)
            if (slot - 1) % 3 + 1 == number
        ]
        tasks.append(Task("util", "util"))
        role = "leader" if number == 1 else "manager"
        consul = Consul("server" if number == 1 else "agent", alive=number != 2)
        address = f"192.168.100.1{number}"
        nodes.append(
            Node(
                f"swarm-{number}", address, number != 3, role, "ready", "active", consul, (*tasks,)
            )
        )
    services = (("proxy", len(hashes), len(hashes)), ("util", 3, 3))
    return Topology("default", "2026-01-01 10:11:12 +0000", True, tuple(nodes), services)


A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def said(sight: Sight, **more: bool) -> str:
    lines = watch.picture(sight, sight.at + 0.1, whole=more.get("whole", True))
    return "\n".join(line.plain for line in lines)


def test_everything_is_in_the_picture() -> None:
    recent = {"proxy.1": Counter({("go-demo", "2xx"): 4}), "proxy.2": Counter({("", "5xx"): 2})}
    probe = Probe("swarm-2", "/demo/hello", "200", ("proxy.1",))
    text = said(Sight(5.0, lab(A, B, A), recent=recent, probe=probe))
    for line in (
        "Seen at 10:11:12",
        "Lab default  2 of 3 nodes answer",
        "Services (running of wanted): proxy 3/3, util 3/3",
        "Managers: 3; 2 must agree, 1 may be lost; 2 reachable now",
        f"The proxies do NOT agree: A {A}: proxy.1 and proxy.3; B {B}: proxy.2",
        "swarm-1  192.168.100.11  manager, leader; Consul server",
        f"  proxy.1  A {A}  go-demo 4 × 2xx",
        f"  proxy.2  B {B}  no route 2 × 5xx",
        "Answered in the last 10 s: no route 2 × 5xx, go-demo 4 × 2xx",
        "Own request for /demo/hello: swarm-2 -> proxy.1 -> 200",
    ):
        assert line in text.split("\n")
    assert "swarm-3  192.168.100.13  manager; engine does not answer; Consul agent" in text
    assert "Consul agent: failed, as the others see it" in text


def test_agreement_is_said_and_what_cannot_be_read_is_no_agreement() -> None:
    assert f"All 3 proxies agree: configuration {A}" in said(Sight(0.0, lab(A, A, A)))
    assert f"A {A}: proxy.1; not read: proxy.2" in said(Sight(0.0, lab(A, None)))
    assert "No proxy runs." in said(Sight(0.0, lab()))


def test_a_request_of_unclear_way_is_not_guessed() -> None:
    several = Probe("swarm-1", "/x", "200", ("proxy.1", "proxy.2"))
    assert "swarm-1 -> one of proxy.1 and proxy.2 -> 200" in said(Sight(0.0, lab(A), probe=several))
    nobody = Probe("swarm-1", "/x", "connection refused")
    assert "swarm-1 -> no proxy counted it -> connection refused" in said(
        Sight(0.0, lab(A), probe=nobody)
    )


def test_stopped_nodes_a_lab_that_went_and_an_old_look_are_said() -> None:
    stopped = said(Sight(0.0, lab(A), stopped={"swarm-3": "Exited (137) 4 seconds ago"}))
    assert "swarm-3 does not run: Exited (137) 4 seconds ago" in stopped
    gone = said(Sight(0.0, None, "There is no lab 'default' on this machine now."))
    assert "There is no lab 'default'" in gone and "`swarmlab up`" in gone
    late = watch.picture(Sight(0.0, lab(A)), 7.0, whole=True)
    assert "Seen 7 s ago: the lab is slow" in late[0].plain


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    words.use(request.param)
    yield request.param
    words.use(words.MAIN)


@pytest.mark.usefixtures("language")
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("rows", [5, 24, 60])
def test_the_picture_keeps_to_the_room_that_there_is(columns: int, rows: int) -> None:
    probe = Probe("swarm-2", "/demo/hello", "200", ("proxy.1",))
    sight = Sight(5.0, lab(*(A, B) * 4), probe=probe, stopped={"swarm-3": "Up 2 s (Paused)"})
    lines = watch.fitted(sight, 5.0, columns, rows)
    assert len(lines) <= rows
    for line in lines:
        assert cell_len(line.plain.rstrip()) <= columns, line.plain
    # Cut or not, it says so, and the head is there.
    whole = "\n".join(line.plain for line in lines)
    assert "default" in whole
    assert ("Ctrl-C" in whole) != ("..." in lines[-1].plain or "……" in lines[-1].plain)


def test_a_lab_that_goes_between_two_questions_ends_no_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = [
        {
            "Labels": {"swarmlab.role": "node", "swarmlab.node": "swarm-1"},
            "State": "running",
            "Names": ["/swarmlab-unit-swarm-1"],
        }
    ]
    api = SimpleNamespace(containers=lambda **more: list(listed))
    engine = SimpleNamespace(client=SimpleNamespace(api=api, close=lambda: None))
    monkeypatch.setattr("swarmlab.engine.connect", lambda timeout: engine)

    def gone(name: str, patience: int) -> None:
        raise NotFound("No such container: swarmlab-unit-swarm-1")

    monkeypatch.setattr("swarmlab.cluster.lifecycle.find", gone)
    watcher = Watcher("unit")
    assert "No such container" in watcher.look().trouble
    listed.clear()
    assert "There is no lab 'unit'" in watcher.look().trouble
    watcher.close()


class Seen:
    """A lookout that has seen these, and is then interrupted."""

    def __init__(self, *sights: Sight) -> None:
        self.left = list(sights)

    def latest(self, within: float) -> tuple[Sight | None, bool]:
        if not self.left:
            raise KeyboardInterrupt
        return self.left.pop(0), True


def test_without_a_terminal_each_change_is_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(watch, "out", lambda: Console(file=file, width=60))
    busy = {"proxy.1": Counter({("go-demo", "2xx"): 4})}
    probe = Probe("swarm-2", "/x", "200", ("proxy.1",))
    seen = Seen(
        Sight(0.0, lab(A, A)),
        Sight(1.0, lab(A, A), recent=busy),  # numbers of requests are no change
        Sight(2.0, lab(A, A), probe=probe),
        Sight(3.0, lab(A, B)),
        Sight(4.0, lab(A, B), stopped={"swarm-3": "Exited (0) 1 second ago"}),
        Sight(5.0, lab(A, B), stopped={"swarm-3": "Exited (0) 2 seconds ago"}),
        Sight(6.0, None, "No node answers.", {"swarm-3": "Exited (0) 3 seconds ago"}),
        Sight(7.0, None, "No node answers.", {"swarm-3": "Exited (0) 4 seconds ago"}),
    )
    with pytest.raises(KeyboardInterrupt):
        watch.follow(seen)  # type: ignore[arg-type]
    text = file.getvalue()
    assert text.count("Seen at") == 4
    assert text.count("Own request for /x") == 1
    assert "\x1b" not in text


def test_on_a_terminal_the_screen_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, height=24, force_terminal=True, _environ={})
    monkeypatch.setattr(watch, "out", lambda: console)
    with pytest.raises(KeyboardInterrupt):
        watch.follow(Seen(Sight(0.0, lab(A, A))))  # type: ignore[arg-type]
    text = file.getvalue()
    assert text.index("\x1b[?1049h") < text.index("2 proxies agree") < text.index("\x1b[?1049l")
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")  # the cursor is back, too
