#!/usr/bin/env python3
"""Make sure that a Docker engine answers, touching as little of the machine as possible.

Where one answers, nothing is done. Installed but not running: started by systemd, by the service
script, or directly. Not installed: the distribution's docker.io is installed, as root or with
sudo. Every step is said before it is taken.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from swarmlab import engine, wait
from swarmlab.errors import EngineUnreachable, EnvironmentProblem, SwarmlabError

LOG = Path("/var/log/swarmlab-dockerd.log")
START_SECONDS = 60.0
KEPT = ("http_proxy", "https_proxy", "no_proxy")


def say(text: str) -> None:
    """One line of progress, at once even through a pipe."""
    sys.stdout.write(f"· {text}\n")
    sys.stdout.flush()


def as_root(*argv: str) -> list[str]:
    """The command as root: itself, or through sudo. Raises when neither is possible."""
    if os.geteuid() == 0:
        return list(argv)
    if shutil.which("sudo"):
        # By name, since a proxy's password would be readable in a command line.
        return ["sudo", f"--preserve-env={','.join(KEPT)}", *argv]
    raise EnvironmentProblem(
        f"No Docker engine answers, and `{' '.join(argv)}` needs root or sudo.",
        hint="Ask whoever administers this machine to install and start docker.io, and to add "
        "you to the group docker; then run this again.",
    )


def quiet(argv: list[str], *, seconds: float) -> bool:
    """Run a command whose output nobody needs; true when it ended with 0 within the limit.

    It keeps the terminal, where sudo may ask for a password.
    """
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0


def find(program: str) -> str | None:
    """Where a program is; /usr/sbin is looked into even when the PATH leaves it out."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def answer() -> str | None:
    """The version of the engine that answers, or None when none does.

    Raises every other trouble (no rights, too old, a DOCKER_HOST or a docker context that leads
    nowhere): starting or installing an engine would not mend those.
    """
    try:
        with closing(engine.connect().client) as client:
            return str(client.version()["Version"])
    except EngineUnreachable:
        if engine.target().source != engine.DEFAULT_SOURCE or not may_be_absent():
            raise
        return None


def may_be_absent() -> bool:
    """Whether "no answer" can be mended by starting an engine: no live daemon holds the socket."""
    socket = Path("/var/run/docker.sock")
    return not socket.exists() or os.access(socket, os.R_OK | os.W_OK) or os.geteuid() == 0


def answers_within(seconds: float) -> bool:
    """Wait for the engine to answer."""

    def look() -> wait.Observation[None]:
        version = answer()
        return wait.Observation(version is not None, version or "no answer yet")

    return wait.poll(look, within=seconds, every=0.3).done


def install() -> None:
    """Install the distribution's engine. Raises EnvironmentProblem where that cannot be done."""
    if find("apt-get") is None:
        raise EnvironmentProblem(
            "No Docker engine is installed, and this system has no apt-get to install one with.",
            hint="Install and start Docker the way your system wants it, then run this again.",
        )
    say("No Docker engine is installed: installing the distribution's docker.io (about a minute)")
    environment = "DEBIAN_FRONTEND=noninteractive"
    for argv in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io"],
    ):
        done = subprocess.run(
            as_root("env", environment, *argv), stdin=subprocess.DEVNULL, capture_output=True
        )
        if done.returncode != 0:
            tail = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
            raise EnvironmentProblem(
                f"`{' '.join(argv)}` ended with {done.returncode}.",
                evidence="\n".join(tail),
                hint="Mend what apt-get says (network, mirror, disk), then run this again.",
            )
    if find("docker") is None:
        # From Debian 13 on the client is a package of its own. A lab runs without; `swarmlab
        # shell` says what is missing.
        argv = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker-cli"]
        subprocess.run(
            as_root("env", environment, *argv), stdin=subprocess.DEVNULL, capture_output=True
        )


def start() -> None:
    """Start the installed engine: by systemd, by its service script, or directly."""
    if Path("/run/systemd/system").is_dir():
        say("Starting the Docker engine by systemd")
        if quiet(as_root("systemctl", "start", "docker"), seconds=60) and answers_within(30):
            return
    if Path("/etc/init.d/docker").exists():
        say("Starting the Docker engine by its service script")
        if quiet(as_root("/etc/init.d/docker", "start"), seconds=30) and answers_within(20):
            return
    say(f"Starting the Docker engine directly (its log: {LOG})")
    command = f"exec setsid {find('dockerd')} >>{LOG} 2>&1 </dev/null &"
    subprocess.run(as_root("sh", "-c", command), check=False)
    if not answers_within(START_SECONDS):
        tail = LOG.read_text(errors="replace").splitlines()[-8:] if LOG.exists() else []
        raise EnvironmentProblem(
            f"The Docker engine was started and did not answer within {START_SECONDS:.0f} s.",
            evidence="\n".join(tail),
            hint=f"Read {LOG}; what stops the engine is in its last lines.",
        )


def main() -> int:
    """Exit code 0 when an engine answers, 3 with an explanation otherwise."""
    try:
        version = answer()
        if version is not None:
            say(f"A Docker engine answers (version {version}); it is used as it is")
            return 0
        if find("dockerd") is None:
            install()
        else:
            say("A Docker engine is installed but does not run")
        start()
        say(f"The Docker engine answers (version {answer()})")
    except SwarmlabError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
