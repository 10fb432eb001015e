"""`make test-vm`: the whole chapter on a stock Debian 13 kernel under QEMU.

    python -m tests.vm [--memory MIB] [--patience FACTOR] [--minutes N] [--evidence FILE]

Disks are made once and kept in .cache/vm; a run changes none of them. Exit code 0 when all
holds, 1 when something does not, 3 when the machine could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swarmlab import engine
from swarmlab.errors import EXIT_FAILED, EXIT_PASSED, EnvironmentProblem, SwarmlabError
from swarmlab.images import builder
from tests.vm import disks, machine, verdict

CACHE = disks.ROOT / ".cache" / "vm"
NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
}


def say(text: str) -> None:
    """One line, at once even through a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def prepare() -> None:
    """See that the emulator and the makers of disks are there; Debian's own where they are not."""
    if os.geteuid() != 0:
        raise EnvironmentProblem(
            "Making the disks needs root.", hint="Run `make test-vm` as root, or with sudo."
        )
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if missing:
        say(f"· Installing {', '.join(missing)}")
        disks.run("apt-get", "update", "-qq")
        disks.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)


def images() -> list[str]:
    """The references of what `up` starts, built if need be."""
    client = engine.connect().client
    try:
        built = builder.ensure(["loaded-node", "workstation"], engine=client)
    finally:
        client.close()
    wanted = ("loaded-node", "workstation")
    return sorted(image.reference for image in built if image.name in wanted)


def wheel(folder: Path) -> Path:
    """The package as it is now."""
    disks.run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, disks.ROOT
    )
    (made,) = folder.glob("*.whl")
    return made


def source(root: Path) -> dict[str, Any]:
    """The commit of which the wheel is made, and whether files are otherwise than in it.

    Empty where git does not tell: a copy without its history, or somebody else's folder.
    """
    told = []
    for words in (
        ("rev-parse", "--show-toplevel"),
        ("rev-parse", "HEAD"),
        ("status", "--porcelain"),
    ):
        try:
            done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True)
        except OSError:
            return {}
        if done.returncode != 0:
            return {}
        told.append(done.stdout.strip())
    top, commit, changes = told
    # A copy without its history may lie in a folder that has one of something else.
    return {"commit": commit, "changed_since": bool(changes)} if Path(top) == root else {}


def main() -> int:
    """Make what is missing, run the machine, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    parser.add_argument("--memory", type=int, default=8192, help="MiB (8192)")
    parser.add_argument("--patience", type=float, default=20.0, help="factor on time limits (20)")
    parser.add_argument("--minutes", type=float, default=30.0, help="the most it may take (30)")
    parser.add_argument("--evidence", type=Path, help="write what was seen to this file")
    args = parser.parse_args()
    try:
        prepare()
        root = disks.system(CACHE, lambda line: say(f"  {line}"))
        store = disks.store(CACHE, images(), lambda line: say(f"· {line}"))
        with tempfile.TemporaryDirectory(prefix="swarmlab-vm.") as name:
            folder = Path(name)
            made_from = source(disks.ROOT)
            packed = disks.payload(folder, wheel(folder), args.patience)
            say(f"· Booting {args.memory} MiB of emulated machine; its console:")
            shown = machine.Machine(root, store, packed, args.memory)
            try:
                results = machine.run(shown, folder, within=args.minutes * 60, say=say)
            finally:
                if (folder / "console.log").is_file():
                    shutil.copy(folder / "console.log", CACHE / "console.log")
    except SwarmlabError as error:
        say(f"{error}\nThe console is kept in {CACHE / 'console.log'}.")
        return error.exit_code
    found = verdict.problems(results)
    if args.evidence:
        emulator = subprocess.run(
            ["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True
        ).stdout.splitlines()[0]
        today = datetime.now(UTC).date().isoformat()
        kept = verdict.record(
            results, date=today, emulator=emulator, memory=args.memory, source=made_from
        )
        args.evidence.parent.mkdir(parents=True, exist_ok=True)
        args.evidence.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    for one in found:
        say(f"✗ {one}")
    say(f"{verdict.STEPS} steps on a stock kernel: {'proven' if not found else 'NOT proven'}")
    return EXIT_FAILED if found else EXIT_PASSED


if __name__ == "__main__":
    sys.exit(main())
