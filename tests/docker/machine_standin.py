"""A stand-in for the docker-machine program: its words, exit codes and files, as a real one's are.

What the real one says is in `tests/captures`, and `tests/test_machine_captures.py` compares.

What it hands out are real engines (`testhosts`) on the network that STANDIN_BRIDGE names
(`NAME SUBNET`). Its driver `standin` has four options: --standin-number (of the address),
--standin-fails (check, create, lose, hang, provision, start, remove: what the driver cannot do;
`lose` makes the machine and fails before anybody knows), --standin-token, which it keeps in its
file, as drivers do, and blurts out, and --standin-hides: the name of a machine whose address it
never writes, as some drivers do. That of others it forgets at a stop, as others do.
`provision:NAME` fails on that machine only, once all others are whole.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.tls import TLSConfig

from swarmlab.cluster.keys import Pair
from swarmlab.wait import Observation, poll
from tests import plain_certs
from tests.docker import testhosts
from tests.docker.lifecycle_site import host

STORE = Path(os.environ.get("MACHINE_STORAGE_PATH") or Path.home() / ".docker" / "machine")
CERTS, MACHINES = STORE / "certs", STORE / "machines"


class Failed(Exception):
    """Ends the program: its words on the error output, and its exit code."""

    def __init__(self, words: str, code: int = 1) -> None:
        super().__init__(words)
        self.code = code


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def bridge() -> testhosts.Bridge:
    name, subnet = os.environ["STANDIN_BRIDGE"].split()
    return testhosts.Bridge(name, subnet)


def load(name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((MACHINES / name / "config.json").read_text())
    except FileNotFoundError:
        raise Failed(
            f'Docker machine "{name}" does not exist. Use "docker-machine ls" to list machines. '
            'Use "docker-machine create" to add a new one.'
        ) from None
    except ValueError:
        raise Failed("Error getting migrated host: unexpected end of JSON input") from None
    return found


def save(config: dict[str, Any]) -> None:
    folder = MACHINES / config["Name"]
    for path in (MACHINES, folder):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(folder / "config.json", json.dumps(config, indent=4).encode())


def write(path: Path, content: bytes, *, secret: bool = True) -> None:
    """All at once, as docker-machine does: others read it meanwhile, or end this program."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o600 if secret else 0o644)
    fresh.rename(path)


def box(name: str) -> str:
    return f"{bridge().name}-{name}"


def state(name: str) -> str:
    try:
        found = host().inspect_container(box(name))["State"]
    except NotFound:
        return "Error"
    return "Running" if found["Running"] else "Stopped"


def bootstrap() -> Pair:
    """The authority; it and a client's certificate are made with the first machine of a store."""
    if not (CERTS / "ca.pem").exists():
        say(f"Creating CA: {CERTS / 'ca.pem'}")
        if (CERTS / "ca-key.pem").exists():
            raise Failed("Error generating certificates: certificate authority key already exists")
        # Fails where another one is just making them.
        CERTS.mkdir(mode=0o700, parents=True)
        made = plain_certs.make_authority("docker-machine")
        write(CERTS / "ca.pem", made.cert, secret=False)
        write(CERTS / "ca-key.pem", made.key)
    authority = Pair((CERTS / "ca.pem").read_bytes(), (CERTS / "ca-key.pem").read_bytes())
    if not (CERTS / "cert.pem").exists():
        say(f"Creating client certificate: {CERTS / 'cert.pem'}")
        client = plain_certs.issue_client(authority, "client")
        write(CERTS / "cert.pem", client.cert, secret=False)
        write(CERTS / "key.pem", client.key)
    return authority


