"""docker-machine as a provider, with a program in its place that only notes what it is told."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from signal import SIGKILL, SIGTERM
from subprocess import DEVNULL, Popen
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import NotFound

from swarmlab import labels
from swarmlab.cluster import clearing, lifecycle, remains, repair, standby
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, TimedOut, UsageError
from swarmlab.progress import SilentProgress
from swarmlab.providers import (
    docker_machine,
    machine_api,
    machine_env,
    machine_making,
    machine_options,
    machine_program,
    machine_store,
    network,
    registry,
    subnets,
)
from swarmlab.providers.base import NodeState
from swarmlab.providers.docker_machine import DockerMachine
from swarmlab.providers.registry import Choice
from swarmlab.size import Size
from swarmlab.wait import Observation, until
from tests.docker import machine_standin

ENGINE = cast(Engine, SimpleNamespace(client=SimpleNamespace(api=None)))

# Says its words and ends as the test wrote down for the command; writes a machine's file.
PROGRAM = """#!{python}
import json, os, pathlib, sys
room = pathlib.Path({room!r})
with open(room / "calls", "a") as calls:
    calls.write(json.dumps([os.environ["MACHINE_STORAGE_PATH"], *sys.argv[1:]]) + "\\n")
store = pathlib.Path(os.environ["MACHINE_STORAGE_PATH"])
command, name = sys.argv[1], sys.argv[-1]
told = json.loads((room / "told").read_text()).get(command, {{}})
if "first" in told and not (room / "asked").exists():
    (room / "asked").touch()
    told = told["first"]
for line in told.get("says", []):
    print(line, flush=True)
if told.get("certifies"):
    import threading
    (room / "certifying").touch(exist_ok=False)
    threading.Event().wait(0.3)
    (room / "certifying").unlink()
    print("Running pre-create checks...", flush=True)
if told.get("deaf"):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (room / "deaf").touch()
if told.get("hangs"):
    sys.stdin.read()
    import threading; threading.Event().wait()
folder = store / "machines" / name
if command == "create" and told.get("makes", True):
    marks = [sys.argv[i + 1] for i, word in enumerate(sys.argv) if word == "--engine-label"]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({{
        "ConfigVersion": 3, "DriverName": told.get("driver", "unit"), "Name": name,
        "Driver": {{"IPAddress": told.get("address", "192.0.2.7")}},
        "HostOptions": {{"EngineOptions": {{"Labels": marks}}}},
    }}))
if command == "env" and not told:
    address = json.loads((folder / "config.json").read_text())["Driver"]["IPAddress"]
    print('export DOCKER_TLS_VERIFY="1"')
    print(f'export DOCKER_HOST="tcp://{{address}}:2376"')
    print(f'export DOCKER_CERT_PATH="{{folder}}"')
    print(f'export DOCKER_MACHINE_NAME="{{name}}"')
    print("# Run this command to configure your shell: ")
if command in ("start", "stop") and "address" in told:
    config = json.loads((folder / "config.json").read_text())
    config["Driver"]["IPAddress"] = told["address"]
    (folder / "config.json").write_text(json.dumps(config))
if command == "ip" and not told:
    address = json.loads((folder / "config.json").read_text())["Driver"]["IPAddress"]
    print(address or "Host is not running")
    sys.exit(not address)
if command == "rm" and (told.get("code", 0) == 0 or "-f" in sys.argv):
    for path in [*folder.iterdir(), folder]:
        path.unlink() if path.is_file() else path.rmdir()
    sys.exit(0)
sys.exit(told.get("code", 0))
"""


class Room:
    """The program, what it was told, and the store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        (folder / "bin").mkdir()
        program = folder / "bin" / "docker-machine"
        program.write_text(PROGRAM.format(python=sys.executable, room=str(folder)))
        program.chmod(0o755)
        self.tell()

    def tell(self, **commands: dict[str, Any]) -> None:
        """What the program is to say and how it is to end, by command."""
        (self.folder / "told").write_text(json.dumps(commands))

    @property
    def calls(self) -> list[list[str]]:
        """The words that the program was given, without the store."""
        lines = (self.folder / "calls").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        assert {call[0] for call in found} <= {str(self.store)}
        return [call[1:] for call in found]

    def provider(self, *options: str, driver: str = "unit", lab: str = "demo") -> DockerMachine:
        settings = machine_options.chosen(driver, options).settings
        made = DockerMachine(ENGINE, lab, settings, Size(3))
        made.instance = "abc"
        return made

    def machine(self, name: str, **changes: Any) -> Path:
        """A machine's file as docker-machine writes it, with parts of it changed."""
        folder = self.store / "machines" / name
        folder.mkdir(parents=True)
        config = {
            "ConfigVersion": 3,
            "Driver": {"IPAddress": "", "MachineName": name},
            "DriverName": "unit",
            "HostOptions": {"EngineOptions": {"Labels": ["swarmlab.lab=demo"]}},
            "Name": name,
            **changes,
        }
        (folder / "config.json").write_text(json.dumps(config))
        return folder


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    made = Room(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(made.store))
    for name in ("PROVIDER", "HOSTS", "MACHINE_DRIVER", "MACHINE_OPTS"):
        monkeypatch.delenv(f"SWARMLAB_{name}", raising=False)
    monkeypatch.setattr(machine_api, "reached", lambda way: speaking("1.43"))
    return made


def speaking(api: str) -> Engine:
    """The engine of a machine."""
    return cast(Engine, SimpleNamespace(api=api, client=SimpleNamespace(close=lambda: None)))


# What docker-machine is told.


def test_a_machine_is_made_with_the_labs_labels_and_its_own_options(room: Room) -> None:
    provider = room.provider("unit-memory=1024", "--unit-name={name}-{n}", "unit-quiet")
    heard: list[str] = []
    provider.report = heard.append
    room.tell(create={"says": ["Creating machine...", "(swarm-2) Waiting for an IP..."]})
    provider.create("swarm-2")
    assert room.calls == [
        [
            "create",
            "--driver",
            "unit",
            "--engine-label",
            "swarmlab.lab=demo",
            "--engine-label",
            "swarmlab.instance=abc",
            "--engine-label",
            "swarmlab.nodes=3",
            "--engine-label",
            "swarmlab.managers=3",
            "--unit-memory=1024",
            "--unit-name=demo-2",
            "--unit-quiet",
            "swarm-2",
        ],
        ["env", "--shell", "sh", "swarm-2"],
    ]
    assert heard == ["swarm-2: Creating machine...", "swarm-2: Waiting for an IP..."]
    assert provider.left() == ("swarm-2",)
    assert provider.address("swarm-2") == "192.0.2.7"
    assert provider.certs("swarm-2") == room.store / "machines" / "swarm-2"


