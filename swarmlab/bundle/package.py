"""The package and all that it needs, as wheels, for a machine that no index answers.

pip gathers them with this machine's own settings. swarmlab's own wheel is built from a checkout,
or put together again from the files that an installed one consists of.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath

from swarmlab import process
from swarmlab.errors import EnvironmentProblem
from swarmlab.words import say

_SECONDS = 600.0
_CHECKOUT = Path(__file__).resolve().parent.parent.parent
# Newest last; pip takes each of them as a promise of its own.
_GLIBC = ("2014", "_2_17", "_2_24", "_2_26", "_2_28", "_2_31", "_2_34")
# Written by whoever installs, and no part of the wheel.
_LEFT = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")


def here() -> str:
    """The kind of machine that this is, as `manifest.Manifest.system` has it."""
    return f"{platform.system()} {platform.machine()}"


def this_python() -> str:
    """This Python's version, `3.11`."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def gather(folder: Path, pythons: Sequence[str], tell: Callable[[str], None]) -> None:
    """Put the wheels for `pythons` (`3.11`, ...) on machines of this kind into `folder`.

    Raises EnvironmentProblem when pip cannot get one.
    """
    tell(say("swarmlab's own wheel"))
    if (_CHECKOUT / "pyproject.toml").is_file():
        _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(_CHECKOUT))
        own = next(folder.glob("swarmlab-*.whl"))
    else:
        own = repack(distribution("swarmlab"), folder)
    for version in pythons:
        tell(say("packages for Python {version}", version=version))
        _pip("download", "--dest", str(folder), *_for(version), str(own))


def _for(version: str) -> list[str]:
    """pip's options for another Python than this one."""
    if version == this_python():
        return ["--prefer-binary"]
    words = ["--only-binary=:all:", "--implementation", "cp", "--python-version", version]
    if sys.platform == "linux":
        for glibc in _GLIBC:
            words += ["--platform", f"manylinux{glibc}_{platform.machine()}"]
    return words


def _pip(command: str, *words: str) -> None:
    run = [sys.executable, "-m", "pip", "--disable-pip-version-check", command, "--quiet"]
    done = process.run([*run, *words], timeout=_SECONDS)
    if not done.ok:
        raise EnvironmentProblem(
            say(
                "pip could not gather the package: `pip {command}` ended with {code}.",
                command=command,
                code=done.exit_code,
            ),
            evidence=done.tail(),
            hint=say(
                "Run it where a package index answers, or leave the package out: --no-package."
            ),
        )


def repack(installed: Distribution, folder: Path) -> Path:
    """The wheel that an installed distribution came from, put together again in `folder`.

    A wheel is a ZIP file with the files and a RECORD of them; its name is name, version and
    tags. https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    name = installed.metadata["Name"].replace("-", "_")
    settings = installed.read_text("WHEEL") or ""
    tags = [line.split()[1] for line in settings.splitlines() if line.startswith("Tag:")]
    target = folder / f"{name}-{installed.version}-{tags[0]}.whl"
    info = f"{name}-{installed.version}.dist-info"
    record = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in installed.files or ():
            # Scripts lie outside, and are made again; so is what Python has compiled.
            if ".." in path.parts or path.suffix == ".pyc":
                continue
            if path.parts[0] == info and path.name in _LEFT:
                continue
            content = Path(str(path.locate())).read_bytes()
            wheel.writestr(PurePosixPath(path).as_posix(), content)
            total = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            record.append(f"{PurePosixPath(path)},sha256={total.rstrip('=')},{len(content)}")
        record.append(f"{info}/RECORD,,")
        wheel.writestr(f"{info}/RECORD", "\n".join(record) + "\n")
    return target
