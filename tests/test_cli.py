"""The command line without an engine: help, refusals, narrow terminals, pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperCommand

from swarmlab import __version__
from swarmlab.cli.app import Root

# `verify` of a step of plain facts that is done, and holds or does not.
VERIFIED = """
import sys
from contextlib import contextmanager
from pathlib import Path
from swarmlab.cli import chapter
from swarmlab.cli.app import app
from tests import lab_fakes as fake

folder, proven = Path(sys.argv[1]), sys.argv[2] == "1"
room = fake.Room(fake.lab(fake.step(1)), folder / "state")
room.runner.run()
if not proven:
    room.facts.true.clear()

@contextmanager
def runner(*_, **__):
    yield room.runner

chapter.in_language = lambda *_: room.lab
chapter._runner = runner
chapter._progress = lambda *_: room.store
app(["verify", "--junit", str(folder / "r.xml")])
"""

# Tells that Python ends, and waits there.
ENDING = """
import atexit, signal, sys
from swarmlab.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(lambda: (print("ending", flush=True), sys.stdin.read()))
sys.argv = ["swarmlab", "--version"]
main()
"""

COMMANDS = [
    ("up",),
    ("down",),
    ("status",),
    ("topology",),
    ("steps",),
    ("step",),
    ("goto",),
    ("verify",),
    ("run",),
    ("walk",),
    ("shell",),
    ("ssh",),
    ("logs",),
    ("copy-commands",),
    ("env",),
    ("ip",),
    ("doctor",),
    ("lab",),
    ("lab", "lint"),
    ("lab", "new"),
    ("lab", "schema"),
    ("lab", "test"),
    ("images",),
    ("images", "build"),
    ("images", "list"),
]


def swarmlab(
    *words: str, tmp: Path, columns: int = 80, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own, with no engine in reach."""
    environment = {
        **os.environ,
        "COLUMNS": str(columns),
        "XDG_STATE_HOME": str(tmp),
        "DOCKER_HOST": f"unix://{tmp}/no-docker.sock",
        **extra,
    }
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        env=environment,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...], tmp_path: Path) -> None:
    done = swarmlab(*command, "--help", tmp=tmp_path)
    assert done.returncode == 0
    assert f"swarmlab {' '.join(command)}" in done.stdout
    assert len(done.stdout.splitlines()) > 4


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = swarmlab("--help", tmp=tmp_path)
    for command in COMMANDS:
        assert f"  {command[0]} " in done.stdout
    assert "130 interrupted" in " ".join(done.stdout.split())


def test_version_comes_from_the_package(tmp_path: Path) -> None:
    from swarmlab import __version__

    assert swarmlab("--version", tmp=tmp_path).stdout == f"swarmlab {__version__}\n"


@pytest.mark.parametrize("command", ["step", "goto", "verify"])
@pytest.mark.parametrize("which", ["15", "0", "-1x", "konsul-server", ""])
def test_unknown_steps_are_refused_and_near_ones_named(
    command: str, which: str, tmp_path: Path
) -> None:
    done = swarmlab(command, "--", which, tmp=tmp_path)
    assert done.returncode == 2
    assert "There is no step" in done.stderr
    assert "swarmlab steps" in done.stderr
    if which == "konsul-server":
        assert "Did you mean consul-server?" in done.stderr


@pytest.mark.parametrize("name", ["Monday", "a b", "../x", "x" * 21, "-a", "", "ä"])
def test_names_that_cannot_name_a_lab_are_refused(name: str, tmp_path: Path) -> None:
    done = swarmlab("status", f"--name={name}", tmp=tmp_path)
    assert done.returncode == 2
    assert "cannot name a lab" in done.stderr


def test_every_lab_and_one_lab_are_not_asked_for_together(tmp_path: Path) -> None:
    done = swarmlab("down", "--all", "--name", "monday", tmp=tmp_path)
    assert done.returncode == 2
    assert "--all and --name do not go together" in done.stderr
    assert "`swarmlab down --name monday`" in done.stderr
    # The environment's name is nothing that was asked for: this goes on to look for the engine.
    assert swarmlab("down", "--all", tmp=tmp_path, SWARMLAB_NAME="monday").returncode == 3


