"""Installs swarmlab out of the bundle that this program lies in: `python3 FILE [FOLDER]`.

It travels as the bundle's `__main__.py` and uses nothing but Python's own library and pip; no
network is asked. The folder is a virtual environment, `~/swarmlab` when none is named.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

LEAST = (3, 11)
MARK = ".swarmlab-bundle"
"""A file in the folder that says whose it is, also when an installation was cut short."""


WORDS: dict[str, dict[str, str]] = {}
"""What it says, by language and by its English; filled in when a bundle is made."""


def say(message: str, **values: object) -> str:
    """The message in the language of SWARMLAB_LANG, its `{names}` filled in."""
    asked = os.environ.get("SWARMLAB_LANG", "").strip()[:2].lower()
    said = WORDS.get(asked, {}).get(message, message)
    try:
        said.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        said = message
    return said.format(**values)


def show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fail(message: str, hint: str) -> int:
    sys.stderr.write(say("Error: ") + f"{message}\n" + say("What next: ") + f"{hint}\n")
    return 3


def unfit(held: dict[str, Any]) -> tuple[str, str] | None:
    """Why the package in the bundle cannot be used here, and what to do."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < LEAST:
        return (
            say(
                "swarmlab needs Python {least} or newer, and this is {here}.",
                least=f"{LEAST[0]}.{LEAST[1]}",
                here=here,
            ),
            say("Run it with a newer one, such as `python3.11 FILE`."),
        )
    if not held["pythons"]:
        return (
            say("This bundle holds the images only, not swarmlab itself."),
            say("Install swarmlab in another way, or make a bundle without --no-package."),
        )
    system = f"{platform.system()} {platform.machine()}"
    if system != held["system"] or here not in held["pythons"]:
        return (
            say(
                "The packages in this bundle are for Python {pythons} on {system}; this is {here} "
                "on {machine}.",
                pythons=", ".join(held["pythons"]),
                system=held["system"],
                here=here,
                machine=system,
            ),
            say(
                "Use one of those Pythons, or have a bundle made with `swarmlab bundle create FILE "
                "--python {here}` on a machine of this kind.",
                here=here,
            ),
        )
    return None


def stranger(folder: Path) -> bool:
    """Whether the folder is there for something else: only what is ours, or empty, is changed."""
    if not folder.exists() and not folder.is_symlink():
        return False
    if not folder.is_dir():
        return True
    ours = (MARK, "bin/swarmlab", "Scripts/swarmlab.exe")
    return any(folder.iterdir()) and not any((folder / name).is_file() for name in ours)


def unpack(archive: zipfile.ZipFile, held: dict[str, Any], folder: Path) -> str:
    """Put the wheels into `folder`; the name of one that is damaged, else nothing."""
    for name, member in held["members"].items():
        if not name.startswith("wheels/"):
            continue
        content = archive.read(name)
        if hashlib.sha256(content).hexdigest() != member["sha256"]:
            return str(name)
        (folder / Path(name).name).write_bytes(content)
    return ""


def main(bundle: Path, folder: Path) -> int:
    """Install into `folder`; the exit code, 0 when swarmlab is there and 3 when it cannot be."""
    with zipfile.ZipFile(bundle) as archive, tempfile.TemporaryDirectory() as scratch:
        held = json.loads(archive.read("bundle.json"))
        reason = unfit(held)
        if reason is not None:
            return fail(*reason)
        if stranger(folder):
            return fail(
                say(
                    "{folder} is there already, and it is not swarmlab's: nothing was changed.",
                    folder=folder,
                ),
                say("Name another folder: `python3 {bundle} FOLDER`.", bundle=bundle),
            )
        damaged = unpack(archive, held, Path(scratch))
        if damaged:
            what = say(
                "{bundle} is damaged: {name} is not what it was.", bundle=bundle, name=damaged
            )
            return fail(what, say("Copy it again."))
        show(
            say(
                "Installing swarmlab {version} into {folder} ...",
                version=held["swarmlab"],
                folder=folder,
            )
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text("This folder was made by a bundle of swarmlab's.\n")
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        steps = [
            [sys.executable, "-m", "venv", str(folder)],
            # Isolated: settings of this machine's pip may name indexes, which nobody can ask.
            [str(python), "-m", "pip", "--isolated", "--disable-pip-version-check", "install",
             "--quiet", "--no-index", "--find-links", scratch, "--force-reinstall", "swarmlab"],
        ]  # fmt: skip
        for step in steps:
            if subprocess.run(step, stdin=subprocess.DEVNULL, check=False).returncode != 0:
                return fail(
                    say("`{command}` failed.", command=" ".join(step[:3])),
                    say(
                        "The lines above say why. If venv is missing, on Debian and Ubuntu: `sudo "
                        "apt-get install {package}`; then run this again.",
                        # Debian's python3-venv is for its own python3, which may be another.
                        package=f"python{sys.version_info.major}.{sys.version_info.minor}-venv",
                    ),
                )
    program = python.with_name("swarmlab.exe" if os.name == "nt" else "swarmlab")
    show(say("Now load the images, and bring the lab up:"))
    show(f"  {program} bundle load {bundle}\n  {program} up")
    return 0


if __name__ == "__main__":
    # The program's own place is the bundle: Python puts the file's path there.
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.home() / "swarmlab"
    try:
        sys.exit(main(Path(sys.argv[0]), given.absolute()))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        what = say("The bundle cannot be used: {why}.", why=error)
        sys.exit(fail(what, say("Copy it again.")))
    except KeyboardInterrupt:
        sys.exit(130)