def create(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="docker-machine create", allow_abbrev=False)
    parser.add_argument("-d", "--driver", default="virtualbox")
    parser.add_argument("--engine-label", action="append", default=[])
    parser.add_argument("--standin-number", type=int, default=0)
    parser.add_argument("--standin-fails", default="")
    parser.add_argument("--standin-token", default="")
    parser.add_argument("--standin-hides", default="")
    parser.add_argument("names", nargs="*")
    asked, unknown = parser.parse_known_args(words)
    if unknown:
        say("Incorrect Usage.\n\nUsage: docker-machine create [OPTIONS] [arg...]\n\nOptions:\n")
        say("   --standin-number                     Number of the machine's address")
        raise Failed(f"flag provided but not defined: -{unknown[0].strip('-').partition('=')[0]}")
    if asked.names[1:]:
        raise Failed(f"Invalid command line. Found extra arguments [{' '.join(asked.names[1:])}]")
    (name,) = asked.names
    if asked.driver != "standin":
        raise Failed(
            f'Driver "{asked.driver}" not found. Do you have the plugin binary '
            f'"docker-machine-driver-{asked.driver}" accessible in your PATH?'
        )
    if (MACHINES / name).exists():
        raise Failed(f'Docker machine "{name}" already exists')
    authority = bootstrap()
    say("Running pre-create checks...")
    if asked.standin_fails == "check":
        raise Failed('Error with pre-create check: "the stand-in was told to fail"', 3)
    address = bridge().address(asked.standin_number)
    folder = MACHINES / name
    config = described(asked, address)
    save(config)
    say("Creating machine...")
    say(f"({name}) Making a container on {bridge().name}...")
    if asked.standin_fails == "hang":
        # Until whoever started this ends it.
        threading.Event().wait()
    if asked.standin_fails == "create":
        raise Failed(
            "Error creating machine: Error in driver during machine creation: "
            f"the stand-in was told to fail with token {asked.standin_token}"
        )
    testhosts.make(bridge(), name, address)
    if asked.standin_fails == "lose":
        raise Failed(
            "Error creating machine: Error in driver during machine creation: the wait was too long"
        )
    config["Driver"]["Box"] = box(name)
    located(config)
    say("Waiting for machine to be running, this may take a few minutes...")
    say("Detecting operating system of created instance...")
    say("Waiting for SSH to be available...")
    say("Detecting the provisioner...")
    say("Provisioning with debian...")
    if asked.standin_fails == f"provision:{name}":
        await_others(name)
        raise Failed("Error creating machine: Error running provisioning: the stand-in was told to")
    say("Copying certs to the local machine directory...")
    for part in ("ca.pem", "cert.pem", "key.pem"):
        write(folder / part, (CERTS / part).read_bytes(), secret=part == "key.pem")
    server = plain_certs.issue_server(authority, name, [address])
    write(folder / "server.pem", server.cert, secret=False)
    write(folder / "server-key.pem", server.key)
    say("Copying certs to the remote machine...")
    testhosts.give(
        box(name), {"ca.pem": authority.cert, "cert.pem": server.cert, "key.pem": server.key}
    )
    host().start(box(name))
    say("Setting Docker configuration on the remote daemon...")
    say("Checking connection to Docker...")
    await_engine(config)
    say("Docker is up and running!")
    (folder / "whole").touch()
    say(
        "To see how to connect your Docker Client to the Docker Engine running on this virtual "
        f"machine, run: docker-machine env {name}",
    )


def described(asked: argparse.Namespace, address: str) -> dict[str, Any]:
    """What is kept of a machine that is begun."""
    name = asked.names[0]
    folder = MACHINES / name
    return {
        "ConfigVersion": 3,
        "Driver": {
            "IPAddress": "",
            "MachineName": name,
            "SSHUser": "root",
            "SSHPort": 22,
            "SSHKeyPath": "",
            "StorePath": str(STORE),
            "SwarmMaster": False,
            "SwarmHost": "",
            "SwarmDiscovery": "",
            "Fails": asked.standin_fails,
            "Address": address,
            "Hides": asked.standin_hides == name,
            "Box": "",
            "AccessToken": asked.standin_token,
        },
        "DriverName": "standin",
        "HostOptions": {
            "Driver": "",
            "Memory": 0,
            "Disk": 0,
            "EngineOptions": {
                "ArbitraryFlags": [],
                "Dns": None,
                "GraphDir": "",
                "Env": [],
                "Ipv6": False,
                "InsecureRegistry": [],
                "Labels": asked.engine_label,
                "LogLevel": "",
                "StorageDriver": "",
                "SelinuxEnabled": False,
                "TlsVerify": True,
                "RegistryMirror": [],
                "InstallURL": "https://get.docker.com",
            },
            "SwarmOptions": {
                "IsSwarm": False,
                "Address": "",
                "Discovery": "",
                "Agent": False,
                "Master": False,
                "Host": "tcp://0.0.0.0:3376",
                "Image": "swarm:latest",
                "Strategy": "spread",
                "Heartbeat": 0,
                "Overcommit": 0,
                "ArbitraryFlags": [],
                "ArbitraryJoinFlags": [],
                "Env": None,
                "IsExperimental": False,
            },
            "AuthOptions": {
                "CertDir": str(CERTS),
                "CaCertPath": str(CERTS / "ca.pem"),
                "CaPrivateKeyPath": str(CERTS / "ca-key.pem"),
                "CaCertRemotePath": "",
                "ServerCertPath": str(folder / "server.pem"),
                "ServerKeyPath": str(folder / "server-key.pem"),
                "ClientKeyPath": str(CERTS / "key.pem"),
                "ServerCertRemotePath": "",
                "ServerKeyRemotePath": "",
                "ClientCertPath": str(CERTS / "cert.pem"),
                "ServerCertSANs": [],
                "StorePath": str(folder),
            },
        },
        "Name": name,
    }


