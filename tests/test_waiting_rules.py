"""`swarmlab.wait` is the only loop that waits; who else pauses in one has a reason, said here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = sorted((ROOT / "swarmlab").rglob("*.py"))
IMAGES = sorted((ROOT / "compose").rglob("*.py"))

# Loops with a pause that wait for nothing, or whose waiting ends elsewhere. Whoever adds one says
# what ends it.
REASONS = {
    "swarmlab/wait.py:poll": "the loop itself",
    "swarmlab/inspection.py:Inspector.inspect": (
        "wakes when a check ends, and each of them has its deadline in `poll`"
    ),
    "swarmlab/checks/steady.py:Steady._watch": (
        "asks again and again while a command runs; ended by it, at the latest after _AFTER"
    ),
    "swarmlab/session.py:Session._follow": (
        "reads what a command prints, until it ends, at the latest at its `deadline`"
    ),
    "swarmlab/session.py:_Shell._put": "hands on what was read, until nobody listens any more",
    "swarmlab/images/schedule.py:run": "a moment for each that was called off, before the end",
    "swarmlab/images/command.py:run.watch": "waits for Ctrl-C while a build runs; ends with it",
    "swarmlab/process.py:_killed_by.watch": "waits for Ctrl-C while a program runs; ends with it",
    "swarmlab/providers/machine_program.py:Program.run.watch": (
        "waits for Ctrl-C or the time limit while a driver works; ends with it"
    ),
    "swarmlab/watching/watcher.py:Lookout._work": "looks once a second until it is closed",
    # What runs in containers comes without swarmlab. Each has a deadline of its own:
    "compose/images/flow-proxy/flow_proxy/restore.py:_patiently": "RESTORE_SECONDS",
    "compose/images/flow-proxy/flow_proxy/haproxy.py:Haproxy.start": "_START_SECONDS",
    "compose/images/flow-proxy/flow_proxy/haproxy.py:Haproxy.stop": "its `deadline`, then 1 s",
    "compose/images/go-demo/go_demo/waiting.py:wait_for": "its `limit`",
    # These two are the life of a service, and are to go on as long as it lives:
    "compose/images/node/mesh/engine.py:_listen_for_ever": "listens to the engine's events",
    "compose/images/node/mesh/loop.py:keep": "looks at the swarm until the node stops",
}

# What may be waited for with no limit of ours, because it ends by itself or with the student.
ENDLESS = {
    "swarmlab/terminal.py:_wait": "a shell lasts until the student leaves it; then one was killed",
    "swarmlab/images/command.py:run": "its output has ended, so it has; after Ctrl-C it was killed",
    "swarmlab/process.py:_last_words": "it was killed",
    "swarmlab/process.py:_killed_by": "was told to end, and looks no longer than a moment",
    "swarmlab/checks/steady.py:Steady.start": "the first look has its own limit, and sets it",
    "swarmlab/checks/steady.py:Steady.finish": "was told to end, and each of its looks has a limit",
    "swarmlab/images/schedule.py:run": "it has said that it is done",
    "swarmlab/relay/mux.py:Mux._out": "until the other side takes more, or the stream is dropped",
    "swarmlab/relay/way.py:Way._begin": "cancelled at the limit of the wait around it",
    "swarmlab/relay/ssh.py:_stop": "it was killed",
    "swarmlab/onlooker.py:Onlooker.__exit__": "was told to stop; one look, with its limit, is left",
}

# Who waits for a person, as long as that takes, and shows what is seen by other means.
PATIENT = {"onlooker.py", "tour.py"}


def place(path: Path, names: list[str]) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{'.'.join(names)}"


def pauses(call: ast.Call) -> bool:
    """Whether a call may pass time: `sleep(...)`, or one of the others with a limit.

    `get` of a queue and `acquire` of a lock have theirs by name; of a dictionary, `get` has none.
    """
    called = call.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    limited = any(word.arg == "timeout" for word in call.keywords)
    return (
        name == "sleep"
        or (name == "wait" and bool(call.args or call.keywords))
        or (name in ("acquire", "get", "put", "join", "result") and limited)
    )


def endless(call: ast.Call) -> bool:
    """Whether a call waits without a limit: `x.wait()`, `x.join()`, of processes and threads."""
    called = call.func
    bare = not call.args and not call.keywords
    return isinstance(called, ast.Attribute) and called.attr in ("wait", "join") and bare


def found(path: Path, *, loops: bool) -> Iterator[str]:
    """Where loops pause, or else where something is waited for without a limit."""

    def visit(node: ast.AST, names: list[str], in_loop: bool) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            inner, looping = names, in_loop
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner, looping = [*names, child.name], False
            elif isinstance(child, ast.While | ast.For):
                looping = True
            elif isinstance(child, ast.Call) and (
                (loops and in_loop and pauses(child)) or (not loops and endless(child))
            ):
                yield place(path, names)
            yield from visit(child, inner, looping)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), [], False)


def test_only_wait_waits_in_a_loop() -> None:
    seen = {one for path in PACKAGE + IMAGES for one in found(path, loops=True)}
    assert sorted(seen - set(REASONS)) == []
    assert sorted(set(REASONS) - seen) == [], "a reason for what is there no more"


def test_nothing_is_waited_for_without_a_limit() -> None:
    seen = {one for path in PACKAGE for one in found(path, loops=False)}
    assert sorted(seen - set(ENDLESS)) == []
    assert sorted(set(ENDLESS) - seen) == [], "a reason for what is there no more"


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("def f():\n while True:\n  time.sleep(1)", ["f"]),
        ("def f():\n for x in y:\n  if x:\n   event.wait(2)", ["f"]),
        ("class A:\n def f(self):\n  while not e.wait(timeout=1):\n   pass", ["A.f"]),
        ("def f():\n while True:\n  def g():\n   sleep(1)", []),
        ("def f():\n e.wait(3)", []),
        ("def f():\n while not lock.acquire(timeout=1):\n  check()", ["f"]),
        ("def f():\n while True:\n  chunk = chunks.get(timeout=1)", ["f"]),
        ("def f():\n for t in threads:\n  t.join(timeout=1)", ["f"]),
        ("def f():\n for key in keys:\n  found.get(key, 1)", []),
        ("def f():\n for line in lines:\n  ', '.join(line)", []),
        ("while True:\n sleep(1)", [""]),
    ],
)
def test_the_rule_sees_what_it_shall(source: str, seen: list[str], tmp_path: Path) -> None:
    path = ROOT / "swarmlab" / "x.py"

    class Text(type(path)):  # type: ignore[misc]
        def read_text(self, *_: object, **__: object) -> str:
            return source

    assert [one.partition(":")[2] for one in found(Text(path), loops=True)] == seen


def test_limits_are_counted_on_the_clock_that_never_jumps() -> None:
    """`time.time` is for time stamps; a laptop that wakes up sets it."""
    users = []
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.time":
                users.append(path.name)
    # The times of an archive's entries, how far back a bundle's logs go, and another machine's
    # clock beside this one's.
    assert sorted(users) == ["archive.py", "bundle.py", "facts.py", "facts.py"]


def test_every_look_says_what_it_saw_and_every_wait_has_a_deadline() -> None:
    looks = waits = 0
    for path in PACKAGE:
        if path.name == "wait.py" or path.name in PATIENT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2].partition("[")[0]
            if name == "Observation":
                looks += 1
                words = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "seen")]
                assert words, f"{path}:{node.lineno}: an observation without words"
                assert ast.unparse(words[0]) not in ("''", '""'), f"{path}:{node.lineno}"
            elif ast.unparse(node.func) in ("wait.until", "wait.poll", "until", "poll"):
                waits += 1
                assert any(k.arg == "within" for k in node.keywords), f"{path}:{node.lineno}"
    assert looks >= 10 and waits >= 5
