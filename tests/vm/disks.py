"""The virtual machine's disks, made from packages and from this machine's images, and kept.

Each lies in a folder named by what went into it, and is renamed into place when it is whole: an
interrupted making is made again, and a change makes a new one. All need root.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmlab.errors import EnvironmentProblem
from swarmlab.images import apt
from swarmlab.wait import Observation, until

ROOT = Path(__file__).resolve().parent.parent.parent
GUEST = Path(__file__).resolve().parent / "guest"
STORE_SIZE = "12G"

# Debian 13's Python, and the oldest C library that its packages' wheels may ask for.
GUEST_PYTHON = "313"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


@dataclass(frozen=True)
class System:
    """The root file system's image, and the kernel and initial file system beside it."""

    image: Path
    kernel: Path
    initrd: Path


def run(*argv: str | Path, say: Callable[[str], None] | None = None) -> None:
    """Run a program; its lines go to `say`. Raises EnvironmentProblem with its last words."""
    words = [str(word) for word in argv]
    last: list[str] = []
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = [*last[-20:], line.rstrip()]
                if say is not None and line.strip():
                    say(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise EnvironmentProblem(
            f"{Path(words[0]).name} ended with exit code {process.returncode}.",
            evidence="\n".join(last),
            hint="Run it again when that is mended; what is whole is kept.",
        )


@contextlib.contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to make things in, renamed to it when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        yield half
        half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def dependencies() -> list[str]:
    """What the package needs, as its own declaration says."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [str(one) for one in told["project"]["dependencies"]]


def system(cache: Path, say: Callable[[str], None]) -> System:
    """The root disk: Debian 13 with its stock cloud kernel, Docker, and the wheel's needs."""
    mirror = os.environ.get("SWARMLAB_MIRROR") or apt.mirror()
    if not mirror:
        raise EnvironmentProblem(
            "This machine's apt configuration names no Debian archive.",
            hint="Name one: SWARMLAB_MIRROR=... make test-vm",
        )
    digest = hashlib.sha256("\n".join(dependencies()).encode())
    for file in ("root.sh", "proof.service"):
        digest.update((GUEST / file).read_bytes())
    folder = cache / f"root-{digest.hexdigest()[:12]}"
    if not folder.is_dir():
        say("Making the root disk from Debian packages (about two minutes)")
        with making(folder) as half:
            wheels = half / "wheels"
            wheels.mkdir()
            (wheels / "requirements").write_text("\n".join(dependencies()) + "\n")
            run(
                sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
                "--python-version", GUEST_PYTHON, "--implementation", "cp",
                *(f"--platform={one}" for one in PLATFORMS), "-d", wheels,
                "-r", wheels / "requirements",
            )  # fmt: skip
            run("sh", GUEST / "root.sh", mirror, wheels, GUEST, half / "root.ext4", say=say)
            shutil.rmtree(wheels)
    return System(folder / "root.ext4", folder / "vmlinuz", folder / "initrd")


def store(cache: Path, images: list[str], say: Callable[[str], None]) -> Path:
    """A disk for /var/lib/docker that holds those images of this machine's engine."""
    digest = hashlib.sha256("\n".join(images).encode()).hexdigest()[:12]
    folder = cache / f"store-{digest}"
    if not folder.is_dir():
        say("Making the disk with the images")
        with making(folder) as half:
            data = half / "data"
            _load(data, images)
            say("Writing it")
            run("mke2fs", "-q", "-t", "ext4", "-d", data, half / "store.ext4", STORE_SIZE)
            shutil.rmtree(data)
    return folder / "store.ext4"


def _load(data: Path, images: list[str]) -> None:
    """Load images into a data folder, by an engine of our own that lives as long as it takes."""
    with tempfile.TemporaryDirectory(prefix="swarmlab-vm.") as name:
        place = Path(name)
        host = f"unix://{place}/docker.sock"
        with (place / "log").open("wb") as log:
            # In a network of its own: an engine without a bridge takes docker0 away from others.
            engine = subprocess.Popen(
                ["unshare", "--net", "dockerd", "--data-root", data, "--exec-root", place / "run",
                 "--pidfile", place / "pid", "--host", host, "--bridge=none",
                 "--iptables=false", "--storage-driver=overlay2"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:

            def look() -> Observation[None]:
                told = subprocess.run(["docker", "-H", host, "version"], capture_output=True)
                alive = engine.poll() is None
                last = (place / "log").read_text(errors="replace").splitlines()[-1:]
                return Observation(told.returncode == 0 or not alive, "".join(last))

            until("the engine that loads the images", look, within=60)
            with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as save:
                assert save.stdout is not None
                subprocess.run(
                    ["docker", "-H", host, "load", "--quiet"], stdin=save.stdout, check=True,
                    stdout=subprocess.DEVNULL,
                )  # fmt: skip
            if save.returncode != 0:
                raise EnvironmentProblem("`docker save` failed.", hint="Run `make images` first.")
        finally:
            engine.terminate()
            engine.wait(timeout=60)


def payload(folder: Path, wheel: Path, patience: float) -> Path:
    """The third disk: a tar of the wheel and of what the machine shall do with it."""
    disk = folder / "payload.tar"
    settings = folder / "settings"
    settings.write_text(f"SWARMLAB_PATIENCE={patience:g}\n")
    with tarfile.open(disk, "w") as archive:
        for path in (wheel, settings, GUEST / "proof"):
            archive.add(path, arcname=path.name)
    # A disk is whole sectors.
    with disk.open("ab") as file:
        file.write(b"\0" * (-disk.stat().st_size % 512))
    return disk
