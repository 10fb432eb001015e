"""What results and lab texts look like on a terminal: small pieces, each drawn on one console.

Nothing is said by colour alone: every verdict is a word. Where the output's encoding knows no
marks, box lines or typographic signs, plain characters stand for them. What a student may want
to copy (commands, and how a check was looked up) is never broken into lines by us.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from swarmlab.model import Command, Where
from swarmlab.naming import named
from swarmlab.report import since
from swarmlab.report.wrapping import flowing
from swarmlab.results import CheckResult, CommandResult, StepResult, Verdict
from swarmlab.words import later, say

WORDS = {
    Verdict.PASSED: ("✔", later("passed"), "green"),
    Verdict.FAILED: ("✘", later("FAILED"), "bold red"),
    Verdict.ERRORED: ("!", later("ERROR"), "bold magenta"),
    Verdict.SKIPPED: ("-", later("skipped"), "dim"),
}

# Where the command that shows the same is to be typed.
ON_HOST = later("on your own machine")
IN_WORKSTATION = later("in the workstation, at a node")

# What a check that passed has seen, when that is long.
EVIDENCE_LINES = 7
EVIDENCE_LETTERS = 480

# A failed check stays on one screen of 80 columns and 24 lines: so many lines of each part of its
# evidence are shown. The JSON result has all of it. How it was looked up is never cut, and what to
# do (the hints of several mistakes, where they look alike) gets all the room that is left. A
# narrower window has to scroll.
SCREEN = 23
EXPECTED, SEEN, SINCE, HINT = 4, 5, 2, 5
_INDENT, _LABEL, _GAP = 6, 10, 2

_PLAIN = str.maketrans(
    {
        "✔": "+",
        "✘": "x",
        "…": "...",
        "•": "*",
        "▌": "|",
        "–": "-",
        "—": "-",
        "−": "-",
        "×": "x",
        "→": "->",
        "←": "<-",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "\u00a0": " ",
        "·": "-",
        **dict.fromkeys("─━═", "-"),
        **dict.fromkeys("│┃║", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╞╡╪┏┓┗┛┡┩╇", "+"),
    }
)


def plain(text: str, encoding: str) -> str:
    """The text in characters that `encoding` has."""
    return text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)


def show(console: Console, what: RenderableType, *, wrap: bool = True, trim: bool = False) -> None:
    """Print something; without `wrap` long lines are left to the terminal, for copying.

    `trim` leaves out empty lines at the beginning and the end.
    """
    if wrap and isinstance(what, Text):
        what = flowing(what)
    options = console.options if wrap else console.options.update(no_wrap=True, overflow="ignore")
    lines = [_bare(line) for line in Segment.split_lines(console.render(what, options))]
    while trim and lines and not lines[0]:
        lines.pop(0)
    while trim and lines and not lines[-1]:
        lines.pop()
    encoding = console.encoding or "ascii"
    if not encoding.lower().replace("-", "").startswith("utf"):
        lines = [
            [Segment(plain(part.text, encoding), part.style, part.control) for part in line]
            for line in lines
        ]
    printed = [part for line in lines for part in (*line, Segment.line())]
    console.print(Segments(printed), soft_wrap=True, markup=False, highlight=False, end="")


def _bare(line: list[Segment]) -> list[Segment]:
    """A line without the spaces at its end, which are in the way when it is copied."""
    kept = list(line)
    while kept and kept[-1].control is None and not kept[-1].text.strip(" "):
        kept.pop()
    if kept and kept[-1].control is None:
        kept[-1] = Segment(kept[-1].text.rstrip(" "), kept[-1].style)
    return kept


def verdict(found: Verdict) -> Text:
    """The verdict as mark and word: `✔ passed`, `✘ FAILED`."""
    mark, word, style = WORDS[found]
    return Text(f"{mark} {say(word)}", style=style)


def seconds(number: float) -> str:
    """A duration as people read it: `0.4 s`, `37 s`, `2 min 05 s`."""
    if number < 9.95:
        return say("{seconds} s", seconds=f"{number:.1f}")
    whole = round(number)
    if whole < 60:
        return say("{seconds} s", seconds=whole)
    return say("{minutes} min {seconds} s", minutes=whole // 60, seconds=f"{whole % 60:02d}")


def typed(console: Console, command: Command) -> None:
    """A command as it is being run, with the prompts of a shell."""
    prompt = "$ " if command.where is Where.WORKSTATION else say("(your machine) $") + " "
    for number, line in enumerate(_lines(command)):
        start = Text(prompt if number == 0 else "> ", style="dim")
        show(console, start + Text(line, style="bold"), wrap=False)


def to_type(console: Console, command: Command) -> None:
    """A command for the student to copy: indented, without prompts."""
    if command.where is Where.HOST:
        where = say("# on your own machine, not in the workstation:")
        show(console, Text(f"    {where}", style="dim"))
    for line in _lines(command):
        show(console, Text("    " + line, style="bold"), wrap=False)


def _lines(command: Command) -> list[str]:
    """The command's lines; one for the student's own machine names the lab that it is about."""
    if command.where is Where.HOST:
        return named(f"`{command.run.strip()}`").strip("`").splitlines()
    return command.run.splitlines()


def output(console: Console, text: str) -> None:
    """A piece of a command's output, which ends with a line's end or is the last."""
    for line in text.splitlines():
        show(console, Text("  " + line), wrap=False)


def command_end(console: Console, result: CommandResult) -> None:
    """How a command ended, where that is worth a line: not at all when all went well."""
    if result.verdict is Verdict.PASSED:
        return
    if result.verdict is Verdict.SKIPPED:
        line = row(
            result.verdict,
            Text(say("not typed: {command}", command=first_line(result.run))),
            result.reason,
        )
        show(console, line)
        return
    why = say(
        "the command {command!r}: {reason}", command=first_line(result.run), reason=result.reason
    )
    show(console, row(result.verdict, Text(why), seconds(result.seconds)))


def check_line(console: Console, result: CheckResult) -> None:
    """One check in one line (more where it is narrow), with its evidence when it did not pass."""
    if result.verdict in (Verdict.FAILED, Verdict.ERRORED):
        evidence(console, result)
        return
    note = result.reason
    if result.verdict is Verdict.PASSED and result.waited >= 0.95:
        note = say("after {seconds}", seconds=seconds(result.waited))
    show(console, row(result.verdict, Text(result.title), note))


def seen(console: Console, result: CheckResult) -> None:
    """What a check that passed saw, below its line: the proof, in so many words."""
    if result.verdict is Verdict.PASSED and result.actual:
        words = Text(_cut(result.actual), style="dim")
        show(console, Padding(flowing(words), (0, 0, 0, 13), expand=False))


def evidence(console: Console, result: CheckResult) -> None:
    """A check that did not pass: what should be, what is, how to see it, and what to do."""
    took = say("waited {seconds}", seconds=seconds(result.waited)) if result.waited >= 0.95 else ""
    head = row(result.verdict, Text(result.title, style="bold"), took)
    show(console, head)
    used = len(console.render_lines(head))
    if result.verdict is Verdict.ERRORED:
        used += _part(console, say("could not be looked at"), named(result.reason), SEEN)
    else:
        used += _part(console, say("expected"), named(result.expected), EXPECTED)
        used += _part(console, say("seen"), named(result.actual), SEEN)
    if result.since:
        used += _part(console, say("since"), since.words(result.since), SINCE)
    if result.source:
        # Not in a table: a table breaks long lines, and this one is to be typed.
        own = result.check.startswith("host.")
        place = ON_HOST if own else IN_WORKSTATION
        label = f"{say('look yourself')} {say('({note})', note=say(place))}"
        show(console, Text(" " * _INDENT + label, style="dim"))
        used += 1
        for line in result.source.splitlines():
            show(console, Text("        " + line), wrap=False)
            used += 1 + (cell_len(line) + 7) // console.width
    left = round(SCREEN * max(1.0, 80 / console.width)) - used
    _part(console, say("what to do"), named(result.hint), max(HINT, left))


def step_end(console: Console, result: StepResult) -> None:
    """How a step ended, in one line: its verdict, its checks and its time."""
    passed, checks = result.count(Verdict.PASSED), len(result.checks)
    words = say("Step {number}", number=result.number)
    if checks:
        words = say(
            "Step {number}: {passed} of {checks} checks passed",
            number=result.number,
            passed=passed,
            checks=checks,
        )
    show(console, row(result.verdict, Text(words, style="bold"), seconds(result.seconds), 0))


def first_line(text: str) -> str:
    """The first line of a command, with `...` when there are more or it is long."""
    lines = text.strip().splitlines() or [""]
    line = lines[0]
    if len(line) > 60:
        return line[:57] + "..."
    return f"{line} ..." if len(lines) > 1 else line


def row(found: Verdict, words: Text, note: str = "", indent: int = 2) -> RenderableType:
    """Mark and words side by side, so that words which need two lines stay beside the mark."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    text = words.copy()
    if note:
        text.append("  " + say("({note})", note=note), style="dim")
    grid.add_row(verdict(found), flowing(text))
    return Padding(grid, (0, 0, 0, indent), expand=False)


