"""What of its user's own a lab takes: the folder for swarmlab's files, and some variables."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from swarmlab.findings import Finding, State
from swarmlab.images import internet
from swarmlab.words import say


def files(folder: Path) -> Finding:
    """Whether swarmlab can keep its few files, for this user alone. `folder` may be missing."""
    title = say("swarmlab's own files")
    there = next(path for path in (folder, *folder.parents) if _exists(path))
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "files",
            title,
            State.PROBLEM,
            say("{there} cannot be written to", there=there),
            say("Certificates and progress are kept there."),
            say(
                "`{command}`, or set XDG_STATE_HOME to a folder of yours",
                command=_made_ones_own(folder, there),
            ),
        )
    if there == folder and os.name == "posix" and folder.stat().st_mode & 0o077:
        return Finding(
            "files",
            title,
            State.WARNING,
            say("others may look into {folder}", folder=folder),
            say("Keys of running labs are kept there."),
            f"`chmod 700 {shlex.quote(str(folder))}`",
        )
    return Finding("files", title, State.OK, say("in {folder}", folder=folder))


def _exists(path: Path) -> bool:
    """Also of a folder into which one may not look: then it is as good as absent."""
    try:
        return path.exists()
    except OSError:
        return False


def _made_ones_own(folder: Path, there: Path) -> str:
    """The command that gives the user `folder`, and nothing that is the system's or another's.

    `there` is the folder itself, or the nearest above it that there is.
    """
    path = shlex.quote(str(folder))
    if there == folder:
        return f'sudo chown -R "$USER" {path}'
    return f'sudo install -d -o "$USER" -m 700 {path}'


def variables(env: Mapping[str, str]) -> list[Finding]:
    """Findings from the environment; only names are shown, because values may hold passwords."""
    proxies = sorted(
        name
        for name in env
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") and env[name]
    )
    seen = say(
        "set: {proxies}; the lab's own traffic does not use them", proxies=", ".join(proxies)
    )
    proxy = Finding("proxy", say("Proxy variables"), State.OK, seen if proxies else say("none"))
    return [proxy, _authorities(env)]


def _authorities(env: Mapping[str, str]) -> Finding:
    title = say("Certificate authorities")
    named = [name for name in internet.AUTHORITIES if env.get(name)]
    unfit = {name: why for name in named if (why := internet.unfit(Path(env[name])))}
    if not unfit:
        told = say("set: {named}", named=", ".join(named)) if named else say("those of the system")
        return Finding("authorities", title, State.OK, told)
    return Finding(
        "authorities",
        title,
        State.WARNING,
        say(
            "of no use: {unfit}",
            unfit=", ".join(f"{name} ({why})" for name, why in unfit.items()),
        ),
        say("Building images fetches packages over HTTPS."),
        f"`unset {' '.join(unfit)}`",
    )
