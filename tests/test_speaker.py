"""Who speaks for the swarm while managers are silent, vote, refuse, or are too few."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from swarmlab.cluster import access, speaker
from swarmlab.cluster.cluster import Cluster
from swarmlab.cluster.speaker import Speaker
from swarmlab.errors import ClusterProblem, EnvironmentProblem
from swarmlab.inquiry import Inquiry
from swarmlab.progress import SilentStage, Stage
from swarmlab.providers.base import Info, Node, NodeState
from swarmlab.size import Size
from tests.checks_fakes import NODES, api_error
from tests.lab_fakes import soon

LONG = 30.0
NO_LEADER = "rpc error: code = Unknown desc = The swarm does not have a leader. It's ..."
SWARM = {"ID": "abc"}
HERE = threading.local()  # `silent`: whose questions of the same inquiry stay without an answer


class Told:
    """Progress that is written down."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        self.heard.append(title)
        yield SilentStage()

    def note(self, text: str) -> None:
        self.heard.append(text)


class Managers:
    """What each says, one answer a question and the last for ever: None is silence."""

    def __init__(self, **said: list[Any]) -> None:
        self._said = {name.replace("_", "-"): answers for name, answers in said.items()}
        self.asked: Counter[str] = Counter()
        self.over = threading.Event()

    def __call__(self, node: str) -> dict[str, Any]:
        answers = self._said[node]
        self.asked[node] += 1
        answer = answers[min(self.asked[node], len(answers)) - 1]
        if answer is None:
            # Nothing comes of this question before the end of the test.
            getattr(HERE, "silent", []).append(node)
            assert self.over.wait(LONG)
            raise requests.ReadTimeout("read timed out")
        if isinstance(answer, Exception):
            raise answer
        return cast(dict[str, Any], answer)


class Prompt(Inquiry[str, dict[str, Any]]):
    """Nobody is late who is not silent, however busy this machine is."""

    def __init__(self, question: Callable[[str], dict[str, Any]]) -> None:
        super().__init__(question)
        self._silent: list[str] = []

    def answer(self, within: float | None = None) -> Any:
        assert within is not None
        assert soon(lambda: not self._answers.empty() or len(self._silent) == len(self.open))
        return super().answer(0.0)

    def _ask(self, whom: str) -> None:
        HERE.silent = self._silent
        super()._ask(whom)


@pytest.fixture
def managers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Managers]]:
    monkeypatch.setattr(speaker, "_EVERY", 0.05)
    monkeypatch.setattr(speaker, "_NO_QUORUM_SECONDS", 0.5)
    made: list[Managers] = []

    monkeypatch.setattr(speaker, "Inquiry", Prompt)

    def make(**said: list[Any]) -> Managers:
        made.append(Managers(**said))
        return made[-1]

    yield make
    for one in made:
        one.over.set()


def asking(ask: Managers, *, voting: bool = True, **down: str) -> tuple[Speaker, list[str]]:
    late: list[str] = []
    gone = {name.replace("_", "-"): detail for name, detail in down.items()}
    nodes = [node for node in NODES if node not in gone]
    return Speaker(nodes, ask, down=gone, voting=voting, late=late.append), late


def test_the_first_that_tells_is_enough(managers: Callable[..., Managers]) -> None:
    ask = managers(swarm_1=[SWARM], swarm_2=[SWARM], swarm_3=[SWARM])
    told = Told()
    assert asking(ask)[0].find(told) == ("swarm-1", SWARM)
    assert (ask.asked, told.heard) == (Counter({"swarm-1": 1}), [])


def test_a_silent_manager_is_not_waited_for(managers: Callable[..., Managers]) -> None:
    ask = managers(swarm_1=[None], swarm_2=[SWARM], swarm_3=[SWARM])
    found, late = asking(ask)
    begun = time.monotonic()
    assert found.find(Told()) == ("swarm-2", SWARM)
    assert time.monotonic() - begun < LONG / 2
    assert late == ["swarm-1"]


@pytest.mark.parametrize("meanwhile", [None, api_error(500, NO_LEADER)])
def test_a_vote_is_waited_for_and_the_question_put_anew(
    managers: Callable[..., Managers], meanwhile: Any
) -> None:
    """The first questions went to the leader that is gone: they are answered in 20 s, if at all."""
    ask = managers(swarm_2=[meanwhile, meanwhile, SWARM], swarm_3=[meanwhile])
    told = Told()
    begun = time.monotonic()
    found = asking(ask, swarm_1="Up 2 minutes (Paused)")[0].find(told)
    assert found == ("swarm-2", SWARM)
    assert time.monotonic() - begun < LONG / 2
    first, stage = told.heard
    assert "swarm-1 does not run: Up 2 minutes (Paused); `swarmlab up` mends the lab." in first
    assert "choose a leader" in stage


def test_where_too_few_run_for_a_vote_none_is_waited_for(
    managers: Callable[..., Managers],
) -> None:
    ask = managers(swarm_3=[None])
    told = Told()
    found, _ = asking(ask, voting=False, swarm_1="Exited", swarm_2="Exited")
    begun = time.monotonic()
    assert found.find(told) is None
    assert time.monotonic() - begun < LONG / 2
    assert (found.silent, told.heard) == (["swarm-3"], [])


