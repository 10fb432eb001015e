"""Runs the virtual machine, its console readable while it runs, and takes its results."""

from __future__ import annotations

import io
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarmlab.errors import EnvironmentProblem, TimedOut
from tests.vm.disks import System

# The emulated processor: numpy's wheels need x86-64-v2, which the plainest model is not. Kernel
# code that uses cmpxchg16b would stop all other virtual processors each time, so the kernel is
# told not to; programs still see the instruction.
PROCESSOR = "Westmere"
KERNEL = "root=/dev/vda rw console=ttyS0 clearcpuid=cx16 quiet systemd.show_status=0"


@dataclass(frozen=True)
class Machine:
    """What the machine is made of; `memory` is in MiB."""

    system: System
    store: Path
    payload: Path
    memory: int
    processors: int = 2

    def argv(self, results: Path) -> list[str]:
        """The emulator's command line; writes to the disks go nowhere."""
        drives: list[str] = []
        for image, kept in ((self.system.image, False), (self.store, False), (self.payload, True)):
            flags = "readonly=on" if kept else "snapshot=on"
            drives += ["-drive", f"file={image},format=raw,if=virtio,{flags}"]
        return [
            "qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=multi,tb-size=512",
            "-cpu", PROCESSOR, "-smp", str(self.processors), "-m", f"{self.memory}M",
            "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
            "-nic", "none", "-kernel", str(self.system.kernel), "-initrd", str(self.system.initrd),
            "-append", KERNEL, *drives,
            "-device", "virtio-serial-pci", "-chardev", f"file,id=results,path={results}",
            "-device", "virtserialport,chardev=results,name=swarmlab.result",
            "-object", "rng-random,id=rng,filename=/dev/urandom",
            "-device", "virtio-rng-pci,rng=rng",
        ]  # fmt: skip


def run(
    machine: Machine, folder: Path, *, within: float, say: Callable[[str], None]
) -> dict[str, str]:
    """Boot, wait until it has switched itself off, and return its result files by name.

    The console goes to `say` line by line and to `folder/console.log`. Raises TimedOut after
    `within` seconds, EnvironmentProblem when it ended without results.
    """
    results = folder / "results.tar"
    begun = time.monotonic()
    process = subprocess.Popen(
        machine.argv(results),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    limit = threading.Timer(within, process.kill)
    limit.start()
    last = "nothing"
    try:
        assert process.stdout is not None
        with (folder / "console.log").open("w", encoding="utf-8") as log:
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                if not line:
                    continue
                last = line
                log.write(f"{time.monotonic() - begun:7.1f}  {line}\n")
                log.flush()
                say(f"{time.monotonic() - begun:6.0f} s  {line}")
        code = process.wait()
    finally:
        limit.cancel()
        process.kill()
        process.wait()
    if time.monotonic() - begun >= within:
        raise TimedOut("the virtual machine to switch itself off", within, last)
    if code != 0 or not results.is_file() or results.stat().st_size == 0:
        raise EnvironmentProblem(
            f"The virtual machine ended without results (exit code {code}).",
            evidence=last,
            hint=f"Its console is in {folder / 'console.log'}.",
        )
    return read(results.read_bytes())


def read(tar: bytes) -> dict[str, str]:
    """The files of a tar by name, as text."""
    found: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                found[Path(member.name).name] = content.read().decode(errors="replace")
    return found