def test_without_a_driver_docker_machine_takes_its_own(room: Room) -> None:
    room.provider(driver="").create("swarm-1")
    assert "--driver" not in room.calls[0]


@pytest.mark.parametrize("option", ["", "=x", "a b=c", "engine-label=x=y", "driver=none", "-d=x"])
def test_what_is_no_option_of_a_driver_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="--machine-opt"):
        machine_options.chosen("unit", [option])


def test_a_driver_without_certificates_is_refused() -> None:
    with pytest.raises(UsageError, match="driver none makes no certificates") as caught:
        machine_options.chosen("none", ["url=tcp://192.0.2.7:2376"])
    assert "--provider hosts" in caught.value.hint


def test_a_refused_option_does_not_show_its_value() -> None:
    with pytest.raises(UsageError) as caught:
        machine_options.chosen("", ["my token=hunter2"])
    assert "hunter2" not in str(caught.value)


# What it may answer.


def test_a_driver_that_fails_is_quoted_without_its_secrets(room: Room) -> None:
    said = "Error creating machine: Error in driver during machine creation: 401 for hunter2"
    room.tell(create={"says": ["Creating machine...", said], "code": 1})
    provider = room.provider("unit-access-token=hunter2")
    heard: list[str] = []
    provider.report = heard.append
    with pytest.raises(EnvironmentProblem, match="could not make swarm-1") as caught:
        provider.create("swarm-1")
    shown = f"{caught.value}{caught.value.evidence}{heard}"
    assert "401 for ***" in shown
    assert "hunter2" not in shown
    # It goes to the driver all the same, and into no label.
    assert "--unit-access-token=hunter2" in room.calls[0]
    assert "hunter2" not in json.dumps(provider.marks)
    assert json.loads(provider.marks[labels.SETTINGS])["options"] == []


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("ovh-consumer-key=hunter2", "hunter2"),
        ("ovh-application-key=hunter2-{n}", "hunter2-1"),
        ("engine-env=HTTPS_PROXY=http://u:hunter2@proxy", "http://u:hunter2@proxy"),
        ("engine-registry-mirror=https://u:hunter2@mirror", "https://u:hunter2@mirror"),
        ("engine-env=DB_PASSWORD=hunter2", "DB_PASSWORD=hunter2"),
    ],
)
def test_a_secret_is_known_by_its_name_or_its_value(room: Room, option: str, word: str) -> None:
    room.tell(create={"says": [f"the driver was given {word}"]})
    provider = room.provider(option, "unit-memory=1")
    heard: list[str] = []
    provider.report = heard.append
    provider.create("swarm-1")
    assert f"--{option.replace('{n}', '1')}" in room.calls[0]
    assert "given" in heard[0] and "***" in heard[0]
    assert "hunter2" not in f"{heard}{provider.marks}"
    assert json.loads(provider.marks[labels.SETTINGS])["options"] == ["unit-memory=1"]


def test_a_secret_is_hidden_in_what_is_shown_and_not_in_what_is_read(room: Room) -> None:
    """A password `1` is in every address, another may be a word of docker-machine's."""
    room.tell(
        create={"says": ["17 tries with 1", "1!", "machine2"], "address": ""},
        env={"says": [line.replace("/certs", "/store/hunter1") for line in WAY]},
        ip={"says": ["192.0.2.1"]},
        status={"says": ["Running"]},
    )
    secrets = ("unit-password=1", "unit-token=hunter1", "unit-secret=Running", "unit-pass=hine")
    provider = room.provider(*secrets)
    heard: list[str] = []
    provider.report = heard.append
    provider.create("swarm-1")
    assert [line.partition(": ")[2] for line in heard] == ["17 tries with ***", "***!", "mac***2"]
    assert provider.address("swarm-1") == "192.0.2.44"
    assert provider.certs("swarm-1") == Path("/store/hunter1")
    (node,) = room.provider(*secrets).info().nodes
    assert (node.address, node.state) == ("192.0.2.1", NodeState.RUNNING)
    room.tell(stop={"says": ["no stop for Running with 1"], "code": 1})
    with pytest.raises(EnvironmentProblem) as caught:
        provider.stop("swarm-1")
    assert caught.value.evidence == "no stop for *** with ***"


@pytest.mark.parametrize(
    "option",
    [
        "openstack-auth-url=https://cloud:5000/v3",
        "generic-ssh-key=/home/me/.ssh/id",
        "openstack-private-key-file=/home/me/.ssh/id",
        "amazonec2-keypair-name=mine",
        "engine-registry-mirror=https://mirror:5000",
        "engine-env=HTTPS_PROXY=http://proxy:3128",
    ],
)
def test_what_is_no_secret_is_remembered(room: Room, option: str) -> None:
    assert json.loads(room.provider(option).marks[labels.SETTINGS])["options"] == [option]


def test_what_was_begun_is_removed_by_force_and_said(room: Room) -> None:
    room.machine("swarm-1")
    words = 'Error removing host "swarm-1": unknown machine'
    room.tell(rm={"says": [words], "code": 1})
    provider = room.provider()
    (said,) = provider.remove("swarm-1")
    assert room.calls == [["rm", "-y", "swarm-1"], ["rm", "-f", "swarm-1"]]
    assert provider.left() == ()
    assert words in said


@pytest.mark.parametrize(("state", "kept"), [("Running", True), ("", True), ("Error", False)])
def test_a_whole_machine_is_not_forgotten_because_its_driver_fails(
    room: Room, state: str, kept: bool
) -> None:
    room.machine("swarm-1", Driver={"IPAddress": "192.0.2.7"})
    room.tell(rm={"says": ["connection reset"], "code": 1}, status={"says": [state]})
    provider = room.provider()
    if not kept:
        assert len(provider.remove("swarm-1")) == 1
    else:
        with pytest.raises(EnvironmentProblem, match="could not remove swarm-1") as caught:
            provider.remove("swarm-1")
        assert "connection reset" in caught.value.evidence
    assert provider.left() == (("swarm-1",) if kept else ())


@pytest.mark.parametrize("state", ["Stopped", "Paused", "Saved", "Timeout", ""])
def test_a_stopped_machine_without_an_address_is_whole(room: Room, state: str) -> None:
    """VirtualBox and others forget it at a stop; without a state the cloud may be out of reach."""
    (room.machine("swarm-1") / "server.pem").touch()
    room.tell(rm={"says": ["connection reset"], "code": 1}, status={"says": [state]})
    provider = room.provider()
    with pytest.raises(EnvironmentProblem, match="could not remove swarm-1") as caught:
        provider.remove("swarm-1")
    assert "`docker-machine rm -f swarm-1`" in caught.value.hint
    assert provider.left() == ("swarm-1",)
    assert [call[:2] for call in room.calls] == [["rm", "-y"], ["status", "swarm-1"]]
    room.tell()
    assert provider.remove("swarm-1") == ()


