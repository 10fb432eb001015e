"""The Debian 13 base image: taken from a registry where one answers, else made on the machine."""

from __future__ import annotations

import concurrent.futures
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from docker import DockerClient
from docker.errors import DockerException

from swarmlab.errors import ImageProblem
from swarmlab.images import apt
from swarmlab.images import engine as transport

REGISTRY_SECONDS = 5.0
"""How long a registry may take to answer before the base is made on the machine instead."""

Say = Callable[[str], None]


def registry_has(engine: DockerClient, image: str, *, within: float = REGISTRY_SECONDS) -> bool:
    """Whether a registry knows `image`, asked through the engine, in at most `within` seconds.

    A machine behind a firewall that drops packets gives no answer at all, so the limit is ours.
    """
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    try:
        asked = pool.submit(engine.api.inspect_distribution, image)
        return bool(asked.result(timeout=within))
    except (DockerException, OSError, concurrent.futures.TimeoutError):
        return False
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def make(
    engine: DockerClient, folder: Path, *, image: str, suite: str, target: str, key: str, say: Say
) -> str:
    """Make the base image as `target`, labelled with `key`; returns how, in words.

    `image` is the registry image to take, `suite` the Debian suite for debootstrap. Raises
    ImageProblem when neither way is open.
    """
    say(f"asking a registry for {image}")
    source = ""
    with tempfile.TemporaryFile(dir=_scratch()) as tar:
        if registry_has(engine, image):
            _from_registry(engine, folder, image, tar, say)
            source = f"registry: {image}"
        else:
            mirror = _from_debootstrap(engine, folder, suite, tar, say)
            source = f"debootstrap: {suite} from {mirror}"
        say("importing the base image")
        tar.seek(0)
        _import(engine, tar, target, key, source)
    return source


def _scratch() -> str | None:
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None


def _from_registry(
    engine: DockerClient, folder: Path, image: str, tar: IO[bytes], say: Say
) -> None:
    name, _, tag = image.rpartition(":")
    with transport.request(
        engine, "POST", "/images/create", params={"fromImage": name, "tag": tag}, silence=120
    ) as response:
        for message in transport.messages(response):
            if "error" in message:
                raise ImageProblem(
                    f"Pulling {image} failed: {message['error']}",
                    hint="Check the network and run the command again.",
                )
            say(f"{message.get('id', '')} {message.get('status', '')}".strip())
    container = engine.api.create_container(
        image, command="true", labels={"swarmlab.role": "build"}
    )
    try:
        with (
            transport.request(
                engine, "GET", f"/containers/{container['Id']}/export", params={}
            ) as response,
            tarfile.open(fileobj=response.raw, mode="r|") as tree,
            tarfile.open(fileobj=tar, mode="w") as kept,
        ):
            _flatten(tree, kept, folder / "settings")
    finally:
        engine.api.remove_container(container["Id"], force=True, v=True)


_EMPTIED = ("var/lib/apt/lists/", "var/cache/apt/", "var/log/", "dev/", "proc/", "sys/", "run/")
_DROPPED = {".dockerenv", "etc/hostname", "etc/resolv.conf", "etc/hosts"}


def _flatten(tree: tarfile.TarFile, kept: tarfile.TarFile, settings: Path) -> None:
    """One layer out of a pulled image, without what later layers would delete."""
    own = {
        path.relative_to(settings).as_posix(): path
        for path in sorted(settings.rglob("*"))
        if path.is_file()
    }
    for member in tree:
        name = member.name.removeprefix("./").rstrip("/")
        if name in _DROPPED or name in own or name.startswith(_EMPTIED):
            continue
        kept.addfile(member, tree.extractfile(member) if member.isreg() else None)
    for name, path in own.items():
        info = tarfile.TarInfo(name)
        info.size, info.mode = path.stat().st_size, 0o644
        with path.open("rb") as content:
            kept.addfile(info, content)


def _import(engine: DockerClient, tar: IO[bytes], target: str, key: str, source: str) -> None:
    name, _, tag = target.rpartition(":")
    changes = ['CMD ["bash"]', f"LABEL swarmlab.content={key}", f'LABEL swarmlab.source="{source}"']
    params = {"fromSrc": "-", "repo": name, "tag": tag, "changes": changes}
    with transport.request(
        engine, "POST", "/images/create", params=params, data=transport.blocks(tar), silence=300
    ) as response:
        for message in transport.messages(response):
            if "error" in message:
                raise ImageProblem(f"Importing the base image failed: {message['error']}")


def _from_debootstrap(
    engine: DockerClient, folder: Path, suite: str, tar: IO[bytes], say: Say
) -> str:
    if platform.system() != "Linux" or not _same_architecture(engine):
        raise _no_way("debootstrap works on Linux for the processor of the machine only")
    mirror = os.environ.get("SWARMLAB_MIRROR") or apt.mirror()
    if not mirror:
        raise _no_way("this machine's apt configuration names no Debian archive")
    root = _as_root()
    if shutil.which("debootstrap", path=_ROOT_PATH) is None:
        say("installing debootstrap")
        _run([*root, "apt-get", "update", "-qq"], say, "apt-get update")
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap"]
        _run([*root, *install], say, "installing debootstrap")
    script = [
        *root, "unshare", "--mount", "--propagation", "private", "sh", str(folder / "make.sh"),
        transport.architecture(engine), suite, mirror, str(folder / "settings"),
    ]  # fmt: skip
    _run(script, say, "debootstrap", stdout=tar)
    return mirror


_ROOT_PATH = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin"


def _same_architecture(engine: DockerClient) -> bool:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return machine == transport.architecture(engine)


def _as_root() -> list[str]:
    """The words that make a command run as root: none, or sudo that asks for no password."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ["sudo", "-n"]
    raise _no_way("debootstrap needs root, and there is no sudo without a password")


def _no_way(reason: str) -> ImageProblem:
    return ImageProblem(
        f"The base image cannot be had: no registry answers, and {reason}.",
        hint=(
            "Give the machine access to a registry that has debian:trixie-slim, or run "
            "`swarmlab images build` once as root on a Debian machine (SWARMLAB_MIRROR names a "
            "Debian archive where apt's configuration has none)."
        ),
    )


def _run(command: Sequence[str], say: Say, what: str, stdout: IO[bytes] | None = None) -> None:
    """Run a long command, its words going to `say`; ImageProblem with their end if it fails."""
    env = {**os.environ, **apt.proxy_settings(), "PATH": _ROOT_PATH, "LC_ALL": "C"}
    tail: deque[str] = deque(maxlen=20)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, env=env,
        stdout=stdout if stdout is not None else subprocess.PIPE,
        stderr=subprocess.PIPE if stdout is not None else subprocess.STDOUT,
    )  # fmt: skip
    words = process.stderr if stdout is not None else process.stdout
    assert words is not None  # one of the two is a pipe, see above
    try:
        for raw in words:
            if line := raw.decode(errors="replace").strip():
                tail.append(line)
                say(line)
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait(timeout=20)
        raise
    if code != 0:
        raise ImageProblem(
            f"{what} failed with exit code {code}.",
            evidence="\n".join(tail),
            hint="Check the network and the disk, then run the command again.",
        )
