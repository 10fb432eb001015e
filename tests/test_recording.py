"""Recordings: what varies is marked, the stored one is sound, replays say what they are."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlab import loader, recorder, recording
from swarmlab.errors import ClusterProblem, LabFileError
from swarmlab.model import Step
from swarmlab.recording import RecordedCommand, RecordedStep, Recording
from swarmlab.runner import Runner
from swarmlab.varying import CLOSE, OPEN, normalise, pieces
from swarmlab.words import say
from swarmlab.workspace import Outcome
from tests.lab_fakes import CHECKS, OBSERVERS, FakeShell, Room, check, lab, step
from tests.test_cli import swarmlab

LAB = loader.load_builtin("service-discovery")


def stored() -> Recording:
    found = recording.load(LAB)
    assert found is not None
    return found


def changed(found: Recording, command: str, output: str) -> Recording:
    """The recording, with another output of one command of its first step."""
    first = found.steps[0]
    commands = tuple(
        replace(one, output=output) if one.id == command else one for one in first.commands
    )
    return replace(found, steps=(replace(first, commands=commands), *found.steps[1:]))


# What varies.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  started 776b0e3dd945 on swarm-1\n", "  started 67051e315140 on swarm-1\n"),
        ("started 123456789012 on", "started abcdefabcdef on"),
        ("a3pt03vukklmofiq95hpe3t17\n", "abcdefghijklmnopqrstuvwxy\n"),
        ("Date: Sun, 22 Nov 2026 17:11:32 GMT", "Date: Mon, 07 Dec 2026 00:00:00 GMT"),
        (";; WHEN: Sun Nov 22 17:11:45 2026", ";; WHEN: Mon Dec  7 00:00:01 2026"),
        ("proxy.\t600\tIN\tA\t10.0.1.2", "proxy.\t600\tIN\tA\t10.0.12.255"),
        ("     19 200\n     41 503", "     2 200\n     8 503"),
        ('{"CreateIndex":16,"ModifyIndex":16}', '{"CreateIndex":8,"ModifyIndex":117}'),
        (
            "ke0x48krt5ih   proxy.1   swarmlab/x:1.0   swarm-3   Running   Running 14 seconds ago",
            "abcdefghijkl   proxy.1   swarmlab/x:1.0   swarm-1   Running   "
            "Running less than a second ago         ",
        ),
        ("a3pt03vukklm   sleeper   global   2/3   x", "a3pt03vukklm   sleeper   global  3/3   x"),
        (
            "proxy\nError response from daemon: error while removing network: "
            "network go-demo has active endpoints\ngo-demo\n",
            "proxy\ngo-demo\n",
        ),
        ("The lab 'rec' is gone.", "The lab 'monday' is gone."),
    ],
)  # fmt: skip
def test_two_runs_of_the_same_say_the_same(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("     60 200\n", "     59 200\n"),
        (";; SERVER: 127.0.0.11", ";; SERVER: 127.0.0.53"),
        ("A: go-demo: I know of 2, wanted are 3", "A: go-demo: I know of 3, wanted are 3"),
        ("HTTP/1.1 503 Service Unavailable", "HTTP/1.1 404 Not Found"),
        ("  started 776b0e3dd945 on swarm-1", "  started 776b0e3dd945 on swarm-2"),
        ("A\t10.0.1.2\nA\t10.0.1.3", "A\t10.0.1.2"),
        ("proxy scaled to 6", "proxy scaled to 5"),
        ("Error response from daemon: no such network", ""),
    ],
)
def test_what_the_chapter_claims_is_no_noise(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.text(st.sampled_from("abf019 .:/\n\t'\"-,GMTSun Nov") | st.characters(), max_size=300))
def test_the_pieces_are_the_output(output: str) -> None:
    assert "".join(piece.text for piece in pieces(output)) == output


# The stored recording.


def test_the_recording_knows_every_command_as_it_is_now() -> None:
    assert recording.stale(stored(), LAB) == (), "make a new one: swarmlab record"
    assert {command.exit_code for one in stored().steps for command in one.commands} == {0}
    assert {check.verdict for one in stored().steps for check in one.checks} == {"passed"}


def test_a_changed_command_is_no_longer_recorded() -> None:
    first = LAB.steps[0]
    other = replace(first.commands[0], run="./naive-manager.sh C")
    new = replace(LAB, steps=(replace(first, commands=(other, *first.commands[1:])),))
    assert recording.stale(stored(), new) == ("1.first-manager",)


def test_its_normalised_form_is_that_of_today() -> None:
    for one in stored().steps:
        for command in one.commands:
            assert command.normalised == normalise(command.output), f"{one.id}.{command.id}"


def test_it_says_what_ran_and_holds_no_secret() -> None:
    found = stored()
    assert {"swarmlab", "engine of the nodes", "kernel", "consul", "flow-proxy"} <= set(
        found.versions
    )
    assert found.seconds > 10
    text = recording.file(LAB, "local").read_text(encoding="utf-8")
    for secret in ("SWMTKN-1-", "PRIVATE KEY", "Authorization"):
        assert secret not in text


def test_it_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    elsewhere = replace(LAB, folder=tmp_path)
    recording.save(stored(), recording.file(elsewhere, "local"))
    assert recording.load(elsewhere) == stored()
    assert recording.load(elsewhere, "upstream") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kind": "swarmlab-recording", "version": 2}', "\udc80"]
)
def test_what_is_no_recording_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recordings" / "local.json"
    path.parent.mkdir()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(LabFileError):
        recording.load(replace(LAB, folder=tmp_path))


# Comparing.


def test_other_ids_are_no_difference_and_other_words_are() -> None:
    found = stored()
    output = found.steps[0].commands[0].output
    ids = [piece.text for piece in pieces(output) if piece.kind == "id"]
    assert ids
    assert recording.differences(found, changed(found, "first-manager", output)) == ""
    other = output.replace(ids[0], "0123456789ab")
    assert recording.differences(found, changed(found, "first-manager", other)) == ""
    said = recording.differences(found, changed(found, "first-manager", output + "Oh!\n"))
    assert "+Oh!" in said and "no-registry.first-manager" in said


def test_a_command_that_is_missing_is_a_difference() -> None:
    found = stored()
    fewer = replace(found, steps=found.steps[:-1])
    assert "clean-up.down: only in the recording" in recording.differences(found, fewer)
    assert "clean-up.down: only in the fresh run" in recording.differences(fewer, found)


# Recording.


@pytest.fixture
def plain_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "Runner", partial(Runner, checks=CHECKS, observers=OBSERVERS))
    monkeypatch.setattr(recorder, "found", lambda world: {"swarmlab": "1"})


def recorded(room: Room) -> Recording:
    return recorder.record(
        room.lab, workspace=room.workspace, progress=room.store, listener=room.listener
    )


@pytest.mark.usefixtures("plain_runner")
def test_a_run_becomes_a_recording(tmp_path: Path) -> None:
    said = step(1)
    said = replace(said, commands=(replace(said.commands[0], run="make f1\nsay 10.0.0.1"),))
    room = Room(lab(said, step(2)), tmp_path)
    room.runner.run()
    made = recorded(room)
    assert [one.id for one in made.steps] == ["s1", "s2"]
    first = made.steps[0].commands[0]
    assert (first.output, first.normalised) == ("10.0.0.1\n", f"{OPEN}address{CLOSE}")
    assert dict(made.versions) == {"swarmlab": "1"}
    # What was done before is done again: a recording is of a whole run.
    assert room.listener.only("step") == ["step 1", "step 2"] * 2


@pytest.mark.usefixtures("plain_runner")
def test_what_swarmlab_itself_answers_is_recorded_in_english(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `swarmlab down` of the last step does, in the language that is spoken meanwhile."""
    answers = []
    typed = FakeShell.run

    def run(self: FakeShell, command: str, *more: Any, **named: Any) -> Outcome:
        answers.append(say("The lab {name!r} is gone.", name="rec") + "\n")
        return replace(typed(self, command, *more, **named), output=answers[-1])

    monkeypatch.setattr(FakeShell, "run", run)
    made = recorded(Room(lab(step(1)), tmp_path))
    first = made.steps[0].commands[0]
    assert (first.output, first.normalised) == (
        "The lab 'rec' is gone.\n",
        f"The lab '{OPEN}name{CLOSE}' is gone.",
    )
    assert all("rec" in answer and answer != first.output for answer in answers)


