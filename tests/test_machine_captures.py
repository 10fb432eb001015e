"""What a real docker-machine says: swarmlab reads it right, and its stand-in says the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.providers import machine_env, machine_options, machine_store, registry
from tests.docker import machine_standin, testhosts
from tests.test_docker_machine import ENGINE, Room, room

__all__ = ["room"]

CAPTURES = Path(__file__).parent / "captures" / "docker-machine-0.16.2.yaml"
STORE = "/home/me/.docker/machine"
ADDRESS = "192.0.2.11"


@dataclass(frozen=True)
class Said:
    """One call of docker-machine: its words, and what came of it."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Both outputs, as swarmlab hears them: the error output is the last."""
        return (self.out + self.err).splitlines()


def captures() -> dict[str, Said]:
    told = yaml.safe_load(CAPTURES.read_text())
    return {
        one["case"]: Said(tuple(one["words"]), one["code"], one.get("out", ""), one.get("err", ""))
        for one in told
    }


REAL = captures()


# The stand-in of the engine tests.

WITHOUT_AN_ENGINE = [
    "env, no name",
    "env, two names",
    *(f"{word}, no such machine" for word in ("env", "start", "stop", "status", "ip", "rm")),
    "rm, forced, no such machine",
    "unknown command",
    "create, no such driver",
    "create, two names",
    "create, a certificate is lost",
    "status, odd file",
    "rm, forced, odd file",
]
"""The stand-in needs no engine for these, so it is simply called."""


