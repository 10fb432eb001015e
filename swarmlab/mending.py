"""What `doctor --fix` puts right: only what harms nothing, needs no question, and can be undone.

Kernel modules are loaded and kernel settings raised until the next start of the machine, and only
where this process may do so already: nothing asks for a password. Labs are left as they are,
because somebody may have stopped one on purpose.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from swarmlab import engine as engines
from swarmlab import process, state
from swarmlab.checks.looking import counted
from swarmlab.errors import SwarmlabError
from swarmlab.findings import Finding, State
from swarmlab.probe import INOTIFY_GOOD
from swarmlab.progress import Progress
from swarmlab.words import say

_SECONDS = 20.0

MODULES = {
    "vxlan": ("vxlan",),
    "overlay": ("overlay",),
    "nat": ("nf_tables", "nft_compat", "nf_nat"),
    "bridge_filter": ("br_netfilter",),
    "data-plane": ("ip_vs",),
}
"""Kernel modules that may be missing, by the finding that says so."""

SETTINGS = {
    "inotify": ("fs.inotify.max_user_instances", str(INOTIFY_GOOD)),
    "forwarding": ("net.ipv4.ip_forward", "1"),
}
"""Kernel settings, likewise."""

_SYSCTL = Path("/proc/sys")


@dataclass(frozen=True)
class Deed:
    """One thing tried: the finding it was for, what was done or why not, and whether it was."""

    finding: str
    said: str
    done: bool

    def to_dict(self) -> dict[str, object]:
        return dict(vars(self))


def fix(findings: Iterable[Finding], progress: Progress) -> list[Deed]:
    """Put right what can be; a finding that nothing safe can be done about brings no deed."""
    deeds = []
    for finding in findings:
        if finding.state is State.OK:
            continue
        work = _work(finding.id, progress)
        if work is not None:
            try:
                deeds.append(Deed(finding.id, work(), True))
            except SwarmlabError as error:
                deeds.append(Deed(finding.id, error.message, False))
    return deeds


def _work(finding: str, progress: Progress) -> Callable[[], str] | None:
    if finding in MODULES and _may_change_the_kernel():
        return lambda: _load(MODULES[finding])
    if finding in SETTINGS and _may_change_the_kernel():
        return lambda: _set(*SETTINGS[finding])
    if finding == "leftovers":
        return _remove_leftovers
    if finding == "images":
        return lambda: _build(progress)
    if finding == "files" and _own(state.folder()):
        return _close_folder
    return None


def _may_change_the_kernel() -> bool:
    """Whether the engine's kernel is this one, and this process may change it."""
    import platform
    import sys

    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    engine = engines.connect()
    engine.client.close()
    return engine.target.local and engine.kernel == platform.release()


def _load(modules: tuple[str, ...]) -> str:
    if shutil.which("modprobe") is None:
        raise SwarmlabError(
            say("{modules} cannot be loaded: there is no modprobe here", modules=" ".join(modules))
        )
    done = process.run(["modprobe", "-a", *modules], timeout=_SECONDS)
    if not done.ok:
        raise SwarmlabError(
            say("{modules} cannot be loaded: {why}", modules=" ".join(modules), why=done.tail(1))
        )
    return say(
        "loaded the kernel's {modules}, until the machine starts again", modules=", ".join(modules)
    )


def _set(name: str, value: str) -> str:
    path = _SYSCTL / name.replace(".", "/")
    try:
        before = path.read_text(encoding="ascii").strip()
        path.write_text(value, encoding="ascii")
    except OSError as error:
        raise SwarmlabError(
            say("{name} cannot be set: {why}", name=name, why=error.strerror)
        ) from error
    return say(
        "set {name} to {value} (it was {before}), until the machine starts again",
        name=name,
        value=value,
        before=before,
    )


def _remove_leftovers() -> str:
    from swarmlab.images import leftovers
    from swarmlab.providers.problems import explained

    engine = engines.connect()
    try:
        with explained(say("removing what was left behind")):
            count = leftovers.remove(engine.client)
    finally:
        engine.client.close()
    return say("removed {count} that were left behind", count=counted(count, "container"))


def _build(progress: Progress) -> str:
    from swarmlab.images import builder

    engine = engines.connect()
    try:
        builder.ensure(["loaded-node", "workstation"], engine=engine.client, progress=progress)
    finally:
        engine.client.close()
    return say("built the lab's images")


def _own(folder: Path) -> bool:
    return os.name == "posix" and folder.exists() and folder.stat().st_uid == os.geteuid()


def _close_folder() -> str:
    folder = state.folder()
    try:
        folder.chmod(0o700)
    except OSError as error:
        raise SwarmlabError(
            say("{folder} cannot be changed: {why}", folder=folder, why=error.strerror)
        ) from error
    return say("closed {folder} to other users", folder=folder)
