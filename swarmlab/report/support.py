"""A support bundle on the terminal: what is in it, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from swarmlab.console import out
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.support.bundle import Part


def bundled(parts: list[Part], path: Path) -> None:
    """Each part with its size, those that are missing with the reason, and where it all is."""
    console = out()
    whole = not console.is_terminal
    width = max(len(part.name) for part in parts)
    for part in parts:
        size = say("missing") if part.why else f"{len(part.text.encode()) / 1024:.0f} KiB"
        line = Text(f"{part.name:{width}}  {size:>8}  {part.about}")
        if part.why:
            line.append(f": {part.why}", style="yellow")
        console.print(line, soft_wrap=whole)
    written = say("Written to {path}; passwords, tokens and keys are taken out.", path=path)
    console.print(Text(written, style="bold"), soft_wrap=whole)
    console.print(Text(say("Look into it before you send it: logs say what you did.")))