def await_others(name: str) -> None:
    """Until the other two of three machines are whole."""

    def look() -> Observation[None]:
        whole = len(list(MACHINES.glob("*/whole")))
        return Observation(whole == 2, f"{whole} are whole")

    if not poll(look, within=240, every=0.2).done:
        raise Failed(f"{name} waited for the others in vain")


def located(config: dict[str, Any]) -> None:
    """Keep the address, as most drivers do."""
    driver = config["Driver"]
    driver["IPAddress"] = "" if driver["Hides"] else driver["Address"]
    save(config)


def engine(config: dict[str, Any]) -> docker.APIClient:
    """The machine's engine, by the certificates that its folder has."""
    folder = MACHINES / config["Name"]
    client = docker.APIClient(
        base_url=f"https://{config['Driver']['Address']}:2376",
        version="1.40",
        timeout=3,
        tls=TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
            ca_cert=str(folder / "ca.pem"),
            verify=True,
        ),
    )
    client.trust_env = False
    return client


def await_engine(config: dict[str, Any]) -> None:
    client = engine(config)

    def look() -> Observation[None]:
        try:
            client.ping()
        except (DockerException, OSError) as error:
            return Observation(False, str(error))
        return Observation(True, "it answers")

    found = poll(look, within=120, every=0.3)
    if not found.done:
        raise Failed(f"Error checking the host: {found.last.seen}")


def start(name: str) -> None:
    config = load(name)
    say(f'Starting "{name}"...')
    if state(name) == "Running":
        raise Failed(f'Machine "{name}" is already running.')
    if config["Driver"]["Fails"] == "start":
        raise Failed("standin driver does not support start")
    words = f"({name}) Asking for it with token {config['Driver'].get('AccessToken')}..."
    say(words)
    with (STORE / "said").open("a") as said:
        said.write(words + "\n")
    host().start(box(name))
    located(config)
    say(f'Machine "{name}" was started.')
    say("Waiting for SSH to be available...")
    say("Detecting the provisioner...")
    await_engine(config)
    say(
        "Started machines may have new IP addresses. You may need to re-run the "
        "`docker-machine env` command."
    )


SHELLS = {
    "fish": ("set -gx ", ' "', '";\n', "#", "eval ({})"),
    "powershell": ("$Env:", ' = "', '"\n', "#", "& {} | Invoke-Expression"),
    "cmd": ("SET ", "=", "\n", "REM", "\t@FOR /f \"tokens=*\" %i IN ('{}') DO @%i"),
    "tcsh": ("setenv ", ' "', '";\n', ":", "eval `{}`"),
}
"""How each shell is told: before a name, before a value, behind it; a comment; the command."""
USUAL_SHELL = ("export ", '="', '"\n', "#", "eval $({})")


