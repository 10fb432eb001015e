"""A session in a real container: nothing that is typed wedges it, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from collections.abc import Iterator

import pytest
from docker import DockerClient
from docker.models.containers import Container

from swarmlab.engine import connect
from swarmlab.errors import EnvironmentProblem
from swarmlab.images.builder import ensure, reference
from swarmlab.session import Session
from swarmlab.wait import Observation, until
from tests.docker.heard import within

pytestmark = pytest.mark.docker

# `sleep` is called by a name that no other process has, so that it can be counted.
NAP = "nap() { (exec -a session-nap sleep 600); }; "


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    client = connect().client
    ensure(["workstation"], engine=client)
    yield client
    client.close()


def start(engine: DockerClient) -> Container:
    container: Container = engine.containers.run(
        reference("workstation"),
        ["sleep", "infinity"],
        entrypoint="",
        name=f"swarmlab-test-session-{uuid.uuid4().hex[:8]}",
        labels={"swarmlab.lab": "test-session", "swarmlab.role": "build"},
        init=True,
        detach=True,
    )
    container.exec_run(["mkdir", "-p", "/root/lab"])
    return container


@pytest.fixture(scope="module")
def container(engine: DockerClient) -> Iterator[Container]:
    made = start(engine)
    yield made
    made.remove(force=True, v=True)


@pytest.fixture
def session(container: Container) -> Iterator[Session]:
    with Session(container) as made:
        yield made
    gone(container)


def naps(container: Container, name: str = "session-nap") -> int:
    """How many processes have that name."""
    asked = f"grep -las '^{name}' /proc/[0-9]*/cmdline"
    return len(within(container, "bash", "-c", asked)[1].split())


def asleep(container: Container, name: str = "session-nap") -> None:
    """Wait until a process has that name: bash gives it only after it has gone on."""
    until(name, lambda: Observation(naps(container, name) > 0, "it starts"), within=30)


def gone(container: Container) -> None:
    """Nothing that a test put to sleep is left."""

    def look() -> Observation[None]:
        left = naps(container)
        return Observation(left == 0, f"{left} processes sleep")

    until("an empty container", look, within=30)


def test_it_starts_in_the_labs_folder_without_a_terminal(session: Session) -> None:
    outcome = session.run("pwd; echo $TERM; test -t 1 || echo no terminal")
    assert (outcome.output, outcome.exit_code) == ("/root/lab\ndumb\nno terminal\n", 0)


def test_variables_functions_and_folder_live_on(session: Session) -> None:
    session.run("export A=5; b() { echo b=$A; }; declare -A m=([x]=y); cd /tmp")
    assert session.run("b; echo ${m[x]}; pwd; bash -c 'echo $A'").output == "b=5\ny\n/tmp\n5\n"


def test_both_streams_arrive_in_order(session: Session) -> None:
    typed = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
    assert session.run(typed).output == "".join(f"out {i}\nerr {i}\n" for i in (1, 2, 3))


def test_exit_codes_are_those_of_the_last_command_and_stay_readable(session: Session) -> None:
    assert session.run("true; (exit 7)").exit_code == 7
    assert session.run("echo $?").output == "7\n"
    assert session.run("no-such-program").output == "bash: no-such-program: command not found\n"


@pytest.mark.parametrize(
    ("typed", "output", "code"),
    [
        ("cat; echo after", "after\n", 0),
        ("read -r x || echo no input", "no input\n", 0),
        ("exec </etc/hostname; true", "", 0),
        ("cat <<'X'\n$a `b` \"c\n'd\nX", "$a `b` \"c\n'd\n", 0),
        ("cat <<X | tr a-z A-Z\none $((1 + 1))\nX\n", "ONE 2\n", 0),
        ('echo "it\'s" \'a "quote"\'', 'it\'s a "quote"\n', 0),
        ("printf 'no newline'", "no newline", 0),
        ("printf ''", "", 0),
        ("# only a comment", "", 0),
        ("echo one; \\\necho two", "one\ntwo\n", 0),
        ("echo ünïcödé ✔ $'\\u00e9'", None, 0),
        ("printf '%s\\n' {1..5} | tail -1", "5\n", 0),
        ("break; continue; return 4", None, 2),
        ("if true; then", None, 2),
        ("cat <<X\nnever ends", None, 0),
        ("head -c 20000 /dev/urandom", None, 0),
        ("echo $BASHPID >/dev/null; sleep 600 >/dev/null 2>&1 & kill %1", None, 0),
        ("(exec -a session-nap sleep 600) & disown; echo on", "on\n", 0),
        ("set -x; echo traced; set +x", None, 0),
        ("set -v", None, 0),
        ("trap 'echo bye' EXIT", "", 0),
        ("printf() { echo mine; }; unset -f printf", "", 0),
        ("exec 3>&1 4>&2", "", 0),
        ("IFS=x", "", 0),
        ("a=1 exec -a name true", None, 0),
        ("exit", "", 0),
        ("exit 3", "", 3),
        ("echo bye; exit 3", "bye\n", 3),
        ("set -e; false; echo never", "", 1),
        ("kill -9 $$", "", 137),
        ("(exec -a session-nap sleep 600) & exit 5", "", 5),
        ("exec false", "", 1),
    ],
)
def test_nothing_wedges_it(session: Session, typed: str, output: str | None, code: int) -> None:
    outcome = session.run(typed, timeout=30)
    assert outcome.exit_code == code
    if output is not None:
        assert outcome.output == output
    assert "still here\n" in session.run("echo still here", timeout=30).output


def test_unbalanced_quotes_are_an_error_of_that_command_alone(session: Session) -> None:
    outcome = session.run("echo 'abc\necho x", timeout=10)
    assert outcome.exit_code == 2
    assert "unexpected EOF" in outcome.output
    assert session.run("echo fine").output == "fine\n"


def test_output_comes_while_the_command_runs(session: Session, container: Container) -> None:
    seen: list[str] = []

    def listen(text: str) -> None:
        seen.append(text)
        if seen == ["first\n"]:
            within(container, "touch", "/tmp/heard")

    # The second word is said only when the first was heard.
    typed = "echo first; until [ -e /tmp/heard ]; do sleep 0.05; done; echo second"
    outcome = session.run(typed, listen, timeout=60)
    within(container, "rm", "-f", "/tmp/heard")
    assert outcome.exit_code == 0
    assert seen == ["first\n", "second\n"]


def test_a_flood_is_bounded_and_over_soon(session: Session) -> None:
    outcome = session.run("yes | head -c 20000000; echo; echo done", timeout=60)
    assert outcome.exit_code == 0
    assert len(outcome.output) < 200_000
    assert outcome.output.endswith("done\n")


@pytest.mark.parametrize(
    "typed",
    [
        NAP + "nap; echo never",
        NAP + "while true; do nap; done",
        NAP + "nap & nap & wait",
        NAP + "trap '' TERM INT HUP; nap",
        "setsid bash -c 'exec -a session-nap sleep 600' & wait",
        "env -i bash -c '(exec -a session-nap sleep 600); true'",
        "while :; do :; done",
        "yes",
        NAP + "nap | cat",
        "(exec -a session-nap sleep 600 &) ; cat <(sleep 600)",
    ],
)
def test_the_time_limit_ends_all_of_it_and_leaves_the_session_usable(
    session: Session, container: Container, typed: str
) -> None:
    outcome = session.run(typed, timeout=1)
    assert outcome.exit_code is None
    assert 1 <= outcome.seconds < 30
    assert "never" not in outcome.output
    gone(container)
    assert session.run("echo again; pwd").output == "again\n/root/lab\n"


def test_ctrl_c_kills_what_runs_and_goes_on_up(session: Session, container: Container) -> None:
    def press() -> None:
        asleep(container)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        session.run(NAP + "nap", timeout=60)
    finger.join()
    gone(container)
    assert session.run("echo again").output == "again\n"


def test_an_error_of_the_listener_kills_what_runs(session: Session, container: Container) -> None:
    def angry(text: str) -> None:
        raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="hello"):
        session.run(NAP + "echo hello; nap", angry)
    gone(container)


def test_closing_ends_background_jobs_and_may_be_repeated(container: Container) -> None:
    session = Session(container)
    session.run(NAP + "nap & disown")
    session.close()
    session.close()
    gone(container)


def test_what_a_killed_swarmlab_left_is_ended_by_the_next_session(container: Container) -> None:
    """kill -9 gives no chance to clean up: the connection simply breaks."""
    left = Session(container)
    left.run(NAP + "nap & disown")
    asleep(container)
    assert left._shell is not None
    left._shell._wire.close()
    assert naps(container) > 0
    with Session(container) as session:
        session.run("true")
        gone(container)


def test_a_students_own_shell_is_left_alone(container: Container) -> None:
    container.exec_run(["bash", "-c", "exec -a students-own sleep 600"], detach=True)
    asleep(container, "students-own")
    with Session(container) as session:
        session.run("sleep 30", timeout=0.5)
        counted = session.run("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^students-own'")
    container.exec_run(["pkill", "-f", "^students-own"])
    assert counted.output == "1\n"


def test_secrets_are_removed(session: Session) -> None:
    token = "SWMTKN-1-" + "a" * 50 + "-" + "b" * 25
    said: list[str] = []
    outcome = session.run(f"echo {token}", said.append)
    assert token not in outcome.output + "".join(said)


def test_a_nul_cannot_be_typed(session: Session) -> None:
    with pytest.raises(ValueError, match="NUL"):
        session.run("a\0b")


def test_a_workstation_that_stops_or_is_gone_is_the_environments_fault(
    engine: DockerClient,
) -> None:
    made = start(engine)
    try:
        session = Session(made)
        session.run("true")
        with pytest.raises(EnvironmentProblem, match="stopped while a command ran"):
            session.run("echo now; sleep 60", lambda text: made.kill())
        with pytest.raises(EnvironmentProblem):
            session.run("true")
    finally:
        made.remove(force=True, v=True)
    with pytest.raises(EnvironmentProblem, match="cannot be used"):
        Session(made).run("true")
