"""What students see: whole at 60 columns, in plain characters, without colour, and copyable."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from swarmlab import console, loader
from swarmlab.model import Command, Where
from swarmlab.report import pieces, runs, since, text
from swarmlab.results import (
    CheckResult,
    CommandResult,
    RunResult,
    Since,
    StepResult,
    Timing,
    Verdict,
)

P, F, E, S = Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.SKIPPED
TINY = loader.load(Path(__file__).parent / "packs" / "tiny", images={"util": "swarmlab/util:1.0"})
LONG = "curl -s http://172.30.1.1:8500/v1/agent/members | jq '.[] | select(.Status == 1) | .Name'"


class Screen:
    """A console and what was drawn on it."""

    def __init__(self, width: int = 80, encoding: str = "utf-8", terminal: bool = False) -> None:
        self._raw = io.BytesIO()
        file = io.TextIOWrapper(self._raw, encoding=encoding)
        self.console = Console(
            file=file,
            width=width,
            force_terminal=terminal,
            color_system="truecolor" if terminal else None,
            highlight=False,
            legacy_windows=False,
            _environ={},
        )

    @property
    def drawn(self) -> str:
        self.console.file.flush()
        return self._raw.getvalue().decode(self.console.encoding)

    @property
    def lines(self) -> list[str]:
        return self.drawn.splitlines()


def checked(verdict: Verdict, **more: object) -> CheckResult:
    result = CheckResult(
        "members",
        "Three members are alive, and one of them is a server",
        "consul.members",
        verdict,
        expected="3 alive, 1 server",
        actual="2 alive, 1 server",
        source=LONG,
        hint="Join the third agent with -retry-join.",
        reason={E: "swarm-2: connection refused", S: "needs 'leader', which failed"}.get(
            verdict, ""
        ),
    )
    return replace(result, **more)  # type: ignore[arg-type]


def ran(*verdicts: Verdict) -> RunResult:
    steps = tuple(
        StepResult(n, f"s{n}", f"Step with a title that is long {n}", (), (checked(v),), 61.0 * n)
        for n, v in enumerate(verdicts, 1)
    )
    return RunResult(
        "lab", "1.0", "default", "run", "c", "ipvs", "t", 100.0, steps, Timing(10, 60, 20, 9, 1)
    )


@pytest.mark.parametrize(
    ("verdict", "words"),
    [(P, "✔ passed"), (F, "✘ FAILED"), (E, "! ERROR"), (S, "- skipped")],
)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_verdict_is_a_word(verdict: Verdict, words: str, width: int) -> None:
    screen = Screen(width)
    pieces.check_line(screen.console, checked(verdict))
    assert screen.lines[0].strip().startswith(words)
    assert "Three members are alive" in screen.drawn


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_plain_characters_where_the_encoding_has_no_more(encoding: str) -> None:
    screen = Screen(60, encoding)
    for verdict in Verdict:
        pieces.check_line(screen.console, checked(verdict, title="Öl – „fließt“ → ✔ 漢"))
    text.step_text(screen.console, TINY.steps[0])
    runs.table(screen.console, ran(P, F, S))
    assert "x FAILED" in screen.drawn
    assert "+ passed" in screen.drawn
    assert "✔" not in screen.drawn


def test_colour_adds_nothing_but_colour() -> None:
    plain, coloured = Screen(70), Screen(70, terminal=True)
    for screen in (plain, coloured):
        for verdict in Verdict:
            pieces.check_line(screen.console, checked(verdict))
        runs.table(screen.console, ran(P, F, E, S))
        runs.totals(screen.console, ran(P, F, E, S))
    assert "\x1b[" in coloured.drawn
    assert "\x1b" not in plain.drawn
    assert Text.from_ansi(coloured.drawn).plain.rstrip("\n") == plain.drawn.rstrip("\n")


def test_a_failed_check_shows_what_should_be_what_is_how_to_see_it_and_what_to_do() -> None:
    screen = Screen()
    pieces.check_line(screen.console, checked(F, waited=20.04))
    assert screen.lines == [
        "  ✘ FAILED   Three members are alive, and one of them is a server  (waited 20 s)",
        "      expected    3 alive, 1 server",
        "      seen        2 alive, 1 server",
        "      look yourself (in the workstation, at a node)",
        f"        {LONG}",
        "      what to do  Join the third agent with -retry-join.",
    ]


def test_what_could_not_be_looked_at_shows_its_cause() -> None:
    screen = Screen()
    pieces.check_line(screen.console, checked(E))
    assert "could not be looked at  swarm-2: connection refused" in screen.drawn
    assert "expected" not in screen.drawn


def test_a_skipped_check_says_why() -> None:
    screen = Screen()
    pieces.check_line(screen.console, checked(S))
    assert "needs 'leader', which failed" in " ".join(screen.drawn.split())


def test_the_time_a_check_took_to_become_true_is_told_when_it_is_felt() -> None:
    slow, quick = Screen(100), Screen(100)
    pieces.check_line(slow.console, checked(P, waited=3.21))
    pieces.check_line(quick.console, checked(P, waited=0.2))
    assert "(after 3.2 s)" in slow.drawn
    assert "after" not in quick.drawn


def rows(screen: Screen) -> int:
    """Lines as a terminal shows them: it breaks those that are too long for it."""
    width = screen.console.width
    return sum(max(1, -(-cell_len(line) // width)) for line in screen.lines)


FLOOD = "\n".join(f"line {n} " + "x" * 1000 for n in range(500))


@pytest.mark.parametrize("flood", [FLOOD, FLOOD.replace("x", "字"), "a b " * 9999, "\n" * 50 + "x"])
def test_evidence_stays_on_one_screen(flood: str) -> None:
    """Also with the longest command to look it up that the lab has, and a title of two lines."""
    for verdict in (F, E):
        screen = Screen()
        result = checked(
            verdict,
            title="A title " * 12,
            actual=flood,
            expected=flood,
            hint=flood,
            reason=flood,
            source="c" * 300,
            since=Since("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        )
        pieces.check_line(screen.console, result)
        assert rows(screen) <= 23
        assert max(cell_len(line) for line in screen.lines if "ccc" not in line) <= 80


def test_what_is_left_out_of_the_evidence_is_counted() -> None:
    screen = Screen()
    pieces.check_line(screen.console, checked(F, actual="\n".join(map(str, range(100)))))
    assert "... (96 lines more)" in screen.drawn
    assert "                  3\n" in screen.drawn
    assert len(screen.lines) <= 15
    screen = Screen()
    pieces.check_line(screen.console, checked(F, actual="\n".join(map(str, range(5)))))
    assert "more)" not in screen.drawn


def test_a_check_of_the_students_own_machine_is_looked_up_there() -> None:
    screen = Screen()
    pieces.check_line(screen.console, checked(F, check="host.clean"))
    assert "look yourself (on your own machine)" in screen.drawn


NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def before(**ago: float) -> str:
    return (NOON - timedelta(**ago)).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("failing", "held", "words"),
    [
        (before(), "", "first seen now; never seen to hold on this cluster"),
        (
            before(seconds=4),
            before(seconds=90),
            "first seen now; last seen to hold at {} (90 s ago)",
        ),
        (
            before(minutes=3),
            before(minutes=70),
            "so at every look since {} (3 min ago); last seen to hold at {} (70 min ago)",
        ),
        (before(hours=5), "", "so at every look since {} (5 h ago); never seen to hold on"),
        # A clock that was set back since.
        (before(seconds=-60), "", "first seen now; never seen to hold on this cluster"),
    ],
)
def test_since_when_a_check_fails(failing: str, held: str, words: str) -> None:
    said = since.words(Since(failing, held), NOON)
    clocks = re.findall(r"\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d", said)
    assert said.startswith(words.format(*clocks))
    local = datetime.fromisoformat(held or failing).astimezone()
    if clocks:
        assert clocks[-1].endswith(f"{local:%H:%M:%S}") or clocks[-1].endswith(f"{local:%H:%M}")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "x"])
def test_a_moment_that_is_none_is_not_known(time: str) -> None:
    assert since.words(Since(time, before()), NOON) == ""
    assert "never seen to hold" in since.words(Since(before(), time), NOON)


def test_another_day_is_named() -> None:
    assert "(4 days ago)" in since.words(Since(before(days=4)), NOON)
    assert re.search(r"since \d{4}-\d\d-\d\d", since.words(Since(before(days=4)), NOON))


@pytest.mark.parametrize(("width", "most"), [(60, 30), (80, 23)])
def test_the_hints_of_several_mistakes_are_all_read(width: int, most: int) -> None:
    hints = [f"• {'word ' * 50}{n}." for n in range(3)]
    screen = Screen(width)
    pieces.check_line(screen.console, checked(F, actual="a", expected="b", hint="\n".join(hints)))
    drawn = " ".join(screen.drawn.split())
    assert drawn.count("•") == 3 and "word 2." in drawn
    assert rows(screen) <= most


@pytest.mark.parametrize("width", [20, 40, 60])
def test_commands_and_sources_are_never_broken(width: int) -> None:
    screen = Screen(width)
    command = Command("c1", f"{LONG}\nfor i in 2 3; do\n    echo $i\ndone")
    pieces.typed(screen.console, command)
    pieces.to_type(screen.console, command)
    pieces.check_line(screen.console, checked(F))
    pieces.output(screen.console, "a" * 200 + "\n")
    assert f"$ {LONG}" in screen.lines
    assert f"    {LONG}" in screen.lines
    assert f"        {LONG}" in screen.lines
    assert "  " + "a" * 200 in screen.lines
    assert ">     echo $i" in screen.lines
    assert "        echo $i" in screen.lines


def test_a_command_of_the_students_own_machine_says_so() -> None:
    screen = Screen()
    pieces.to_type(screen.console, Command("c", "swarmlab down", Where.HOST))
    pieces.typed(screen.console, Command("c", "swarmlab down", Where.HOST))
    assert "your own machine" in screen.lines[0]
    assert screen.lines[-1] == "(your machine) $ swarmlab down"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (P, []),
        (F, ["✘ FAILED", "'docker ps ...'", "exit code 7", "(1.2 s)"]),
        (E, ["! ERROR", "gone"]),
        (S, ["- skipped", "not typed: docker ps ..."]),
    ],
)
def test_how_a_command_ended(verdict: Verdict, said: list[str]) -> None:
    reason = {F: "it ended with exit code 7 instead of 0", E: "gone", S: "before it"}.get(verdict)
    screen = Screen(120)
    result = CommandResult(
        "c", "docker ps\ntrue", "workstation", verdict, 7, "out", 1.2, reason or ""
    )
    pieces.command_end(screen.console, result)
    assert bool(screen.drawn) is bool(said)
    for words in said:
        assert words in screen.drawn


@pytest.mark.parametrize("width", [60, 80])
def test_the_table_of_a_run(width: int) -> None:
    screen = Screen(width)
    runs.table(screen.console, ran(P, F, E, S))
    runs.totals(screen.console, ran(P, F, E, S))
    drawn = screen.drawn
    assert max(map(len, screen.lines)) <= width
    for words in ("✔ passed", "✘ FAILED", "! ERROR", "- skipped", "1/1", "0/0", "4 min 04 s"):
        assert words in drawn
    joined = " ".join(drawn.split())
    assert "1 of 3 steps; checks: 1 passed, 1 failed, 1 could not be looked at, 1 skipped" in joined
    assert "1 min 40 s: bringing the lab up 10 s, commands 1 min 00 s" in joined
    assert "waiting for the cluster 20 s, checks 9.0 s, swarmlab itself 1.0 s" in joined


@pytest.mark.parametrize("width", [60, 80])
def test_the_points_of_a_run(width: int) -> None:
    result = replace(ran(P, F, E, S), worth=20.0)
    steps = tuple(
        replace(step, checks=(replace(step.checks[0], weight=2.5, ended_by=ended),), done=True)
        for step, ended in zip(result.steps, ("", "", "", "later"), strict=True)
    )
    screen = Screen(width)
    runs.totals(screen.console, replace(result, steps=steps))
    joined = " ".join(screen.drawn.split())
    assert "points: 5/10; 2.5 of them on record only; 2.5 could not be looked at; " in joined
    assert "the whole lab is worth 20" in joined
    assert "by step: 1=2.5/2.5 2=0/2.5 3=0/2.5 4=2.5/2.5" in joined
    assert max(map(len, screen.lines)) <= width


@pytest.mark.parametrize(
    ("found", "said"), [((P, F, E), True), ((P, F), False), ((E, P), False), ((S, P), False)]
)
def test_what_could_not_be_looked_at_comes_first(found: tuple[Verdict, ...], said: bool) -> None:
    screen = Screen()
    runs.totals(screen.console, ran(*found))
    assert ("Mend first" in screen.drawn) is said


def test_without_weights_there_are_no_points() -> None:
    screen = Screen()
    runs.totals(screen.console, ran(P))
    assert "points" not in screen.drawn


def test_the_evidence_of_a_run_names_the_step() -> None:
    screen = Screen()
    runs.problems(screen.console, ran(P, F))
    assert screen.lines[0] == "Step 2: Step with a title that is long 2"
    assert screen.drawn.count("FAILED") == 1


def test_the_evidence_of_a_run_names_what_was_skipped_for_it() -> None:
    result = ran(F)
    skipped = checked(S, title="Depends on it", blocked_by="members", reason="needs 'members'")
    step = replace(result.steps[0], checks=(*result.steps[0].checks, skipped))
    screen = Screen()
    runs.problems(screen.console, replace(result, steps=(step,)))
    assert "  - skipped  Depends on it  (needs 'members')" in screen.lines


def test_a_cause_that_keeps_many_checks_from_looking_is_told_once() -> None:
    screen = Screen(100)
    runs.problems(screen.console, ran(E, F, E, E))
    assert screen.drawn.count("connection refused") == 1
    assert screen.drawn.count("! ERROR") == 3
    assert screen.drawn.count("(the same cause)") == 2


@pytest.mark.parametrize(
    ("number", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s")],
)
def test_durations(number: float, words: str) -> None:
    assert pieces.seconds(number) == words


def test_text_and_commands_in_the_order_of_reading() -> None:
    found = [part.id if isinstance(part, Command) else part for part in text.parts(TINY.steps[0])]
    assert found == [
        "Write a note.",
        "write",
        "Then read it, with `cat`:",
        "c2",
        text.Picture("  note ---> cat\n"),
        "> **In print.** The book forgets the quotes.",
    ]


def test_commands_without_a_place_come_last() -> None:
    step = replace(TINY.steps[0], text={"en": "Only words."})
    found = [part.id if isinstance(part, Command) else part for part in text.parts(step)]
    assert found == ["Only words.", "write", "c2"]


def test_a_step_as_a_student_reads_it() -> None:
    screen = Screen()
    text.step_text(screen.console, TINY.steps[0])
    assert screen.lines == [
        "Step 1: Make a note",
        "Chapter section: First",
        "",
        "Write a note.",
        "",
        "    docker pull swarmlab/util:1.0",
        "    echo 'two: \"words\"' > note",
        "",
        "Then read it, with `cat`:",
        "",
        "    cat note",
        "",
        "  note ---> cat",
        "",
        "▌ In print. The book forgets the quotes.",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_read_out_the_chapter_has_no_picture_in_it(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_plain", True)
    pictured = 0
    for step in loader.load_builtin("service-discovery").steps:
        screen = Screen()
        for part in text.parts(step, language):
            if isinstance(part, text.Picture):
                pictured += 1
                text.passage(screen.console, part)
        assert not re.search(r"--|[|+]", screen.drawn), screen.drawn
    assert pictured == 12


def test_lines_without_words_for_them_are_read_out_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "_plain", True)
    screen = Screen()
    text.passage(screen.console, text.Picture("one\n"))
    text.passage(screen.console, text.Picture("A --> B\n", "A leads to `B`."))
    assert screen.lines == ["one", "Picture: A leads to `B`."]


@pytest.mark.parametrize("terminal", [True, False])
def test_code_keeps_its_backquotes_with_colour_and_without(terminal: bool) -> None:
    screen = Screen(terminal=terminal)
    text.prose(screen.console, "with `cat`")
    assert Text.from_ansi(screen.drawn).plain.strip() == "with `cat`"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_whole_builtin_lab_can_be_read(width: int, encoding: str) -> None:
    for step in loader.load_builtin("service-discovery").steps:
        screen = Screen(width, encoding)
        text.step_text(screen.console, step)
        for command in step.commands:
            for line in command.run.splitlines():
                assert pieces.plain("    " + line, encoding).rstrip() in screen.lines
        assert "[command:" not in screen.drawn
        assert not any(line != line.rstrip() for line in screen.lines)
