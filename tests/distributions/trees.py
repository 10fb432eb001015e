"""Other distributions as folders, made from their packages and kept in .cache/distributions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarmlab.errors import EnvironmentProblem
from swarmlab.images import apt
from tests.vm.disks import ROOT, making, run

CACHE = ROOT / ".cache" / "distributions"
UBUNTU = "http://archive.ubuntu.com/ubuntu"
# Nothing of an engine and no sudo: those are the machine's, or nobody's.
PACKAGES = "make,ca-certificates,python3,python3-venv"


@dataclass(frozen=True)
class Distribution:
    """One distribution to try, by the name of its suite."""

    name: str
    title: str
    suite: str
    ubuntu: bool = False


ALL = {
    one.name: one
    for one in (
        Distribution("debian-12", "Debian 12", "bookworm"),
        Distribution("debian-13", "Debian 13", "trixie"),
        Distribution("ubuntu-24.04", "Ubuntu 24.04", "noble", ubuntu=True),
    )
}


def prepare() -> None:
    """See that we are root and have debootstrap; Debian's own where it is not there."""
    if os.geteuid() != 0:
        raise EnvironmentProblem(
            "Making and entering the distributions needs root.",
            hint="Run `make test-distributions` as root, or with sudo.",
        )
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not shutil.which("debootstrap"):
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap")


def tree(wanted: Distribution, say: Callable[[str], None]) -> Path:
    """The distribution's folder. Raises EnvironmentProblem when its packages cannot be had."""
    folder = CACHE / wanted.name
    if not folder.is_dir():
        say(f"Making {wanted.title} from its packages (about two minutes)")
        with making(folder) as half:
            strap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}"]
            if wanted.ubuntu:
                key = _ubuntu_keys(half.parent)
                strap += ["--components=main,universe", f"--keyring={key}", wanted.suite]
                # All of its suites are made alike; an old debootstrap lacks the newer names.
                run(*strap, half, UBUNTU, "/usr/share/debootstrap/scripts/gutsy")
            else:
                run(*strap, wanted.suite, half, _debian())
            half.chmod(0o755)
    return folder


def _debian() -> str:
    mirror = os.environ.get("SWARMLAB_MIRROR") or apt.mirror()
    if not mirror:
        raise EnvironmentProblem(
            "This machine's apt configuration names no Debian archive.",
            hint="Name one: SWARMLAB_MIRROR=... make test-distributions",
        )
    return mirror


def _ubuntu_keys(cache: Path) -> Path:
    """The keys of Ubuntu's archive, from Debian 13's package of them, which Debian has signed."""
    key = Path("usr/share/keyrings/ubuntu-archive-keyring.gpg")
    if Path("/", key).is_file():
        return Path("/", key)
    kept = cache / key.name
    if not kept.is_file():
        debian = tree(ALL["debian-13"], lambda line: None)
        with making(cache / "keys") as half:
            root = half / "root"
            script = "apt-get update -qq && cd /tmp && apt-get download -qq ubuntu-keyring"
            subprocess.run(["cp", "-a", debian, root], check=True)
            shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
            run("chroot", root, "sh", "-ec", script)
            (package,) = (root / "tmp").glob("ubuntu-keyring_*.deb")
            run("dpkg-deb", "-x", package, half / "x")
            shutil.copy(half / "x" / key, kept)
        shutil.rmtree(cache / "keys")
    return kept
