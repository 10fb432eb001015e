"""Bundles on the terminal: what was made, loaded, found, fetched and given away."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from swarmlab.console import out

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


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _holds(held: Manifest) -> None:
    _line(f"  swarmlab {held.version}, for engines on {held.architecture}")
    for image in held.images:
        _line(f"  image {image.reference}")
    if held.pythons:
        many = f"{len(held.wheels)} packages"
        _line(f"  {many} for Python {', '.join(held.pythons)} on {held.system}")
    else:
        _line("  no packages: swarmlab itself has to be there already")


def created(found: Created) -> None:
    """What the new bundle holds, and how to use it."""
    _line(
        f"{found.path}: {_mb(found.size)}, made in {found.seconds:.0f} s out of "
        f"{_mb(found.unpacked)} of images."
    )
    _holds(found.manifest)
    _line(f"  SHA-256 {found.sha256}")
    _line("On a machine without a network:")
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
        _line(f"loaded {reference}")
    if not found.fresh:
        _line("The engine has these images already; nothing to do.")
    _line("Next: swarmlab up")


def verified(bundle: Bundle, sha256: str, unfit: str) -> None:
    """A whole bundle, what it holds, and whether this swarmlab can use it."""
    size = bundle.path.stat().st_size
    _line(f"{bundle.path} is whole: {_mb(size)}.")
    _holds(bundle.manifest)
    _line(f"  SHA-256 {sha256}")
    if unfit:
        _line(f"This swarmlab cannot use its images: {unfit}.")


def fetched(found: Fetched) -> None:
    """A bundle that is there; how much of it came now."""
    came = found.size - found.resumed
    if not came:
        _line(f"{found.path} is there already, and whole.")
    else:
        before = f", {_mb(found.resumed)} were there before" if found.resumed else ""
        _line(f"{found.path}: {_mb(came)} in {found.seconds:.1f} s{before}; it is whole.")
    _line(f"Next: swarmlab bundle load {found.path}")


def offered(path: Path, bind: str, port: int) -> None:
    """Where the bundle can be had, and what students type."""
    from swarmlab.bundle.serving import NAME, addresses

    host = bind
    if bind == "0.0.0.0":
        host = next(iter(addresses()), "127.0.0.1")
    url = f"http://{host}:{port}/{NAME}"
    _line(f"Serving {path} ({_mb(path.stat().st_size)}) at {url}")
    _line("Students type (the first line again when it breaks off: it goes on from there):")
    _line(f"  curl --noproxy '*' -f -C - -O {url}")
    _line(f"  python3 {NAME}")
    _line(f"  ~/swarmlab/bin/swarmlab bundle load {NAME}")
    _line("  ~/swarmlab/bin/swarmlab up")
    _line("Who has swarmlab already:")
    _line(f"  swarmlab bundle fetch {url} {NAME}")
    _line("Whoever reaches this address can copy the bundle, and nothing else. Ctrl-C ends it.")


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
            what = "the whole bundle" if whole else "a part"
            rate = f", {size / seconds / 1e6:.0f} MB/s" if seconds > 0.01 else ""
            _line(f"{client}: {what}, {_mb(size)} in {seconds:.1f} s{rate}")

    def summary(self) -> None:
        """What was given altogether."""
        with self._guard:
            _line(f"\nGiven: {_mb(self._bytes)}; {self._whole} whole bundles at one go.")
