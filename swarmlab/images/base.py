"""The Debian 13 base image: taken from a registry where one answers, else made on the machine."""

from __future__ import annotations

import os
import platform
import queue
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from docker import DockerClient
from docker.errors import DockerException

from swarmlab.errors import EngineUnreachable, ImageProblem
from swarmlab.images import apt, archive, command, credentials, internet, leftovers, recipe
from swarmlab.images import engine as transport
from swarmlab.images.build import failure
from swarmlab.images.catalog import BASE
from swarmlab.images.command import Say
from swarmlab.images.schedule import Stopped
from swarmlab.process import redact
from swarmlab.words import say

REGISTRY_SECONDS = 5.0
"""How long a registry may take to answer before the base is made on the machine instead."""


def registry_has(engine: DockerClient, image: str, *, within: float = REGISTRY_SECONDS) -> bool:
    """Whether a registry knows `image`, asked through the engine, in at most `within` seconds.

    A machine behind a firewall that drops packets gives no answer at all, so the limit is ours.
    """
    answer: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask() -> None:
        try:
            api: Any = engine.api
            answer.put(bool(api.inspect_distribution(image)))
        except (DockerException, OSError):
            answer.put(False)

    # A daemon: the engine may go on asking for a minute, and no exit should wait for that.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=within)
    except queue.Empty:
        return False


def make(
    engine: DockerClient,
    folder: Path,
    *,
    image: str,
    suite: str,
    target: str,
    key: str,
    tell: Say,
    stop: threading.Event,
) -> str:
    """Make the base image as `target`, labelled with `key`; returns how, in words.

    `image` is the registry image to take, `suite` the Debian suite for debootstrap. Raises
    ImageProblem when neither way is open, schedule.Stopped when `stop` was set.
    """
    tell(say("asking a registry for {image}", image=image))
    source = refusal = ""
    with tempfile.TemporaryFile(dir=_scratch()) as tar:
        if registry_has(engine, image):
            try:
                _from_registry(engine, folder, image, tar, tell, stop)
                source = f"registry: {image}"
            except (ImageProblem, EngineUnreachable, DockerException) as error:
                # A registry may answer and then refuse (a limit on pulls) or fall silent.
                refusal = redact(transport.words(error))
                tell(say("the registry was of no use: {why}", why=refusal))
                tar.seek(0)
                tar.truncate()
        if not source:
            try:
                mirror = _from_debootstrap(engine, folder, suite, tar, tell, stop)
            except ImageProblem as error:
                error.evidence = error.evidence or refusal
                raise
            source = f"debootstrap: {suite} from {mirror}"
        tell(say("importing the base image"))
        tar.seek(0)
        _import(engine, tar, target, key, source)
    return source


def _scratch() -> str | None:
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None


def _from_registry(
    engine: DockerClient,
    folder: Path,
    image: str,
    tar: IO[bytes],
    tell: Say,
    stop: threading.Event,
) -> None:
    name, _, tag = image.rpartition(":")
    headers: dict[str, str] = {}
    # Who is logged in may pull more often; for nobody's sake does a broken configuration stop it.
    with suppress(ImageProblem):
        headers = credentials.header(image, stop)
    with transport.request(
        engine,
        "POST",
        "/images/create",
        params={"fromImage": name, "tag": tag},
        headers=headers,
        silence=120,
    ) as response:
        for message in transport.messages(response):
            if stop.is_set():
                raise Stopped(BASE)
            if "error" in message:
                raise ImageProblem(
                    say("Pulling {image} failed: {why}", image=image, why=message["error"]),
                    hint=say("Check the network, then run the command again."),
                )
            tell(f"{message.get('id', '')} {message.get('status', '')}".strip())
    container = engine.api.create_container(image, command="true", labels=leftovers.labels())
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
    changes = [
        'CMD ["bash"]',
        f"LABEL {recipe.LABEL}={key}",
        f'LABEL {recipe.SOURCE}="{source}"',
    ]
    params = {"fromSrc": "-", "repo": name, "tag": tag, "changes": changes}
    with transport.request(
        engine, "POST", "/images/create", params=params, data=transport.blocks(tar), silence=300
    ) as response:
        for message in transport.messages(response):
            if "error" in message:
                raise failure(BASE, say("importing it failed: {why}", why=message["error"]), ())


def _from_debootstrap(
    engine: DockerClient,
    folder: Path,
    suite: str,
    tar: IO[bytes],
    tell: Say,
    stop: threading.Event,
) -> str:
    if platform.system() != "Linux" or not _same_architecture(engine):
        raise _no_way(say("debootstrap works on Linux for the processor of the machine only"))
    address = archive.address()
    if not address and not apt.of_debian():
        raise _no_way(say("this machine's apt is not Debian's"))
    if not address:
        raise _no_way(say("this machine's apt configuration names no Debian archive"))
    mirror, login = archive.plain(address), archive.for_wget(address)
    root = _as_root()
    if shutil.which("debootstrap", path=_ROOT_PATH) is None:
        tell(say("installing debootstrap"))
        _run([*root, "apt-get", "update", "-qq"], tell, stop, "apt-get update")
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap"]
        _run([*root, *install], tell, stop, "apt-get install debootstrap")
    script = [
        *root, "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
        "sh", str(folder / "make.sh"),
        transport.architecture(engine), suite, mirror, str(folder / "settings"),
    ]  # fmt: skip
    env = {archive.LOGIN: login} if login else {}
    _run(script, tell, stop, "debootstrap", stdout=tar, env=env)
    return mirror


_KEPT = (*internet.PROXIES, internet.TRUSTED, archive.LOGIN, "DEBIAN_FRONTEND", "LC_ALL")
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
            # By name, since a proxy's password would be readable in a command line.
            return ["sudo", "-n", f"--preserve-env={','.join(_KEPT)}"]
    raise _no_way(
        say("debootstrap needs root, and sudo wants a password first (`sudo -v` asks for it)")
    )


def _no_way(reason: str) -> ImageProblem:
    return ImageProblem(
        say("The base image cannot be had: no registry gives it, and {reason}.", reason=reason),
        hint=say(
            "Give the machine access to a registry that has debian:trixie-slim, or run "
            "`swarmlab images build` once as root on a Debian machine (SWARMLAB_MIRROR names a "
            "Debian archive where apt's configuration has none)."
        ),
    )


def _run(
    argv: Sequence[str],
    tell: Say,
    stop: threading.Event,
    name: str,
    stdout: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a long command, its words going to `tell`; ImageProblem with their end if it fails.

    `name` is what people call it.
    """
    env = {
        **(env or {}),
        **internet.proxies(),
        **internet.trusted(),
        "PATH": _ROOT_PATH,
        "LC_ALL": "C",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    ended = command.run(argv, tell=tell, stop=stop, env=env, stdout=stdout)
    if ended.code != 0:
        raise ImageProblem(
            say("`{name}` ended with exit code {code}.", name=name, code=ended.code),
            evidence="\n".join(ended.tail),
            hint=say("Check the network and the disk, then run the command again."),
        )