def env(words: list[str]) -> None:
    """Words for a shell, once the engine was reached with certificates that fit."""
    parser = argparse.ArgumentParser(prog="docker-machine env", allow_abbrev=False)
    parser.add_argument("--shell", default="")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(words)
    if len(asked.names) > 1:
        raise Failed("Error: Expected one machine name as an argument")
    if not asked.names:
        raise Failed('Error: No machine name(s) specified and no "default" machine exists')
    (name,) = asked.names
    config = load(name)
    wrong = "Error checking TLS connection:"
    if state(name) != "Running":
        raise Failed(f"{wrong} Host is not running")
    where = f"{config['Driver']['Address']}:2376"
    try:
        api = engine(config)
        api.ping()
        api.close()
    except (DockerException, OSError) as error:
        raise Failed(
            f"{wrong} Error checking and/or regenerating the certs: There was an error validating "
            f'certificates for host "{where}": {error}\nYou can attempt to regenerate them using '
            "'docker-machine regenerate-certs [name]'.\nBe advised that this will trigger a Docker "
            "daemon restart which might stop running containers.\n"
        ) from None
    # Without a word it goes by the shell that it is called from.
    shell = asked.shell or Path(os.environ.get("SHELL", "sh")).name
    before, between, behind, comment, command = SHELLS.get(shell, USUAL_SHELL)
    told = {
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_HOST": f"tcp://{where}",
        "DOCKER_CERT_PATH": str(MACHINES / name),
        "DOCKER_MACHINE_NAME": name,
    }
    lines = [f"{before}{key}{between}{value}{behind}" for key, value in told.items()]
    again = command.format(f"docker-machine env {' '.join(words)}")
    lines.append(f"{comment} Run this command to configure your shell: \n{comment} {again}\n")
    sys.stdout.write("".join(lines))


def stop(name: str) -> None:
    config = load(name)
    say(f'Stopping "{name}"...')
    if state(name) != "Running":
        raise Failed(f'Machine "{name}" is already stopped.')
    host().stop(box(name), timeout=10)
    config["Driver"]["IPAddress"] = ""
    save(config)
    say(f'Machine "{name}" was stopped.')


def remove(words: list[str]) -> None:
    force, names = "-f" in words, [word for word in words if not word.startswith("-")]
    say(f"About to remove {', '.join(names)}")
    say("WARNING: This action will delete both local reference and remote instance.")
    if not force and "-y" not in words:
        say("Are you sure? (y/n): ")
        return
    wrong = []
    for name in names:
        try:
            driver = load(name)["Driver"]
            if driver["Fails"] in ("remove", "create"):
                raise Failed("the driver knows no such machine")
            if not driver.get("Box"):
                say("Remote instance does not exist, proceeding with removing local reference")
            else:
                for gone in (host().remove_container, host().remove_volume):
                    with contextlib.suppress(NotFound):
                        gone(box(name), force=True)
        except Failed as error:
            wrong.append(f'Error removing host "{name}": {error}')
            if not force:
                continue
            sys.stderr.write(f"{wrong[-1]}\n")
        if not (MACHINES / name).exists():
            sys.stderr.write(f'Can\'t remove "{name}"\n')
            continue
        shutil.rmtree(MACHINES / name)
        say(f"Successfully removed {name}")
    if wrong and not force:
        raise Failed("\n".join(wrong))


def address(name: str) -> str:
    told: str = load(name)["Driver"]["Address"]
    if state(name) != "Running":
        raise Failed("Error getting IP address: Host is not running")
    return str(ipaddress.ip_address(told))


def main(words: list[str]) -> None:
    command, *rest = words or ["help"]
    if command == "create":
        create(rest)
    elif command == "rm":
        remove(rest)
    elif command in ("start", "stop"):
        for name in rest:
            {"start": start, "stop": stop}[command](name)
    elif command == "env":
        env(rest)
    elif command == "status":
        load(rest[0])
        say(state(rest[0]))
    elif command == "ip":
        say("\n".join(address(name) for name in rest))
    else:
        raise Failed(
            f"docker-machine: '{command}' is not a docker-machine command. "
            "See 'docker-machine --help'."
        )


def ended(words: list[str]) -> int:
    """The exit code, once what went wrong was said."""
    try:
        main(words)
    except Failed as error:
        sys.stderr.write(f"{error}\n")
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(ended(sys.argv[1:]))