@pytest.mark.usefixtures("plain_runner")
def test_a_run_that_fails_is_not_recorded(tmp_path: Path) -> None:
    room = Room(lab(step(1), step(2, checks=(check("never"),))), tmp_path)
    with pytest.raises(ClusterProblem, match="Step 2 did not pass") as caught:
        recorded(room)
    assert "never is so" in caught.value.evidence


def test_a_recorded_step_finds_its_command_only_as_it_was_typed() -> None:
    typed = RecordedCommand("c1", "make f1", 0, "", "", 0.1)
    found = RecordedStep("s1", 1.0, (typed,), ())
    command = step(1).commands[0]
    assert found.command(command) == typed
    assert found.command(replace(command, run="make f2")) is None


# Replaying.


@pytest.mark.parametrize("number", range(1, 15))
def test_a_replay_needs_no_lab_and_says_what_it_is(number: int, tmp_path: Path) -> None:
    done = swarmlab("step", str(number), "--replay", tmp=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    date = stored().recorded[:10]
    assert done.stdout.count(f"RECORDED on {date}") == 2
    for line in stored().steps[number - 1].commands[0].output.splitlines():
        assert f"  recorded | {line}".rstrip() in done.stdout
    for one in LAB.steps[number - 1].checks:
        assert one.title.split()[0] in done.stdout


def test_a_replay_as_data_cannot_be_taken_for_a_result(tmp_path: Path) -> None:
    done = swarmlab("step", "9", "--replay", "--json", tmp=tmp_path)
    found = json.loads(done.stdout)
    assert (found["kind"], found["recorded"], found["cluster"]) == ("swarmlab-replay", True, "")
    assert found["steps"][0]["commands"][0]["output"].startswith("HTTP/1.1 200 OK")


@pytest.mark.parametrize("step", LAB.steps, ids=lambda step: step.id)
def test_a_replay_in_chinese_shows_what_checks_saw_in_chinese(step: Step, tmp_path: Path) -> None:
    recorded = recording.load(LAB)
    assert recorded is not None
    checks = {one.id: one for one in recorded.steps[step.number - 1].checks}
    assert all(one.said["zh"] for one in checks.values() if one.actual)
    done = swarmlab("step", str(step.number), "--replay", "--lang", "zh", tmp=tmp_path)
    for one in checks.values():
        if one.said["zh"] != one.actual:
            assert one.actual not in done.stdout, one.id
            assert one.said["zh"].split("（")[0][:8] in done.stdout.replace("\n", ""), one.id
