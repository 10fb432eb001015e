"""A handout as PDF: the HTML page, laid out on paper by WeasyPrint (extra `pdf`)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from swarmlab.errors import EnvironmentProblem
from swarmlab.words import say

# Where a text fits its line but for the space at its end, WeasyPrint 70 drops the space, sees no
# place to break before the code that follows, and breaks after the first word of the line instead.
_SPACE_BEFORE_CODE = re.compile(r"[ \n](?=<code)")

# The families that the style sheet names first; both are in Debian's fonts-noto-cjk.
FAMILIES = ("Noto Sans CJK SC", "Noto Sans Mono CJK SC")


def render(html: str) -> bytes:
    """The PDF of a self-contained HTML page.

    Raises EnvironmentProblem where WeasyPrint, its libraries or the fonts are missing.
    """
    try:
        # WeasyPrint loads Pango when it is imported, and says with OSError that there is none.
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except ImportError as error:
        raise EnvironmentProblem(
            say("PDF files need WeasyPrint, which is not installed ({why}).", why=error),
            hint=say(
                "Install it (`pip install 'swarmlab[pdf]'`), or make the handout as HTML"
                " (`--format html`) and print that."
            ),
        ) from error
    except OSError as error:
        raise EnvironmentProblem(
            say(
                "WeasyPrint lacks a library of the system: {why}",
                why=(str(error).splitlines() or [""])[0],
            ),
            hint=say(
                "On Debian and Ubuntu: `sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0`;"
                " or make the handout as HTML (`--format html`) and print that."
            ),
        ) from error
    missing = [family for family in FAMILIES if not installed(family)]
    if missing:
        raise EnvironmentProblem(
            say("These fonts are not installed: {fonts}.", fonts=say(", ").join(missing)),
            hint=say(
                "On Debian and Ubuntu: `sudo apt-get install fonts-noto-cjk`; or make the handout"
                " as HTML (`--format html`) and print that."
            ),
        )
    # The page refers to nothing; that it does not is to be noticed, not looked up.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    html = _SPACE_BEFORE_CODE.sub("<span> </span>", html)
    made: bytes = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=())).write_pdf()
    return made


def installed(family: str) -> bool:
    """Whether fontconfig knows a font of that family."""
    import shutil

    from swarmlab import process

    if shutil.which("fc-list"):
        done = process.run(["fc-list", f":family={family}", "family"], timeout=60)
        return bool(done.stdout.strip())
    wanted = re.sub(r"[ ]", "", family)
    folders = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".fonts")
    return _named(folders, "NotoSansCJK" if "CJK" in wanted else wanted)


def _named(folders: Iterable[Path], name: str) -> bool:
    return any(any(folder.rglob(f"{name}*")) for folder in folders if folder.is_dir())