def test_from_after_to_is_refused(tmp_path: Path) -> None:
    done = swarmlab("run", "--from", "9", "--to", "4", tmp=tmp_path)
    assert done.returncode == 2
    assert "--from 4 --to 9" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("up",), ("down",), ("status",), ("verify",), ("run",), ("ip", "swarm-1"), ("images", "list")],
    ids=" ".join,
)
def test_without_an_engine_the_error_says_what_to_do(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    done = swarmlab(*words, tmp=tmp_path)
    assert done.returncode == 3
    assert "Error:" in done.stderr
    assert "What next:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("number", range(1, 15))
def test_steps_read_well_in_narrow_windows(columns: int, number: int, tmp_path: Path) -> None:
    done = swarmlab("step", str(number), "--show", tmp=tmp_path, columns=columns)
    assert done.returncode == 0
    # Commands and pictures are never broken; all else keeps to the window.
    prose = [line for line in done.stdout.splitlines() if line[:1].isalpha() or line[:1] == "▌"]
    assert max(len(line) for line in prose) <= columns


def test_shows_nothing_beyond_ascii_where_the_terminal_has_no_more(tmp_path: Path) -> None:
    done = swarmlab("step", "9", "--show", tmp=tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0
    assert done.stdout.isascii()


def test_steps_as_json(tmp_path: Path) -> None:
    found = json.loads(swarmlab("steps", "--json", tmp=tmp_path).stdout)
    assert [step["number"] for step in found["steps"]] == list(range(1, 15))
    assert not any(step["done"] for step in found["steps"])


def unread(command: list[str], tmp: Path) -> subprocess.CompletedProcess[str]:
    """A process whose standard output has no reader."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=180,
            env={**os.environ, "XDG_STATE_HOME": str(tmp)},
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize("words", [["step", "13", "--show"], ["steps"], ["steps", "--json"]])
def test_a_reader_that_goes_away_is_told_nothing(tmp_path: Path, words: list[str]) -> None:
    done = unread([sys.executable, "-m", "swarmlab", *words], tmp_path)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("proven", "code"), [(True, 0), (False, 1)])
def test_what_verify_found_counts_also_without_a_reader(
    tmp_path: Path, proven: bool, code: int
) -> None:
    command = [sys.executable, "-c", VERIFIED, str(tmp_path), str(int(proven))]
    done = unread(command, tmp_path)
    assert (done.returncode, done.stderr) == (code, "")
    assert (tmp_path / "r.xml").exists()


def test_what_is_not_heard_of_progress_ends_no_work(tmp_path: Path) -> None:
    """Nobody reads standard error: the work goes on, and so does cleaning up."""
    reader, writer = os.pipe()
    os.close(reader)
    script = (
        "from swarmlab.console import ConsoleProgress\n"
        "told = ConsoleProgress()\n"
        "with told.stage('one'): told.note('two')\n"
        "told.note('three')\n"
        "print('worked')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
        timeout=180,
    )
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "worked\n")


def test_a_server_that_goes_away_is_no_reader(capfd: pytest.CaptureFixture[str]) -> None:
    def lost() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    root = Root(name="swarmlab", commands={"lost": TyperCommand("lost", callback=lost)})
    with pytest.raises(SystemExit) as ended:
        root.main(["lost"])
    assert ended.value.code == 3
    assert "Something on this machine or its engine failed" in capfd.readouterr().err


def test_completion_is_offered(tmp_path: Path) -> None:
    done = swarmlab(
        tmp=tmp_path, _SWARMLAB_COMPLETE="complete_bash", COMP_WORDS="swarmlab st", COMP_CWORD="1"
    )
    assert set(done.stdout.split()) == {"start", "status", "step", "steps", "stop"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "x"], "Add --mistakes"),
        (["--seed", "1"], "Add --mistakes"),
        (["99"], "There is no step '99'"),
        (["--mistakes", "--only", "no-such-move"], "There is no mistake 'no-such-move'"),
        (["--lab", "./nowhere"], "no lab in ./nowhere"),
    ],
)
def test_what_cannot_be_proven_is_wrong_usage_before_anything_is_brought_up(
    words: list[str], said: str, tmp_path: Path
) -> None:
    done = swarmlab("lab", "test", *words, tmp=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_a_walk_without_a_terminal_is_a_run(tmp_path: Path) -> None:
    for options in ((), ("--from", "9"), ("--from", "99"), ("--plain", "--lang", "zh")):
        plain = [word for word in options if word != "--plain"]
        walked, ran = (
            swarmlab("walk", *options, tmp=tmp_path),
            swarmlab("run", *plain, tmp=tmp_path),
        )
        assert (walked.returncode, walked.stderr) == (ran.returncode, ran.stderr)
        assert walked.returncode in (2, 3) and walked.stdout == ran.stdout


def test_ctrl_c_when_all_is_said_ends_without_a_word() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ending:
        assert ending.stdout is not None
        assert list(iter(ending.stdout.readline, "ending\n")) == [f"swarmlab {__version__}\n"]
        ending.send_signal(signal.SIGINT)
        _, said = ending.communicate(timeout=60)
    assert (ending.returncode, said) == (0, "")
