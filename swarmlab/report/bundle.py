"""Bundles on the terminal: what was made, loaded, found, fetched and given away."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from swarmlab.checks.looking import counted
from swarmlab.console import out
from swarmlab.report import pieces
from swarmlab.report.cluster import program
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.bundle.creating import Created
    from swarmlab.bundle.fetching import Fetched
    from swarmlab.bundle.loading import Loaded
    from swarmlab.bundle.manifest import Manifest
    from swarmlab.bundle.reading import Bundle


def _line(text: str) -> None:
    # Whole, so that paths, addresses and commands can be copied.
    out().print(text, markup=False, soft_wrap=True)
    # A server that runs for an hour, its output in a file, is read while it runs.
    out().file.flush()


def _item(text: str) -> None:
    _line(f"  {text}")


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _holds(held: Manifest) -> None:
    version, engines = f"swarmlab {held.version}", held.architecture
    _item(say("{version}, for engines on {architecture}", version=version, architecture=engines))
    for image in held.images:
        _item(say("image {name}", name=image.reference))
    if held.pythons:
        many, pythons = counted(len(held.wheels), "package"), ", ".join(held.pythons)
        _item(say("{many} for Python {pythons} on {system}", many=many, pythons=pythons,
                  system=held.system))  # fmt: skip
    else:
        _item(say("no packages: swarmlab itself has to be there already"))


def created(found: Created) -> None:
    """What the new bundle holds, and how to use it."""
    _line(
        say(
            "{path}: {size}, made in {seconds} out of {unpacked} of images.",
            path=found.path,
            size=_mb(found.size),
            seconds=pieces.seconds(found.seconds),
            unpacked=_mb(found.unpacked),
        )
    )
    _holds(found.manifest)
    _line(f"  SHA-256 {found.sha256}")
    _line(say("On a machine without a network:"))
    if found.manifest.pythons:
        _line(f"  python3 {found.path.name}")
        _line(f"  ~/swarmlab/bin/swarmlab bundle load {found.path.name}")
        _line("  ~/swarmlab/bin/swarmlab up")
    else:
        _line(f"  swarmlab bundle load {found.path.name}")
        _line("  swarmlab up")


def loaded(found: Loaded) -> None:
    """Which images are new to the engine."""
    for reference in found.fresh:
        _line(say("loaded {reference}", reference=reference))
    if not found.fresh:
        _line(say("The engine has these images already; nothing to do."))
    _line(say("Next: ") + f"{program()} up")


def verified(bundle: Bundle, sha256: str, unfit: str) -> None:
    """A whole bundle, what it holds, and whether this swarmlab can use it."""
    size = bundle.path.stat().st_size
    _line(say("{path} is whole: {size}.", path=bundle.path, size=_mb(size)))
    _holds(bundle.manifest)
    _line(f"  SHA-256 {sha256}")
    if unfit:
        _line(say("This swarmlab cannot use its images: {why}.", why=unfit))


def fetched(found: Fetched) -> None:
    """A bundle that is there; how much of it came now."""
    came = found.size - found.resumed
    if not came:
        _line(say("{path} is there already, and whole.", path=found.path))
    else:
        before = say(", {size} were there before", size=_mb(found.resumed)) if found.resumed else ""
        _line(
            say(
                "{path}: {size} in {seconds}{before}; it is whole.",
                path=found.path,
                size=_mb(came),
                seconds=pieces.seconds(found.seconds),
                before=before,
            )
        )
    _line(say("Next: ") + f"{program()} bundle load {shlex.quote(str(found.path))}")


def offered(path: Path, bind: str, port: int) -> None:
    """Where the bundle can be had, and what students type."""
    from swarmlab.bundle.serving import NAME, addresses

    host = bind
    if bind == "0.0.0.0":
        host = next(iter(addresses()), "127.0.0.1")
    url = f"http://{host}:{port}/{NAME}"
    _line(
        say("Serving {path} ({size}) at {url}", path=path, size=_mb(path.stat().st_size), url=url)
    )
    _line(say("Students type (the first line again when it breaks off: it goes on from there):"))
    _line(f"  curl --noproxy '*' -f -C - -O {url}")
    _line(f"  python3 {NAME}")
    _line(f"  ~/swarmlab/bin/swarmlab bundle load {NAME}")
    _line("  ~/swarmlab/bin/swarmlab up")
    _line(say("Who has swarmlab already:"))
    _line(f"  swarmlab bundle fetch {url} {NAME}")
    _line(
        say("Whoever reaches this address can copy the bundle, and nothing else. Ctrl-C ends it.")
    )


class Copies:
    """Tells of each copy as it ends, and of all of them at the end."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._whole = 0
        self._bytes = 0

    def told(self, client: str, size: int, whole: bool, seconds: float) -> None:
        """One copy, or a part of one, is over."""
        with self._guard:
            self._whole += whole
            self._bytes += size
            what = say("the whole bundle") if whole else say("a part")
            rate = f", {size / seconds / 1e6:.0f} MB/s" if seconds > 0.01 else ""
            _line(
                say(
                    "{client}: {what}, {size} in {seconds}{rate}",
                    client=client,
                    what=what,
                    size=_mb(size),
                    seconds=pieces.seconds(seconds),
                    rate=rate,
                )
            )

    def summary(self) -> None:
        """What was given altogether."""
        with self._guard:
            size, count = _mb(self._bytes), self._whole
            words = say("Given: {size}; {count} whole bundles at one go.", size=size, count=count)
            _line(f"\n{words}")