def test_a_machine_whose_driver_is_not_installed_any_more_is_kept(room: Room) -> None:
    """docker-machine then has a driver in its place whose every answer is this one."""
    said = 'Driver "unit" not found. Do you have the plugin binary accessible in your PATH?'
    told = {"says": [f"error getting state for host swarm-1: {said}"], "code": 1}
    removal = {"says": [f'Error removing host "swarm-1": {said}'], "code": 1}
    room.machine("swarm-1", Driver={"IPAddress": "192.0.2.7"})
    room.tell(status=told, rm=removal)
    with pytest.raises(EnvironmentProblem, match="could not remove swarm-1") as caught:
        room.provider().remove("swarm-1")
    assert "plugin binary" in caught.value.evidence
    assert room.provider().left() == ("swarm-1",)


def test_a_machine_that_was_never_whole_is_looked_for_whatever_its_driver_says(room: Room) -> None:
    """What a driver made, docker-machine keeps only afterwards: `rm` may know nothing of it."""
    room.machine("swarm-1")
    warning = "Remote instance does not exist, proceeding with removing local reference"
    says = ["About to remove swarm-1", warning, "Successfully removed swarm-1"]
    room.tell(rm={"says": says})
    provider = room.provider()
    (said,) = provider.remove("swarm-1")
    assert said.endswith(f"It said: {warning}")
    assert "its driver unit" in said and "Look there whether" in said
    assert provider.left() == ()


def test_a_machine_that_its_driver_removes_is_not_forced(room: Room) -> None:
    room.machine("swarm-1", Driver={"IPAddress": "192.0.2.7"})
    provider = room.provider()
    assert provider.remove("swarm-1") == ()
    assert provider.remove("swarm-1") == ()
    assert room.calls == [["rm", "-y", "swarm-1"]]


def test_another_labs_machine_is_not_removed(room: Room) -> None:
    room.machine("swarm-1")
    provider = room.provider(lab="other")
    assert provider.left() == ()
    provider.remove("swarm-1")
    assert not (room.folder / "calls").exists()


@pytest.mark.parametrize(
    ("marks", "owner", "advice"),
    [
        (["swarmlab.lab=demo"], "of the lab 'demo' ", "`swarmlab down --name demo`"),
        ([], "that swarmlab did not make", "`docker-machine rm swarm-2`"),
    ],
)
def test_a_name_that_is_taken_is_refused_before_anything_is_made(
    room: Room, marks: list[str], owner: str, advice: str
) -> None:
    room.machine("swarm-2", HostOptions={"EngineOptions": {"Labels": marks}})
    with pytest.raises(UsageError, match=owner) as caught:
        room.provider(lab="new").prepare()
    assert advice in caught.value.hint
    assert "MACHINE_STORAGE_PATH" in caught.value.hint
    assert not (room.folder / "calls").exists()


def test_a_success_without_a_machine_is_none(room: Room) -> None:
    room.tell(create={"says": ["Docker is up and running!"], "makes": False})
    with pytest.raises(EnvironmentProblem, match="and did not"):
        room.provider().create("swarm-1")


def test_without_the_program_it_is_said_where_to_get_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = room.provider()
    monkeypatch.setenv("PATH", str(room.folder))
    with pytest.raises(EnvironmentProblem, match="docker-machine is not installed") as caught:
        provider.prepare()
    assert "github.com/docker/machine/releases" in caught.value.hint
    # What there is can still be told, and a lab be listed.
    room.machine("swarm-1")
    (node,) = provider.info().nodes
    assert (node.state, node.detail) == (NodeState.STOPPED, "its state is not known")