def test_managers_that_miss_a_leader_and_are_too_few_are_asked_once(
    managers: Callable[..., Managers],
) -> None:
    ask = managers(swarm_3=[api_error(500, NO_LEADER)])
    assert asking(ask, voting=False, swarm_1="Exited", swarm_2="Exited")[0].find(Told()) is None
    assert ask.asked == Counter({"swarm-3": 1})


def test_managers_that_run_and_are_busy_get_a_second_chance_without_a_word(
    managers: Callable[..., Managers],
) -> None:
    ask = managers(swarm_1=[None], swarm_2=[None], swarm_3=[None, SWARM])
    told = Told()
    assert asking(ask)[0].find(told) == ("swarm-3", SWARM)
    assert told.heard == []


def test_managers_that_run_and_stay_silent_are_named(managers: Callable[..., Managers]) -> None:
    ask = managers(swarm_1=[None], swarm_2=[None], swarm_3=[None, None, None, SWARM])
    told = Told()
    assert asking(ask)[0].find(told) == ("swarm-3", SWARM)
    assert told.heard[0].startswith("swarm-1, swarm-2 and swarm-3 do not tell of the swarm yet")


def test_an_error_that_no_vote_ends_is_told_at_once(managers: Callable[..., Managers]) -> None:
    broken = requests.exceptions.SSLError("certificate verify failed")
    ask = managers(swarm_1=[broken], swarm_2=[broken], swarm_3=[broken])
    found, late = asking(ask)
    told = Told()
    assert found.find(told) is None
    assert set(found.failures) == set(NODES)
    assert (set(ask.asked.values()), late, told.heard) == ({1}, [], [])


# The same as the lab's own.


class Way:
    """Certificates, and an engine that answers or not."""

    contained = True

    def certs(self, node: str) -> Path:
        return Path()


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cluster]:
    """A lab whose nodes are as said, with what their engines say."""

    def make(ask: Managers, **states: NodeState) -> Cluster:
        def client(node: Node, certs: Path, *, timeout: int) -> Any:
            def ping() -> str:
                ask(node.name)
                return "OK"

            api = SimpleNamespace(inspect_swarm=lambda: ask(node.name), ping=ping)
            return SimpleNamespace(api=api, close=lambda: None)

        monkeypatch.setattr(access, "client", client)
        nodes = tuple(
            Node(name, "172.31.0.1", state, detail="" if state is NodeState.RUNNING else "(Paused)")
            for name in NODES
            for state in [states.get(name.replace("-", "_"), NodeState.RUNNING)]
        )
        info = Info(nodes, "instance", Size(3))
        return Cluster("unit", cast(Any, None), cast(Any, Way()), info, Path())

    return make


def test_a_lab_is_known_by_the_managers_that_are_left(
    managers: Callable[..., Managers], lab: Callable[..., Cluster]
) -> None:
    ask = managers(swarm_1=[None], swarm_2=[None], swarm_3=[SWARM])
    cluster = lab(ask, swarm_1=NodeState.STOPPED)
    assert cluster.cluster_id == "abc"
    assert (ask.asked["swarm-1"], cluster.silent) == (0, {"swarm-2"})
    assert cluster.speaker == "swarm-3"


def test_a_lab_without_a_quorum_says_who_is_missing(
    managers: Callable[..., Managers], lab: Callable[..., Cluster]
) -> None:
    ask = managers(swarm_3=[None])
    cluster = lab(ask, swarm_1=NodeState.STOPPED, swarm_2=NodeState.STOPPED)
    with pytest.raises(EnvironmentProblem, match="No manager of the lab answers") as caught:
        _ = cluster.cluster_id
    assert caught.value.evidence.splitlines() == [
        "swarm-1 does not run: (Paused)",
        "swarm-2 does not run: (Paused)",
        "swarm-3: no answer in time",
    ]
    assert "`swarmlab up`" in caught.value.hint


def test_a_stopped_lab_is_not_asked(
    managers: Callable[..., Managers], lab: Callable[..., Cluster]
) -> None:
    states = dict.fromkeys(("swarm_1", "swarm_2", "swarm_3"), NodeState.STOPPED)
    cluster = lab(managers(), **states)
    with pytest.raises(ClusterProblem, match="is stopped"):
        _ = cluster.cluster_id
    # Whoever is about to change it is told the same, and not of a node that is to be mended.
    with pytest.raises(ClusterProblem, match="is stopped") as caught:
        cluster.awake("swarm-1")
    assert caught.value.hint == "`swarmlab start` starts it again."


def test_a_node_is_awake_when_it_runs_and_its_engine_answers(
    managers: Callable[..., Managers], lab: Callable[..., Cluster]
) -> None:
    ask = managers(swarm_1=[SWARM], swarm_2=[requests.ConnectionError("refused")])
    cluster = lab(ask, swarm_3=NodeState.STOPPED)
    cluster.awake("swarm-1")
    with pytest.raises(requests.ConnectionError):
        cluster.awake("swarm-2")
    with pytest.raises(EnvironmentProblem, match=r"swarm-3 does not run \(\(Paused\)\)"):
        cluster.awake("swarm-3")
