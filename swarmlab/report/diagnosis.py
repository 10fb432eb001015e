"""What this machine can do for a lab, and what was put right, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.markup import escape

from swarmlab.report.cluster import tell
from swarmlab.words import later, say

if TYPE_CHECKING:
    from collections.abc import Collection

    from swarmlab.doctor import Diagnosis
    from swarmlab.mending import Deed

_FOUND = {"ok": later("ok"), "warning": later("warning"), "problem": later("PROBLEM")}


def diagnosis(found: Diagnosis) -> None:
    """Each finding with its state in words; why and how to mend where it is not in order."""
    colours = {"ok": "green", "warning": "yellow", "problem": "bold red"}
    wide = max(cell_len(say(word)) for word in _FOUND.values())
    for finding in found.findings:
        state = finding.state.value
        word = set_cell_size(say(_FOUND[state]), wide)
        colour = colours[state]
        head = f"[{colour}]{word}[/{colour}] [bold]{escape(finding.title)}[/bold]"
        tell(head + say(": ") + escape(finding.seen))
        if state != "ok":
            for label, text in ((say("why"), finding.why), (say("mend"), finding.mend)):
                if text:
                    tell(" " * (wide + 1) + label + say(": ") + escape(text))
    good = found.healthy
    tell(say("A lab can run here.") if good else say("Something stops a lab; see PROBLEM above."))


def mended(deeds: Collection[Deed]) -> None:
    """What `doctor --fix` did, and what it tried in vain."""
    for deed in deeds:
        what = escape(deed.said)
        words = (
            say("Fixed: {what}.", what=what) if deed.done else say("Not fixed: {what}.", what=what)
        )
        tell(words, mark_good=deed.done)
    if not deeds:
        tell(say("There was nothing that could be fixed safely."))
