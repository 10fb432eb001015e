"""This machine's clipboard, through whichever of its own tools there is."""

from __future__ import annotations

import os
import shutil

from swarmlab import process
from swarmlab.errors import EnvironmentProblem
from swarmlab.words import say

# Each tool, and the variable without which it has no screen to talk to.
TOOLS = (
    (("wl-copy",), "WAYLAND_DISPLAY"),
    (("xclip", "-selection", "clipboard"), "DISPLAY"),
    (("xsel", "--clipboard", "--input"), "DISPLAY"),
    (("pbcopy",), ""),
    (("clip.exe",), ""),
)
_SECONDS = 10.0


def put(text: str) -> str:
    """Put text into the clipboard; the tool that did. Raises EnvironmentProblem without one."""
    failed = ""
    for argv, screen in TOOLS:
        if shutil.which(argv[0]) is None or (screen and not os.environ.get(screen)):
            continue
        done = process.run(argv, timeout=_SECONDS, input=text)
        if done.ok:
            return argv[0]
        failed = failed or f"{argv[0]}: {done.tail(3)}"
    raise EnvironmentProblem(
        say("No tool of this machine takes text into the clipboard."),
        evidence=failed,
        hint=say(
            "Without --clipboard the commands are printed. The tools are wl-copy, xclip, xsel, "
            "pbcopy and clip.exe."
        ),
    )