def test_a_driver_that_hangs_is_ended_in_time(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.tell(create={"says": ["Waiting for an IP..."], "hangs": True})
    provider = room.provider()
    heard = threading.Event()
    provider.report = lambda line: heard.set()
    # The time limit passes once the driver has spoken, however long it took to start.
    clock = SimpleNamespace(monotonic=lambda: 1e6 if heard.is_set() else 0.0)
    monkeypatch.setattr(machine_program, "time", clock)
    with pytest.raises(TimedOut, match="Waiting for an IP"):
        provider.create("swarm-1")


def test_work_that_is_called_off_ends_the_program(room: Room) -> None:
    room.tell(create={"says": ["Creating machine..."], "hangs": True})
    provider = room.provider()
    heard = threading.Event()
    provider.report = lambda line: heard.set()

    class CalledOff(Exception):
        pass

    def check() -> None:
        if heard.is_set():
            raise CalledOff

    provider.check = check
    with pytest.raises(CalledOff):
        provider.create("swarm-1")


def test_the_first_machine_of_a_store_makes_the_certificates_alone(room: Room) -> None:
    """Two that make docker-machine's certificates at once spoil them for each other."""
    room.tell(create={"certifies": True})
    provider = room.provider()
    nodes = ["swarm-1", "swarm-2", "swarm-3"]
    threads = [threading.Thread(target=provider.create, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert provider.left() == tuple(nodes)


class CalledOff(Exception):
    pass


def called_off() -> None:
    raise CalledOff


def in_time(work: Callable[[], object]) -> list[BaseException]:
    """What the work raised, done in a thread that no test waits for without limit."""
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive(), "it waits for ever"
    return raised


def test_whoever_is_called_off_lets_the_next_make_the_certificates(room: Room) -> None:
    provider = room.provider()
    provider.check = called_off
    (first,) = in_time(lambda: provider.create("swarm-1"))
    (second,) = in_time(lambda: provider.create("swarm-2"))
    assert isinstance(first, CalledOff) and isinstance(second, CalledOff)
    provider.check = lambda: None
    assert in_time(lambda: provider.create("swarm-3")) == []
    assert {call[-1] for call in room.calls} == {"swarm-3"}


def test_whoever_waits_for_the_certificates_can_be_called_off(room: Room) -> None:
    room.tell(create={"says": ["Creating CA"], "hangs": True})
    provider = room.provider()
    begun, over = threading.Event(), threading.Event()
    provider.report = lambda line: begun.set()
    provider.check = lambda: called_off() if over.is_set() else None
    raised: list[list[BaseException]] = []
    first = threading.Thread(
        target=lambda: raised.append(in_time(lambda: provider.create("swarm-1"))), daemon=True
    )
    first.start()
    assert begun.wait(timeout=60)
    # The first goes on in its turn, with the check that it was begun with.
    provider.check = called_off
    (error,) = in_time(lambda: provider.create("swarm-2"))
    assert isinstance(error, CalledOff)
    over.set()
    first.join(timeout=60)
    assert [type(one) for one in raised[0]] == [CalledOff]


def test_whoever_waits_too_long_for_the_certificates_is_told_what_holds_them_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.tell(create={"says": ["Creating CA"], "hangs": True})
    provider = room.provider()
    begun, over = threading.Event(), threading.Event()
    provider.report = lambda line: begun.set()
    provider.check = lambda: called_off() if over.is_set() else None
    first = threading.Thread(
        target=lambda: in_time(lambda: provider.create("swarm-1")), daemon=True
    )
    first.start()
    assert begun.wait(timeout=60)
    monkeypatch.setattr(docker_machine, "_CREATE_SECONDS", 0.1)
    (error,) = in_time(lambda: provider.create("swarm-2"))
    assert isinstance(error, TimedOut)
    assert "last seen: swarm-1: Creating CA" in str(error)
    over.set()
    first.join(timeout=60)


# What a machine is, and where.


@pytest.mark.parametrize(
    ("said", "code", "state", "detail"),
    [
        (["Running"], 0, NodeState.STOPPED, "its address is not known"),
        (["Stopped"], 0, NodeState.STOPPED, "stopped"),
        (["Error"], 0, NodeState.STOPPED, "error"),
        (["a warning nobody asked for", "Saved"], 0, NodeState.STOPPED, "saved"),
        (["Paused"], 0, NodeState.STOPPED, "paused"),
        (["Timeout"], 0, NodeState.STOPPED, "timeout"),
        ([], 0, NodeState.STOPPED, "its state is not known"),
        (["the driver is gone"], 1, NodeState.STOPPED, "its state is not known"),
    ],
)
def test_a_machine_that_does_not_answer_is_asked_about(
    room: Room, said: list[str], code: int, state: NodeState, detail: str
) -> None:
    room.machine("swarm-1")
    room.tell(status={"says": said, "code": code})
    info = room.provider().info()
    assert [(one.name, one.state, one.detail) for one in info.nodes] == [("swarm-1", state, detail)]


def test_a_machine_that_is_running_already_is_no_error(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.machine("swarm-1")
    already = {"says": ['Machine "swarm-1" is already running.'], "code": 1}
    room.tell(start=already, env={"says": list(WAY)})
    room.provider().start("swarm-1", {})
    assert [call[0] for call in room.calls] == ["start", "env"]
    room.tell(stop={"says": ["generic driver does not support stop"], "code": 1})
    with pytest.raises(EnvironmentProblem, match="could not stop swarm-1") as caught:
        room.provider().stop("swarm-1")
    assert "does not support stop" in caught.value.evidence


def test_an_address_that_is_not_kept_is_asked_for(room: Room) -> None:
    room.machine("swarm-1")
    room.tell(ip={"says": ["192.0.2.9"]})
    assert room.provider().address("swarm-1") == "192.0.2.9"
    room.tell(ip={"says": ["Host is not running"], "code": 1})
    with pytest.raises(EnvironmentProblem, match="address of swarm-1"):
        room.provider().address("swarm-1")


def test_a_running_machine_whose_address_its_driver_never_keeps_is_reached(room: Room) -> None:
    """Azure's and Google's do not write it; every later command goes by it."""
    room.machine("swarm-1")
    room.tell(status={"says": ["Running"]}, ip={"says": ["192.0.2.9"]})
    provider = room.provider()
    (node,) = provider.info().nodes
    assert (node.address, node.state, node.detail) == ("192.0.2.9", NodeState.RUNNING, "running")
    assert provider.address("swarm-1") == provider.place("swarm-1").address == "192.0.2.9"
    assert [call[0] for call in room.calls] == ["status", "ip"]
    provider.stop("swarm-1")
    room.tell(ip={"says": ["192.0.2.10"]})
    assert provider.address("swarm-1") == "192.0.2.10"


@pytest.mark.parametrize("workstation", [NodeState.STOPPED, NodeState.MISSING])
def test_machines_whose_driver_forgets_their_address_at_a_stop_start_again(
    room: Room, monkeypatch: pytest.MonkeyPatch, workstation: NodeState
) -> None:
    room.tell(stop={"address": ""}, start={"address": "192.0.2.8"})
    marks = [f"{key}={value}" for key, value in {labels.LAB: "demo", **Size(3).marks}.items()]
    for node in Size(3).names:
        options = {"EngineOptions": {"Labels": marks}}
        room.machine(node, Driver={"IPAddress": "192.0.2.7"}, HostOptions=options)
        room.provider().stop(node)
    engine = engine_of(Docker(room.store))
    there = replace(remains.look(engine, "demo"), workstation=workstation)
    given: list[dict[str, str]] = []

    def furnish(engine: Engine, lab: str, nodes: Any, keys: object) -> None:
        found = nodes() if callable(nodes) else nodes
        given.append({node: machine.address for node, machine in found.items()})

    def create(*words: object, nodes: dict[str, str], **more: object) -> None:
        given.append(nodes)

    api = SimpleNamespace(close=lambda: None)
    keyring = SimpleNamespace(on_node=lambda node: {})
    images = SimpleNamespace(node="", workstation=lambda: "", sources=None)
    for name, instead in (
        ("cluster.repair.workstation.again", furnish),
        ("cluster.repair.workstation.start", furnish),
        ("cluster.repair.workstation.create", create),
        ("cluster.repair.stock.of", lambda *words, **more: images),
        ("cluster.repair.cutting.join", lambda *words: False),
        ("cluster.repair.settling.missing", lambda apis: ""),
        ("cluster.repair._keys", lambda *words: keyring),
        ("cluster.repair.keys.cached", lambda *words: keyring),
        ("cluster.repair._Job.rejoin", lambda *words: None),
        ("cluster.repair.Site.lookout", lambda *words: None),
        ("cluster.repair.Site.answering", lambda *words, **more: api),
        ("cluster.repair.Site.furnish", lambda *words, **more: None),
        ("providers.network.LabNetwork.adopt", adopted),
    ):
        monkeypatch.setattr(f"swarmlab.{name}", instead)
    repair.mend("demo", engine, there, SilentProgress())
    assert "ip" not in {call[0] for call in room.calls}
    assert given and all(one == dict.fromkeys(Size(3).names, "192.0.2.8") for one in given)


def adopted(self: network.LabNetwork) -> None:
    self.subnet = IPv4Network("192.0.2.128/25")


# What `env` tells.


WAY = (
    'export DOCKER_TLS_VERIFY="1"',
    'export DOCKER_HOST="tcp://192.0.2.44:2376"',
    'export DOCKER_CERT_PATH="/certs"',
)


def way(room: Room, *lines: str) -> None:
    room.tell(env={"says": list(lines)})


def test_the_way_to_an_engine_is_as_docker_machine_says(room: Room) -> None:
    """Its own words count before its file, and a path is not escaped in them."""
    certs = room.folder / "it's $HOME"
    way(
        room,
        'export DOCKER_TLS_VERIFY="1"',
        'export DOCKER_HOST="tcp://192.0.2.44:12376"',
        f'export DOCKER_CERT_PATH="{certs}"',
        'export DOCKER_MACHINE_NAME="swarm-1"',
        "# Run this command to configure your shell: ",
    )
    provider = room.provider()
    provider.create("swarm-1")
    place = provider.place("swarm-1")
    assert (place.address, place.engine_port) == ("192.0.2.44", 12376)
    assert provider.certs("swarm-1") == certs
    assert provider.address("swarm-1") == "192.0.2.44"
    # A process that has not asked goes by the file.
    assert room.provider().address("swarm-1") == "192.0.2.7"
    assert room.provider().certs("swarm-1") == room.store / "machines" / "swarm-1"
    provider.stop("swarm-1")
    assert provider.address("swarm-1") == "192.0.2.7"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ['set -gx DOCKER_HOST "tcp://192.0.2.44:2376";'],
        ['export DOCKER_HOST="tcp://192.0.2.44:2376"'],
        ['export DOCKER_HOST="tcp://192.0.2.44:2376"', 'export DOCKER_CERT_PATH="/c"'],
        [
            'export DOCKER_TLS_VERIFY="1"',
            'export DOCKER_HOST="tcp://192.0.2.44:port"',
            'export DOCKER_CERT_PATH="/c"',
        ],
    ],
)
def test_words_that_tell_no_way_are_not_guessed_at(room: Room, lines: list[str]) -> None:
    room.tell(env={"says": lines, "heard": True})
    with pytest.raises(EnvironmentProblem, match="does not say where the engine of swarm-1 is"):
        room.provider().create("swarm-1")


@pytest.mark.parametrize(
    ("shell", "line", "ours"),
    [
        ("sh", 'export DOCKER_HOST="tcp://192.0.2.7:2376"', True),
        ("bash", 'export DOCKER_HOST="tcp://192.0.2.7:2376"', True),
        ("fish", 'set -gx DOCKER_HOST "tcp://192.0.2.7:2376";', False),
        ("tcsh", 'setenv DOCKER_HOST "tcp://192.0.2.7:2376";', False),
        ("cmd", "SET DOCKER_HOST=tcp://192.0.2.7:2376", False),
        ("powershell", '$Env:DOCKER_HOST = "tcp://192.0.2.7:2376"', False),
    ],
)
def test_the_words_for_a_shell_are_its_own(
    shell: str,
    line: str,
    ours: bool,
    room: Room,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the stand-in of the engine tests says them, after docker-machine's source."""
    address = "192.0.2.7"
    room.machine("swarm-1", Driver={"IPAddress": address, "Address": address})
    monkeypatch.setattr(machine_standin, "MACHINES", room.store / "machines")
    monkeypatch.setattr(machine_standin, "state", lambda name: "Running")
    quiet = SimpleNamespace(ping=lambda: None, close=lambda: None)
    monkeypatch.setattr(machine_standin, "engine", lambda config: quiet)
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    for words in (["env", "--shell", shell, "swarm-1"], ["env", "swarm-1"]):
        machine_standin.main(words)
        lines = capsys.readouterr().out.splitlines()
        assert line in lines
        found = machine_env.read(lines)
        assert (found is not None) == ours
    if found is not None:
        assert found.certs == room.store / "machines" / "swarm-1"
    monkeypatch.setattr(machine_standin, "state", lambda name: "Stopped")
    with pytest.raises(machine_standin.Failed, match="Host is not running") as caught:
        machine_standin.main(["env", "swarm-1"])
    assert caught.value.code == 1


def test_certificates_that_do_not_fit_are_said_at_once(room: Room) -> None:
    said = [
        "Error checking TLS connection: Error checking and/or regenerating the certs: There was an "
        'error validating certificates for host "192.0.2.8:2376": x509: certificate is valid for '
        "192.0.2.7, not 192.0.2.8",
        "You can attempt to regenerate them using 'docker-machine regenerate-certs [name]'.",
    ]
    room.machine("swarm-1")
    room.tell(env={"says": said, "code": 1})
    with pytest.raises(EnvironmentProblem, match="certificates of swarm-1 do not fit") as caught:
        room.provider().start("swarm-1", {})
    assert "192.0.2.7, not 192.0.2.8" in caught.value.evidence
    assert "`docker-machine regenerate-certs swarm-1`" in caught.value.hint
    assert "fixed lease" in caught.value.hint
    assert len(room.calls) == 2


def test_an_engine_that_is_late_is_asked_for_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.machine("swarm-1")
    late = {"says": ["Error checking TLS connection: Host is not running"], "code": 1}
    room.tell(env={"first": late, "says": list(WAY)})
    provider = room.provider()
    provider.start("swarm-1", {})
    assert [call[0] for call in room.calls] == ["start", "env", "env"]
    assert provider.address("swarm-1") == "192.0.2.44"
    provider.stop("swarm-1")
    room.tell(env=late)
    monkeypatch.setattr(machine_env, "_ENGINE_SECONDS", 0.1)
    with pytest.raises(EnvironmentProblem, match="does not reach the engine") as caught:
        provider.start("swarm-1", {})
    assert "Host is not running" in caught.value.evidence


# What the store tells.


def test_the_file_of_a_machine_is_read(room: Room) -> None:
    room.machine("swarm-1", Driver={"IPAddress": "192.0.2.4", "EnginePort": 12376})
    found = machine_store.machine(room.store, "swarm-1")
    assert found is not None
    assert (found.address, found.port, found.lab, found.driver) == (
        "192.0.2.4",
        12376,
        "demo",
        "unit",
    )
    assert room.provider().place("swarm-1").engine_port == 12376


@pytest.mark.parametrize(
    "change",
    [
        lambda config: b"{",
        lambda config: b"[]",
        lambda config: config.replace(b'"ConfigVersion": 3', b'"ConfigVersion": 4'),
        lambda config: b"\xff\xfe",
    ],
)
def test_a_file_of_another_kind_is_nobodys(room: Room, change: Callable[[bytes], bytes]) -> None:
    path = room.machine("swarm-1") / "config.json"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(EnvironmentProblem, match="not a file as docker-machine writes it"):
        machine_store.machine(room.store, "swarm-1")
    assert list(machine_store.machines(room.store)) == []
    with pytest.raises(UsageError, match="swarmlab did not make"):
        room.provider(lab="new").prepare()


@pytest.mark.parametrize(
    "parts",
    [
        {"HostOptions": None},
        {"HostOptions": {"EngineOptions": {"Labels": None}}},
        {"Driver": None, "HostOptions": {}},
        {"Driver": {"IPAddress": None, "EnginePort": "many"}, "HostOptions": {}},
    ],
)
def test_what_a_file_lacks_is_empty(room: Room, parts: dict[str, Any]) -> None:
    room.machine("swarm-1", **parts)
    found = machine_store.machine(room.store, "swarm-1")
    assert found is not None
    assert (found.address, found.port, found.lab) == ("", 2376, "")


def test_labs_are_found_in_the_store_when_nothing_else_is_left(room: Room) -> None:
    room.machine("swarm-1")
    room.machine("theirs", HostOptions={})
    assert registry.strays() == {
        "demo": Choice("docker-machine", {"store": str(room.store)}),
    }


class Docker:
    """The lab's own engine, that holds its network and nothing else of it."""

    def __init__(self, store: Path) -> None:
        kept = json.dumps({"store": str(store), "driver": "unit", "options": ["unit-memory=1"]})
        marks = {labels.PROVIDER: "docker-machine", labels.SETTINGS: kept, **Size(3).marks}
        self.there = [{"Name": "swarmlab-demo", "Labels": {labels.LAB: "demo", **marks}}]

    def networks(self, **more: object) -> list[dict[str, Any]]:
        return list(self.there)

    def containers(self, **more: object) -> list[dict[str, Any]]:
        return []

    def volumes(self, **more: object) -> dict[str, Any]:
        return {}

    def get_archive(self, container: str, path: str) -> None:
        raise NotFound("no such container")

    def inspect_network(self, name: str) -> dict[str, Any]:
        return {}

    def remove_network(self, name: str) -> None:
        self.there.clear()


def engine_of(docker: Docker) -> Engine:
    client = SimpleNamespace(api=docker, close=lambda: None)
    return cast(Engine, SimpleNamespace(client=client))


@pytest.mark.parametrize("gone", [True, False])
def test_machines_of_which_nothing_can_be_told_are_not_forgotten(room: Room, gone: bool) -> None:
    nodes: tuple[str, ...] = ("swarm-1", "swarm-2", "swarm-3")
    if not gone:
        for node in (*nodes, "swarm-4"):
            (room.machine(node) / "config.json").write_text("{")
        nodes = ("swarm-1", "swarm-3")
        (room.store / "machines" / "swarm-2" / "config.json").unlink()
    docker = Docker(room.store)
    engine = engine_of(docker)
    there = remains.look(engine, "demo")
    assert there.machines == nodes
    with pytest.raises(EnvironmentProblem, match="were not cleaned") as caught:
        remains.clear(engine, "demo", there)
    assert "--forget-lost" in caught.value.hint
    assert all(node in caught.value.evidence for node in nodes)
    assert docker.there
    told = remains.clear(engine, "demo", there, lost=True)
    assert len(told) == len(nodes)
    assert docker.there == []


def test_a_lab_of_which_no_machine_was_made_yet_has_lost_none(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network.LabNetwork, "prepare", lambda *words: None)
    room.provider().prepare()
    assert remains.look(engine_of(Docker(room.store)), "demo").machines == ()


def test_the_engine_of_a_machine_is_spoken_to_as_it_can(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's engine is older than the one of the nodes that swarmlab makes itself."""
    asked: list[machine_env.Way] = []

    def reached(way: machine_env.Way) -> Engine:
        asked.append(way)
        return speaking("1.41")

    monkeypatch.setattr(machine_api, "reached", reached)
    provider = room.provider()
    provider.create("swarm-1")
    assert [provider.place("swarm-1").api for _ in range(3)] == ["1.41"] * 3
    assert len(asked) == 1
    assert room.provider().place("swarm-1").api == "1.41"


def test_an_engine_that_is_too_old_is_told_before_anything_is_brought_there(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def old(way: machine_env.Way) -> Engine:
        raise EnvironmentProblem("Too old: the Docker engine 19.03.12 speaks API 1.40.")

    monkeypatch.setattr(machine_api, "reached", old)
    with pytest.raises(EnvironmentProblem, match=r"swarm-1 is of no use\. Too old") as caught:
        room.provider().create("swarm-1")
    assert "newer engine" in caught.value.hint
    assert room.provider().place("swarm-1").api == ""


def test_the_labs_network_keeps_away_from_what_a_driver_makes(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network.LabNetwork, "prepare", lambda *words: None)
    options = ("virtualbox-hostonly-cidr=192.168.100.1/24", "unit-path=/a/b", "unit-quiet")
    provider = room.provider(*options)
    provider.prepare()
    assert [str(one) for one in provider.avoided] == ["192.168.99.0/24", "192.168.100.0/24"]
    assert str(subnets.choose(provider.avoided)) == "192.168.101.0/24"


@pytest.mark.parametrize(("address", "overlays"), [("10.0.1.5", 1), ("192.0.2.5", 0)])
def test_overlay_networks_keep_away_from_the_machines(
    room: Room, address: str, overlays: int
) -> None:
    provider = room.provider()
    provider.keep_clear("192.0.2.7", address)
    assert len(provider.overlays) == overlays


def test_a_store_that_cannot_be_made_is_said_before_anything_is_made(room: Room) -> None:
    room.store.write_text("no folder")
    with pytest.raises(EnvironmentProblem, match="cannot be made") as caught:
        room.provider().prepare()
    assert "MACHINE_STORAGE_PATH" in caught.value.hint


def test_secrets_given_again_go_to_what_is_mended_and_are_not_kept(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.machine("swarm-1")
    docker = Docker(room.store)
    mended: list[remains.Remains] = []
    monkeypatch.setattr("swarmlab.engine.connect", lambda: engine_of(docker))
    monkeypatch.setattr(lifecycle, "_mend", lambda name, engine, there, *_: mended.append(there))
    again = registry.asked("docker-machine", "unit", ["unit-token=hunter2", "unit-memory=1"])
    lifecycle.up("demo", choice=again)
    provider = registry.make(mended[0].choice, ENGINE, "demo", size=Size(3))
    provider.create("swarm-2")
    made = next(call for call in room.calls if call[0] == "create")
    assert "--unit-token=hunter2" in made and "--unit-memory=1" in made
    assert made.count("--unit-memory=1") == 1
    assert "hunter2" not in json.dumps(provider.marks)


def test_what_a_driver_keeps_in_its_file_is_hidden_when_it_starts_a_machine(room: Room) -> None:
    """`start` is given no secret: docker-machine has it, and its driver may say it."""
    driver = {"IPAddress": "", "AccessToken": "hunter2", "AuthUrl": "https://cloud:5000"}
    room.machine("swarm-1", Driver=driver)
    (room.store / "machines" / "odd").mkdir()
    (room.store / "machines" / "odd" / "config.json").write_text("[")
    said = ["asking https://cloud:5000 with hunter2"]
    room.tell(start={"says": said}, env={"says": list(WAY)})
    provider = room.provider()
    heard: list[str] = []
    provider.report = heard.append
    provider.start("swarm-1", {})
    assert heard == ["swarm-1: asking https://cloud:5000 with ***"]
    assert room.calls[0] == ["start", "swarm-1"]


def test_a_node_that_cannot_be_made_again_without_a_secret_says_which(room: Room) -> None:
    kept = json.loads(room.provider("unit-token=hunter2", "unit-memory=1").marks[labels.SETTINGS])
    assert kept["secrets"] == ["unit-token"]
    room.tell(create={"says": ["401 Unauthorized"], "code": 1, "makes": False})
    later = registry.make(Choice("docker-machine", kept), ENGINE, "demo", size=Size(3))
    with pytest.raises(EnvironmentProblem, match="could not make swarm-2") as caught:
        later.create("swarm-2")
    assert "--machine-opt unit-token=..." in caught.value.hint
    given = registry.given_again(
        Choice("docker-machine", kept), registry.asked("docker-machine", "", ["unit-token=new"])
    )
    again = registry.make(given, ENGINE, "demo", size=Size(3))
    with pytest.raises(EnvironmentProblem) as caught:
        again.create("swarm-2")
    assert "unit-token" not in caught.value.hint
    assert json.loads(again.marks[labels.SETTINGS])["secrets"] == ["unit-token"]


def test_secrets_of_the_environment_are_given_again_by_themselves(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = Choice("docker-machine", {"store": "s", "options": ["unit-memory=1"]})
    monkeypatch.setenv("SWARMLAB_MACHINE_OPTS", "unit-token=hunter2 unit-memory=9")
    found = registry.given_again(has, None)
    assert found.settings["options"] == ["unit-memory=1", "unit-token=hunter2"]
    assert registry.given_again(Choice(), None) == Choice()
    for broken in ("unit-token='", "driver=x"):
        monkeypatch.setenv("SWARMLAB_MACHINE_OPTS", broken)
        assert registry.given_again(has, None) == has
        with pytest.raises(UsageError, match=r"MACHINE_OPTS|machine-opt"):
            registry.asked("docker-machine")


@pytest.mark.parametrize(
    ("driver", "options", "missing"),
    [
        ("other", [], "--machine-driver other"),
        ("", ["unit-memory=9"], "--machine-opt unit-memory=9"),
        ("unit", ["unit-memory=1", "unit-fast"], "--machine-opt unit-fast"),
        ("other", ["unit-n={n}"], "--machine-driver other and --machine-opt 'unit-n={n}'"),
    ],
)
def test_a_lab_is_not_given_another_driver_or_other_options(
    room: Room, monkeypatch: pytest.MonkeyPatch, driver: str, options: list[str], missing: str
) -> None:
    room.machine("swarm-1")
    mended: list[remains.Remains] = []
    monkeypatch.setattr("swarmlab.engine.connect", lambda: engine_of(Docker(room.store)))
    monkeypatch.setattr(lifecycle, "_mend", lambda name, engine, there, *_: mended.append(there))
    asked = registry.asked("docker-machine", driver, [*options, "unit-token=hunter2"])
    with pytest.raises(UsageError) as caught:
        lifecycle.up("demo", choice=asked)
    assert caught.value.message == f"The lab 'demo' was made without {missing}."
    assert caught.value.hint.startswith(f"Leave {missing} away")
    assert mended == []


class Notes(SilentProgress):
    """What a progress was told to note."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def note(self, text: str) -> None:
        self.noted.append(text)


@pytest.mark.parametrize(("variable", "typed"), [("docker-machine", False), ("", True)])
def test_other_options_of_the_environment_are_told(
    room: Room, monkeypatch: pytest.MonkeyPatch, variable: str, typed: bool
) -> None:
    room.machine("swarm-1")
    monkeypatch.setattr("swarmlab.engine.connect", lambda: engine_of(Docker(room.store)))
    monkeypatch.setattr(lifecycle, "_mend", lambda *_: None)
    monkeypatch.setenv("SWARMLAB_PROVIDER", variable)
    monkeypatch.setenv("SWARMLAB_MACHINE_DRIVER", "other")
    monkeypatch.setenv("SWARMLAB_MACHINE_OPTS", "unit-memory=1 unit-memory=9 unit-token=hunter2")
    told = Notes()

    def up() -> None:
        choice = registry.asked("docker-machine") if typed else None
        lifecycle.up("demo", choice=choice, progress=told)

    up()
    (said,) = told.noted
    asked = "--machine-driver other and --machine-opt unit-memory=9"
    assert f"The environment asks for {asked}; the lab 'demo' keeps its machines" in said
    monkeypatch.delenv("SWARMLAB_MACHINE_DRIVER")
    monkeypatch.setenv("SWARMLAB_MACHINE_OPTS", "unit-memory=1")
    up()
    assert len(told.noted) == 1


def test_a_lab_without_labels_is_made_anew_as_it_is_asked_for(room: Room) -> None:
    """Its network is gone, and with it how it was made; its machines are where they were."""
    room.machine("swarm-1")
    has = machine_options.strays()["demo"]
    wanted = registry.asked("docker-machine", "other", ["unit-memory=9"])
    found = registry.given_again(has, wanted)
    assert found.settings == {
        "store": str(room.store), "driver": "other", "options": ["unit-memory=9"],
    }  # fmt: skip


@pytest.fixture
def lost(room: Room, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A lab of three whose store is gone."""
    engine = engine_of(Docker(room.store))
    monkeypatch.setattr("swarmlab.engine.connect", lambda: engine)
    return engine


def test_a_lab_whose_store_is_gone_says_so_and_is_left_as_it_is(lost: Engine, room: Room) -> None:
    for move in (lifecycle.up, lifecycle.start, standby.stop, lifecycle.find):
        with pytest.raises(EnvironmentProblem, match="What became of swarm-1") as caught:
            move("demo")
        assert str(room.store) in caught.value.message
        assert "Bring that folder back" in caught.value.hint
        assert "--forget-lost" in caught.value.hint
    found = lifecycle.status("demo")
    assert not found.healthy
    assert [(node.name, node.container) for node in found.nodes] == [
        (f"swarm-{number}", "not known") for number in (1, 2, 3)
    ]
    assert [problem.partition(" cannot")[0] for problem in found.problems] == [
        f"What became of swarm-{number}" for number in (1, 2, 3)
    ]
    assert "Bring that folder back" in found.advice
    (listed,) = lifecycle.labs()
    assert listed.problem == found.problems[0]


def test_a_machine_that_is_not_there_is_called_a_machine(lost: Engine, room: Room) -> None:
    marks = [f"{key}={value}" for key, value in {labels.LAB: "demo", **Size(3).marks}.items()]
    room.machine("swarm-1", HostOptions={"EngineOptions": {"Labels": marks}})
    assert "the machine of swarm-3 is missing" in lifecycle.status("demo").problems


# What a killed command has left running.


@contextmanager
def making(
    room: Room, node: str, *, lab: str = "demo", store: str = "store"
) -> Iterator[Popen[bytes]]:
    """A docker-machine that makes a machine, begun as swarmlab does it, and hangs."""
    words = ["create", "--engine-label", f"swarmlab.lab={lab}", "--unit-token=hunter2", node]
    before = set(machine_making.running(room.folder / store, lab))
    process = Popen(
        ["docker-machine", *words],
        env={**os.environ, "MACHINE_STORAGE_PATH": str(room.folder / store)},
        stdin=DEVNULL,
        stdout=DEVNULL,
        start_new_session=True,
    )
    # As init does for those whose parent is gone.
    threading.Thread(target=process.wait, daemon=True).start()
    try:

        def look() -> Observation[None]:
            now = set(machine_making.running(room.folder / store, lab))
            return Observation(now == before | {node}, str(now))

        until("it to be seen", look, within=30, every=0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def test_what_a_killed_command_left_running_is_ended_and_nothing_else(room: Room) -> None:
    room.tell(create={"hangs": True})
    store = room.store
    (store / "machines" / "swarm-1").mkdir(parents=True)
    room.machine("swarm-2")
    with (
        making(room, "swarm-1") as first,
        making(room, "swarm-2") as second,
        making(room, "swarm-3", lab="other") as others,
        making(room, "swarm-1", store="elsewhere") as elsewhere,
    ):
        assert machine_making.running(store, "demo") == {
            "swarm-1": first.pid,
            "swarm-2": second.pid,
        }
        assert machine_making.end(store, "demo") == ("swarm-1", "swarm-2")
        assert (first.wait(timeout=30), second.wait(timeout=30)) == (-SIGTERM, -SIGTERM)
        assert (others.poll(), elsewhere.poll()) == (None, None)
    # docker-machine had not begun to keep anything of the one, and removes the other.
    assert [path.name for path in (store / "machines").iterdir()] == ["swarm-2"]
    assert machine_making.end(store, "demo") == ()


def test_a_script_in_the_programs_place_is_ended_with_what_it_runs(room: Room) -> None:
    room.tell(create={"hangs": True})
    program = room.folder / "bin" / "docker-machine"
    program.rename(program.with_name("real"))
    program.write_text(f'#!/bin/sh\n{program.with_name("real")} "$@"\necho it goes on\n')
    program.chmod(0o755)
    with making(room, "swarm-1") as script:
        called = room.folder / "calls"
        until("the real one", lambda: Observation(called.exists(), "it is not"), within=30)
        assert machine_making.end(room.store, "demo") == ("swarm-1",)
        assert script.wait(timeout=30) == -SIGTERM


def test_one_that_will_not_end_is_killed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.tell(create={"hangs": True, "deaf": True})
    monkeypatch.setattr(machine_making, "_GRACE_SECONDS", 0.3)
    with making(room, "swarm-1") as process:
        deaf = room.folder / "deaf"
        until("it to be deaf", lambda: Observation(deaf.exists(), "it is not"), within=30)
        assert machine_making.end(room.store, "demo") == ("swarm-1",)
        assert process.wait(timeout=30) == -SIGKILL


def test_a_lab_whose_up_was_killed_begins_without_what_was_half_made(room: Room) -> None:
    room.tell(create={"hangs": True})
    room.machine("swarm-1", Driver={"IPAddress": ""})
    engine, told = engine_of(Docker(room.store)), Notes()
    with making(room, "swarm-1") as process:
        there = clearing.settled("demo", engine, told)
        assert process.wait(timeout=30) == -SIGTERM
    assert there.machines == ()
    assert there.networks == ("swarmlab-demo",)
    assert told.noted[0].startswith("swarm-1 was still being made for a command that was killed")
    assert "docker-machine removed swarm-1, which was never whole" in told.noted[1]
    assert ["rm", "-y", "swarm-1"] in room.calls
    assert clearing.settled("demo", engine, told) == there
    assert len(told.noted) == 2


# Which provider is asked for.


def test_the_environment_may_ask_for_it(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.asked() is None
    assert registry.wanted() == Choice()
    monkeypatch.setenv("SWARMLAB_PROVIDER", "docker-machine")
    monkeypatch.setenv("SWARMLAB_MACHINE_DRIVER", "unit")
    monkeypatch.setenv("SWARMLAB_MACHINE_OPTS", "unit-memory=1 'unit-label=a b'")
    found = registry.wanted()
    assert found.settings["driver"] == "unit"
    assert found.settings["options"] == ["unit-memory=1", "unit-label=a b"]
    given = registry.asked("docker-machine", "other", ["x=1"])
    assert given is not None
    assert (given.settings["driver"], given.settings["options"]) == ("other", ["x=1"])


def test_a_provider_unknown_or_options_of_another_are_refused(room: Room) -> None:
    with pytest.raises(UsageError, match="no provider 'nope'"):
        registry.asked("nope")
    with pytest.raises(UsageError, match="not for provider dind"):
        registry.asked("dind", "virtualbox")


def test_labels_tell_the_provider_and_odd_ones_tell_no_settings() -> None:
    odd = {labels.PROVIDER: "x", labels.SETTINGS: "{"}
    listed: list[dict[str, Any]] = [{"Labels": None}, {"Labels": odd}]
    assert registry.told(listed) == Choice("x")
    assert registry.told([]).contained