def _part(console: Console, label: str, text: str, most: int) -> int:
    """One labelled part of the evidence, in at most so many lines; how many were drawn."""
    if not text.strip():
        return 0
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True, style="dim", min_width=_LABEL)
    grid.add_column(overflow="fold")
    room = console.width - _INDENT - max(_LABEL, cell_len(label)) - 2 * _GAP
    grid.add_row(label, flowing(_fitting(console, text.strip(), most, max(room, 8))))
    part = Padding(grid, (0, 0, 0, _INDENT), expand=False)
    show(console, part)
    return len(console.render_lines(part))


def _fitting(console: Console, text: str, most: int, width: int) -> Text:
    """The text, or as much of it as fits into so many lines of that width."""
    options = console.options.update(width=width, overflow="fold")
    lines = console.render_lines(flowing(Text(text, overflow="fold")), options, pad=False)
    if len(lines) <= most:
        return Text(text)
    kept = ["".join(part.text for part in line).rstrip() for line in lines[: most - 1]]
    return Text("\n".join([*kept, say("... ({count} lines more)", count=len(lines) - most + 1)]))


def _cut(text: str) -> str:
    """The beginning of a text that is too long for its place on the screen."""
    lines = text.strip().splitlines()
    kept, room = [], EVIDENCE_LETTERS
    for number, line in enumerate(lines):
        if number == EVIDENCE_LINES - 1 and len(lines) > EVIDENCE_LINES:
            kept.append(say("... ({count} lines more)", count=len(lines) - number))
            break
        if len(line) > room:
            kept.append(line[:room] + " ...")
            break
        kept.append(line)
        room -= len(line)
    return "\n".join(kept)