class StandIn:
    """The stand-in with an engine that does as it is told, and a store of one machine."""

    def __init__(self, store: Path, patch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.state = "Running"
        for name, path in (("STORE", ""), ("CERTS", "certs"), ("MACHINES", "machines")):
            patch.setattr(machine_standin, name, store / path)
        engine = SimpleNamespace(ping=lambda: None, close=lambda: None)
        host = SimpleNamespace(start=self._start, stop=self._stop)
        bridge = testhosts.Bridge("slt", "192.0.2.0/24")
        patch.setattr(machine_standin, "bridge", lambda: bridge)
        patch.setattr(machine_standin, "engine", lambda config: engine)
        patch.setattr(machine_standin, "host", lambda: host)
        patch.setattr(machine_standin, "state", lambda name: self.state)
        patch.setattr(testhosts, "make", lambda *words: None)
        patch.setattr(testhosts, "give", lambda *words: None)

    def _start(self, name: str) -> None:
        self.state = "Running"

    def _stop(self, name: str, timeout: int) -> None:
        self.state = "Stopped"

    def says(
        self,
        case: str,
        capture: pytest.CaptureFixture[str],
        *more: str,
        own: tuple[str, str] = ("", ""),
    ) -> None:
        """It says what the real one said, to the same words and `more` of its own driver's.

        `own`: a driver's reason, the stand-in's and the real one's.
        """
        real = REAL[case]
        words = [word for word in real.words if not word.startswith(("--generic-", "--box-"))]
        words = ["standin" if word in ("generic", "box") else word for word in words]
        code = machine_standin.ended([*words, *more])
        said = capture.readouterr()
        assert (code, self.told(said.out), said.err.replace(*own)) == (
            real.code,
            self.told(real.out),
            real.err,
        )

    def begin(self, capture: pytest.CaptureFixture[str]) -> None:
        """Its store's certificates, and a machine."""
        own = (
            "the stand-in was told to fail",
            r"SSH key does not exist: \"/home/me/.ssh/missing\"",
        )
        self.says("create, not possible", capture, "--standin-fails=check", own=own)
        self.says("create", capture, "--standin-number=11")

    def told(self, text: str) -> list[str]:
        """The lines without what a driver says, and with the store where the real one's was."""
        lines = text.replace(str(self.store), STORE).splitlines()
        return [line for line in lines if not line.startswith("(swarm-1) ")]


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return StandIn(tmp_path / "store", monkeypatch)


@pytest.mark.parametrize("case", WITHOUT_AN_ENGINE)
def test_the_stand_in_refuses_as_the_program_does(
    case: str, standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    if "odd file" in case:
        folder = standin.store / "machines" / "swarm-1"
        folder.mkdir(parents=True)
        folder.joinpath("config.json").write_text("{")
    if "lost" in case:
        standin.store.joinpath("certs").mkdir(parents=True)
        standin.store.joinpath("certs", "ca-key.pem").touch()
    standin.says(case, capsys)


def test_the_stand_in_lists_its_options_to_one_that_it_does_not_know(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    real = REAL["create, no such option"]
    words = [word.replace("generic", "standin") for word in real.words]
    code = machine_standin.ended(words)
    said = capsys.readouterr()
    assert (code, said.err) == (real.code, real.err.replace("generic", "standin"))
    assert said.out.splitlines()[:3] == real.out.splitlines()[:3]


def test_the_stand_in_goes_through_a_machines_life_as_the_program_does(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.begin(capsys)
    for case in ("create, the name is taken", "status", "ip", "start, it runs"):
        standin.says(case, capsys)
    for shell in ("sh", "bash", "fish", "powershell", "cmd", "tcsh", "nosuch"):
        standin.says(f"env --shell {shell}", capsys)
    for case in ("stop", "stop, it is off", "status, off", "env, off", "start", "start, box runs"):
        standin.says(case, capsys)
    config = standin.store / "machines" / "swarm-1" / "config.json"
    config.write_text(config.read_text().replace('"Fails": ""', '"Fails": "remove"'))
    own = ("the driver knows no such machine", "told to fail")
    standin.says("rm, forced, the driver fails", capsys, own=own)
    assert not config.parent.exists()


def test_the_stand_ins_files_are_as_the_programs(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.begin(capsys)
    text = standin.store.joinpath("machines", "swarm-1", "config.json").read_text()
    made, real = json.loads(text), json.loads(REAL["inspect"].out)
    assert _shape(made["HostOptions"]) == _shape(real["HostOptions"])
    assert set(made) == set(real)
    common = set(real["Driver"]) - {"EnginePort", "SSHKey"}  # which are of one driver
    assert common <= set(made["Driver"])
    modes = {
        str(path.relative_to(standin.store)): path.stat().st_mode & 0o777
        for path in standin.store.rglob("*")
    }
    assert modes.pop("machines/swarm-1/whole")  # by which the stand-in knows it again
    assert modes == {
        "certs": 0o700,
        "certs/ca.pem": 0o644,
        "certs/ca-key.pem": 0o600,
        "certs/cert.pem": 0o644,
        "certs/key.pem": 0o600,
        "machines": 0o700,
        "machines/swarm-1": 0o700,
        "machines/swarm-1/config.json": 0o600,
        "machines/swarm-1/ca.pem": 0o644,
        "machines/swarm-1/cert.pem": 0o644,
        "machines/swarm-1/key.pem": 0o600,
        "machines/swarm-1/server.pem": 0o644,
        "machines/swarm-1/server-key.pem": 0o600,
    }


def _shape(value: Any) -> Any:
    """The names in it, and what kind each value is of."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return type(value)


# What swarmlab makes of it.


def test_a_machines_file_tells_whose_it_is_and_where(room: Room) -> None:
    folder = room.store / "machines" / "swarm-1"
    folder.mkdir(parents=True)
    folder.joinpath("config.json").write_text(REAL["inspect"].out)
    found = machine_store.machine(room.store, "swarm-1")
    assert found is not None
    assert (found.driver, found.lab) == ("generic", "demo")
    assert (found.address, found.port) == (ADDRESS, 2376)


@pytest.mark.parametrize("shell", ["sh", "bash", "nosuch"])
def test_the_way_is_read_from_the_words_of_a_usual_shell(shell: str) -> None:
    way = machine_env.read(REAL[f"env --shell {shell}"].out.splitlines())
    assert way == machine_env.Way(ADDRESS, 2376, Path(STORE, "machines", "swarm-1"))


@pytest.mark.parametrize("shell", ["fish", "powershell", "cmd", "tcsh", "emacs"])
def test_the_words_of_other_shells_are_none_of_ours(shell: str) -> None:
    assert machine_env.read(REAL[f"env --shell {shell}"].out.splitlines()) is None


def test_a_wrong_option_is_told_without_the_list_of_all(room: Room) -> None:
    said = REAL["create, no such option"]
    room.tell(create={"says": said.lines, "code": said.code, "makes": False})
    provider = room.provider("generic-adress=192.0.2.11", driver="generic")
    told: list[str] = []
    provider.report = told.append
    with pytest.raises(UsageError, match="could not make swarm-1") as caught:
        provider.create("swarm-1")
    assert caught.value.evidence == "flag provided but not defined: -generic-adress"
    assert "`docker-machine create --driver generic --help`" in caught.value.hint
    assert told == ["swarm-1: flag provided but not defined: -generic-adress"]


@pytest.mark.parametrize(
    ("command", "case"), [("stop", "stop, it is off"), ("start", "start, it runs")]
)
def test_a_machine_that_is_so_already_is_no_error(command: str, case: str, room: Room) -> None:
    room.machine("swarm-1")
    said = REAL[case]
    env = {"says": REAL["env --shell sh"].lines}
    room.tell(env=env, **{command: {"says": said.lines, "code": said.code}})
    provider = room.provider()
    if command == "stop":
        provider.stop("swarm-1")
    else:
        provider.start("swarm-1", {})
    assert room.calls[0] == [command, "swarm-1"]


@pytest.mark.parametrize(
    ("command", "case", "word"),
    [
        ("stop", "stop, generic", "generic driver does not support stop"),
        ("stop", "stop, driver is gone", 'Driver "gone" not found.'),
        ("start", "start, driver is gone", 'Driver "gone" not found.'),
    ],
)
def test_what_a_driver_cannot_do_is_said_with_its_words(
    command: str, case: str, word: str, room: Room
) -> None:
    room.machine("swarm-1")
    said = REAL[case]
    room.tell(**{command: {"says": said.lines, "code": said.code}})
    provider = room.provider()
    with pytest.raises(EnvironmentProblem, match=f"could not {command} swarm-1") as caught:
        provider.stop("swarm-1") if command == "stop" else provider.start("swarm-1", {})
    assert word in caught.value.evidence
    assert ("on the machine itself" in caught.value.hint) == ("generic" in case)


@pytest.mark.parametrize("case", ["rm, driver is gone", "rm, the driver fails"])
def test_a_whole_machine_that_is_not_removed_is_kept(case: str, room: Room) -> None:
    folder = room.machine("swarm-1", Driver={"IPAddress": ADDRESS})
    said, state = REAL[case], REAL["status, driver is gone"]
    room.tell(
        rm={"says": said.lines, "code": said.code},
        status={"says": state.lines, "code": state.code},
    )
    with pytest.raises(EnvironmentProblem, match="could not remove swarm-1") as caught:
        room.provider().remove("swarm-1")
    assert said.err.strip() in caught.value.evidence
    assert folder.exists()


@pytest.mark.parametrize("case", ["start", "start, the engine is late"])
def test_an_engine_that_does_not_answer_yet_is_waited_for(case: str, room: Room) -> None:
    room.machine("swarm-1")
    started, late, way = REAL[case], REAL["env, the engine is off"], REAL["env --shell sh"]
    room.tell(
        start={"says": started.lines, "code": started.code},
        env={"first": {"says": late.lines, "code": late.code}, "says": way.lines},
    )
    provider = room.provider()
    provider.start("swarm-1", {})
    assert provider.address("swarm-1") == ADDRESS
    assert [call[0] for call in room.calls] == ["start", "env", "env"]


def test_an_option_that_takes_the_machines_name_is_wrong_usage(room: Room) -> None:
    """As docker-machine has it where an option that wants a value comes last without one."""
    listed = REAL["create, no such option"].out.splitlines()[1:]
    room.tell(
        create={"says": [*listed, "Error: No machine name specified"], "code": 1, "makes": False}
    )
    provider = room.provider("generic-ssh-user", driver="generic")
    told: list[str] = []
    provider.report = told.append
    with pytest.raises(UsageError, match="could not make swarm-1") as caught:
        provider.create("swarm-1")
    assert caught.value.evidence == "Error: No machine name specified"
    assert "An option without =VALUE took the machine's name" in caught.value.hint
    assert told == ["swarm-1: Error: No machine name specified"]


def test_options_that_a_driver_will_not_have_so_are_wrong_usage(room: Room) -> None:
    said = REAL["create, an option is missing"]
    room.tell(create={"says": said.lines, "code": said.code, "makes": False})
    with pytest.raises(UsageError, match="could not make swarm-1") as caught:
        room.provider(driver="generic").create("swarm-1")
    assert caught.value.evidence.endswith("requires the --generic-ip-address option")
    assert "`docker-machine create --driver generic --help`" in caught.value.hint
    # Of a lab that is made again without its secret it is said which.
    later = machine_options.kept({"options": ["unit-token=hunter2"]})
    kept = registry.Choice("docker-machine", {"store": str(room.store), **later})
    with pytest.raises(UsageError) as caught:
        registry.make(kept, ENGINE, "demo").create("swarm-1")
    assert "--machine-opt unit-token=..." in caught.value.hint


@pytest.mark.parametrize("case", ["create, no login", "create, nobody listens"])
def test_a_machine_that_cannot_be_had_is_told_with_the_reason(case: str, room: Room) -> None:
    said = REAL[case]
    room.tell(create={"says": said.lines, "code": said.code, "makes": False})
    with pytest.raises(EnvironmentProblem, match="could not make swarm-1") as caught:
        room.provider(driver="generic").create("swarm-1")
    assert caught.value.evidence.endswith(said.err.strip())
