"""The catalog of checks, and what is said of wrong uses."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.checks.looking import counted, listed, over, shown
from swarmlab.checks.parameters import problems


@pytest.mark.parametrize("name", [*CHECKS, *OBSERVERS])
def test_every_name_leads_to_a_described_function_of_keywords(name: str) -> None:
    found = CHECKS[name] if name in CHECKS else OBSERVERS[name]
    parameters = list(inspect.signature(found).parameters.values())
    assert parameters[0].name == "world"
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in parameters[1:])
    assert inspect.getdoc(found)


def test_names_cost_no_import() -> None:
    code = (
        "import sys; from swarmlab.checks import CHECKS; assert 'swarm.nodes' in CHECKS;"
        "print([m for m in sys.modules if m in ('docker', 'requests', 'swarmlab.checks.swarm')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_signatures_cost_no_docker() -> None:
    code = (
        "import sys; from swarmlab.checks import CHECKS, OBSERVERS;"
        "from swarmlab.checks.parameters import problems;"
        "[problems(n, {}) for n in [*CHECKS, *OBSERVERS]];"
        "print([m for m in sys.modules if m in ('docker', 'requests')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("swarm.nodes", {}),
        ("swarm.service", {"name": "proxy", "replicas": 3, "ports": [80], "image": None}),
        ("swarm.service", {"name": "util", "mode": "global", "healthy": True}),
        ("engines.containers", {"count": 5, "per_node": {"swarm-1": 3, "swarm-2": 2}}),
        ("http.split", {"path": "/", "share": (1, 3), "tolerance": 1}),
        ("http.steady", {"path": "/", "every": 0.1}),
        ("swarm.service", {"name": "a", "replicas": 0, "ports": []}),
        ("swarm.absent", {"networks": ["a"]}),
        ("consul.key", {"key": "a", "value": "", "nodes": ["swarm-1", "swarm-12"]}),
    ],
)
def test_right_uses(name: str, params: dict[str, Any]) -> None:
    assert problems(name, params) == []


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("swarm.servce", {}, "did you mean swarm.service"),
        ("zzz", {}, "there is no check 'zzz'"),
        ("swarm.service", {}, "swarm.service needs name (text that is not empty)"),
        ("swarm.service", {"name": "a", "replica": 3}, "did you mean replicas"),
        ("swarm.service", {"name": "a", "replicas": "3"}, "replicas must be a whole number"),
        ("swarm.service", {"name": "a", "replicas": True}, "replicas must be a whole number"),
        ("swarm.service", {"name": "a", "replicas": 3.0}, "replicas must be a whole number"),
        ("swarm.service", {"name": "a", "healthy": 1}, "healthy must be true or false"),
        ("swarm.service", {"name": 5}, "name must be text"),
        ("swarm.service", {"name": "a", "mode": "local"}, "mode must be replicated or global"),
        (
            "swarm.service",
            {"name": "a", "ports": ["80"]},
            "must be a list (a whole number from 1 to",
        ),
        ("swarm.service", {"name": "a", "ports": 80}, "from 1 to 65535 each), not 80"),
        ("http.split", {"path": "/", "share": [1, 3], "tolerance": "5%"}, "must be a number"),
        (
            "engines.containers",
            {"count": 1, "per_node": {"swarm-1": "2"}},
            "(the name of a node, such",
        ),
        ("swarm.same_view", {"x": 1}, "it has none"),
        # What would always pass, or never.
        ("http.all", {"path": "/", "requests": 0}, "a whole number from 1 to 10000, not 0"),
        ("http.all", {"path": "demo"}, "text that begins with /, not 'demo'"),
        ("http.all", {"path": "/", "port": 99999}, "from 1 to 65535"),
        ("http.all", {"path": "/", "status": 20}, "from 100 to 599"),
        ("http.ports_open", {"ports": []}, "one at the least, not []"),
        ("http.ports_open", {"ports": [0]}, "(a whole number from 1 to 65535 each)"),
        ("http.split", {"path": "/", "share": [1]}, "a part and a whole that is larger"),
        ("http.split", {"path": "/", "share": [1, 0]}, "a part and a whole that is larger"),
        ("http.split", {"path": "/", "share": [3, 3]}, "a part and a whole that is larger"),
        ("http.inside", {"service": "a", "url": "a/b"}, "begins with http:// or https://"),
        ("http.steady", {"path": "/", "every": -1}, "a number from 0.01 to 60"),
        ("http.answers", {"path": "/", "nodes": ["swrm-1"]}, "the name of a node"),
        ("http.database", {"service": "a", "url": "http://a", "contains": []}, "one at the least"),
        ("swarm.absent", {}, "asks for nothing without services or networks"),
        ("swarm.absent", {"services": []}, "one at the least"),
        ("swarm.attached", {"service": "a", "networks": []}, "one at the least"),
        (
            "swarm.environment",
            {"service": "a", "name": "b", "value_pattern": "(["},
            "a regular expression of at most 200 letters, not '(['",
        ),
        ("engines.containers", {"count": -1}, "from 0 to 10000"),
        ("engines.containers", {"count": 1, "per_node": {"a": 2}}, "(the name of a node, such as"),
        ("engines.volume_absent", {"name": " "}, "text that is not empty"),
        ("proxy.identical", {"instances": 0}, "from 1 to 10000"),
        ("swarm.nodes", {1: 2}, "no parameter 1"),
    ],
)
def test_wrong_uses(name: str, params: dict[Any, Any], words: str) -> None:
    found = problems(name, params)
    assert len(found) == 1, found
    assert words in found[0]


def test_all_problems_at_once() -> None:
    assert len(problems("http.split", {"paht": "/", "requests": "many"})) == 4


def test_checks_and_observers_have_their_places() -> None:
    assert problems("http.steady", {"path": "/"}, during=True) == []
    assert problems("http.all", {"path": "/"}, during=False) == []
    assert "belongs under during" in problems("http.steady", {"path": "/"}, during=False)[0]
    assert "belongs under checks" in problems("http.all", {"path": "/"}, during=True)[0]


def test_words() -> None:
    assert [listed(words) for words in ("", "a", "ab", "abc")] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [counted(n, "reply") for n in (0, 1, 2)] == ["0 replies", "1 reply", "2 replies"]
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("x" * 1000)) < 70


def test_over_keeps_the_order_and_raises() -> None:
    assert list(over((3, 1, 2), lambda n: n * n).items()) == [(3, 9), (1, 1), (2, 4)]
    assert over((), str) == {}
    with pytest.raises(ZeroDivisionError):
        over((1, 0), lambda n: 1 / n)
